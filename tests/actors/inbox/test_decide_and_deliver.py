"""From a notice to the mail that a server took, in virtual time: jobs and all."""

import pytest

from greenroom.actors.inbox.messages import ConfirmMail, MarkRead, Prefer, SetMail, Why, Withdraw
from greenroom.testing import JobKit
from tests.actors.inbox.inboxes import code_of, inbox, jobs, notice
from tests.transports.notices.receivers import Mailbox, mail_server


def started(monkeypatch: pytest.MonkeyPatch, far: Mailbox) -> JobKit:
    monkeypatch.setenv("GREENROOM_SMTP_SERVER", f"127.0.0.1:{far.port}")
    monkeypatch.setenv("GREENROOM_SMTP_SECURITY", "plain")
    monkeypatch.setenv("GREENROOM_SMTP_FROM", "notices@greenroom.example")
    return jobs()


def test_a_digest_is_one_mail_and_the_decision_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    with mail_server() as far:
        work = started(monkeypatch, far)
        kit = inbox(started=work)
        kit.ask(SetMail(address="me@example.org"), user="me")
        work.drain("deliver")
        kit.ask(ConfirmMail(code=code_of(kit)), user="me")
        kit.tell(notice("ann", "comment"))
        kit.tell(notice("bob", "mention", post="p2"))
        kit.tell(notice("cat", "comment", post="p3"))
        kit.ask(MarkRead(about="post:p3"), user="me")
        kit.advance(86_400)
        work.advance(86_400)
        work.drain("deliver")
    assert [mail["Subject"] for mail in far.mails] == ["Confirm your address", "bob mentioned you, and 1 more"]
    said = {one.by: one.channels["mail"] for one in kit.ask(Why(), user="me").decisions}
    assert said == {"ann": "sent", "bob": "sent", "cat": "it was read before"}


def test_a_server_that_is_busy_gets_the_same_mail_later_and_one_that_knows_nobody_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with mail_server() as far:
        work = started(monkeypatch, far)
        kit = inbox(started=work)
        kit.ask(SetMail(address="me@example.org"), user="me")
        work.drain("deliver")
        kit.ask(ConfirmMail(code=code_of(kit)), user="me")
        kit.ask(Prefer(kind="comment", channel="mail", pace="now"), user="me")
        kit.tell(notice("ann", "comment"))
        kit.advance(60)
        far.answers["DATA"] = "451 later"
        assert work.drain("deliver", within_s=0) == []
        del far.answers["DATA"]
        (outcome,) = work.drain("deliver")
        assert outcome.begun == 2 and len(far.mails) == 2
        far.answers["RCPT"] = "550 nobody"
        kit.tell(notice("bob", "comment", post="p2"))
        kit.advance(60)
        (outcome,) = work.drain("deliver")
    assert outcome.begun == 1 and len(far.mails) == 2 and kit.view()["mail"] == ""
    said = [one.channels["mail"] for one in kit.ask(Why(), user="me").decisions]
    assert said == ["not delivered: the server says 550: there is no such mailbox", "sent"]


def test_a_mail_that_nobody_needs_any_more_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its job waits for its turn when its notice is read."""
    with mail_server() as far:
        work = started(monkeypatch, far)
        kit = inbox(started=work)
        kit.ask(SetMail(address="me@example.org"), user="me")
        work.drain("deliver")
        kit.ask(ConfirmMail(code=code_of(kit)), user="me")
        kit.ask(Prefer(kind="comment", channel="mail", pace="now"), user="me")
        kit.tell(notice("ann", "comment"))
        work.pause("deliver")
        kit.advance(60)
        kit.ask(MarkRead(about="post:p1"), user="me")
        (told,) = kit.told
        work.cancel(told.entity.removeprefix("job:"))  # what `job:ID` does with it
        work.resume("deliver")
        work.drain("deliver")
    assert len(far.mails) == 1
    (decision,) = kit.ask(Why(), user="me").decisions
    assert decision.channels["mail"] == "not delivered: it was read, taken back or turned off before"


@pytest.mark.parametrize("begun", [False, True])
def test_a_text_that_is_taken_back_while_its_mail_waits_is_not_sent(
    monkeypatch: pytest.MonkeyPatch, begun: bool
) -> None:
    """Whether its job was tried before, or waits for its first turn; nobody calls it back, as bob's is in it."""
    with mail_server() as far:
        work = started(monkeypatch, far)
        kit = inbox(started=work)
        kit.ask(SetMail(address="me@example.org"), user="me")
        work.drain("deliver")
        kit.ask(ConfirmMail(code=code_of(kit)), user="me")
        kit.ask(Prefer(kind="comment", channel="mail", pace="now"), user="me")
        kit.tell(notice("bob", "comment", text="his"))
        kit.tell(notice("ann", "comment", text="hers"))
        kit.advance(60)
        if begun:
            far.answers["DATA"] = "451 later"
            assert work.drain("deliver", within_s=0) == []
            del far.answers["DATA"]
        kit.tell(Withdraw(id="comment:p1:ann"))
        assert work.drain("deliver")[0].state == "completed"
        _, mail = far.mails
        assert mail["Subject"] == "bob commented on your post" and "hers" not in mail.as_string()
        kit.tell(notice("cat", "comment", post="p2", text="hers"))
        kit.advance(60)
        kit.tell(Withdraw(id="comment:p2:cat"))  # and the job hears of it too late
        assert work.drain("deliver")[0].state == "completed" and len(far.mails) == 2
    said = {one.by: one.channels["mail"] for one in kit.ask(Why(), user="me").decisions}
    assert said == {
        "bob": "sent",
        "ann": "not delivered: it was read or withdrawn before",
        "cat": "not delivered: it was withdrawn before",
    }
