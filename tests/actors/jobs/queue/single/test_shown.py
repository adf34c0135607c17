"""What is kept of what jobs say, and for whom."""

import pytest

from greenroom.actors.jobs.queue.messages import LINES_MAX, Said
from greenroom.actors.jobs.queue.single import shown as shown_module
from greenroom.actors.jobs.queue.single.shown import LOOK_MS, Shown

NOW = 1_000_000
A, B, C = "a" * 32, "b" * 32, "c" * 32


def test_the_newest_words_are_kept_and_lines_by_their_numbers() -> None:
    shown = Shown()
    shown.said(Said(A, 0.1, "x", ["1", "2"]))
    shown.said(Said(A, lines=["3"]))
    assert shown.of(A, since_told=False) == (0.1, "x", ["1", "2", "3"], 0)
    assert shown.of(A, since_told=True) == (0.1, "x", ["1", "2", "3"], 0)
    shown.said(Said(A, 0.2, "y", ["4"]))
    assert shown.of(A, since_told=True) == (0.2, "y", ["4"], 3), "the others were told"
    assert shown.of(A, since_told=False) == (0.2, "y", ["1", "2", "3", "4"], 0)
    assert shown.of(B, since_told=True) == (None, "", [], 0)


@pytest.mark.bound("lines of a job's log")
def test_of_a_long_log_the_end_is_kept() -> None:
    shown = Shown()
    for number in range(LINES_MAX + 5):
        shown.said(Said(A, lines=[str(number)]))
    _, _, lines, first = shown.of(A, since_told=False)
    assert (lines[0], lines[-1], len(lines), first) == ("5", str(LINES_MAX + 4), LINES_MAX, 5)


def test_what_an_attempt_said_last_is_there_once_for_who_looks_and_gone_for_the_next_attempt() -> None:
    shown = Shown()
    shown.look(A, NOW)
    for job in (A, B):
        shown.said(Said(job, 0.5, "", ["1"]))
        shown.ended(job)
    assert shown.last_of(A) == (["1"], 0) and shown.last_of(A) == ([], 0)
    assert shown.last_of(B) == ([], 0), "nobody looks at it"
    assert not shown and shown.of(A, since_told=False) == (None, "", [], 0)


def test_who_does_not_look_again_is_forgotten() -> None:
    shown = Shown()
    shown.look(A, NOW)
    shown.look(B, NOW + 1)
    shown.lapse(NOW + LOOK_MS)
    assert list(shown.looked_at) == [B]


@pytest.mark.bound("jobs of a queue that somebody watches")
def test_of_more_jobs_than_may_be_watched_the_others_are_not_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shown_module, "LOOKS_MAX", 1)
    shown = Shown()
    shown.look(A, NOW)
    shown.look(B, NOW)
    shown.look(A, NOW + 5)
    assert shown.looked_at == {A: NOW + 5 + LOOK_MS}


@pytest.mark.bound("jobs of a queue whose progress is kept")
def test_of_too_many_that_say_something_the_first_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shown_module, "SAID_MAX", 2)
    shown = Shown()
    for job in (A, B, C):
        shown.said(Said(job, 0.5))
    assert len(shown) == 2 and shown.of(A, since_told=False)[0] is None
    monkeypatch.setattr(shown_module, "LINES_CHARACTERS_MAX", 10)
    shown.said(Said(B, lines=["x" * 8]))
    shown.said(Said(C, lines=["y" * 8]))
    assert shown.of(B, since_told=False)[2] == [] and shown.of(C, since_told=False)[2] == ["y" * 8]
    shown.ended(C)
    shown.said(Said(A, lines=["x" * 8]))
    shown.said(Said(B, lines=["z"]))
    assert len(shown) == 2, "what is gone does not count"
