"""Pages of lists: cursors, and how many may look at once."""

from collections.abc import AsyncIterator
from functools import partial

import pytest
import trio
from trio.testing import MockClock

from greenroom.actors.jobs.listing.lists import LOOK_S, WAITING_MAX, WAITING_OF_ONE, JobLists
from greenroom.actors.jobs.listing.where import cursors_of
from greenroom.actors.model.errors import Overloaded
from greenroom.actors.views.cursor import BadCursor
from greenroom.store.jobs.filter import JobFilter
from greenroom.store.jobs.jobs import JobFound
from greenroom.store.jobs.listing import ListedJob, Looked

Q = JobFilter("q")


class Listing:
    """Jobs of numbers below a thousand, each look at one of them, which takes a while."""

    def __init__(self, look_s: float = 0.0) -> None:
        self._look_s = look_s
        self.looks = 0

    async def looked_at(self, asked: JobFilter, before: str, *, most: int, rows: int, now_ms: int) -> Looked:
        self.looks += 1
        await trio.sleep(self._look_s)
        number = min(int(before, 16), 1_000) - 1
        jobs = [_job(number)] if number % 2 else []
        return Looked(jobs, f"{number:032x}" if number else None)

    async def counted(self, asked: JobFilter, before: str, *, rows: int, now_ms: int) -> tuple[int, str | None]:
        raise NotImplementedError

    async def ended(self, ids: list[str]) -> list[JobFound]:
        raise NotImplementedError

    async def named(self, ids: list[str]) -> list[str]:
        raise NotImplementedError

    async def queues(self, after: str, limit: int) -> list[str]:
        return [name for name in ("a", "b", "c") if name > after][:limit]


def _job(number: int) -> ListedJob:
    return ListedJob(
        id=f"{number:032x}",
        queue="q",
        job="job.x",
        state="waiting",
        priority=4,
        attempts=0,
        attempts_max=5,
        added_ms=number,
        due_ms=number,
        arguments=b'{"n":1}' if number > 997 else None,
    )


@pytest.fixture
async def lists() -> AsyncIterator[JobLists]:
    yield JobLists(Listing(), lambda: 5.0)


async def test_a_page_begins_where_the_one_before_has_ended(lists: JobLists) -> None:
    first = await lists.jobs(Q, None, 2)
    assert [one.added_ms for one in first.rows] == [999, 997]
    assert (bytes(first.rows[0].arguments), first.rows[1].arguments) == (b'{"n":1}', None)
    second = await lists.jobs(Q, first.next, 1)
    assert [one.added_ms for one in second.rows] == [995]


async def test_a_cursor_of_another_list_is_refused(lists: JobLists) -> None:
    for cursor in ("x", cursors_of(JobFilter()).encode(["a" * 32]), cursors_of(Q).encode(["no id"])):
        with pytest.raises(BadCursor):
            await lists.jobs(Q, cursor, 1)


async def test_when_time_is_up_a_page_says_how_far_it_has_come(autojump_clock: MockClock) -> None:
    lists = JobLists(Listing(LOOK_S / 2), lambda: 5.0)
    page = await lists.jobs(Q, None, 100)
    assert [one.added_ms for one in page.rows] == [999] and page.next is not None
    assert [one.added_ms for one in (await lists.jobs(Q, page.next, 1)).rows] == [997]


async def test_queues_page_by_page(lists: JobLists) -> None:
    first = await lists.queues("", 2)
    assert ([one.queue for one in first.rows], first.next) == (["a", "b"], "b")
    last = await lists.queues("b", 2)
    assert ([one.queue for one in last.rows], last.next) == (["c"], None)


@pytest.mark.bound("lists of jobs that are read on a node, or wait for that")
async def test_so_many_wait_and_no_more(autojump_clock: MockClock) -> None:
    lists = JobLists(Listing(1.0), lambda: 5.0)
    async with trio.open_nursery() as nursery:
        for number in range(WAITING_MAX):
            nursery.start_soon(partial(lists.jobs, Q, None, 1, who=f"u{number // WAITING_OF_ONE}"))
        await trio.testing.wait_all_tasks_blocked()
        for who in ("u0", "another"):
            with pytest.raises(Overloaded):
                await lists.jobs(Q, None, 1, who=who)
