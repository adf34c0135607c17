"""Jobs that are not here: when the store is asked how they stand, and what its answer says."""

import pytest

from greenroom.actors.jobs.queue.flows.others import ANSWER_MS, ASK_AT_ONCE, ASK_MS, Others
from greenroom.store.jobs.jobs import JobOutcome

NOW = 1_000_000
HERE: set[str] = set()


def others(*ids: str) -> Others:
    one = Others()
    for job_id in ids:
        one.wait(job_id)
    one.stored(ids)
    return one


def take(one: Others, now_ms: int = NOW, awaited: str = "xyz") -> list[str]:
    return one.take(now_ms, HERE, set(awaited))


def test_one_is_asked_about_at_once_and_then_every_few_seconds() -> None:
    one = others("x")
    assert one.is_due(NOW) and not one.is_due(NOW), "somebody is asking"
    assert take(one) == ["x"] and take(one) == []
    assert one.answered(["x"], {"x": JobOutcome("media", "unfinished")}) == ({}, {"media": ["x"]})
    assert (one.next_ms(), one.queue_of("x")) == (NOW + ASK_MS, "media")
    assert not one.is_due(NOW + ASK_MS - 1) and one.is_due(NOW + ASK_MS)
    assert take(one, NOW + ASK_MS) == ["x"]
    assert one.answered(["x"], {"x": JobOutcome("media", "failed")}) == ({"x": JobOutcome("media", "failed")}, {})
    assert not len(one) and one.next_ms() is None


def test_an_answer_that_never_comes_is_asked_for_again() -> None:
    one = others("x")
    assert one.is_due(NOW) and take(one) == ["x"]
    assert not one.is_due(NOW + ANSWER_MS - 1) and one.is_due(NOW + ANSWER_MS)


def test_of_one_that_is_here_or_that_nobody_waits_for_nobody_is_asked() -> None:
    one = others("x", "y", "z")
    assert one.take(NOW, {"x"}, {"x", "y"}) == ["y"] and len(one) == 1


@pytest.mark.bound("jobs of others that a queue asks about at once")
def test_only_so_many_are_asked_about_at_once_and_all_in_turn() -> None:
    ids = [f"{number:04}" for number in range(ASK_AT_ONCE + 1)]
    one = others(*ids)
    assert one.take(NOW, HERE, ids) == ids[:-1]
    assert one.take(NOW, HERE, ids) == ids[-1:]


def test_one_that_is_nowhere_is_unknown_once_its_row_would_be_there() -> None:
    one = others("x")
    one.wait("y", "media")
    assert take(one) == ["x"] and one.next_ms() is not None
    assert one.answered(["x", "y"], {}) == ({"x": None}, {})
    assert (one.new(), take(one, NOW + 3_600_000), len(one)) == (["y"], [], 1), "whatever the clock says"
    one.stored(["y", "z"])
    assert (one.new(), take(one, NOW)) == ([], ["y"])
    assert one.answered(["y"], {}) == ({"y": None}, {}) and not len(one)


def test_so_many_are_said_to_be_stored_by_one_message() -> None:
    one = Others()
    for number in range(ASK_AT_ONCE + 1):
        one.wait(f"{number:04}")
    said = one.new()
    one.stored(said)
    assert (len(said), one.new()) == (ASK_AT_ONCE, [f"{ASK_AT_ONCE:04}"])


def test_an_answer_of_before_does_not_hide_the_one_that_is_newer() -> None:
    one, unfinished = others("x"), {"x": JobOutcome("media", "unfinished")}
    take(one)
    one.answered(["x"], unfinished)
    assert take(one, NOW + ASK_MS) == ["x"]
    one.look_again("x")
    assert take(one, NOW + ASK_MS) == ["x"], "its queue has said something while the store was asked"
    assert one.answered(["x"], unfinished) == ({}, {"media": ["x"]}), "as it was before that"
    failed = {"x": JobOutcome("media", "failed")}
    assert one.answered(["x"], failed) == (failed, {}) and not len(one)


def test_what_its_queue_has_said_is_not_asked() -> None:
    one = others("x", "y")
    one.ended("x")
    assert take(one) == ["y"]
    one.ended("y")
    assert one.answered(["y"], {"y": JobOutcome("media", "failed")}) == ({}, {})
