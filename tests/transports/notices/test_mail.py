"""Mails, to a real server in the test's own process."""

import smtplib
import ssl
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
from msgspec.structs import replace
from pydantic import SecretStr

from greenroom.actors.inbox.deliveries.orders import Outcome
from greenroom.actors.inbox.messages import Still, StillSo
from greenroom.config.limits import NoticesConfig
from greenroom.testing import JobKit
from greenroom.transports.notices.mail import SendMail, message_of, send
from greenroom.transports.notices.unsubscribe import Unsubscribing
from tests.transports.notices.receivers import PASSWORD, USER, InboxesFromThread, Mailbox, mail_server, tls_server

FROM = "Greenroom <notices@greenroom.example>"


@pytest.fixture
def config(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("GREENROOM_SMTP_FROM", "notices@greenroom.example")
    monkeypatch.setenv("GREENROOM_SMTP_SECURITY", "plain")
    return monkeypatch


def order(subject: str = "ann commented on your post", body: str = "- ann commented\n  hällo\n") -> SendMail:
    return SendMail(provider="mail example.org", id="1234", to="me@example.org", subject=subject, body=body)


def run(far: Mailbox, config: pytest.MonkeyPatch, job: SendMail | None = None) -> list[str]:
    """Its errors."""
    config.setenv("GREENROOM_SMTP_SERVER", f"127.0.0.1:{far.port}")
    outcome = JobKit(SendMail).run(job or order())
    return [*outcome.errors, outcome.state] if outcome.state != "completed" else outcome.errors


def test_a_mail_arrives_with_a_name_that_stays(config: pytest.MonkeyPatch) -> None:
    config.setenv("GREENROOM_NOTICES_URL", "https://greenroom.example/social")
    with mail_server() as far:
        assert run(far, config) == [] and run(far, config) == []
    first, second = far.mails
    assert first["Message-ID"] == second["Message-ID"] == "<1234@greenroom.example>"
    assert (first["To"], first["From"]) == ("me@example.org", "notices@greenroom.example")
    assert first["Subject"] == "ann commented on your post" and first["Auto-Submitted"] == "auto-generated"
    assert first["List-Unsubscribe"] == "<https://greenroom.example/social>"
    body = first.get_payload(decode=True)
    assert isinstance(body, bytes)
    assert body.decode() == "- ann commented\n  hällo\n\nhttps://greenroom.example/social\n".replace("\n", "\r\n")
    assert far.envelopes[0] == ("notices@greenroom.example", ["me@example.org"])


def test_a_mail_ends_such_mails_at_one_click() -> None:
    config = NoticesConfig(
        smtp_server="127.0.0.1:1",
        smtp_from="a@b.org",
        notices_url="https://b.org/social",
        unsubscribe_url="https://b.org/unsubscribe",
        secret=SecretStr(32 * "k"),
    )
    told = replace(order(), user="ann", kinds=["like", "comment"])
    message = message_of(told, config)
    link = message["List-Unsubscribe"].strip("<>")
    assert (
        link.startswith("https://b.org/unsubscribe?")
        and message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    )
    assert f"List-Unsubscribe: <{link}>\r\n".encode() in bytes(message), "in one piece on the wire, too"
    user, preferences = Unsubscribing(32 * b"k").check(dict(parse_qsl(urlsplit(link).query)))
    assert user == "ann" and [one.kind for one in preferences] == ["like", "comment"]
    assert link in message.get_content() and "https://b.org/social\n" in message.get_content()
    for without in (message_of(order(), config), message_of(told, replace(config, secret=None))):
        assert without["List-Unsubscribe"] == "<https://b.org/social>" and without["List-Unsubscribe-Post"] is None


@pytest.mark.parametrize("text", ["x\r\nBcc: eve@example.org", "x\nX: y", "x\r\n\r\nanother body"])
def test_no_header_is_two(text: str) -> None:
    with pytest.raises(ValueError):
        message_of(order(subject=text), NoticesConfig(smtp_server="127.0.0.1:1", smtp_from="a@b.org"))


def test_a_line_with_a_dot_ends_no_mail(config: pytest.MonkeyPatch) -> None:
    with mail_server() as far:
        assert run(far, config, order(body="a\n.\nRCPT TO:<eve@example.org>\n")) == []
    assert len(far.mails) == 1 and far.envelopes[0][1] == ["me@example.org"]
    body = far.mails[0].get_payload(decode=True)
    assert isinstance(body, bytes) and b"\r\n.\r\nRCPT" in body


def test_by_tls_with_a_password(config: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tls, trusted = tls_server(tmp_path)
    config.setenv("GREENROOM_SMTP_SECURITY", "starttls")
    config.setenv("GREENROOM_SMTP_CA_FILE", str(trusted))
    config.setenv("GREENROOM_SMTP_USER", USER)
    config.setenv("GREENROOM_SMTP_PASSWORD", PASSWORD)
    with mail_server(tls=tls, auth=True) as far:
        assert run(far, config) == []
        config.setenv("GREENROOM_SMTP_PASSWORD", "wrong one")
        errors = run(far, config)
    assert errors[-1] == "failed" and "535" in errors[0] and "wrong one" not in str(errors)
    assert far.was_tls == [True] and far.users[0] == USER


def test_nothing_goes_out_in_the_clear_or_to_who_is_not_trusted(config: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tls, _ = tls_server(tmp_path)
    settings = NoticesConfig(smtp_from="a@b.org", smtp_user=USER, smtp_timeout_s=5.0)
    with mail_server() as plain, mail_server(tls=tls) as strange:
        for far, error in ((plain, smtplib.SMTPNotSupportedError), (strange, ssl.SSLCertVerificationError)):
            one = NoticesConfig(
                **{name: getattr(settings, name) for name in settings.__struct_fields__}
                | {"smtp_server": f"127.0.0.1:{far.port}"}
            )
            with pytest.raises(error):
                send(message_of(order(), one), "me@example.org", one)
        assert plain.mails == strange.mails == [] and plain.users == strange.users == []


@pytest.mark.parametrize(
    ("command", "answer", "state"),
    [
        ("RCPT", "550 5.1.1 nobody", "gone"),
        ("RCPT", "552 full", "refused"),
        ("DATA", "554 spam", "refused"),
    ],
)
def test_what_a_server_says_for_good(config: pytest.MonkeyPatch, command: str, answer: str, state: str) -> None:
    with mail_server() as far:
        far.answers[command] = answer
        config.setenv("GREENROOM_SMTP_SERVER", f"127.0.0.1:{far.port}")
        outcome = JobKit(SendMail).run(order())
    assert outcome.begun == 1 and outcome.result["state"] == state and "nobody" not in str(outcome.errors)


@pytest.mark.parametrize("command", ["RCPT", "DATA"])
def test_what_it_says_for_now_is_tried_again(config: pytest.MonkeyPatch, command: str) -> None:
    with mail_server() as far:
        far.answers[command] = "451 me@example.org: later"
        config.setenv("GREENROOM_SMTP_SERVER", f"127.0.0.1:{far.port}")
        outcome = JobKit(SendMail).run(order())
    assert outcome.state == "failed" and outcome.begun == SendMail.retry.attempts
    assert "me@example.org" not in str(outcome.errors)


def test_a_server_that_is_away_is_tried_again_and_one_that_is_not_set(config: pytest.MonkeyPatch) -> None:
    outcome = JobKit(SendMail).run(order())
    assert outcome.state == "failed" and "GREENROOM_SMTP_SERVER" in outcome.errors[0]
    with mail_server() as far:
        pass
    errors = run(far, config)
    assert errors[-1] == "failed"


def test_what_it_tells_of_is_sent_as_it_is_by_then(config: pytest.MonkeyPatch) -> None:
    config.setenv("GREENROOM_UNSUBSCRIBE_URL", "https://b.org/unsubscribe")
    config.setenv("GREENROOM_UNSUBSCRIBE_SECRET", 32 * "k")
    told = replace(order(), user="ann", kinds=["comment", "like"], groups=[4, 2], since=9)
    now = InboxesFromThread(Still(subject="bob liked it", body="- bob liked it\n", kinds=["like"], left_out=["x"]))
    gone = InboxesFromThread(Still(reason="it was withdrawn before", left_out=["x"]))
    older = InboxesFromThread(Still(subject="bob liked it", body="- bob liked it\n"))
    with mail_server() as far:
        config.setenv("GREENROOM_SMTP_SERVER", f"127.0.0.1:{far.port}")
        assert told.run(now) == Outcome(left_out=["x"])
        assert told.run(gone) == Outcome("refused", "it was withdrawn before", ["x"])
        assert told.run(InboxesFromThread(Still())) == told.run(older) == Outcome()
    assert now.asked == [("inbox:ann", StillSo(channel="mail", groups=[4, 2], since=9, job="job1"))]
    anew, as_it_was, by_older = far.mails
    assert anew["Subject"] == "bob liked it" and as_it_was["Subject"] == "ann commented on your post"
    assert "ann commented" not in str(anew) and "- bob liked it" in str(anew)
    for mail, kinds in ((anew, ["like"]), (as_it_was, ["like", "comment"]), (by_older, ["like", "comment"])):
        query = dict(parse_qsl(urlsplit(mail["List-Unsubscribe"].strip("<>")).query))
        _, preferences = Unsubscribing(32 * b"k").check(query)
        assert [one.kind for one in preferences] == kinds


def test_what_it_says_is_json() -> None:
    assert Outcome() == Outcome("sent", "")
