"""A schedule alone: when it fires, what becomes of ticks that come too soon or too late, and what people do to it."""

from typing import Any

import msgspec
import pytest

from greenroom.actors.jobs.queue.single.steering import CancelJob
from greenroom.actors.jobs.schedule import firing
from greenroom.actors.jobs.schedule.book.messages import Note, Strike
from greenroom.actors.jobs.schedule.messages import (
    Backfill,
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
from greenroom.store.jobs.jobs import JobFound
from tests.actors.jobs.schedule.stage import BEGUN_S, MINUTE, Report, Stage

MINUTELY = {"cron": "* * * * *"}
FIRST_MS = int(BEGUN_S + 30) * 1000


def refusal(stage: Stage, **fields: Any) -> tuple[str, int]:
    with pytest.raises(Refused) as caught:
        stage.set(**fields)
    return caught.value.name, caught.value.status


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


# Overlap.


def test_skip() -> None:
    stage = Stage(**MINUTELY)
    stage.kit.advance(3 * MINUTE)
    assert (stage.ticks, stage.seen("counts")["skipped"]) == ([0], 2)
    stage.end()
    stage.kit.advance(MINUTE)
    assert stage.ticks == [0, 3]


def test_buffer_one() -> None:
    stage = Stage(**MINUTELY, overlap="buffer_one")
    stage.kit.advance(3 * MINUTE)
    stage.end()
    stage.end()
    assert stage.ticks == [0, 1]
    assert not stage.seen("running")


@pytest.mark.bound("ticks of a schedule that wait for its jobs to end")
def test_buffer_all_is_bounded() -> None:
    stage = Stage(**MINUTELY, overlap="buffer_all")
    stage.kit.advance(103 * MINUTE)
    assert (len(stage.seen("waiting")), stage.seen("counts")["skipped"]) == (100, 2)
    for _ in range(101):
        stage.end()
    assert len(stage.started) == 101
    assert not stage.seen("running")


def test_cancel_other_begins_once_the_other_has_ended() -> None:
    stage = Stage(**MINUTELY, overlap="cancel_other")
    stage.kit.advance(2 * MINUTE)
    assert cancels(stage) == [("queue:mail", stage.started[0])]
    told = stage.kit.told[-1]
    stage.kit.undelivered(told, "queue.no_such_job")  # it has yet to find it
    stage.kit.advance(2)
    assert cancels(stage) == [("queue:mail", stage.started[0])] * 2
    assert stage.ticks == [0]
    stage.end(name="job.cancelled")
    assert stage.ticks == [0, 1]
    assert stage.seen("recent")[0]["outcome"] == "cancelled"


def test_cancel_other_begins_at_once_where_the_other_was_erased() -> None:
    stage = Stage(**MINUTELY, overlap="cancel_other")
    stage.kit.advance(2 * MINUTE)
    told = stage.kit.told[-1]
    stage.kit.undelivered(told, "forgotten")
    assert stage.ticks == [0, 1]
    assert stage.seen("recent")[0]["outcome"] == "lost"
    stage.kit.undelivered(told, "forgotten")
    assert stage.ticks == [0, 1], "it was another one"


def test_the_newest_takes_the_place_of_what_waits_to_replace() -> None:
    stage = Stage(**MINUTELY, overlap="cancel_other")
    stage.kit.advance(4 * MINUTE)
    stage.end(name="job.cancelled")
    assert stage.ticks == [0, 3]
    assert stage.seen("counts")["skipped"] == 2


def test_allow() -> None:
    stage = Stage(**MINUTELY, overlap="allow")
    stage.kit.advance(3 * MINUTE)
    assert (stage.ticks, len(stage.seen("running"))) == ([0, 1, 2], 3)


@pytest.mark.bound("jobs of a schedule that run side by side")
def test_a_thousand_may_run_side_by_side() -> None:
    stage = Stage(every_s=1, overlap="allow")
    stage.kit.advance(1_002)
    assert (len(stage.started), stage.seen("counts")["skipped"]) == (1_000, 2)


@pytest.mark.bound("runs of a schedule that it remembers")
def test_it_remembers_the_newest_runs() -> None:
    stage = Stage(**MINUTELY, overlap="allow")
    stage.kit.advance(25 * MINUTE)
    assert stage.ticks == [float(n) for n in range(5, 25)]
    stage.end(stage.started[0])  # of one that it remembers only as under way
    stage.end(stage.started[5])
    assert [run["outcome"] for run in stage.seen("recent")] == ["completed", *[""] * 19]
    assert len(stage.seen("running")) == 23


@pytest.mark.parametrize(
    ("name", "outcome"),
    [("", "completed"), ("job.failed", "failed"), ("job.cancelled", "cancelled"), ("job.duplicate", "duplicate")],
)
def test_it_hears_what_became_of_its_job(name: str, outcome: str) -> None:
    stage = Stage(**MINUTELY)
    stage.kit.advance(MINUTE)
    stage.end(name=name)
    stage.end(name=name)  # whoever says it twice has said it once
    (run,) = stage.seen("recent")
    assert (run["outcome"], run["detail"]) == (outcome, "why" if name else "")
    assert stage.seen("counts")[outcome] == 1


def test_a_job_of_which_nobody_says_any_more_what_became_of_it_holds_it_up_for_a_while() -> None:
    stage = Stage(**MINUTELY)
    stage.kit.advance(9 * MINUTE)
    stage.jobs.gone.add(stage.started[0])
    assert stage.ticks == [0]
    stage.kit.advance(2 * MINUTE)
    assert stage.ticks == [0, 10]
    assert stage.seen("recent")[0]["outcome"] == "lost"
    ended = stage.jobs.by_id[stage.started[1]] = JobFound(stage.kit.started[1].row, "failed", ended_ms=5)
    stage.kit.advance(11 * MINUTE)
    assert stage.ticks == [0, 10, 20]
    assert stage.seen("recent")[1]["outcome"] == ended.state
    stage.kit.advance(60 * MINUTE)
    assert stage.ticks == [0, 10, 20]  # that one runs


def test_its_job_is_given_the_tick() -> None:
    stage = Stage(**MINUTELY, tick_as="of", arguments={"of": 7}, job="job.elsewhere", queue="q", overlap="allow")
    stage.kit.advance(2 * MINUTE)
    bodies = [msgspec.json.decode(one.row.arguments or b"") for one in stage.kit.started]
    assert bodies == [{"of": FIRST_MS}, {"of": FIRST_MS + 60_000}]
    assert refusal(stage, **MINUTELY, tick_as="of") == ("schedule.arguments", 422)  # of the class it is a text
    assert refusal(stage, **MINUTELY, tick_as="on") == ("schedule.tick_as", 422)


# What people do.


def test_paused_it_starts_nothing_and_what_it_leaves_out_never_was() -> None:
    stage = Stage(**MINUTELY, overlap="buffer_all")
    stage.kit.advance(2 * MINUTE)
    stage.kit.ask(Pause(note="holidays"), user="ann", roles=("admin",))
    stage.end()
    stage.kit.advance(5 * MINUTE)
    assert (stage.ticks, stage.seen("state"), stage.seen("pause_note")) == ([0], "paused", "holidays")
    stage.kit.ask(Resume())
    assert stage.ticks == [0, 1]  # it had waited
    stage.end()
    stage.kit.advance(MINUTE)
    assert stage.ticks == [0, 1, 7]


def test_triggered_it_starts_at_once_also_while_it_is_paused() -> None:
    stage = Stage(**MINUTELY)
    stage.kit.ask(Pause())
    answer = stage.trigger()
    assert (answer.verdict, answer.job) == ("started", stage.started[0])
    assert stage.trigger().verdict == "skipped"
    assert stage.trigger(overlap="buffer_one").verdict == "waits"
    assert stage.trigger(overlap="allow").verdict == "started"
    assert [run["why"] for run in stage.seen("running")] == ["trigger", "trigger"]


def test_what_a_backfill_makes_up_for_goes_one_after_the_other() -> None:
    stage = Stage(cron="0 3 * * *")
    week_ms = 7 * 86_400_000
    now_ms = int(BEGUN_S * 1000)
    assert stage.kit.ask(Backfill(from_ms=now_ms - week_ms, until_ms=now_ms)).ticks == 7
    for number in range(7):
        assert len(stage.started) == number + 1
        stage.end(name="job.failed" if number == 3 else "")
    assert (len(stage.started), stage.seen("backfills")) == (7, [])
    ticks = [run["tick_ms"] for run in stage.seen("recent")]
    assert ticks == list(Timing(cron="0 3 * * *").between(now_ms - week_ms, now_ms))


@pytest.mark.bound("jobs that a backfill starts side by side")
def test_with_allow_ten_a_second() -> None:
    stage = Stage(**MINUTELY)
    now_ms = int(BEGUN_S * 1000)
    stage.kit.ask(Backfill(from_ms=now_ms - 25 * 60_000, until_ms=now_ms, overlap="allow"))
    counts = [len(stage.started)]
    for _ in range(3):
        stage.kit.advance(1)
        counts.append(len(stage.started))
    assert counts == [10, 20, 25, 25]


def test_paused_a_backfill_rests_and_goes_on_where_it_was() -> None:
    stage = Stage(**MINUTELY)
    now_ms = int(BEGUN_S * 1000)
    stage.kit.ask(Backfill(from_ms=now_ms - 25 * 60_000, until_ms=now_ms, overlap="allow"))
    stage.kit.ask(Pause())
    stage.kit.advance(10)
    assert len(stage.started) == 10
    stage.kit.ask(Resume())
    stage.kit.advance(1)
    assert len(stage.started) == 25
    assert len({run["tick_ms"] for run in stage.seen("running")}) == 25


def test_ending_backfills() -> None:
    stage = Stage(**MINUTELY)
    now_ms = int(BEGUN_S * 1000)
    stage.kit.ask(Backfill(from_ms=now_ms - 5 * 60_000, until_ms=now_ms))
    stage.kit.ask(EndBackfills())
    stage.end()
    assert (len(stage.started), stage.seen("backfills")) == (1, [])


@pytest.mark.parametrize(
    ("from_s", "until_s", "name"),
    [
        (-60, -120, "schedule.from_ms"),
        (-60, 1, "schedule.until_ms"),
        (-367 * 86_400, 0, "schedule.from_ms"),
        (-86_400, 0, "schedule.too_many_ticks"),
    ],
)
def test_what_a_backfill_may_not(from_s: int, until_s: int, name: str) -> None:
    stage = Stage(**MINUTELY)
    with pytest.raises(Refused) as caught:
        stage.kit.ask(Backfill(from_ms=int(BEGUN_S + from_s) * 1000, until_ms=int(BEGUN_S + until_s) * 1000))
    assert caught.value.name == name


@pytest.mark.bound("backfills of a schedule")
def test_ten_backfills_may_be_under_way() -> None:
    stage = Stage(**MINUTELY)
    now_ms = int(BEGUN_S * 1000)
    ask = Backfill(from_ms=now_ms - 5 * 60_000, until_ms=now_ms)
    for _ in range(10):
        stage.kit.ask(ask)
    with pytest.raises(Refused, match="too_many_backfills"):
        stage.kit.ask(ask)


def test_dropped_it_is_no_more() -> None:
    stage = Stage(**MINUTELY)
    stage.kit.advance(MINUTE)
    assert stage.kit.ask(Drop()).was_there
    stage.end()
    stage.kit.advance(10 * MINUTE)
    assert len(stage.started) == 1
    assert isinstance(stage.kit.told[-1].message, Strike)
    assert not stage.kit.ask(Drop()).was_there
    with pytest.raises(Refused) as caught:
        stage.trigger()
    assert (caught.value.name, caught.value.status) == ("schedule.not_found", 404)
    assert stage.set(**MINUTELY) == FIRST_MS + 11 * 60_000


def test_set_again_the_same_nothing_is_recorded() -> None:
    stage = Stage(**MINUTELY, arguments={"of": "a"})
    before = stage.kit.offset
    assert stage.set(**MINUTELY, arguments={"of": "a"}) == FIRST_MS
    assert stage.kit.offset == before
    assert stage.set(**MINUTELY, arguments={"of": "b"}) == FIRST_MS
    assert stage.set(cron="0 3 * * *", arguments={"of": "b"}) != FIRST_MS


@pytest.mark.parametrize(
    ("fields", "name", "status"),
    [
        ({"cron": "61 * * * *"}, "schedule.cron", 422),
        ({"cron": "* * * * *", "tz": "Europe/Nowhere"}, "schedule.tz", 422),
        ({"every_s": 0.1}, "schedule.every_s", 422),
        ({"once_ms": 1}, "schedule.once_ms", 422),
        ({**MINUTELY, "job": "job.unknown"}, "schedule.job", 422),
        ({**MINUTELY, "queue": "media"}, "schedule.queue", 422),
        ({**MINUTELY, "arguments": {"of": 7}}, "schedule.arguments", 422),
    ],
)
def test_what_is_wrong_is_named(fields: dict[str, Any], name: str, status: int) -> None:
    stage = Stage()
    assert refusal(stage, **fields) == (name, status)
    assert not stage.entered
    assert not stage.kit.events


def test_a_job_that_is_worked_on_elsewhere_needs_its_queue() -> None:
    stage = Stage(**MINUTELY, job="job.elsewhere", queue="media", arguments={"a": 1}, partition="p")
    stage.kit.advance(MINUTE)
    row = stage.kit.started[0].row
    assert (row.job, row.queue, row.arguments, row.partition, row.priority) == (
        "job.elsewhere", "media", b'{"a":1}', "p", 4,
    )  # fmt: skip


def test_there_may_be_too_many() -> None:
    stage = Stage()

    def full(message: Any) -> Any:
        raise Refused("schedules.too_many", status=409)

    stage.kit.when_asked("schedules:all", full)
    assert refusal(stage, **MINUTELY) == ("schedules.too_many", 409)


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


def test_what_goes_side_by_side_goes_also_behind_what_does_not() -> None:
    stage = Stage(**MINUTELY)
    now_ms = int(BEGUN_S * 1000)
    stage.kit.ask(Backfill(from_ms=now_ms - 2 * 60_000, until_ms=now_ms))
    stage.kit.ask(Backfill(from_ms=now_ms - 25 * 60_000, until_ms=now_ms, overlap="allow"))
    stage.end()
    assert len(stage.started) == 2, "the last of the first range runs"
    for _ in range(4):
        stage.kit.advance(0.5)
        stage.end()  # what ends meanwhile does not put it off
    assert len(stage.started) > 10
    stage.kit.advance(3)
    assert (len(stage.started), stage.seen("backfills")) == (2 + 25, [])


def test_ticks_that_may_overlap_do_not_hold_up_what_is_made_up_for() -> None:
    stage = Stage(**MINUTELY, overlap="allow")
    stage.kit.advance(MINUTE)
    now_ms = int((BEGUN_S + MINUTE) * 1000)
    stage.kit.ask(Backfill(from_ms=now_ms - 3 * 60_000, until_ms=now_ms))
    for number in range(3):
        assert len(stage.started) == number + 2, "one after the other"
        stage.end()
    assert (len(stage.started), stage.seen("backfills")) == (4, [])
    assert [run["why"] for run in stage.seen("running")] == ["tick"]


# What the code declares.


def cancels(stage: Stage) -> list[tuple[str, str]]:
    return [(told.entity, told.message.id) for told in stage.kit.told if isinstance(told.message, CancelJob)]


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
