"""Addresses: given, confirmed and taken away."""

import pytest

from greenroom.actors.inbox.deliveries.orders import MailOrder
from greenroom.actors.inbox.messages import (
    AddPush,
    ConfirmMail,
    Notify,
    RemoveHook,
    RemoveMail,
    RemovePush,
    SetHook,
    SetMail,
    Why,
)
from greenroom.actors.inbox.state import CONFIRMATIONS_PER_DAY, PUSH_MAX
from greenroom.actors.model.errors import InvalidCommand, Refused
from tests.actors.inbox.inboxes import AUTH, ENDPOINT, P256DH, code_of, inbox, notice, with_hook, with_mail, with_push


def test_nothing_goes_to_an_address_before_its_code_has_come_back() -> None:
    kit = inbox()
    kit.ask(SetMail(address="me@example.org"), user="me")
    code = code_of(kit)
    assert kit.view()["mail"] == "me@example.org" and not kit.view()["mail_confirmed"]
    kit.tell(notice("ann", "comment"))
    kit.advance(3_600)
    assert len(kit.started) == 1
    (found,) = kit.ask(Why(id="comment:p1:ann"), user="me").decisions
    assert found.channels["mail"] == "the address is not confirmed"
    with pytest.raises(Refused, match=r"inbox\.wrong_code"):
        kit.ask(ConfirmMail(code=code[::-1]), user="me")
    kit.ask(ConfirmMail(code=code), user="me")
    assert kit.view()["mail_confirmed"]
    with pytest.raises(Refused, match=r"inbox\.nothing_to_confirm"):
        kit.ask(ConfirmMail(code=code), user="me")
    kit.ask(SetMail(address="me@example.org"), user="me")
    assert kit.view()["mail_confirmed"] and len(kit.started) == 1, "it is that one already"
    kit.restart(from_snapshot=True)


def test_a_code_is_in_the_mail_alone() -> None:
    kit = inbox()
    kit.ask(SetMail(address="me@example.org"), user="me")
    code = code_of(kit)
    assert code not in repr(kit.events) and code not in str(kit.publications) and code not in str(kit.view())
    assert code not in repr(kit.state)


def test_a_code_holds_for_a_day_and_for_its_own_address() -> None:
    kit = inbox()
    kit.ask(SetMail(address="me@example.org"), user="me")
    first = code_of(kit)
    kit.ask(SetMail(address="other@example.org"), user="me")
    with pytest.raises(Refused, match=r"inbox\.wrong_code"):
        kit.ask(ConfirmMail(code=first), user="me")
    second = code_of(kit)
    kit.advance(86_400)
    with pytest.raises(Refused, match=r"inbox\.wrong_code"):
        kit.ask(ConfirmMail(code=second), user="me")


@pytest.mark.bound("mails with a code of one inbox")
def test_so_many_codes_are_sent_a_day_and_tried_an_hour() -> None:
    kit = inbox()
    for _ in range(CONFIRMATIONS_PER_DAY):
        kit.ask(SetMail(address="me@example.org"), user="me")
    with pytest.raises(Refused, match=r"inbox\.too_many_codes"):
        kit.ask(SetMail(address="you@example.org"), user="me")
    code = code_of(kit)
    with pytest.raises(Refused, match=r"inbox\.too_many_codes"):
        for _ in range(100):
            try:
                kit.ask(ConfirmMail(code="wrong"), user="me")
            except Refused as refused:
                if refused.name != "inbox.wrong_code":
                    raise
    kit.advance(3_600)
    kit.ask(ConfirmMail(code=code), user="me")
    kit.advance(86_400)
    kit.ask(SetMail(address="you@example.org"), user="me")
    kit.ask(RemoveMail(), user="me")
    assert kit.view()["mail"] == ""
    kit.ask(RemoveMail(), user="me")
    kit.restart()


def test_nobody_sets_anothers() -> None:
    kit = inbox()
    for command in (SetMail(address="a@b.org"), ConfirmMail(code="x"), RemoveMail(), RemoveHook()):
        with pytest.raises(Refused, match=r"inbox\.not_yours"):
            kit.ask(command, user="eve")
    with pytest.raises(Refused, match=r"inbox\.not_yours"):
        kit.ask(SetHook(url="https://a.org"), user="eve")


def test_a_mail_with_a_code_says_for_whom() -> None:
    kit = inbox()
    kit.ask(SetMail(address="me@example.org"), user="me")
    order = kit.started[0].job
    assert isinstance(order, MailOrder) and "signed in as me" in order.body and not kit.started[0].about


@pytest.mark.bound("browsers of an inbox")
def test_browsers_are_few_and_each_is_one() -> None:
    kit = with_push(with_push(inbox()))
    assert kit.view()["browsers"] == 1 and len(kit.events) == 1
    for number in range(PUSH_MAX - 1):
        with_push(kit, f"{ENDPOINT}/{number}")
    with pytest.raises(Refused, match=r"inbox\.too_many_browsers"):
        with_push(kit, f"{ENDPOINT}/more")
    kit.ask(AddPush(endpoint=ENDPOINT, p256dh=P256DH, auth="A" * 22), user="me")
    kit.ask(RemovePush(endpoint=ENDPOINT), user="me")
    kit.ask(RemovePush(endpoint=ENDPOINT), user="me")
    assert kit.view()["browsers"] == PUSH_MAX - 1
    assert ENDPOINT not in str(kit.publications) and ENDPOINT not in str(kit.view())
    for wrong in ({"p256dh": "short"}, {"auth": "sh"}, {"endpoint": ""}):
        with pytest.raises(InvalidCommand):
            kit.ask(AddPush(**{"endpoint": ENDPOINT, "p256dh": P256DH, "auth": AUTH} | wrong), user="me")
    for endpoint in ("ftp://push.example.org/x", "https://user@push.example.org/", "https://:1/", "https://a b/"):
        with pytest.raises(Refused, match=r"inbox\.bad_address"):
            with_push(kit, endpoint)
    kit.restart(from_snapshot=True)


def test_a_hook_has_a_secret_that_is_told_once() -> None:
    kit = inbox()
    first = kit.ask(SetHook(url="https://me.example.org/hook"), user="me").secret
    second = kit.ask(SetHook(url="https://me.example.org/other"), user="me").secret
    assert first != second and first.startswith("whsec_")
    assert second not in str(kit.view()) and kit.publications == []
    kit.ask(RemoveHook(), user="me")
    kit.ask(RemoveHook(), user="me")
    assert kit.view()["hook"] == ""
    with_hook(with_mail(kit)).restart(from_snapshot=True)


def test_who_is_forgotten_is_in_no_id() -> None:
    kit = inbox()
    kit.tell(Notify(id="like:p1:ann", kind="like", by="ann", about="post:p1", group="like:p1"))
    assert "like:p1:ann" not in repr(kit.events) and "like:p1:ann" not in repr(kit.state)
