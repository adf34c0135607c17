"""Beats that wait at a queue."""

import pytest

from greenroom.actors.jobs.queue.messages import Beat
from greenroom.actors.jobs.queue.single.beats import HEARD_MAX, REMEMBERED_MS, SILENT_MS, Beats

NOW = 1_000_000


def test_a_worker_has_one_that_waits() -> None:
    beats = Beats()
    first, before = beats.wait(Beat(worker="w", wait_s=3.0), NOW)
    assert before is None
    second, before = beats.wait(Beat(worker="w", wait_s=3.0), NOW + 1)
    assert before is first and len(beats) == 1
    assert beats.due(NOW + 3_000) == [] and beats.due(NOW + 3_001) == ["w"]
    assert beats.end("w") is second and beats.end("w") is None and not beats


def test_a_cancel_is_news_once_and_again_when_the_job_is_cancelled_anew() -> None:
    beats = Beats()
    assert not beats.news([], {})
    assert beats.news(["a"], {"a": ""})
    assert not beats.news(["a"], {"a": ""})
    assert beats.news(["a", "b"], {"a": "", "b": ""}), "one of them is"
    assert not beats.news([], {})
    assert beats.news(["a"], {"a": ""})


def test_a_worker_that_has_ceased_to_beat_is_silent() -> None:
    beats = Beats()
    assert not beats.is_silent("w", NOW, NOW + 20_000), "who never does is not known to have ended"
    beats.heard("w", NOW + 3_000)
    assert not beats.is_silent("w", NOW, NOW + 3_000 + SILENT_MS - 1)
    assert beats.is_silent("w", NOW, NOW + 3_000 + SILENT_MS)
    assert not beats.is_silent("w", NOW + 4_000, NOW + 3_000 + SILENT_MS), "it has asked since"
    beats.due(NOW + 3_000 + REMEMBERED_MS - 1)
    assert beats.is_silent("w", NOW, NOW + 40_000)
    beats.due(NOW + 3_000 + REMEMBERED_MS)
    assert not beats.is_silent("w", NOW, NOW + 40_000), "it is forgotten"


@pytest.mark.bound("workers of a queue of which is remembered when they beat last")
def test_so_many_are_remembered_and_others_are_no_reason_to_forget_one() -> None:
    beats = Beats()
    for number in range(HEARD_MAX):
        beats.heard(f"{number}", NOW)
    beats.heard("one more", NOW)
    assert not beats.is_silent("one more", 0, NOW + SILENT_MS) and beats.is_silent("0", 0, NOW + SILENT_MS)
    beats.heard("0", NOW + 1)
    assert not beats.is_silent("0", 0, NOW + SILENT_MS)
