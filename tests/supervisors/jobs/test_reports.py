"""What a worker's jobs say, until it is told."""

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from greenroom.actors.jobs.queue.messages import LINE_MAX, LINES_MAX, Said
from greenroom.supervisors.jobs.reports import Reports

A, B = "a" * 32, "b" * 32


def test_the_newest_words_of_each_with_all_lines() -> None:
    reports = Reports()
    reports.note(A, 0.1, "x", None)
    reports.note(A, None, "", "one")
    reports.note(B, None, "", "two")
    reports.note(A, 0.2, "y", None)
    assert reports.take() == [Said(A, 0.2, "y", ["one"]), Said(B, lines=["two"])]
    assert reports.take() == []


def test_what_a_job_that_ends_said_last_is_kept_apart() -> None:
    reports = Reports()
    reports.note(A, 0.1, "x", "one")
    reports.end(A)
    reports.end(B)
    assert reports.take() == [] and reports.last() == [Said(A, 0.1, "x", ["one"])] and reports.last() == []


def test_bounds_and_what_is_no_share() -> None:
    reports = Reports()
    for number in range(LINES_MAX + 3):
        reports.note(A, 7.0, "x" * 5_000, f"{number:05} " + "y" * 5_000)
    (said,) = reports.take()
    assert (said.share, len(said.note), len(said.lines), len(said.lines[0])) == (1.0, 1_000, LINES_MAX, LINE_MAX)
    assert said.lines[0].startswith("00003 ")
    reports.note(A, 0.5, "half\ud83d", "\ude00 line")
    (said,) = reports.take()
    assert (said.note, said.lines) == ("half?", ["? line"]), "as it can be sent"
    with pytest.raises(ValueError, match="nan"):
        reports.note(A, float("nan"), "", None)


async def test_whoever_waits_for_something_to_say_is_woken(autojump_clock: MockClock) -> None:
    reports = Reports()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(reports.wanted)
        await wait_all_tasks_blocked()
        reports.note(A, 0.5, "", None)
    await reports.wanted()


async def test_a_rest_ends_as_soon_as_somebody_watches(autojump_clock: MockClock) -> None:
    reports = Reports()
    await reports.rest(3.0)
    assert trio.current_time() == 3.0
    async with trio.open_nursery() as nursery:
        nursery.start_soon(reports.rest, 3.0)
        await wait_all_tasks_blocked()
        reports.hurry()
    assert trio.current_time() == 3.0
