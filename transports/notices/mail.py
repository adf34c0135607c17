"""Mail: one over SMTP, in a thread of the worker's.

`smtplib` speaks, since one message a connection needs no more; `email` makes the message, and refuses a header with a
line end in it. Another attempt has the Message-ID of the first: where a server had taken the mail and the answer was
lost, who receives it twice can tell. What is raised names no address, since operators see it.
"""

import smtplib
import ssl
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, make_msgid
from typing import Any
from urllib.parse import urlsplit

from msgspec.structs import replace

from greenroom.actors.inbox.deliveries.orders import MailOrder, Outcome, outcome_with, question_of
from greenroom.actors.inbox.messages import Still
from greenroom.config.limits import NoticesConfig
from greenroom.config.settings import load_settings
from greenroom.transports.notices.unsubscribe import Unsubscribing

NOBODY = frozenset((550, 551, 553))  # of RCPT: there is no such mailbox
PERMANENT = 500
# A link is one word; in shorter lines it would be folded into encoded ones, which nobody decodes in List-Unsubscribe.
POLICY = SMTP.clone(max_line_length=998)


class SendMail(MailOrder, tag="job.inbox_mail"):
    """Send it."""

    def run(self, work: Any) -> Outcome:
        """Raises: RuntimeError, OSError, ActorError, and what smtplib raises where it can't be spoken to: to be tried
        again."""
        config = load_settings().notices
        question = question_of(self, work.id if work is not None else "")
        still: Still = work.ask(*question) if question is not None else Still()
        if still.reason:
            return outcome_with(Outcome("refused", still.reason), still)
        order = self
        if still.body:  # its link ends mails of what it shows
            order = replace(self, subject=still.subject, body=still.body, kinds=still.kinds or self.kinds)
        return outcome_with(send(message_of(order, config), self.to, config), still)


def message_of(order: MailOrder, config: NoticesConfig) -> EmailMessage:
    """Raises: ValueError for a header with a line end; RuntimeError where a setting is missing."""
    if not config.smtp_server or not config.smtp_from:
        raise RuntimeError("GREENROOM_SMTP_SERVER and GREENROOM_SMTP_FROM are not set here")
    message = EmailMessage(POLICY)
    message["From"] = config.smtp_from
    message["To"] = order.to
    message["Subject"] = order.subject
    message["Date"] = formatdate(usegmt=True)
    message["Message-ID"] = f"<{order.id}@{_domain(config.smtp_from)}>"
    message["Auto-Submitted"] = "auto-generated"
    link = _unsubscribe_link(order, config)
    if link:
        message["List-Unsubscribe"] = f"<{link}>"
        message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"  # RFC 8058
    elif config.notices_url:
        message["List-Unsubscribe"] = f"<{config.notices_url}>"  # where preferences are; not with one click
    lines = [order.body, *(f"{one}\n" for one in (config.notices_url, link) if one)]
    message.set_content("\n".join(lines))
    return message


def _unsubscribe_link(order: MailOrder, config: NoticesConfig) -> str:
    """ "": there is none, or it is a mail that nobody is sent twice, such as that with a code."""
    if not (config.unsubscribe_url and config.secret and order.user and order.kinds):
        return ""
    links = Unsubscribing(config.secret.get_secret_value().encode())
    return f"{config.unsubscribe_url}?{links.query_of(order.user, 'mail', order.kinds)}"


def send(message: EmailMessage, to: str, config: NoticesConfig) -> Outcome:
    """Raises: RuntimeError, OSError, SMTPException: to be tried again."""
    try:
        with _connected(config) as server:
            if config.smtp_user:
                password = config.smtp_password
                server.login(config.smtp_user, password.get_secret_value() if password is not None else "")
            server.send_message(message, config.smtp_from, [to])
    except smtplib.SMTPRecipientsRefused as error:
        code = next((code for code, _ in error.recipients.values()), 0)
        if code in NOBODY:
            return Outcome("gone", f"the server says {code}: there is no such mailbox")
        return _refused(code)
    except smtplib.SMTPResponseException as error:
        if isinstance(error, smtplib.SMTPDataError):
            return _refused(error.smtp_code)
        raise RuntimeError(f"{type(error).__name__}: the server says {error.smtp_code}") from None
    return Outcome()


def _refused(code: int) -> Outcome:
    """Raises: RuntimeError where it is for now."""
    if code < PERMANENT:
        raise RuntimeError(f"the server says {code}")
    return Outcome("refused", f"the server says {code}")


def _connected(config: NoticesConfig) -> smtplib.SMTP:
    split, timeout_s = urlsplit(f"//{config.smtp_server}"), config.smtp_timeout_s
    host, port, us = split.hostname or "", split.port or 0, _domain(config.smtp_from)
    if config.smtp_security == "tls":
        return smtplib.SMTP_SSL(host, port, us, timeout=timeout_s, context=_tls(config))
    server = smtplib.SMTP(host, port, us, timeout=timeout_s)
    if config.smtp_security == "starttls":
        try:
            server.starttls(context=_tls(config))  # raises where the server has none: nothing goes out in the clear
        except BaseException:
            server.close()
            raise
    return server


def _tls(config: NoticesConfig) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=config.smtp_ca_file)


def _domain(address: str) -> str:
    return address.rpartition("@")[2].rstrip(">") or make_msgid().rpartition("@")[2].rstrip(">")
