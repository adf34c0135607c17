"""Who wants to hear when a job ends."""

import pytest

from greenroom.actors.jobs.queue.flows import bells as module
from greenroom.actors.jobs.queue.flows.bells import LAPSE_MS, Bells


def test_whoever_wants_to_hear_of_it_is_told_once() -> None:
    bells = Bells()
    bells.hang(["x", "y"], "mail", 0)
    bells.hang(["x"], "media", 0)
    bells.ring("x", "failed")
    bells.ring("x", "completed")
    assert bells.take() == {"mail": {"x": "failed"}, "media": {"x": "failed"}} and bells.take() == {}
    assert list(bells.of) == ["y"]


def test_whoever_does_not_ask_again_is_not_told() -> None:
    bells = Bells()
    bells.hang(["x", "y"], "mail", 0)
    bells.hang(["y"], "media", 1)
    bells.lapse(LAPSE_MS)
    bells.ring("x", "failed")
    bells.ring("y", "failed")
    assert bells.take() == {"media": {"y": "failed"}}


@pytest.mark.bound("jobs of a queue that others want to hear of")
def test_of_more_than_so_many_nobody_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BELLS_MAX", 1)
    bells = Bells()
    bells.hang(["x", "y"], "mail", 0)
    bells.hang(["x"], "media", 0)
    assert list(bells.of) == ["x"] and len(bells.of["x"]) == 2
