"""How a schedule stands, in a word."""

import pytest

from greenroom.actors.jobs.schedule.shown import standing
from greenroom.actors.jobs.schedule.state import ScheduleState


@pytest.mark.parametrize(
    ("state", "word"),
    [
        (ScheduleState(next_ms=5), "active"),
        (ScheduleState(), "over"),
        (ScheduleState(paused=True), "paused"),
        (ScheduleState(paused=True, orphaned=True), "orphaned"),
    ],
)
def test_how_it_stands(state: ScheduleState, word: str) -> None:
    assert standing(state) == word
