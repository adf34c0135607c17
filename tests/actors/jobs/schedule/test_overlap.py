"""What becomes of a tick while an earlier one's job has not ended."""

import pytest

from greenroom.actors.jobs.schedule.overlap import RUNNING_MAX, WAITING_MAX, Overlap, Verdict, decide


@pytest.mark.parametrize("overlap", ["skip", "buffer_one", "buffer_all", "cancel_other", "allow"])
def test_where_nothing_runs_it_starts(overlap: Overlap) -> None:
    assert decide(overlap, running=0, waiting=0) == "start"


@pytest.mark.parametrize(
    ("overlap", "running", "waiting", "verdict"),
    [
        ("skip", 1, 0, "skip"),
        ("buffer_one", 1, 0, "wait"),
        ("buffer_one", 1, 1, "skip"),
        ("buffer_all", 1, WAITING_MAX - 1, "wait"),
        ("buffer_all", 1, WAITING_MAX, "skip"),
        ("cancel_other", 1, 0, "replace"),
        ("cancel_other", 1, 1, "replace"),
        ("allow", RUNNING_MAX - 1, 0, "start"),
        ("allow", RUNNING_MAX, 0, "skip"),
    ],
)
def test_where_something_does(overlap: Overlap, running: int, waiting: int, verdict: Verdict) -> None:
    assert decide(overlap, running=running, waiting=waiting) == verdict
