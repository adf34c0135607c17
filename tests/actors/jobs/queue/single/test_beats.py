"""Beats that wait at a queue."""

from greenroom.actors.jobs.queue.messages import Beat
from greenroom.actors.jobs.queue.single.beats import Beats

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
