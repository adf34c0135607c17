"""Whatever comes, and in which order: counts are exact, every notice is decided, and what is sent is sent once."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenroom.actors.inbox.actor import Inbox
from greenroom.actors.inbox.deliveries.orders import HookOrder, Outcome
from greenroom.actors.inbox.events import Barred, Muted, Noticed
from greenroom.actors.inbox.messages import BarredChanged, MarkRead, MutedChanged, Notify, ReadAll, SetHours, Withdraw
from greenroom.actors.inbox.state import BARRED_MAX, HAS_TOLD, KNOWN_MAX, MUTED_MAX, InboxState
from greenroom.actors.jobs.single.messages import Cancel
from greenroom.actors.model.effects import Told
from greenroom.testing import Kit
from tests.actors.inbox.inboxes import inbox, notice, with_hook

USERS, POSTS = ("ann", "bob", "cat", "me"), ("p1", "p2")
users = st.sampled_from(USERS)
posts = st.sampled_from(POSTS)
steps = st.one_of(
    st.builds(lambda by, post: notice(by, "comment", post), users, posts),
    st.builds(lambda by, post: notice(by, "comment", post, n=1), users, posts),
    st.builds(lambda by, post: Withdraw(id=f"comment:{post}:{by}"), users, posts),
    st.builds(lambda post: Withdraw(group=f"comment:{post}"), posts),
    st.builds(MutedChanged, user=users, muted=st.booleans()),
    st.builds(BarredChanged, user=users, by_us=st.booleans(), barred=st.booleans()),
    st.builds(ReadAll),
    st.builds(lambda post: MarkRead(about=f"post:{post}"), posts),
    st.builds(
        SetHours, timezone=st.sampled_from(["UTC", "Europe/Berlin"]), quiet_from=st.just(0), quiet_to=st.just(420)
    ),
    st.sampled_from([1, 61, 3_600, 86_400]),  # seconds
    st.sampled_from(["done", "failed"]),  # the oldest job
)


@settings(max_examples=60, deadline=None)
@given(st.lists(steps, max_size=50))
def test_at_random(taken: list[Any]) -> None:
    kit = with_hook(inbox())
    live: dict[str, tuple[str, str]] = {}  # id -> (by, post), as a plain model has it
    muted: set[str] = set()
    barred: set[tuple[str, bool]] = set()
    told: set[str] = set()
    for step in taken:
        match step:
            case Notify():
                kit.tell(step)
                is_out = step.by in ("me", *muted) or any(user == step.by for user, _ in barred)
                if step.id not in live and not is_out:
                    live[step.id] = (step.by, step.about)
            case Withdraw(id=id_) if id_:
                kit.tell(step)
                live.pop(id_, None)
            case Withdraw(group=group):
                kit.tell(step)
                live = {id_: of for id_, of in live.items() if of[1] != f"post:{group.partition(':')[2]}"}
            case MutedChanged():
                kit.tell(step)
                (muted.add if step.muted else muted.discard)(step.user)
            case BarredChanged():
                kit.tell(step)
                mark = (step.user, step.by_us)
                if step.barred and mark not in barred:
                    live = {id_: of for id_, of in live.items() if of[0] != step.user}
                (barred.add if step.barred else barred.discard)(mark)
            case int():
                kit.advance(step)
            case "done" | "failed":
                end(kit, step)
            case _:
                kit.ask(step, user="me")
        before, told = told, {id_ for id_, one in kit.state.decisions.items() if one.channels.get("hook") in HAS_TOLD}
        assert before <= told, "who was told stays so"
    check_counts(kit, live)
    kit.ask(SetHours(), user="me")
    kit.advance(2 * 86_400)
    while kit.state.flights:
        end(kit, "done")
    kit.advance(2 * 86_400)
    while kit.state.flights:
        end(kit, "done")
    assert not any(kit.state.waiting.values())
    for decision in kit.state.decisions.values():
        assert not any(said.startswith(("waits", "under way")) for said in decision.channels.values()), decision
    bodies = [one.job.body for one in kit.started if isinstance(one.job, HookOrder)]
    for body in bodies:
        assert all(group["count"] and group["names"] for group in msgspec.json.decode(body)["groups"])
    kit.restart()
    kit.restart(from_snapshot=True)


def check_counts(kit: Kit[Inbox], live: dict[str, tuple[str, str]]) -> None:
    """Of each group as many as are in it by their ids, and in all of them those that are live."""
    state = kit.state
    for number, group in state.groups.items():
        theirs = [known.by for known in state.known.values() if known.live and known.group == number]
        assert group.by == {by: theirs.count(by) for by in group.by} and set(group.by) == set(theirs) and not group.more
    assert sum(known.live for known in state.known.values()) == len(live)
    assert state.unread == sum(not group.read for group in state.groups.values())


def end(kit: Kit[Inbox], how: str) -> None:
    """The oldest job under way."""
    job = next(iter(kit.state.flights), None)
    if job is None:
        return
    told = Told(f"job:{job}", Cancel(), "delivery")
    if how == "done":
        kit.answered(told, Outcome())
    else:
        kit.undelivered(told, "job.failed")


@pytest.mark.bound("notices that an inbox tells from a repeat")
def test_the_oldest_notice_would_be_new_again() -> None:
    state = InboxState()
    for number in range(KNOWN_MAX + 1):
        state.change(noticed(number), number + 1, 0)
    assert len(state.known) == KNOWN_MAX and "0" not in state.known and "1" in state.known


def noticed(number: int) -> Noticed:
    return Noticed(
        id=str(number),
        kind="like",
        by="ann",
        about="post:p",
        key="k",
        group=1,
        at_ms=0,
        names=["ann"],
        count=1,
        unread=1,
        paces={},
        due_ms={},
        outcomes={},
    )


@pytest.mark.bound("users whom an inbox keeps quiet about")
def test_the_user_who_was_muted_longest_ago_is_heard_of_again() -> None:
    state = InboxState()
    for number in range(MUTED_MAX + 1):
        state.change(Muted(user=f"user{number}", muted=True), number + 1, 0)
    for number in range(BARRED_MAX + 1):
        state.change(Barred(user=f"user{number}", by_us=False, barred=True), number + 1, 0)
    assert (len(state.muted), len(state.barred)) == (MUTED_MAX, BARRED_MAX) and "user0" not in {
        *state.muted,
        *state.barred,
    }
