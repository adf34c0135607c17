"""A message tells of all that is in its groups; who was told by it, is not told again, and who was not, is."""

from collections.abc import Callable
from typing import Literal

import pytest

from greenroom.actors.inbox.actor import Inbox
from greenroom.actors.inbox.messages import MutedChanged, Pace, Prefer, ReadAll, Withdraw
from greenroom.actors.inbox.outgoing import SENDER_PER_H
from greenroom.actors.jobs.single.messages import Cancel
from greenroom.testing import Kit
from tests.actors.inbox.inboxes import ended, inbox, notice, outcome, sent, with_hook, with_mail, with_push

DAY_S = 86_400
ANN = "comment:p1:ann"


def and_again(kit: Kit[Inbox]) -> int:
    """Ann takes hers back, and does it again: how many messages does that make?"""
    before = len(sent(kit))
    kit.tell(Withdraw(id=ANN))
    kit.tell(notice("ann", "comment"))
    kit.advance(2 * DAY_S)
    return len(sent(kit)) - before


@pytest.mark.parametrize(
    ("reached", "channel", "pace"),
    [
        (with_push, "push", "now"),
        (with_mail, "mail", "now"),
        (with_mail, "mail", "daily"),
        (with_hook, "hook", "now"),
        (with_hook, "hook", "hourly"),
    ],
)
def test_what_failed_has_gone_out_with_the_next_of_its_group(
    reached: Callable[[Kit[Inbox]], Kit[Inbox]], channel: Literal["mail", "push", "hook"], pace: Pace
) -> None:
    kit = reached(inbox())
    kit.ask(Prefer(kind="comment", channel=channel, pace=pace), user="me")
    kit.tell(notice("ann", "comment"))
    kit.advance(DAY_S)
    ended(kit, sent(kit)[0], refused="job.failed")
    assert outcome(kit, ANN, channel) == "not delivered: job.failed"
    kit.tell(notice("bob", "comment"))
    kit.advance(DAY_S)
    assert outcome(kit, ANN, channel) == "under way", "it says: bob and ann"
    ended(kit, sent(kit)[1])
    assert outcome(kit, ANN, channel) == "sent"
    assert and_again(kit) == 0 and outcome(kit, ANN, channel) == "you were told of it before"
    kit.restart()
    kit.restart(from_snapshot=True)


def off(kit: Kit[Inbox]) -> None:
    kit.ask(Prefer(kind="comment", channel="push", pace="off"), user="me")
    kit.tell(notice("ann", "comment"))
    kit.ask(Prefer(kind="comment", channel="push", pace="now"), user="me")


def off_while_it_waits(kit: Kit[Inbox]) -> None:
    kit.tell(notice("ann", "comment"))
    kit.ask(Prefer(kind="comment", channel="push", pace="off"), user="me")
    kit.ask(Prefer(kind="comment", channel="push", pace="now"), user="me")


def too_much(kit: Kit[Inbox]) -> None:
    for number in range(SENDER_PER_H):
        kit.tell(notice("ann", "like", post=f"p{number}"))
    kit.tell(notice("ann", "comment"))


@pytest.mark.parametrize("kept_back", [off, off_while_it_waits, too_much])
def test_what_was_kept_back_has_gone_out_with_the_next_of_its_group(kept_back: Callable[[Kit[Inbox]], None]) -> None:
    kit = with_push(inbox())
    kept_back(kit)
    assert outcome(kit, ANN, "push") in ("you have it off", "they have done too much within the hour")
    kit.tell(notice("bob", "comment"))
    kit.advance(60)
    (job,) = sent(kit)
    ended(kit, job)
    kit.advance(3_600)  # she may do more
    assert outcome(kit, ANN, "push") == "sent" and and_again(kit) == 0


def test_what_came_while_there_was_nowhere_to_send_it_to_has_gone_out_with_the_next() -> None:
    kit = inbox()
    kit.tell(notice("ann", "comment"))
    with_push(kit)
    kit.tell(notice("bob", "comment"))
    kit.advance(60)
    ended(kit, sent(kit)[0])
    assert outcome(kit, ANN, "push") == "sent" and and_again(kit) == 0


def test_what_was_withdrawn_by_then_is_told_when_it_comes_again() -> None:
    kit = with_push(inbox())
    kit.tell(notice("ann", "comment"))
    kit.tell(notice("bob", "comment"))
    kit.tell(Withdraw(id=ANN))
    kit.advance(60)
    ended(kit, sent(kit)[0])
    assert outcome(kit, ANN, "push") == "it was withdrawn before" and and_again(kit) == 1


def test_two_messages_about_one_group_each_say_what_became_of_their_own() -> None:
    kit = with_hook(inbox())
    kit.tell(notice("ann", "comment"))
    kit.advance(2)
    kit.tell(notice("bob", "comment"))
    kit.tell(notice("cat", "comment", post="p2"))
    kit.advance(2)
    first, second = sent(kit)
    ended(kit, first, refused="job.failed")
    assert outcome(kit, ANN, "hook") == "under way", "the second tells of it, too"
    ended(kit, second)
    assert outcome(kit, ANN, "hook") == "sent"
    kit.tell(notice("dan", "comment"))
    kit.advance(2)
    kit.tell(notice("eve", "comment"))
    kit.advance(2)
    third, fourth = sent(kit)[2:]
    assert outcome(kit, ANN, "hook") == "sent", "whatever becomes of these"
    ended(kit, third)
    assert (outcome(kit, "comment:p1:dan", "hook"), outcome(kit, "comment:p1:eve", "hook")) == ("sent", "under way")
    ended(kit, fourth, refused="job.failed")
    assert outcome(kit, "comment:p1:dan", "hook") == "sent"
    assert outcome(kit, "comment:p1:eve", "hook") == "not delivered: job.failed", "the third knew nothing of it"
    kit.restart(from_snapshot=True)


@pytest.mark.parametrize("muted", [False, True])
def test_what_comes_again_while_it_is_under_way_says_what_becomes_of_that(muted: bool) -> None:
    kit = with_push(inbox())
    kit.tell(notice("ann", "comment"))
    kit.tell(notice("bob", "comment"))
    kit.advance(2)
    kit.tell(Withdraw(id=ANN))
    if muted:
        kit.tell(MutedChanged(user="ann", muted=True))
    kit.tell(notice("ann", "comment"))
    assert outcome(kit, ANN, "push") == "under way"
    ended(kit, sent(kit)[0], refused="job.failed")
    assert outcome(kit, ANN, "push") == "not delivered: job.failed"
    if muted:
        kit.tell(MutedChanged(user="ann", muted=False))
    assert and_again(kit) == 1, "nothing has told of it"
    ended(kit, sent(kit)[1])
    assert outcome(kit, ANN, "push") == "sent" and and_again(kit) == 0
    kit.restart(from_snapshot=True)


@pytest.mark.parametrize(("refused", "said"), [("", "sent"), ("job.failed", "not delivered: job.failed")])
def test_what_was_under_way_in_a_snapshot_of_the_release_before_ends(refused: str, said: str) -> None:
    kit = with_push(inbox())
    kit.tell(notice("ann", "comment"))
    kit.advance(60)
    kit.tell(notice("bob", "comment", post="p2"))  # another message is under way
    kit.advance(60)
    assert len(kit.state.flights) == 2
    for flight in kit.state.flights.values():
        flight.dispatched = 0
    for decision in kit.state.decisions.values():
        decision.under_way = {}
    ended(kit, sent(kit)[0], refused=refused)
    assert outcome(kit, ANN, "push") == said


@pytest.mark.parametrize(
    ("reached", "channel", "pace"),
    [(with_push, "push", "now"), (with_mail, "mail", "now"), (with_mail, "mail", "daily"), (with_hook, "hook", "now")],
)
def test_what_is_given_again_before_its_job_is_called_back_goes_out_once(
    reached: Callable[[Kit[Inbox]], Kit[Inbox]], channel: Literal["mail", "push", "hook"], pace: Pace
) -> None:
    kit = reached(inbox())
    kit.ask(Prefer(kind="comment", channel=channel, pace=pace), user="me")
    kit.tell(notice("ann", "comment"))
    kit.advance(DAY_S)
    (first,) = sent(kit)
    kit.tell(Withdraw(id=ANN))
    assert [told.message for told in kit.told] == [Cancel(reason="withdrawn")]
    kit.tell(notice("ann", "comment"))
    assert outcome(kit, ANN, channel) == "under way"
    ended(kit, first, refused="job.cancelled")
    assert outcome(kit, ANN, channel).startswith("waits")
    kit.restart()
    kit.restart(from_snapshot=True)
    kit.advance(2 * DAY_S)
    _, second = sent(kit)
    assert outcome(kit, ANN, channel) == "under way"
    ended(kit, second)
    assert outcome(kit, ANN, channel) == "sent" and and_again(kit) == 0


def test_what_is_given_again_is_not_told_once_more_where_its_job_was_not_to_be_called_back() -> None:
    kit = with_push(inbox())
    kit.tell(notice("ann", "comment"))
    kit.advance(2)
    kit.tell(Withdraw(id=ANN))
    kit.tell(notice("ann", "comment"))
    ended(kit, sent(kit)[0])
    kit.advance(DAY_S)
    assert outcome(kit, ANN, "push") == "sent" and len(sent(kit)) == 1


@pytest.mark.parametrize("then", [ReadAll(), Prefer(kind="comment", channel="push", pace="off")])
def test_what_is_given_again_goes_out_only_where_it_would_anew(then: ReadAll | Prefer) -> None:
    kit = with_push(inbox())
    kit.tell(notice("ann", "comment"))
    kit.advance(2)
    kit.tell(Withdraw(id=ANN))
    kit.tell(notice("ann", "comment"))
    kit.ask(then, user="me")
    ended(kit, sent(kit)[0], refused="job.cancelled")
    kit.advance(DAY_S)
    assert len(sent(kit)) == 1


def test_what_waits_already_for_another_is_told_with_that() -> None:
    kit = with_push(inbox())
    kit.tell(notice("ann", "comment"))
    kit.advance(2)
    (first,) = sent(kit)
    kit.tell(Withdraw(id=ANN))
    kit.tell(notice("bob", "comment"))
    kit.tell(notice("ann", "comment"))
    kit.advance(2)
    ended(kit, first, refused="job.cancelled")
    assert outcome(kit, ANN, "push") == "under way"
    ended(kit, sent(kit)[1])
    kit.advance(DAY_S)
    assert outcome(kit, ANN, "push") == "sent" and len(sent(kit)) == 2


def test_what_came_again_and_fails_again_is_not_tried_for_ever() -> None:
    kit = with_push(inbox())
    kit.tell(notice("ann", "comment"))
    kit.advance(2)
    kit.tell(Withdraw(id=ANN))
    kit.tell(notice("ann", "comment"))
    ended(kit, sent(kit)[0], refused="job.cancelled")
    kit.advance(2)
    ended(kit, sent(kit)[1], refused="job.failed")
    kit.advance(DAY_S)
    assert outcome(kit, ANN, "push") == "not delivered: job.failed" and len(sent(kit)) == 2
