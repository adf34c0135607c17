"""A short run of the benchmark of jobs: every figure is there, and nothing is lost."""

from bench.questions.jobs import QUESTION, JobsParams


def test_jobs_are_added_worked_on_and_taken_over_from_a_worker_that_is_killed() -> None:
    params = JobsParams(
        seconds=0.3, jobs=2_000, slots=20, in_flight=20, bulks=2, lone=5, waiting=4_000, kills=1, round_trip_ms=1.0
    )
    found = QUESTION.answer(params, lambda what, share: None).results
    assert set(QUESTION.figures) <= set(found)
    assert found["lost"] == found["run_twice_completed"] == 0
    assert all(found[name] > 0 for name in QUESTION.figures if name not in ("lost", "run_twice_completed"))
