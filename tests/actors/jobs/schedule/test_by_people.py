"""What people do to a schedule: pause it, start it, make up for what it missed, set it anew."""

from typing import Any

import pytest

from greenroom.actors.jobs.schedule.book.messages import Strike
from greenroom.actors.jobs.schedule.messages import (
    Backfill,
    Drop,
    EndBackfills,
    Pause,
    Resume,
)
from greenroom.actors.jobs.schedule.timing import Timing
from greenroom.actors.model.errors import Refused
from tests.actors.jobs.schedule.stage import BEGUN_S, FIRST_MS, MINUTE, MINUTELY, Stage, refusal

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
