"""Durable timers of one entity: each occurrence fires once, and a handler has the last word."""

from greenroom.actors.life.durable_timers import DurableTimers
from greenroom.actors.model.envelope import Firing
from greenroom.actors.model.message import Tell
from greenroom.actors.model.schedule import Schedule, encode_timer
from greenroom.store.journal.consequences.timers import TimerRow


class Ring(Tell, tag="bell.ring"):
    pass


def timer(name: str, due_ms: int, every_ms: int = 0) -> TimerRow:
    return TimerRow(name, due_ms, encode_timer(Ring(), Schedule(every_ms=every_ms)))


def names(rows: list[TimerRow]) -> list[str]:
    return [row.name for row in rows]


def test_due_timers_fire_once_until_they_move_the_most_overdue_first() -> None:
    timers = DurableTimers([timer("late", 500), timer("later", 400), timer("not yet", 2000)])
    assert names(timers.take_due(1000)) == ["later", "late"]
    assert timers.take_due(1000) == []
    timers.put_off(Firing("late", 500))
    assert names(timers.take_due(1000)) == ["late"]
    assert timers.put("later", timer("later", 900))
    assert names(timers.take_due(1000)) == ["later"]


def test_a_firing_is_void_once_its_timer_has_moved_or_is_gone() -> None:
    timers = DurableTimers([timer("a", 500)])
    assert timers.is_due(Firing("a", 500))
    assert not timers.is_due(Firing("a", 400)) and not timers.is_due(Firing("b", 500))


def test_a_fired_timer_is_gone_or_comes_again() -> None:
    timers = DurableTimers([timer("once", 500), timer("often", 500, every_ms=200)])
    assert timers.fire(Firing("once", 500), 950) == 500
    assert timers.following(Firing("once", 500)) is None
    assert timers.fire(Firing("often", 500), 950) == 900
    following = timers.following(Firing("often", 500))
    assert following is not None and following.due_ms == 1100


def test_a_slow_handling_misses_no_occurrence() -> None:
    """What came while the handler ran is due when it ends: the occurrence that follows is as of when it began."""
    timers = DurableTimers([timer("a", 1000, every_ms=1000)])
    timers.take_due(1000)
    assert timers.fire(Firing("a", 1000), 1000) == 1000
    timers.put("a", timers.following(Firing("a", 1000)))  # at 3500, say
    (row,) = timers.take_due(3500)
    assert row.due_ms == 2000
    assert timers.fire(Firing("a", 2000), 3500) == 3000


def test_ending_what_there_is_not_changes_nothing() -> None:
    timers = DurableTimers([timer("a", 500)])
    assert not timers.put("b", None)
    assert timers.put("a", None) and not timers.rows
