"""What is kept of how a job ended."""

import json

import pytest
from msgspec import Raw

from greenroom.actors.jobs.queue.desk.endings import (
    ERROR_MAX,
    RESULT_MAX,
    error_of,
    in_history,
    kept_of,
    why_cancelled,
    wrong_with,
)
from greenroom.actors.jobs.queue.messages import Finished
from greenroom.store.jobs.sealing import ARGUMENTS, RESULT, Place, keys_for, seal


def test_an_error_is_kept_as_far_as_it_can_be_stored() -> None:
    kept = json.loads(error_of(5, "w", 2, "a\0b\ud800" + "x" * ERROR_MAX))
    assert kept == {"at_ms": 5, "worker": "w", "attempt": 2, "error": ("a\\0b?" + "x" * (ERROR_MAX - 4))}
    assert json.loads(error_of(5, "w", 2, "no", "line 1"))["trace"] == "line 1"


def test_a_reason_is_said_where_there_is_one() -> None:
    assert (why_cancelled(""), why_cancelled("too late")) == ("cancelled", "cancelled: too late")


def test_null_is_no_result() -> None:
    assert (kept_of(Raw(b"null")), kept_of(Raw(b"0"))) == (None, b"0")


@pytest.mark.parametrize(
    ("result", "wrong"), [(b"1", ""), (b'"\xff"', "is no JSON: "), (b"1" * (RESULT_MAX + 1), "has more than ")]
)
def test_what_can_not_be_kept_says_why(result: bytes, wrong: str) -> None:
    said = wrong_with(Raw(result), "job.pay", "a")
    assert said.startswith(wrong) and bool(said) == bool(wrong)


def test_what_others_have_encrypted_is_no_result() -> None:
    """Whoever reads it would open it, and see what that other job was given in secret."""
    with keys_for(bytes(32)):
        stored, given = (Raw(seal(b"4111", Place("job.pay", "a", what))) for what in (RESULT, ARGUMENTS))
    assert wrong_with(stored, "job.pay", "a") == ""
    assert wrong_with(Raw(b'{"$sealed":"1.2.3","of":"job.pay"}'), "job.pay", "a") == "", "of the release before"
    wrong = "is marked as encrypted, and not by this job"
    for result in (stored, Raw(b'{"$sealed": 7}'), Raw(b'{"$sealed":"1.2.3"}')):
        assert wrong_with(result, "job.echo", "a") == wrong
    assert wrong_with(stored, "job.pay", "b") == wrong_with(given, "job.pay", "a") == wrong


def test_what_was_done_across_a_failover_is_done_again() -> None:
    """Whoever was told of it may have forgotten. What went wrong did so in either history."""
    done, failed = Finished("a", 1, Raw(b"1"), lineage=""), Finished("b", 1, error="no", lineage="")
    refunded, cancelled = Finished("c", 1, refund=True, lineage=""), Finished("d", 1, cancelled=True, lineage="")
    untold = Finished("e", 1, Raw(b"2"))
    every = [done, failed, refunded, cancelled, untold]
    assert in_history(every, "") == every
    assert in_history(every, ".2") == [Finished("a", 1, refund=True), *every[1:]]
