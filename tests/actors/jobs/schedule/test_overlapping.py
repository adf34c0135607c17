"""Ticks that come while the job of an earlier one is under way, or while nobody hears what became of it."""

import msgspec
import pytest

from greenroom.actors.jobs.schedule.messages import (
    Backfill,
)
from greenroom.store.jobs.jobs import JobFound
from tests.actors.jobs.schedule.stage import BEGUN_S, FIRST_MS, MINUTE, MINUTELY, Stage, cancels, refusal

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


def test_a_job_whose_row_is_on_its_way_is_not_taken_for_gone_though_the_clock_is_set_ahead_meanwhile() -> None:
    stage = Stage(**MINUTELY)
    stage.trigger()
    stage.jobs.gone.add(stage.started[0])  # its append takes long
    stage.kit._world.now_s += 31 * MINUTE
    stage.kit.advance(1)
    assert stage.seen("recent")[0]["outcome"] == ""
    stage.kit.restart()  # after which it is stored, or was never to be
    stage.kit.advance(MINUTE)
    assert stage.seen("recent")[0]["outcome"] == "lost"
