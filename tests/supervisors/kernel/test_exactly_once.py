"""What an entity must know so that effects between entities, and those of timers, happen once."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from greenroom.actors.model.effects import CancelTimer, SetTimer, Told
from greenroom.actors.model.envelope import Firing, Origin
from greenroom.actors.model.lifecycle import Answered
from greenroom.actors.model.outgoing import decode_body
from greenroom.actors.model.schedule import Schedule
from greenroom.store.journal.journal import TimerRow
from greenroom.supervisors.kernel import exactly_once
from greenroom.supervisors.kernel.exactly_once import ExactlyOnce, Posted, TimersSet, outgoing, timer_changes
from tests.supervisors.kernel.small_kernel import Heard


def timer(name: str, due_ms: int, every_ms: int = 0) -> TimerRow:
    ((_, row),) = timer_changes([SetTimer(name, due_ms, Heard(text=name), Schedule(every_ms=every_ms))])
    assert row is not None
    return row


def origin(seq: int, sender: int = 7, after: int = 0) -> Origin:
    return Origin(sender, seq, "log:a", after=after)


# Order.


def test_nothing_overtakes_what_it_was_sent_behind() -> None:
    once = ExactlyOnce()
    assert not once.overtakes(origin(5))
    assert once.overtakes(origin(6, after=5)) and once.overtakes(origin(7, after=6))
    assert not once.overtakes(origin(6, sender=8)), "another sender"
    once.mark(origin(5), durably=True)
    assert not once.overtakes(origin(6, after=5))
    assert once.overtakes(origin(7, after=6))


def test_what_another_owner_handled_lets_the_next_one_pass_and_no_other() -> None:
    """5, 6 and 7 were put off here, and only 5 came to the former owner: 7 in the mailbox must still wait for 6."""
    once = ExactlyOnce()
    once.learn({7: 5})
    assert once.overtakes(origin(7, after=6))
    assert not once.overtakes(origin(6, after=5))


@given(st.lists(st.tuples(st.integers(1, 4), st.booleans()), max_size=30))
def test_whatever_is_put_off_they_are_handled_in_order(tries: list[tuple[int, bool]]) -> None:
    """A sender with four messages under way: all that are rejected come again, in order, once none is under way."""
    once = ExactlyOnce()
    handled: list[int] = []
    left = [1, 2, 3, 4]
    willing = iter(yes for _, yes in tries)
    while left:
        sent = [(seq, before) for seq, before in zip(left, [0, *left], strict=False)]
        for seq, before in sent:
            if not once.overtakes(origin(seq, after=before)) and next(willing, True):
                once.mark(origin(seq), durably=True)
                handled.append(seq)
                left.remove(seq)
    assert handled == [1, 2, 3, 4]


# Marks.


def test_a_mark_is_committed_only_with_something_that_is() -> None:
    once = ExactlyOnce()
    once.mark(origin(5), durably=False)
    assert once.seen == {7: 5} and not once.has_consequences
    once.mark(origin(6), durably=True)
    once.mark(origin(7), durably=True)
    departures: list[object] = []
    taken = once.take(1, "log:b", 10, departures)
    assert taken is not None and taken.received == {7: 7} and departures == []
    assert not once.has_consequences and once.take(1, "log:b", 11, departures) is None


def test_what_is_stored_does_not_lower_a_mark_that_is_under_way() -> None:
    once = ExactlyOnce()
    once.mark(origin(9), durably=True)
    once.learn({7: 3, 8: 4})
    assert once.seen == {7: 9, 8: 4}


def test_the_marks_in_memory_are_bounded_and_the_latest_are_kept() -> None:
    """A mark that is forgotten is read again, from rows that may lack what is under way: so never one of those."""
    once = ExactlyOnce()
    for sender in range(exactly_once.SENDERS_MAX + 1):
        once.learn({sender: 1})
    for sender in range(100):
        once.mark(origin(2, sender), durably=True)
    once.learn({-1: 1})
    assert len(once.seen) <= exactly_once.SENDERS_MAX // 2 + 2
    assert all(once.seen[sender] == 2 for sender in range(100))


# What is sent.


def test_messages_of_a_handling_are_numbered_by_its_last_event_and_the_answer_comes_last() -> None:
    told = [Told("log:b", Heard(text="1"), "x"), Told("log:c", Heard(text="2"))]
    sent = outgoing(told, 5, "trace", answer=(Origin(7, 3, "log:z", "label"), "log:a", 42))
    assert [one.entity for one in sent] == ["log:b", "log:c", "log:z"]
    assert [one.about for one in sent] == ["x", "", ""], "nobody reports on a report"
    assert all(earlier.seq < later.seq for earlier, later in pairwise(sent))
    assert bytes(sent[2].message) == (b'{"type":"actor.answered","entity":"log:a","about":"label","reply":42}').replace(
        b'"entity"', b'"idempotency_key":null,"entity"'
    )
    assert Answered(entity="log:a", about="label", reply=sent[2].message).decode(dict)["reply"] == 42
    assert outgoing([], 6, None, answer=None) == []


def test_one_row_for_a_burst_leaves_with_its_events() -> None:
    once = ExactlyOnce()
    once.gather(outgoing([Told("log:b", Heard(text="1"))], 5, None, answer=None), [])
    once.gather(outgoing([Told("log:b", Heard(text="2"))], 6, None, answer=None), [])
    departures: list[object] = []
    taken = once.take(1, "log:a", 6, departures)
    assert taken is not None
    (row,) = taken.outbox
    (posted,) = departures
    assert isinstance(posted, Posted) and posted.row is row
    assert (row.offset, row.head_id, row.entity) == (6, 1, "log:a")
    assert [one.seq for one in decode_body(row.body)] == [one.seq for one in posted.messages] == [5 << 16, 6 << 16]


# Timers.


def test_due_timers_fire_once_until_they_move_the_most_overdue_first() -> None:
    once = ExactlyOnce([timer("late", 500), timer("later", 400), timer("not yet", 2000)])
    assert [row.name for row in once.due(1000)] == ["later", "late"]
    assert once.due(1000) == []
    once.firing.discard("late")  # it was refused for now
    assert [row.name for row in once.due(1000)] == ["late"]
    once.gather([], [("later", timer("later", 900))])
    assert [row.name for row in once.due(1000)] == ["later"]


def test_a_firing_is_void_once_its_timer_has_moved_or_is_gone() -> None:
    once = ExactlyOnce([timer("a", 500)])
    assert once.is_due(Firing("a", 500)) and not once.is_due(Firing("a", 400)) and not once.is_due(Firing("b", 500))


def test_a_fired_timer_is_gone_or_comes_again() -> None:
    once = ExactlyOnce([timer("once", 500), timer("often", 500, every_ms=200)])
    for name in ("once", "often"):
        assert once.fire(Firing(name, 500), 950) == (900 if name == "often" else 500)
        once.fired(Firing(name, 500))
    assert "once" not in once.timers and once.timers["often"].due_ms == 1100
    departures: list[object] = []
    taken = once.take(1, "log:a", 5, departures)
    assert taken is not None and taken.timers == {"once": None, "often": once.timers["often"]}
    assert departures == [TimersSet([1100])]


def test_a_slow_handling_misses_no_occurrence() -> None:
    """What came while the handler ran is due when it ends: the occurrence that follows is as of when it began."""
    once = ExactlyOnce([timer("a", 1000, every_ms=1000)])
    once.due(1000)
    assert once.fire(Firing("a", 1000), 1000) == 1000
    once.fired(Firing("a", 1000))  # at 3500, say
    (row,) = once.due(3500)
    assert row.due_ms == 2000
    assert once.fire(Firing("a", 2000), 3500) == 3000


def test_a_handler_that_sets_or_cancels_the_timer_that_it_is_told_of_has_the_last_word() -> None:
    for change, left in (
        (SetTimer("a", 9000, Heard(text="x"), Schedule()), 9000),
        (SetTimer("a", 500, Heard(text="x"), Schedule()), 500),
        (CancelTimer("a"), None),
    ):
        for every_ms in (0, 200):
            once = ExactlyOnce([timer("a", 500, every_ms)])
            once.due(1000)
            once.fire(Firing("a", 500), 1000)
            once.fired(Firing("a", 500))
            once.gather([], timer_changes([change]))
            taken = once.take(1, "log:a", 5, [])
            assert taken is not None
            row = taken.timers["a"]
            assert (row and row.due_ms) == left == (once.timers["a"].due_ms if "a" in once.timers else None)
            assert [row.due_ms for row in once.due(1000)] == ([500] if left == 500 else [])


def test_of_several_changes_in_a_burst_the_last_counts() -> None:
    once = ExactlyOnce()
    once.gather([], timer_changes([SetTimer("a", 1, Heard(text="1"), Schedule()), CancelTimer("a")]))
    once.gather([], timer_changes([SetTimer("a", 2, Heard(text="2"), Schedule())]))
    once.gather([], timer_changes([SetTimer("b", 3, Heard(text="3"), Schedule()), CancelTimer("b"), CancelTimer("c")]))
    taken = once.take(1, "log:a", 5, [])
    assert taken is not None
    assert {name: row and row.due_ms for name, row in taken.timers.items()} == {"a": 2, "b": None}
