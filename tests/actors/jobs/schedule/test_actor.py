"""A schedule alone: when it fires, and what the code declares of it."""

from typing import Any

import pytest

from greenroom.actors.jobs.schedule import firing
from greenroom.actors.jobs.schedule.book.messages import Note
from greenroom.actors.jobs.schedule.messages import (
    Declare,
    Drop,
    EndBackfills,
    Fired,
    Orphan,
    Pause,
    Resume,
    Skipped,
    Step,
    WasSet,
)
from greenroom.actors.jobs.schedule.spec import Spec
from greenroom.actors.jobs.schedule.timing import Timing
from greenroom.actors.model.errors import Refused
from greenroom.actors.model.message import Ask
from tests.actors.jobs.schedule.stage import BEGUN_S, FIRST_MS, MINUTE, MINUTELY, Report, Stage, cancels, refusal

# When it fires.


def test_it_starts_its_job_at_each_tick() -> None:
    stage = Stage(**MINUTELY, arguments={"of": "sales"}, priority=2)
    for _ in range(3):
        stage.kit.advance(MINUTE)
        stage.end()
    assert stage.ticks == [0, 1, 2]
    row = stage.kit.started[0].row
    assert (row.job, row.queue, row.arguments, row.priority, row.attempts_max, row.partition) == (
        "job.report", "mail", b'{"of":"sales"}', 2, Report.retry.attempts, "sales",
    )  # fmt: skip
    assert stage.seen("counts")["completed"] == 3
    stage.kit.restart()
    stage.kit.restart(from_snapshot=True)


def test_the_event_and_the_job_come_of_one_handling() -> None:
    stage = Stage(**MINUTELY)
    stage.kit.advance(MINUTE)
    fired = [event for event in stage.kit.events if isinstance(event, Fired)]
    assert [one.job for one in fired] == stage.started


def test_a_clock_that_is_set_back_has_nothing_fire_twice() -> None:
    stage = Stage(**MINUTELY, overlap="allow")
    stage.kit.advance(3 * MINUTE)
    stage.kit.miss(-2 * MINUTE)
    stage.kit.advance(4 * MINUTE)
    assert stage.ticks == [0, 1, 2, 3, 4]


def test_nor_where_it_is_set_anew_meanwhile() -> None:
    stage = Stage(**MINUTELY, overlap="allow")
    stage.kit.advance(3 * MINUTE)
    stage.kit.miss(-2 * MINUTE)
    stage.set(cron="*/1 * * * *", overlap="allow")
    stage.kit.advance(4 * MINUTE)
    assert stage.ticks == [0, 1, 2, 3, 4]


def test_a_clock_that_jumps_ahead_misses_what_it_says() -> None:
    stage = Stage(**MINUTELY, missed="all", overlap="allow")
    stage.kit.miss(12.5 * MINUTE)
    stage.kit.advance(1)
    assert stage.ticks == [float(n) for n in range(13)]  # ten at once, and the others after


@pytest.mark.parametrize(("missed", "ticks", "count"), [("skip", [6], 5), ("last", [5, 6], 4 + 1), ("all", [2], 0)])
def test_ticks_while_nobody_ran(missed: str, ticks: list[float], count: int) -> None:
    stage = Stage(**MINUTELY, missed=missed)
    stage.kit.miss(6 * MINUTE)  # half a minute after the last of six
    if missed == "all":
        stage.kit.advance(0)
        assert stage.ticks == [0]
        assert stage.seen("counts")["skipped"] == 5  # they overlap: that is another matter
        return
    stage.kit.advance(0)
    if missed == "last":
        stage.end()
    stage.kit.advance(MINUTE)
    assert stage.ticks == ticks
    assert stage.seen("counts")["missed"] == count + (0 if missed == "last" else 1)


def test_with_jitter_it_is_due_later_and_is_the_same_tick() -> None:
    stage = Stage(**MINUTELY, jitter_s=20)
    (upcoming, *_) = stage.seen("next")
    assert upcoming["tick_ms"] == FIRST_MS
    assert 0 < upcoming["due_ms"] - FIRST_MS <= 20_000
    stage.kit.advance(upcoming["due_ms"] / 1000 - BEGUN_S - 0.001)
    assert not stage.started
    stage.kit.advance(0.001)
    assert stage.ticks == [0]


def test_once() -> None:
    stage = Stage(once_ms=FIRST_MS)
    stage.kit.advance(10 * MINUTE)
    assert stage.ticks == [0]
    assert (stage.seen("state"), stage.seen("next")) == ("over", [])
    assert stage.set(once_ms=FIRST_MS) is None  # as it is
    assert refusal(stage, once_ms=FIRST_MS + 1) == ("schedule.once_ms", 422)


def test_a_job_that_takes_other_arguments_by_now_is_no_crash() -> None:
    stage = Stage(**MINUTELY)
    spec = stage.kit.state.spec
    assert spec is not None
    changed = WasSet(spec=Spec(job=spec.job, queue=spec.queue, when=spec.when, arguments={"of": 7}), next_ms=FIRST_MS)
    stage.kit.state.apply(changed, 0)
    stage.kit.advance(MINUTE)
    assert not stage.started
    (skipped,) = [event for event in stage.kit.events if isinstance(event, Skipped)]
    assert skipped.reason.startswith("invalid: job.report: ")
    assert stage.seen("next")[0]["tick_ms"] == FIRST_MS + 60_000


def test_nor_is_a_class_whose_own_code_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(**MINUTELY)

    def raises(*_: Any, **given: Any) -> None:
        raise KeyError("sales")

    with monkeypatch.context() as patched:
        patched.setattr(Report, "to_row", raises)
        stage.kit.advance(MINUTE)
    (skipped,) = [event for event in stage.kit.events if isinstance(event, Skipped)]
    assert (skipped.reason, stage.started) == ("KeyError: 'sales'", [])
    stage.kit.advance(MINUTE)
    assert stage.ticks == [1]


def test_a_time_that_can_not_be_worked_out_is_looked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(**MINUTELY)

    def raises(*_: Any) -> None:
        raise LookupError("no such time zone")

    with monkeypatch.context() as patched:
        patched.setattr(firing, "due", raises)
        stage.kit.advance(MINUTE)
    assert not stage.started
    stage.kit.advance(MINUTE)
    assert stage.ticks == [0]


def test_a_timer_that_is_gone_is_set_again_by_whatever_comes() -> None:
    stage = Stage(**MINUTELY)
    stage.kit._timers.clear()  # its message was given up
    stage.kit.restart()
    stage.kit.advance(MINUTE)
    assert not stage.started
    stage.kit.tell(Step())
    stage.kit.advance(MINUTE)
    assert stage.started


def test_a_job_is_cancelled_in_the_queue_that_it_was_started_in() -> None:
    stage = Stage(job="job.elsewhere", queue="mail", **MINUTELY, overlap="cancel_other")
    stage.kit.advance(MINUTE)
    stage.set(job="job.elsewhere", queue="post", **MINUTELY, overlap="cancel_other")
    stage.kit.advance(MINUTE)
    assert cancels(stage) == [("queue:mail", stage.started[0])]
    stage.kit.restart(from_snapshot=True)
    assert stage.seen("running")[0]["queue"] == "mail"


# What the code declares.


def declare(stage: Stage, turn: int, cron: str = "* * * * *") -> None:
    spec = Spec(job="job.report", queue="mail", when=Timing(cron=cron))
    stage.kit.ask(Declare(spec=spec, digest=cron, turn=turn))


def test_declared_it_is_the_code_s_to_change() -> None:
    stage = Stage()
    declare(stage, 0)
    assert refusal(stage, **MINUTELY) == ("schedule.declared", 409)
    with pytest.raises(Refused, match="declared"):
        stage.kit.ask(Drop())
    note = stage.kit.told[-1].message
    assert isinstance(note, Note)
    assert (note.entry.declared, note.entry.digest, note.entry.state) == (True, "* * * * *", "active")
    before = stage.kit.offset
    declare(stage, 0)
    assert stage.kit.offset == before


def test_declared_no_more_it_is_shown_and_never_fires() -> None:
    stage = Stage()
    declare(stage, 0)
    stage.kit.tell(Orphan(turn=1))
    stage.kit.advance(5 * MINUTE)
    assert (stage.started, stage.seen("state")) == ([], "orphaned")
    declare(stage, 1)
    stage.kit.advance(MINUTE)
    assert (stage.ticks, stage.seen("state")) == ([5], "active")


def test_of_two_nodes_the_later_one_decides() -> None:
    """The orphan of a turn comes after what was declared in it, or before: it is declared."""
    stage = Stage()
    declare(stage, 0)
    declare(stage, 1)
    stage.kit.tell(Orphan(turn=1))
    assert stage.seen("state") == "active"
    stage.kit.tell(Orphan(turn=2))
    declare(stage, 1)
    assert stage.seen("state") == "orphaned"


def test_an_orphan_may_be_set_and_dropped() -> None:
    stage = Stage()
    declare(stage, 0)
    stage.kit.tell(Orphan(turn=1))
    stage.set(cron="0 3 * * *")
    assert (stage.seen("state"), stage.seen("declared")) == ("active", False)
    stage.kit.ask(Drop())


def test_paused_by_people_it_stays_so_when_it_is_declared_anew() -> None:
    stage = Stage()
    declare(stage, 0)
    stage.kit.ask(Pause())
    declare(stage, 1, "*/2 * * * *")
    stage.kit.advance(5 * MINUTE)
    assert (stage.started, stage.seen("state")) == ([], "paused")


def test_who_is_no_staff_may_nothing() -> None:
    stage = Stage(**MINUTELY)
    messages: tuple[Ask[Any], ...] = (Pause(), Resume(), Drop(), EndBackfills())
    for message in messages:
        with pytest.raises(Refused, match="forbidden"):
            stage.kit.ask(message, user="ann")
    with pytest.raises(Refused, match="forbidden"):
        stage.kit.watch(user="ann")
