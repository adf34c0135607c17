"""What a job's code says is made fit to be sent, or is its mistake."""

from typing import Any

import pytest

from greenroom import Pause, Snooze
from greenroom.supervisors.jobs.words import REASON_MAX, reason_of, seconds_of, whole


def test_half_of_a_pair_is_a_question_mark_and_all_else_is_left() -> None:
    assert whole("a\ud83db") == "a?b" and whole("ä\N{PARTY POPPER}\0") == "ä\N{PARTY POPPER}\0"


@pytest.mark.parametrize(("given", "seconds"), [("30", 30.0), (2, 2.0), (-5, 0.0)])
def test_seconds_are_a_number(given: Any, seconds: float) -> None:
    assert seconds_of(Snooze(given)) == seconds == seconds_of(Pause(given))


@pytest.mark.parametrize("given", ["soon", float("nan"), float("inf"), None, 10**400], ids=str)
def test_what_is_no_number_of_them_raises(given: Any) -> None:
    with pytest.raises((ValueError, TypeError, OverflowError)):
        seconds_of(Snooze(given))


def test_a_reason_is_a_text_of_some_length() -> None:
    assert reason_of(Pause(1)) == "a job asked for it" and reason_of(Pause(1, 429)) == "429"  # type: ignore[arg-type]
    assert reason_of(Pause(1, "\ud83d" * 1_000)) == "?" * REASON_MAX
