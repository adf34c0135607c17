"""Jobs with something of a user's: found by pages of their ids, and written anew in place.

A queue that has some of them is taken from whoever has it awake, in the same transaction, as rewriting.py does with
entities: what it had of them in memory does not land, nor does one that it had read to be tried again.
"""

from typing import Any, NamedTuple

from greenroom.store.erasure.erasures import FENCE_MAX
from greenroom.store.erasure.jobs import TAKE
from greenroom.store.journal.epoch import random_epoch
from greenroom.store.postgres.pool import Pool

AT_ONCE = 20_000  # that one statement looks through
NO_ID = "0" * 32
TABLES = ("jobs", "jobs_done", "jobs")  # and those that were tried again meanwhile, which have moved back
FIND = """
WITH page AS MATERIALIZED (SELECT id FROM {table} WHERE id > $1::text::uuid ORDER BY id LIMIT $2)
SELECT j.id, j.queue, j.job, j.arguments, j.options, j.partition FROM page p JOIN {table} j ON j.id = p.id
WHERE position($3::bytea IN j.arguments) > 0 OR position($4::bytea IN j.options) > 0 OR j.partition = $5
UNION ALL (SELECT id, NULL, NULL, NULL, NULL, NULL FROM page ORDER BY id DESC LIMIT 1)
"""
# Only what is as it was when it was read: what is not is found by the next pass.
WRITE = """
WITH written AS (
    UPDATE {table} j SET arguments = i.arguments, options = i.options, partition = i.partition
    FROM unnest($1::text[]::uuid[], $2::bytea[], $3::bytea[], $4::text[], $5::bytea[], $6::bytea[])
        AS i (id, arguments, options, partition, were_arguments, were_options)
    WHERE j.id = i.id AND j.arguments = i.were_arguments AND j.options IS NOT DISTINCT FROM i.were_options
    RETURNING 1
), counted AS (
    SELECT count(*) AS rows FROM written
)
UPDATE erasures e SET did = e.did || jsonb_build_object('jobs', coalesce((e.did ->> 'jobs')::bigint, 0) + c.rows)
FROM counted c WHERE e.id = $7
"""


class FoundJob(NamedTuple):
    """One with their id in it, or with it as a part of what it has."""

    id: str
    queue: str
    job: str
    arguments: bytes
    options: bytes | None
    partition: str


class JobsOfUser:
    """All of it raises StoreUnavailable."""

    def __init__(self, pool: Pool, user: str, needle: bytes, erasure_id: int) -> None:
        """`needle`: their id as a string of JSON."""
        self._pool = pool
        self._user = user
        self._needle = needle
        self._erasure_id = erasure_id

    async def find(self, table: str, after: str) -> tuple[list[FoundJob], str | None]:
        """Of the next page, and where it ends. None: at the end."""
        sql, within = FIND.format(table=table), self._needle[1:-1]
        rows = await self._pool.fetch(sql, after, AT_ONCE, self._needle, within, self._user)
        found = [FoundJob(row[0].hex, *tuple(row)[1:]) for row in rows if row[1] is not None]
        return found, next((row[0].hex for row in rows if row[1] is None), None)

    async def write(self, table: str, pairs: list[tuple[FoundJob, FoundJob]]) -> None:
        """As they were, and as they are to be."""
        columns: list[list[Any]] = [
            [anew.id for _, anew in pairs],
            [anew.arguments for _, anew in pairs],
            [anew.options for _, anew in pairs],
            [anew.partition for _, anew in pairs],
            [was.arguments for was, _ in pairs],
            [was.options for was, _ in pairs],
        ]
        async with self._pool.connection() as connection, connection.transaction() as transaction:
            for queue in sorted({was.queue for was, _ in pairs}):
                await transaction.fetch(TAKE, queue, random_epoch(), FENCE_MAX)
            await transaction.fetch(WRITE.format(table=table), *columns, self._erasure_id)
