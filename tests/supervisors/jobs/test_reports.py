"""What a worker's jobs say, until it is told."""

import msgspec
import pytest
import trio
from msgspec import Raw
from trio.testing import MockClock, wait_all_tasks_blocked

from greenroom.actors.jobs.queue.messages import LINE_MAX, LINES_MAX, Finished, Said
from greenroom.supervisors.jobs.reports import FINISHED_BYTES, Reports, how_many

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


def test_one_message_says_what_fits_and_one_at_least() -> None:
    small, large = Finished(A, 1, Raw(b"7")), Finished(B, 1, Raw(b"1" * (FINISHED_BYTES // 3)))
    assert how_many([large] * 9) == 2 and how_many([Finished(A, 1, Raw(b"1" * FINISHED_BYTES)), small]) == 1
    assert how_many([small] * 2_000) == 1_000 and how_many([]) == 0
    failed = Finished(A, 1, error="\0" * 8_000, trace="\0" * 8_000)
    batch = [failed] * how_many([failed] * 1_000)
    assert len(batch) < 10 and len(msgspec.json.encode(batch)) < FINISHED_BYTES + 1_000


def test_so_do_reports() -> None:
    reports = Reports()
    for number in range(10):
        for _ in range(LINES_MAX):
            reports.note(f"{number:032x}", None, "", "\0" * LINE_MAX)
    told = [reports.take() for _ in range(10)]
    assert [len(one) for one in told] == [1] * 10 and len(msgspec.json.encode(told[0])) < (1 << 20) - FINISHED_BYTES
    for number in range(2_000):
        reports.note(f"{number:032x}", 0.5, "", "a line")
    assert 500 < len(reports.take()) <= 1_000
    for _ in range(2):
        reports.note(A, None, "", "x" * LINE_MAX)
        reports.end(A)
    assert len(reports.last()) == 2


def test_what_was_not_heard_is_said_with_what_came_since() -> None:
    reports = Reports()
    reports.note(A, 0.2, "early", "one")
    reports.note(B, 0.9, "late", "three")
    said = reports.take()
    reports.note(A, None, "", "two")
    reports.put_back(said)
    assert {one.id: (one.share, one.note, one.lines) for one in reports.take()} == {
        A: (0.2, "early", ["one", "two"]),
        B: (0.9, "late", ["three"]),
    }
    reports.note(A, 0.5, "later", None)
    reports.put_back(said)
    assert [(one.share, one.note) for one in reports.take() if one.id == A] == [(0.5, "later")], "the newer one counts"
