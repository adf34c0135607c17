"""What becomes of a job whose attempt has ended without success."""

import json
from typing import Any

import pytest

from greenroom.actors.jobs.queue.desk.attempts import (
    LOST_MAX,
    REST_MAX_S,
    Again,
    after_attempt,
    after_silence,
    whole_ms,
)
from greenroom.actors.jobs.queue.desk.hands import Held
from greenroom.actors.jobs.queue.messages import Finished
from greenroom.actors.jobs.queue.waiting import Waiting
from greenroom.store.journal.consequences.jobs import EndRow
from tests.actors.jobs.queue.some_jobs import a_job

NOW = 1_000_000


def attempt(job: Waiting, why: str | None = None, **fields: Any) -> EndRow | Again:
    return after_attempt(job, Finished(job.id, 7, **fields), Held(7, "w", 5, {}), why, NOW)


def silence(job: Waiting, why: str | None = None, *, was_lost: bool = True) -> EndRow | Again:
    return after_silence(job, Held(7, "w", 5, {}), why, NOW, was_lost=was_lost)


@pytest.mark.parametrize(
    ("fields", "due_ms", "attempts"),
    [
        ({"error": "no", "retry_s": 2.0}, NOW + 2_000, 1),
        ({"refund": True}, 3, 0),
        ({"refund": True, "retry_s": 1.0}, NOW + 1_000, 0),
        ({"lost": True, "retry_s": 1.0}, NOW + 1_000, 0),
    ],
)
def test_it_is_tried_again(fields: dict[str, Any], due_ms: int, attempts: int) -> None:
    job = a_job(1, due_ms=3)
    again = attempt(job, **fields)
    assert isinstance(again, Again) and (again.due_ms, job.attempts) == (due_ms, attempts)
    assert (again.error is not None) == ("error" in fields)


@pytest.mark.parametrize(
    ("fields", "state", "error"),
    [
        ({"error": "no", "final": True}, "failed", "no"),
        ({"cancelled": True}, "cancelled", None),
        ({"cancelled": True, "why": "late"}, "cancelled", "cancelled: late"),
        ({"error": "no", "why": "late"}, "cancelled", "no"),
    ],
)
def test_it_ends(fields: dict[str, Any], state: str, error: str | None) -> None:
    ended = attempt(a_job(1), **fields)
    assert isinstance(ended, EndRow) and ended.state == state
    assert (json.loads(ended.error)["error"] if ended.error else None) == error


def test_the_last_attempt_ends_it_and_so_does_the_third_worker_that_it_ends() -> None:
    ended = attempt(a_job(1, attempts=4), error="no")
    assert isinstance(ended, EndRow) and ended.state == "failed"
    job = a_job(1)
    kinds = [type(silence(job) if number else attempt(job, lost=True)) for number in range(LOST_MAX)]
    assert kinds == [Again] * (LOST_MAX - 1) + [EndRow]


def test_who_leaves_gives_it_back_as_it_was_unless_nobody_wants_it() -> None:
    job = a_job(1, due_ms=3)
    assert silence(job, was_lost=False) == Again(3, None) and not job.lost
    ended = silence(job, "late", was_lost=False)
    assert isinstance(ended, EndRow) and ended.state == "cancelled"


def test_whatever_time_a_job_asks_for_there_is_one() -> None:
    assert (whole_ms(-1.0), whole_ms(1.5), whole_ms(float("inf"))) == (0, 1_500, REST_MAX_S * 1_000)
