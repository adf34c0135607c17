"""Lists of jobs, in memory as in the database: what a filter means, pages without gaps, and looks that are bounded."""

# ruff: noqa: F811 - fixtures are imported, and then arguments

import pytest
import trio

from greenroom.actors.jobs.options import Options
from greenroom.actors.jobs.waits import Awaited, Waits
from greenroom.store.jobs.filter import JobFilter
from greenroom.store.jobs.jobs import JobFound
from greenroom.store.jobs.listing import LOOKED_FIRST, LOOKED_MAX, JobListing, ListedJob, Looked, count_of, page_of
from greenroom.store.jobs.listing_memory import MemoryListing
from greenroom.store.jobs.listing_postgres import PostgresListing, looking
from greenroom.store.journal.consequences.jobs import FREED, BackRow, EndRow, JobRow, Jobs, TakeRow
from tests.store.journal.clusters import (  # noqa: F401 - fixtures
    Cluster,
    MemoryCluster,
    PostgresCluster,
    claim,
    cluster,
    memory,
    postgres,
)
from tests.store.journal.test_journal_jobs import job, write

NOW_MS = 50_000


def id_of(number: int) -> str:
    return f"{number:012x}" + "7" * 20


def listing_of(cluster: Cluster) -> JobListing:
    if isinstance(cluster, MemoryCluster):
        return MemoryListing(lambda: cluster._rows.consequences)
    assert isinstance(cluster, PostgresCluster)
    return PostgresListing(cluster.pools[0])


def added(number: int, **fields: object) -> JobRow:
    return job(id_of(number), **({"added_ms": number, "due_ms": number} | fields))


async def fill(cluster: Cluster) -> None:
    """One job in each state, and one of another queue."""
    node = cluster.node(1)
    queue = await claim(node, "queue:q")
    rows = [
        added(1),
        added(2, due_ms=NOW_MS + 1),
        added(3, due_ms=7),
        added(4, partition="acme", priority=0, options=b'{"by":"ann"}'),
        added(5),
        added(6, arguments='{"to": "Jörg_%"}'.encode()),
        added(7, job="job.y"),
        added(8),
        added(9, queue="other"),
    ]
    await write(node, queue, Jobs(added=rows))
    await write(node, queue, Jobs(taken=[TakeRow("q", 1 << 40, "w", 20, [id_of(4), id_of(5), id_of(1)])]))
    back = {
        id_of(1): BackRow(id_of(1), 1, 0, 0, let_go=1 << 40),  # put back: the take has it no more
        id_of(3): BackRow(id_of(3), NOW_MS + 9, 1, 0, b'{"error":"refused"}'),
        id_of(5): BackRow(id_of(5), 5, 0, 0, cancel="enough"),
    }
    await write(node, queue, Jobs(back=back))
    ended = [
        EndRow(id_of(6), "failed", 100, "w", 90, error=b'{"error":"no such Mailbox"}'),
        EndRow(id_of(7), "completed", 110, "w", 91, b"1"),
        EndRow(id_of(8), "cancelled", 120, "w", 92, error=b'{"error":"cancelled: by ann"}'),
    ]
    await write(node, queue, Jobs(ended={one.id: one for one in ended}))


async def numbers(listing: JobListing, asked: JobFilter, most: int = 100) -> list[int]:
    page = await page_of(listing, asked, None, most=most, now_ms=NOW_MS, goes_on=lambda: True)
    assert page.after is None
    count, after = await count_of(listing, asked, None, now_ms=NOW_MS, goes_on=lambda: True)
    assert (count, after) == (len(page.jobs), None), "what is counted is what is listed"
    return [int(one.id[:12], 16) for one in page.jobs]


async def test_each_job_is_listed_in_its_state_the_last_added_first(cluster: Cluster) -> None:
    await fill(cluster)
    listing = listing_of(cluster)
    page = await page_of(listing, JobFilter("q"), None, most=100, now_ms=NOW_MS, goes_on=lambda: True)
    assert [one.state for one in page.jobs] == [
        "cancelled", "completed", "failed", "cancelling", "active", "retrying", "delayed", "waiting",
    ]  # fmt: skip
    assert page.jobs[2] == ListedJob(
        id=id_of(6),
        queue="q",
        job="job.x",
        state="failed",
        priority=4,
        attempts=0,
        attempts_max=5,
        added_ms=6,
        due_ms=6,
        started_ms=90,
        ended_ms=100,
        worker="w",
        error="no such Mailbox",
        arguments='{"to": "Jörg_%"}'.encode(),
        arguments_bytes=17,
    )
    active = page.jobs[4]
    assert (active.worker, active.started_ms, active.by, active.partition, active.priority) == (
        "w",
        20,
        "ann",
        "acme",
        0,
    )
    assert await numbers(listing, JobFilter()) == [9, 8, 7, 6, 5, 4, 3, 2, 1]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (JobFilter("q", ("active", "cancelling")), [5, 4]),
        (JobFilter("q", ("active",)), [4]),
        (JobFilter("q", ("failed", "cancelled")), [8, 6]),
        (JobFilter("q", ("completed", "waiting")), [7, 1]),
        (JobFilter(states=("failed",)), [6]),
        (JobFilter("other"), [9]),
        (JobFilter(job="job.y"), [7]),
        (JobFilter(key="acme"), [4]),
        (JobFilter(added_since_ms=3, added_until_ms=6), [5, 4, 3]),
        (JobFilter(ended_since_ms=110), [8, 7]),
        (JobFilter(ended_until_ms=110, states=("waiting", "failed")), [6]),
        (JobFilter(states=("waiting",), ended_since_ms=1), []),
        (JobFilter(words=("jörg_%",)), [6]),
        (JobFilter(words=("j_rg",)), []),
        (JobFilter(words=("mailbox", "jörg")), [6]),
        (JobFilter(words=("mailbox", "ann")), []),
        (JobFilter(ids=(id_of(4), id_of(7), id_of(99))), [7, 4]),
        (JobFilter("other", ids=(id_of(4), id_of(9))), [9]),
    ],
)
async def test_filters(cluster: Cluster, asked: JobFilter, found: list[int]) -> None:
    await fill(cluster)
    assert await numbers(listing_of(cluster), asked) == found


async def test_pages_follow_one_another_however_few_rows_a_look_looks_at(cluster: Cluster) -> None:
    await fill(cluster)
    listing = listing_of(cluster)
    for most in (1, 2, 3):
        after, found = None, list[str]()
        for _ in range(20):
            page = await page_of(listing, JobFilter(), after, most=most, now_ms=NOW_MS, goes_on=lambda: True)
            found += [one.id for one in page.jobs]
            after = page.after
            if after is None:
                break
        assert found == [id_of(number) for number in range(9, 0, -1)]


async def test_a_look_looks_at_so_many_rows_and_says_how_far_it_has_come(cluster: Cluster) -> None:
    await fill(cluster)
    listing = listing_of(cluster)
    asked = JobFilter(words=("mailbox",))
    for wanted, expected in ((JobFilter(), list(range(9, 0, -1))), (asked, [6])):
        found, after = list[str](), "f" * 32
        for _ in range(9):
            looked = await listing.looked_at(wanted, after, most=9, rows=2, now_ms=NOW_MS)
            found += [one.id for one in looked.jobs]
            if looked.after is None:
                break
            assert looked.after < after
            after = looked.after
        assert found == [id_of(number) for number in expected], "what is behind the place is left for the next look"
    page = await page_of(listing, asked, None, most=0, now_ms=NOW_MS, goes_on=lambda: False)
    assert page.jobs == [] and page.after is not None, "time is up: where to go on"


class Endless:
    """No job fits, and there are always more: how many rows each look looks at."""

    def __init__(self) -> None:
        self.rows: list[int] = []

    async def looked_at(self, asked: JobFilter, before: str, *, most: int, rows: int, now_ms: int) -> Looked:
        await trio.lowlevel.checkpoint()
        self.rows.append(rows)
        return Looked([], before)

    async def counted(self, asked: JobFilter, before: str, *, rows: int, now_ms: int) -> tuple[int, str | None]:
        raise NotImplementedError

    async def ended(self, ids: list[str]) -> list[JobFound]:
        raise NotImplementedError

    async def named(self, ids: list[str]) -> list[str]:
        raise NotImplementedError

    async def queues(self, after: str, limit: int) -> list[str]:
        raise NotImplementedError


@pytest.mark.bound("rows that one look for a list of jobs looks at")
async def test_looks_grow_up_to_so_many_rows() -> None:
    listing = Endless()
    await page_of(listing, JobFilter(), None, most=9, now_ms=0, goes_on=lambda: len(listing.rows) < 6)
    assert listing.rows == [10, LOOKED_FIRST, 4 * LOOKED_FIRST, 16 * LOOKED_FIRST, LOOKED_MAX, LOOKED_MAX]


@pytest.mark.parametrize(
    "asked",
    [
        JobFilter(ended_until_ms=105),
        JobFilter("q", ended_until_ms=105),
        JobFilter(states=("failed",)),
        JobFilter(ended_since_ms=95, ended_until_ms=105),
    ],
)
async def test_what_ended_at_another_time_is_looked_at_too(postgres: PostgresCluster, asked: JobFilter) -> None:
    """Or a look for what ended long ago would go through all that has since."""
    await fill(postgres)
    listing = listing_of(postgres)
    looked = await listing.looked_at(asked, "f" * 32, most=9, rows=2, now_ms=NOW_MS)
    assert (looked.jobs, looked.after) == ([], id_of(7))
    looked = await listing.looked_at(asked, id_of(7), most=9, rows=2, now_ms=NOW_MS)
    assert [one.id for one in looked.jobs] == [id_of(6)]


async def test_days_that_can_have_none_are_not_looked_into(postgres: PostgresCluster) -> None:
    await fill(postgres)
    asked = JobFilter(states=("completed",), ended_since_ms=3 * 86_400_000 + 5, ended_until_ms=4 * 86_400_000 + 5)
    looked = await listing_of(postgres).looked_at(asked, "f" * 32, most=9, rows=1, now_ms=NOW_MS)
    assert (looked.jobs, looked.after) == ([], None)


async def test_what_has_ended_is_read_whole(cluster: Cluster) -> None:
    await fill(cluster)
    (found,) = await listing_of(cluster).ended([id_of(6), id_of(4)])
    assert (found.row.id, found.state, found.row.arguments) == (id_of(6), "failed", '{"to": "Jörg_%"}'.encode())


async def test_a_job_that_waits_for_others_is_blocked_until_it_is_free(cluster: Cluster) -> None:
    node = cluster.node(1)
    queue = await claim(node, "queue:q")
    await write(node, queue, Jobs(added=[added(number, options=b'{"waits":{}}') for number in (1, 2)]))
    await write(node, queue, Jobs(back={id_of(2): BackRow(id_of(2), 2, 0, 0, let_go=FREED)}))
    assert await numbers(listing_of(cluster), JobFilter("q", ("blocked",))) == [1]
    assert await numbers(listing_of(cluster), JobFilter("q", ("waiting",))) == [2]


async def test_one_that_was_free_is_blocked_while_it_rests_for_what_it_has_added(cluster: Cluster) -> None:
    node = cluster.node(1)
    queue = await claim(node, "queue:q")
    child = [Awaited(id_of(9), is_child=True, group='"rests":true')]
    rests, rested = Options(waits=Waits(child, rests=True)), Options(waits=Waits(child, past=1))
    rows = [added(n, options=one.encode(), let_go=FREED) for n, one in ((1, rests), (2, rested))]
    await write(node, queue, Jobs(added=rows))
    assert await numbers(listing_of(cluster), JobFilter("q", ("blocked",))) == [1]
    assert await numbers(listing_of(cluster), JobFilter("q", ("waiting",))) == [2]


async def test_queues_by_name(cluster: Cluster) -> None:
    await fill(cluster)
    listing = listing_of(cluster)
    assert await listing.queues("", 9) == ["other", "q"]
    assert await listing.queues("", 1) == ["other"] and await listing.queues("other", 9) == ["q"]


async def test_a_queue_without_jobs_is_one_too(postgres: PostgresCluster) -> None:
    await claim(postgres.node(1), "queue:empty")
    await claim(postgres.node(1), "room:no queue")
    assert await listing_of(postgres).queues("", 9) == ["empty"]


async def test_each_look_goes_along_an_index(postgres: PostgresCluster) -> None:
    """However many jobs there are, no table is read from its beginning."""
    await fill(postgres)
    async with postgres.pools[0].connection() as connection:
        await connection.fetch("SET enable_seqscan = off")
        for asked, index in (
            (JobFilter("q", ("failed",)), "jobs_done_failed|queue_id_idx"),
            (JobFilter("q", ("waiting",)), "jobs_of_queue"),
            (JobFilter("q"), "jobs_of_queue"),
            (JobFilter(states=("completed",)), "jobs_done_by_id|_id_idx"),
        ):
            sql, arguments = looking(asked, "f" * 32, rows=100, now_ms=NOW_MS, most=10)
            plan = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN {sql}", *arguments))
            assert any(name in plan for name in index.split("|")), plan


async def test_of_jobs_that_wait_for_others_those_that_are_free_are_not_blocked_and_all_name_others(
    cluster: Cluster,
) -> None:
    node = cluster.node(1)
    queue = await claim(node, "queue:q")
    waits = Options(waits=Waits([Awaited(id_of(1)), Awaited(id_of(2), is_settled=True)])).encode()
    free = Options(waits=Waits([Awaited(id_of(3))])).encode()
    ids = [id_of(number) for number in range(1, 5)]
    rows = [*(added(number) for number in range(1, 5)), added(5, options=waits), added(6, options=free, let_go=FREED)]
    await write(node, queue, Jobs(added=rows))
    await write(node, queue, Jobs(ended={one: EndRow(one, "completed", 9) for one in ids}))
    listing = listing_of(cluster)
    assert await numbers(listing, JobFilter("q", ("blocked",))) == [5]
    assert await numbers(listing, JobFilter("q", ("waiting",))) == [6]
    assert sorted(await listing.named(ids)) == ids[:3] and await listing.named(ids[3:]) == []
    await write(node, queue, Jobs(ended={id_of(5): EndRow(id_of(5), "failed", 10)}))
    assert await listing.named(ids) == [id_of(3)], "it is not finished"
