"""Where to: the addresses that a user gives, and how one of mail is confirmed.

Whoever is named in a mail's address may not be who gives it, so nothing but a code goes there until that has come back.
Of the code a digest is kept, for a day; so many are sent, and tried, as somebody needs who mistypes.
"""

import hmac
import secrets
from base64 import b64encode
from hashlib import sha256

from greenroom.actors.inbox.deliveries.addresses import mail_provider, web_provider
from greenroom.actors.inbox.deliveries.orders import MailOrder
from greenroom.actors.inbox.events import (
    HookRemoved,
    HookSet,
    MailAsked,
    MailConfirmed,
    MailRemoved,
    PushAdded,
    PushRemoved,
)
from greenroom.actors.inbox.messages import AddPush, ConfirmMail, HookSecret, RemovePush, SetHook, SetMail
from greenroom.actors.inbox.outgoing import digest_of
from greenroom.actors.inbox.state import CONFIRMATIONS_PER_DAY, PUSH_MAX, InboxState
from greenroom.actors.model.actor import Actor
from greenroom.actors.model.errors import Refused

DAY_S = 86_400.0
CODES_PER_H = 20  # tried by one user
ADDRESSES_PER_H = 30  # given by one user
HOOK_SECRET_BYTES = 32


class Contacts:
    """Of one inbox, for as long as it is awake: what it must not forget is in the inbox's state."""

    def __init__(self, inbox: Actor[InboxState]) -> None:
        self._inbox = inbox

    def set_mail(self, wanted: SetMail) -> None:
        """Raises: Refused."""
        inbox, mail = self._inbox, self._inbox.state.mail
        provider = mail_provider(wanted.address)
        if mail is not None and mail.confirmed and mail.address == wanted.address:
            return
        recent = [at_ms for at_ms in inbox.state.confirmations_ms if at_ms / 1000 > inbox.now - DAY_S]
        if len(recent) >= CONFIRMATIONS_PER_DAY:
            raise Refused("inbox.too_many_codes", f"{CONFIRMATIONS_PER_DAY} mails with a code a day", status=429)
        inbox.limit_user("inbox.too_many_addresses", ADDRESSES_PER_H)
        code = secrets.token_urlsafe(18)
        expires_ms = int((inbox.now + DAY_S) * 1000)
        inbox.record(MailAsked(address=wanted.address, code=_digest(code), expires_ms=expires_ms))
        inbox.start_job(
            MailOrder(
                provider=provider,
                id=digest_of(f"{inbox.entity} {inbox.offset} code"),
                to=wanted.address,
                subject="Confirm your address",
                body=(
                    f"Somebody who is signed in as {inbox.key} wants to be told here what is new.\n\n"
                    f"If that was you, confirm it with this code, within a day:\n\n{code}\n\n"
                    "Else there is nothing to do: you will get no other mail.\n"
                ),
            )
        )

    def confirm_mail(self, said: ConfirmMail) -> None:
        """Raises: Refused."""
        inbox, mail = self._inbox, self._inbox.state.mail
        inbox.limit_user("inbox.too_many_codes", CODES_PER_H)
        if mail is None or mail.confirmed:
            raise Refused("inbox.nothing_to_confirm", "no address waits to be confirmed", status=409)
        is_right = hmac.compare_digest(mail.code.encode(), _digest(said.code).encode())
        if not is_right or inbox.now * 1000 >= mail.expires_ms:
            raise Refused("inbox.wrong_code", "it is another one, or a day has passed")
        inbox.record(MailConfirmed())

    def remove_mail(self, reason: str = "") -> None:
        if self._inbox.state.mail is not None:
            self._inbox.record(MailRemoved(reason=reason))

    def add_push(self, wanted: AddPush) -> None:
        """Raises: Refused."""
        web_provider(wanted.endpoint)
        pushes, name = self._inbox.state.pushes, digest_of(wanted.endpoint)
        if name not in pushes and len(pushes) >= PUSH_MAX:
            raise Refused("inbox.too_many_browsers", f"{PUSH_MAX} are told", status=409)
        self._inbox.limit_user("inbox.too_many_addresses", ADDRESSES_PER_H)
        known, p256dh, auth = pushes.get(name), wanted.p256dh.rstrip("="), wanted.auth.rstrip("=")
        if known is None or (known.p256dh, known.auth) != (p256dh, auth):
            self._inbox.record(PushAdded(id=name, endpoint=wanted.endpoint, p256dh=p256dh, auth=auth))

    def remove_push(self, wanted: RemovePush) -> None:
        name = digest_of(wanted.endpoint)
        if name in self._inbox.state.pushes:
            self._inbox.record(PushRemoved(id=name))

    def set_hook(self, wanted: SetHook) -> HookSecret:
        """Raises: Refused."""
        web_provider(wanted.url)
        self._inbox.limit_user("inbox.too_many_addresses", ADDRESSES_PER_H)
        secret = f"whsec_{b64encode(secrets.token_bytes(HOOK_SECRET_BYTES)).decode()}"
        self._inbox.record(HookSet(url=wanted.url, secret=secret))
        return HookSecret(secret)

    def remove_hook(self) -> None:
        if self._inbox.state.hook is not None:
            self._inbox.record(HookRemoved())


def _digest(code: str) -> str:
    return sha256(code.encode(errors="surrogatepass")).hexdigest()
