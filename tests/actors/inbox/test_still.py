"""What a job is told before it sends: what is so no more, is not sent, whoever else it tells of."""

from typing import Literal

import pytest
from msgspec import json

from greenroom.actors.inbox.actor import Inbox
from greenroom.actors.inbox.deliveries.orders import HookOrder, MailOrder, Outcome, PushOrder, question_of
from greenroom.actors.inbox.messages import Archive, MarkRead, Prefer, Still, Withdraw
from greenroom.actors.model.effects import StartJob
from greenroom.actors.model.errors import Refused
from greenroom.testing import Kit
from tests.actors.inbox.inboxes import ended, inbox, notice, outcome, sent, with_hook, with_mail, with_push

ANN, BOB = "comment:p1:ann", "comment:p1:bob"


def reached(kit: Kit[Inbox], channel: Literal["mail", "push", "hook"]) -> Kit[Inbox]:
    with_channel = {"mail": with_mail, "push": with_push, "hook": with_hook}[channel](kit)
    kit.ask(Prefer(kind="comment", channel=channel, pace="now"), user="me")
    return with_channel


def said_by(kit: Kit[Inbox], job: StartJob) -> Still:
    order = job.job
    assert isinstance(order, MailOrder | PushOrder | HookOrder)
    question = question_of(order, job.id)
    assert question is not None and question[0] == "inbox:me"
    return kit.ask(question[1], roles=("service",))


def two(channel: Literal["mail", "push", "hook"]) -> tuple[Kit[Inbox], StartJob]:
    """A message of two in one group is under way; the newest's text is in it."""
    kit = reached(inbox(), channel)
    kit.tell(notice("ann", "comment", text="hers"))
    kit.tell(notice("bob", "comment", text="his"))
    kit.advance(60)
    (job,) = sent(kit)
    assert said_by(kit, job) == Still(), "as it was"
    return kit, job


@pytest.mark.parametrize("channel", ["mail", "push", "hook"])
def test_what_was_taken_back_is_not_in_what_goes_out(channel: Literal["mail", "push", "hook"]) -> None:
    kit, job = two(channel)
    kit.tell(Withdraw(id=BOB))
    still = said_by(kit, job)
    assert still.body and "his" not in still.body and "bob" not in still.subject + still.body and not still.reason
    assert "ann commented" in still.body
    kit.tell(notice("bob", "comment", text="again"))
    assert "again" in said_by(kit, job).body and said_by(kit, job).left_out == []


@pytest.mark.parametrize("channel", ["mail", "push", "hook"])
def test_nothing_goes_out_where_all_was_taken_back_or_read(channel: Literal["mail", "push", "hook"]) -> None:
    kit, job = two(channel)
    kit.tell(Withdraw(id=BOB))
    kit.tell(Withdraw(id=ANN))
    assert said_by(kit, job) == Still(reason="it was withdrawn before")
    kit, job = two(channel)
    kit.ask(MarkRead(about="post:p1"), user="me")
    assert said_by(kit, job) == Still(reason="it was read before")


def test_one_of_several_groups_is_gone_and_another_put_away_and_the_rest_goes_out() -> None:
    kit = reached(inbox(), "hook")
    for number in (1, 2, 3):
        kit.tell(notice("ann", "comment", post=f"p{number}", text=f"text {number}"))
    kit.advance(1)
    (job,) = sent(kit)
    order = job.job
    assert isinstance(order, HookOrder) and all(f"text {n}" in order.body for n in (1, 2, 3))
    kit.tell(Withdraw(about="post:p1"))
    kit.ask(Archive(groups=[order.groups[0]]), user="me")  # p3: the newest is first
    still = said_by(kit, job)
    assert [group["text"] for group in json.decode(still.body)["groups"]] == ["text 2"] and len(still.left_out) == 2
    kit.ask(MarkRead(about="post:p2"), user="me")
    assert said_by(kit, job) == Still(reason="it was read or withdrawn before")


def test_what_was_left_out_was_not_told_and_is_when_it_comes_again() -> None:
    kit, job = two("push")
    kit.tell(Withdraw(id=BOB))
    still = said_by(kit, job)
    kit.tell(notice("bob", "comment", text="again"))  # while it is sent
    ended(kit, job, Outcome(left_out=still.left_out))
    assert outcome(kit, ANN, "push") == "sent" and outcome(kit, BOB, "push").startswith("waits")
    kit.restart(from_snapshot=True)
    kit.advance(120)
    assert len(sent(kit)) == 2
    ended(kit, sent(kit)[1])
    kit.tell(Withdraw(id=BOB))
    kit.tell(notice("bob", "comment", text="once more"))
    kit.advance(120)
    assert outcome(kit, BOB, "push") == "you were told of it before" and len(sent(kit)) == 2


def test_what_was_left_out_and_does_not_come_again_says_so() -> None:
    kit, job = two("push")
    kit.tell(Withdraw(id=BOB))
    ended(kit, job, Outcome(left_out=said_by(kit, job).left_out))
    assert outcome(kit, BOB, "push") == "not delivered: it was read or withdrawn before"
    kit.tell(notice("bob", "comment", text="again"))
    kit.advance(120)
    assert len(sent(kit)) == 2


def test_one_that_failed_and_is_tried_again_by_hand_is_told_as_well() -> None:
    kit, job = two("mail")
    ended(kit, job, refused="job.failed")
    assert said_by(kit, job) == Still()
    kit.tell(Withdraw(id=BOB))
    still = said_by(kit, job)
    assert "his" not in still.body and still.left_out == []


def test_nobody_else_may_ask() -> None:
    kit, job = two("mail")
    order = job.job
    assert isinstance(order, MailOrder)
    question = question_of(order, job.id)
    assert question is not None
    with pytest.raises(Refused, match="another user's"):
        kit.ask(question[1], user="bob")
