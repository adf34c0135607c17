"""What queues read of jobs in Postgres: each that others have added once, however transactions interleave."""

import json
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from itertools import count
from typing import Any

import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from greenroom.store.jobs import sealing
from greenroom.store.jobs.jobs import LONG, LOOK_ROWS, PAGE, JobStore, Seen
from greenroom.store.jobs.jobs_postgres import LOOK, PAGES, PostgresJobs
from greenroom.store.journal.consequences.consequences import Consequences
from greenroom.store.journal.consequences.jobs import BackRow, EndRow, Jobs, UntakenRow
from greenroom.store.journal.postgres.statement import statement
from greenroom.store.journal.records import Append, StoredEvent
from greenroom.store.postgres.bridge import Bridge
from greenroom.store.postgres.pool import Pool
from tests.store.jobs.others import Other, others

queues = count(1)


class Finding:
    """A queue that looks, and what it has come to know."""

    def __init__(self, jobs: JobStore, queue: str = "q") -> None:
        self._jobs = jobs
        self._queue = queue
        self.found: list[str] = []
        self.seen = Seen("")

    async def begin(self) -> None:
        """As when it wakes: what it knew before is forgotten."""
        self.found = []
        self.seen = (await self._jobs.begin(self._queue, 0)).seen
        after = ""
        while rows := await self._jobs.page(self._queue, self.seen, after, arguments=True):
            self.found += [row.id for row in rows]
            after = rows[-1].id

    async def look(self) -> int:
        look = (await self._jobs.look({self._queue: self.seen}))[self._queue]
        self.seen = look.seen
        self.found += [row.id for row in look.rows]
        return len(look.rows)


class Place:
    def __init__(self, bridge: Bridge, url: str) -> None:
        self.bridge = bridge
        self.url = url
        self.pool = Pool(bridge, url, incarnation=1, size=2)
        self.jobs = PostgresJobs(self.pool)


@pytest.fixture
async def place(database_url: str) -> AsyncIterator[Place]:
    async with Bridge() as bridge:
        place = Place(bridge, database_url)
        async with place.pool:
            yield place


async def test_what_is_not_committed_is_not_found_and_what_is_is_found_once(place: Place) -> None:
    async with others(place.bridge, place.url, 3) as (one, two, three):
        queue = Finding(place.jobs)
        await queue.begin()
        for other in (one, two, three):
            await other.do("BEGIN")
        first, second, _ = [await other.add() for other in (one, two, three)]
        assert await queue.look() == 0
        await two.do("COMMIT")
        assert await queue.look() == 1 and queue.found == [second]
        await three.do("ROLLBACK")
        assert await queue.look() == 0
        await one.do("COMMIT")
        assert await queue.look() == 1 and queue.found == [second, first]
        assert await queue.look() == 0


async def test_what_was_under_way_when_the_queue_woke_is_found(place: Place) -> None:
    async with others(place.bridge, place.url, 2) as (one, two):
        await one.do("BEGIN")
        early = await one.add()
        there = await two.add()
        queue = Finding(place.jobs)
        await queue.begin()
        assert queue.found == [there]
        late = await two.add()
        await one.do("COMMIT")
        assert await queue.look() == 2 and set(queue.found[1:]) == {early, late}


async def test_nothing_that_was_committed_between_two_pages_comes_twice(place: Place) -> None:
    """The first of them is read with the later page too, as rows go, but not of the moment that is read."""
    async with others(place.bridge, place.url) as (one,):
        first = await one.add()
        seen = (await place.jobs.begin("q", 0)).seen
        later = await one.add()
        rows = await place.jobs.page("q", seen, "", arguments=True)
        assert [row.id for row in rows] == [first]
        look = (await place.jobs.look({"q": seen}))["q"]
        assert [row.id for row in look.rows] == [later]


@pytest.mark.bound("jobs of others that one look finds for a queue")
async def test_many_are_found_a_page_at_a_time_by_as_many_looks_as_it_takes(place: Place) -> None:
    """Also those of a transaction that was under way: it is that one, and not the newest, that pages go through."""
    async with others(place.bridge, place.url, 2) as (one, two):
        queue = Finding(place.jobs)
        await one.do("BEGIN")
        await one.add()
        await queue.begin()
        await one.do(f"SELECT count(add_job('q', 'job.x')) FROM generate_series(1, {2 * LOOK_ROWS})")
        await two.do("BEGIN")
        await two.do(f"SELECT count(add_job('q', 'job.x')) FROM generate_series(1, {LOOK_ROWS + 3})")
        await one.do("COMMIT")
        sizes = [await queue.look()]
        await two.do("COMMIT")  # between two pages of one look: it is for the next
        while (size := await queue.look()) or queue.seen.now is not None:
            sizes.append(size)
        assert sizes == [LOOK_ROWS, LOOK_ROWS, 1, LOOK_ROWS, 3]
        assert len(set(queue.found)) == len(queue.found) == 3 * LOOK_ROWS + 4


@pytest.mark.bound("jobs that a queue reads at once when it wakes")
async def test_a_queue_that_wakes_reads_page_by_page(place: Place) -> None:
    async with others(place.bridge, place.url) as (one,):
        await many(one, PAGE + 1)
        seen = (await place.jobs.begin("q", 0)).seen
        first = await place.jobs.page("q", seen, "", arguments=True)
        rest = await place.jobs.page("q", seen, first[-1].id, arguments=True)
        assert [int(row.id, 16) for row in first + rest] == [*range(1, PAGE + 2)] and len(first) == PAGE
        assert await place.jobs.page("q", seen, rest[-1].id, arguments=True) == []


async def test_queues_are_looked_at_together_and_each_has_its_own(place: Place) -> None:
    async with others(place.bridge, place.url) as (one,):
        seen = {name: (await place.jobs.begin(name, 0)).seen for name in ("a", "b", "c")}
        first, second = await one.add("a"), await one.add("c")
        looks = await place.jobs.look(seen)
        assert {name: [row.id for row in look.rows] for name, look in looks.items()} == {
            "a": [first],
            "b": [],
            "c": [second],
        }


async def test_a_row_of_another_cluster_is_read_when_the_queue_wakes_and_never_found(place: Place) -> None:
    """Copied with its number, which is beyond all that are known here."""
    async with others(place.bridge, place.url) as (one,):
        copied = await one.add()
        await one.do("UPDATE jobs SET xid = '9999999999' WHERE queue = 'q'")
        queue = Finding(place.jobs)
        await queue.begin()
        assert queue.found == [copied]
        added = await one.add()
        assert await queue.look() == 1 and queue.found == [copied, added]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["begin", "add", "add", "commit", "rollback", "savepoint", "look", "look", "wake"]),
            st.integers(0, 2),
        ),
        max_size=30,
    )
)
def test_each_job_is_found_once_however_transactions_interleave(
    database_url: str, steps: Sequence[tuple[str, int]]
) -> None:
    async def play() -> None:
        name = f"q{next(queues)}"
        async with Bridge() as bridge:
            place = Place(bridge, database_url)
            async with place.pool, others(bridge, database_url, 3) as sessions:
                await interleaved(place, sessions, name, steps)

    trio.run(play)


async def interleaved(place: Place, sessions: list[Other], name: str, steps: Sequence[tuple[str, int]]) -> None:
    queue = Finding(place.jobs, name)
    await queue.begin()
    pending: list[list[str] | None] = [None, None, None]  # of the transaction that is open
    committed: list[str] = []
    for step, number in steps:
        session, under_way = sessions[number], pending[number]
        if step == "look":
            await queue.look()
            assert Counter(queue.found) == Counter(committed)
        elif step == "wake":
            await queue.begin()
        elif step == "begin" and under_way is None:
            await session.do("BEGIN")
            pending[number] = []
        elif step == "add":
            (committed if under_way is None else under_way).append(await session.add(name))
        elif step == "savepoint" and under_way is not None:  # a transaction within: what it has added stays
            await session.do("SAVEPOINT s")
            under_way.append(await session.add(name))
            await session.do("RELEASE SAVEPOINT s")
        elif step in ("commit", "rollback") and under_way is not None:
            await session.do(step)
            committed += under_way if step == "commit" else []
            pending[number] = None
    for session, under_way in zip(sessions, pending, strict=True):
        if under_way is not None:
            await session.do("COMMIT")
            committed += under_way
    await queue.look()
    assert Counter(queue.found) == Counter(committed)


async def plan_of(place: Place, sql: str, *arguments: object) -> str:
    rows = await place.pool.fetch(f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, COSTS OFF) {sql}", *arguments)
    return "\n".join(row[0] for row in rows)


async def many(other: Other, number: int, queue: str = "q", xid: str = "NULL") -> None:
    """So many jobs, of which the server's statistics know nothing."""
    await other.do(
        f"""
        INSERT INTO jobs (id, queue, job, arguments, added_ms, due_ms, xid)
        SELECT lpad(to_hex(n), 32, '0')::uuid, '{queue}', 'job.x', '{{}}', 0, 0, {xid}
        FROM generate_series(1, {number}) n ON CONFLICT DO NOTHING"""
    )


@pytest.mark.parametrize("known", ["nothing", "all", "all are its own", "of another day"])
async def test_looking_reads_no_row_that_was_seen_while_a_transaction_stays_open(known: str, place: Place) -> None:
    """Whatever statistics say."""
    async with others(place.bridge, place.url, 2) as (one, two):
        if known == "of another day":
            await many(two, 1_000, queue="other")
            await two.do("ANALYZE jobs")
        await one.do("BEGIN")
        await one.add()
        await many(two, 30_000, xid="NULL" if known == "all are its own" else "pg_current_xact_id()")
        if known in ("all", "all are its own"):
            await two.do("ANALYZE jobs")
        seen = (await place.jobs.begin("q", 0)).seen
        await two.add()
        plan = await plan_of(place, LOOK, ["q"], [seen.before], [None], ["0"], ["0" * 32])
        assert "Seq Scan" not in plan and "Rows Removed" not in plan
        touched = int(plan.split("shared hit=")[1].split()[0])
        assert touched < 50, plan


async def test_a_page_is_found_by_the_index_of_its_queue(place: Place) -> None:
    async with others(place.bridge, place.url) as (one,):
        await many(one, 20_000)
        await one.do("ANALYZE jobs")  # so all that is known is that all are of one queue
        await one.add("small")
        seen = (await place.jobs.begin("small", 0)).seen
        plan = await plan_of(place, PAGES[True], "small", "0" * 32, seen.before)
        assert "jobs_of_queue" in plan and "Rows Removed" not in plan, plan


async def test_arguments_that_are_long_are_left_and_read_by_themselves(place: Place) -> None:
    async with others(place.bridge, place.url) as (one,):
        text = json.dumps({"text": "x" * LONG})
        long, short = await one.add(arguments=text), await one.add(arguments='{"n": 1}')
        seen = (await place.jobs.begin("q", 0)).seen
        rows = {row.id: row.arguments for row in await place.jobs.page("q", seen, "", arguments=True)}
        assert rows == {long: None, short: b'{"n": 1}'}
        bare = await place.jobs.page("q", seen, "", arguments=False)
        assert [row.arguments for row in bare] == [None, None]
        read = await place.jobs.arguments([long, "0" * 32])
        assert json.loads(read[long]) == json.loads(text) and len(read) == 1
        sealed = await one.add()
        with sealing.keys_for(bytes(32)):
            stored = sealing.seal(text.encode(), sealing.Place("job.x", sealed, sealing.ARGUMENTS))
        await one.do("UPDATE jobs SET arguments = $2 WHERE id = $1::text::uuid", sealed, stored)
        assert await place.jobs.clear_arguments([long, sealed, short]) == {long: read[long], short: b'{"n": 1}'}


async def test_one_job_is_found_by_its_id_wherever_it_is(place: Place) -> None:
    async with others(place.bridge, place.url) as (one,):
        waiting, active, ended = [await one.add(partition=name) for name in ("a", "b", "c")]
        await one.do("INSERT INTO job_takes VALUES ('q', 1, 'w', 5, ARRAY[$1::text::uuid])", active)
        await one.do(
            """
            WITH gone AS (DELETE FROM jobs WHERE id = $1::text::uuid RETURNING *)
            INSERT INTO jobs_done
            SELECT id, queue, job, arguments, added_ms, due_ms, partition, priority, 1, 5, 0, NULL, 'failed',
                added_ms + 7, 'w', added_ms + 1, NULL, '[{"error": "no"}]'
            FROM gone""",
            ended,
        )
        found: Any = [await place.jobs.find(one) for one in (waiting, active, ended, "0" * 32)]
        assert [one and one.state for one in found] == ["unfinished", "active", "failed", None]
        assert [one.row.partition for one in found[:3]] == ["a", "b", "c"]
        assert (found[2].worker, json.loads(found[2].errors)) == ("w", [{"error": "no"}])
        assert found[2].ended_ms - found[2].row.added_ms == 7


async def test_jobs_end_and_are_put_back_by_their_key_however_many_there_are(place: Place) -> None:
    """Of which statistics say nothing, and planned before there were any."""
    ids = [f"{number:032x}" for number in (3, 4)]
    jobs = Jobs(
        ended={ids[0]: EndRow(ids[0], "completed", 1)},
        back={ids[1]: BackRow(ids[1], 9, 1, 0)},
        untaken=[UntakenRow("q", 1)],
    )
    append = Append(1, 1, 0, [StoredEvent(1, 1, b"{}", None, None, None, None, 1)], Consequences(jobs=jobs))
    sql, arguments = statement([append], 1)
    async with others(place.bridge, place.url) as (one,):
        await plan_of(place, sql, *arguments)
        await many(one, 100_000)
        plan = await plan_of(place, sql, *arguments)
        for node in ("Seq Scan on jobs", "Hash", "Merge"):
            assert node not in plan, plan
        assert plan.count("Index Scan using jobs_pkey") == 2 and "job_takes_pkey" in plan
