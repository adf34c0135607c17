"""Short runs of the benchmark of jobs, ours and a peer's: every figure is there, and nothing is lost."""

from dataclasses import replace

from bench.jobs.far import DISTANCES
from bench.peers import find
from bench.questions.jobs import QUESTION, JobsParams

PARAMS = JobsParams(
    seconds=0.3, jobs=2_000, slots=20, in_flight=20, bulks=2, lone=5, waiting=4_000, kills=1, round_trip_ms=1.0,
    keys=2_000, key_runs=1, held=0.001, held_jobs=2_000,
)  # fmt: skip
NONE = ("lost", "run_twice_completed")
OURS_ALONE = {"limited_share", "rescue_ms", "waiting_bytes"}


def test_jobs_are_added_worked_on_and_taken_over_from_a_worker_that_is_killed() -> None:
    found = QUESTION.answer(PARAMS, lambda what, share: None).results
    assert set(QUESTION.figures) <= set(found)
    assert [found[name] for name in NONE] == [0, 0]
    assert all(found[name] > 0 for name in QUESTION.figures if name not in NONE)
    assert found["held_minute_1_per_s"] > 0


def test_a_table_claimed_with_skip_locked_answers_the_same() -> None:
    near = replace(PARAMS, bulks=1, round_trip_ms=0.0)
    found = find("skip-locked", "jobs").answer(near, lambda what, share: None).results
    assert set(QUESTION.figures) <= set(found) | OURS_ALONE | set(DISTANCES)
    assert [found[name] for name in NONE] == [0, 0]
    assert all(found[name] > 0 for name in found if name not in NONE)
    assert found["held_minute_1_per_s"] > 0
