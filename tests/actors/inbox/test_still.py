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

ANN, BOB, CAT = "comment:p1:ann", "comment:p1:bob", "comment:p1:cat"


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


@pytest.mark.parametrize("channel", ["mail", "push", "hook"])
def test_of_what_has_come_since_another_message_tells(channel: Literal["mail", "push", "hook"]) -> None:
    kit, job = two(channel)
    kit.tell(notice("cat", "comment", text="later"))
    assert outcome(kit, CAT, channel).startswith("waits")
    assert said_by(kit, job) == Still(), "as it was"
    kit.tell(Withdraw(id=BOB))
    still = said_by(kit, job)
    assert "ann commented" in still.body and "cat" not in still.subject + still.body and "later" not in still.body
    kit.tell(notice("cat", "comment", text="more", n=2))
    assert "cat" not in said_by(kit, job).body and "more" not in said_by(kit, job).body
    ended(kit, job, Outcome(left_out=still.left_out))
    assert outcome(kit, ANN, channel) == "sent"
    kit.advance(3_700)
    second = sent(kit)[1]
    ended(kit, second)
    assert outcome(kit, CAT, channel) == "sent" and len(sent(kit)) == 2


def test_what_another_job_has_is_told_by_that() -> None:
    kit, job = two("hook")
    kit.tell(notice("cat", "comment"))
    kit.advance(60)
    assert len(sent(kit)) == 2 and outcome(kit, CAT, "hook") == "under way"
    kit.tell(Withdraw(id=BOB))
    assert "cat" not in said_by(kit, job).body
    assert "cat and ann commented" in said_by(kit, sent(kit)[1]).body, "it has both"


def test_one_that_is_tried_again_by_hand_tells_of_none_that_waits() -> None:
    kit, job = two("push")
    ended(kit, job, refused="job.failed")
    kit.tell(notice("cat", "comment"))
    kit.tell(Withdraw(id=BOB))
    assert outcome(kit, CAT, "push").startswith("waits")
    assert "ann commented" in said_by(kit, job).body and "cat" not in said_by(kit, job).body


def test_what_was_told_before_is_not_told_again_where_nothing_else_is_left() -> None:
    kit = reached(inbox(), "hook")
    kit.tell(notice("ann", "comment"))
    kit.advance(60)
    ended(kit, sent(kit)[0])
    kit.tell(notice("bob", "comment"))
    kit.advance(60)
    job = sent(kit)[1]
    kit.tell(Withdraw(id=BOB))
    still = said_by(kit, job)
    assert still.reason == "it was withdrawn before" and not still.body
    kit.tell(notice("bob", "comment"))  # before it has ended
    ended(kit, job, Outcome("refused", still.reason, still.left_out))
    kit.advance(60)
    assert len(sent(kit)) == 3 and outcome(kit, BOB, "hook") == "under way"


@pytest.mark.parametrize("ids", [(BOB,), (ANN, BOB)])
def test_what_a_release_before_has_folded_is_left_out_as_well(ids: tuple[str, ...]) -> None:
    kit, job = two("push")
    kit.tell(notice("cat", "comment", post="p1"))
    for id_ in ids:
        kit.tell(Withdraw(id=id_))
    for group in kit.state.groups.values():
        group.withdrawn = 0
    still = said_by(kit, job)
    assert len(still.left_out) == len(ids) and "bob" not in still.body
    assert still.reason == ("it was withdrawn before" if len(ids) == 2 else "")


def test_of_what_was_put_away_it_does_not_say_that_it_was_withdrawn() -> None:
    kit, job = two("hook")
    order = job.job
    assert isinstance(order, HookOrder)
    kit.ask(Archive(groups=order.groups), user="me")
    assert said_by(kit, job) == Still(reason="it was read or withdrawn before")
    for id_ in (ANN, BOB):
        kit.tell(Withdraw(id=id_))
    assert said_by(kit, job) == Still(reason="it was withdrawn before")


def test_it_says_of_which_kinds_it_still_tells() -> None:
    kit = reached(inbox(), "mail")
    kit.ask(Prefer(kind="mention", channel="mail", pace="now"), user="me")
    kit.tell(notice("ann", "comment"))
    kit.tell(notice("bob", "mention"))
    kit.advance(60)
    (job,) = sent(kit)
    assert isinstance(job.job, MailOrder) and job.job.kinds == ["comment", "mention"]
    kit.tell(Withdraw(id="mention:p1:bob"))
    assert said_by(kit, job).kinds == ["comment"]
