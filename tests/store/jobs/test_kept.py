"""For how long finished jobs are kept by what they have ended as, and how many: in Postgres, and in memory."""

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

from greenroom.store.jobs import jobs_memory
from greenroom.store.jobs.jobs_memory import MemoryJobs
from greenroom.store.jobs.jobs_postgres import PostgresJobs
from greenroom.store.jobs.kept import Kept
from greenroom.store.journal.consequences.jobs import JobTables
from greenroom.store.postgres.bridge import Bridge
from greenroom.store.postgres.pool import Pool
from tests.store.jobs.others import Other, others

DAY_MS = 86_400_000
STATES = ("completed", "failed", "cancelled")
BY_STATE = Kept(completed=1, failed=4, cancelled=2)
WEEK = Kept.of(7)
MAKE = """
DO $$ DECLARE
    d date := (clock_timestamp() AT TIME ZONE 'UTC')::date - {ago};
    part text := 'jobs_done_' || to_char(d, 'YYYYMMDD');
    one text;
BEGIN
    EXECUTE 'CREATE TABLE ' || part || ' PARTITION OF jobs_done FOR VALUES FROM ('
        || (d - date '1970-01-01') * 86400000::bigint || ') TO (' || (d + 1 - date '1970-01-01') * 86400000::bigint
        || ') PARTITION BY LIST (state)';
    FOREACH one IN ARRAY ARRAY['completed', 'failed', 'cancelled'] LOOP
        EXECUTE 'CREATE TABLE ' || part || '_' || one || ' PARTITION OF ' || part || ' FOR VALUES IN ('
            || quote_literal(one) || ')';
    END LOOP;
END $$
"""
# By state: of how many days ago there are jobs, the newest first.
LEFT = """
SELECT coalesce(string_agg(ago::text, ' ' ORDER BY ago), '') FROM (
    SELECT (clock_timestamp() AT TIME ZONE 'UTC')::date - to_timestamp(ended_ms / 1000)::date AS ago
    FROM jobs_done WHERE state = $1) AS d
"""
KINDS = """
SELECT string_agg(c.relkind::text, '' ORDER BY c.relname) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = 'jobs_done'::regclass AND c.relname <> 'jobs_done_rest'
"""


class Done:
    """A database with finished jobs."""

    def __init__(self, jobs: PostgresJobs, other: Other) -> None:
        self.keep = jobs.keep_days
        self._other = other
        self._count = 0

    async def days(self, *ago: int) -> None:
        for one in ago:
            await self._other.do(MAKE.format(ago=one))

    async def ended(self, state: str, *days_ago: int) -> None:
        now: int = await self._other.do("SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint")
        for ago in days_ago:
            self._count += 1
            await self._other.do(
                """INSERT INTO jobs_done VALUES ($1::text::uuid, 'q', 'job.x', '{}', 0, 0, '', 4, 0, 5, 0, NULL, $2,
                $3, '', NULL, NULL, NULL)""",
                f"{self._count:032x}",
                state,
                now - ago * DAY_MS,
            )

    async def left(self) -> dict[str, str]:
        return {state: await self._other.do(LEFT, state) for state in STATES}

    async def do(self, sql: str) -> Any:
        return await self._other.do(sql)


@pytest.fixture
async def done(database_url: str) -> AsyncIterator[Done]:
    async with (
        Bridge() as bridge,
        others(bridge, database_url, 1) as (other,),
        Pool(bridge, database_url, incarnation=1, size=1) as pool,
    ):
        yield Done(PostgresJobs(pool), other)


async def test_days_to_come_are_parted_by_state_where_states_are_kept_apart(done: Done) -> None:
    assert await done.do(KINDS) == "rrrr"
    assert await done.keep(BY_STATE) == 0
    assert await done.do(KINDS) == "rppp", "today has jobs, or will in a moment"
    await done.ended("failed", 0, -2)
    assert await done.keep(WEEK) == 0
    assert await done.do(KINDS) == "rrpr", "what has a job stays as it is"
    assert await done.keep(Kept.of(7, most=1_000)) == 0
    assert await done.do(KINDS) == "rppp"
    assert (await done.left())["failed"] == "-2 0"


async def test_each_state_is_kept_for_its_days(done: Done) -> None:
    await done.days(6, 3, 2, 1)
    for state in STATES:
        await done.ended(state, 6, 3, 2, 1, 0)
    assert await done.keep(BY_STATE) == 1 + 2 + 0 + 1, "a whole day, and three parts of days"
    assert await done.left() == {"completed": "0 1", "failed": "0 1 2 3", "cancelled": "0 1 2"}
    assert await done.keep(BY_STATE) == 0
    await done.ended("completed", 3)  # by a clock that is behind
    assert (await done.left())["completed"] == "0 1 3"


async def test_of_more_than_are_kept_the_oldest_days_go_and_what_has_failed_last(done: Done) -> None:
    await done.days(3, 2, 1)
    await done.ended("completed", *[3] * 4, *[2] * 4, *[1] * 4, *[0] * 4)
    await done.ended("failed", 3, 3, 2)
    await done.ended("cancelled", 1)
    await done.do("ANALYZE jobs_done")
    assert await done.keep(Kept.of(7, most=20)) == 0
    assert await done.keep(Kept.of(7, most=14)) == 2, "the completed ones of two days"
    assert await done.left() == {"completed": "0 0 0 0 1 1 1 1", "failed": "2 3 3", "cancelled": "1"}
    await done.do("ANALYZE jobs_done")
    assert await done.keep(Kept.of(7, most=1)) == 4
    assert await done.left() == {"completed": "0 0 0 0", "failed": "", "cancelled": ""}, "those of today stay"


async def test_who_may_not_serve_may_not_do_it(done: Done) -> None:
    assert (
        await done.do("SELECT has_function_privilege('public', 'keep_jobs(int,int,int,bigint,int)', 'EXECUTE')")
        is False
    )


def in_memory(monkeypatch: pytest.MonkeyPatch, *ended: tuple[str, int]) -> tuple[MemoryJobs, dict[str, Any]]:
    """`ended`: states, and days ago."""
    now_ms = 100 * DAY_MS + 5
    monkeypatch.setattr(jobs_memory, "DAY_MS", DAY_MS)
    tables = JobTables()
    for number, (state, ago) in enumerate(ended):
        tables.done[str(number)] = (None, SimpleNamespace(state=state, ended_ms=now_ms - ago * DAY_MS))  # type: ignore[assignment]
    all_tables = SimpleNamespace(of=lambda cls: tables)
    return MemoryJobs(lambda: all_tables, lambda: now_ms / 1000), tables.done  # type: ignore[arg-type,return-value]


async def test_likewise_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = [(state, ago) for state in STATES for ago in (6, 3, 2, 1, 0)]
    jobs, done = in_memory(monkeypatch, *ended)
    assert await jobs.keep_days(BY_STATE) == 3
    left = [(end.state, (100 * DAY_MS + 5 - end.ended_ms) // DAY_MS) for _, end in done.values()]
    assert left == [one for one in ended if one[1] <= BY_STATE.days_of(one[0])]
    jobs, done = in_memory(monkeypatch, *[("completed", 2)] * 3, ("failed", 2), ("failed", 0), ("completed", 0))
    await jobs.keep_days(Kept.of(7, most=4))
    assert [end.state for _, end in done.values()] == ["failed", "failed", "completed"]
