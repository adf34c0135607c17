"""Jobs: the rows of a queue that is being erased, and of one job. A queue's go in steps that may be done again, each
counted in its own statement, as all else does (removing.py)."""

import msgspec

from greenroom.store.erasure.erasures import FENCE_MAX, Erasure, PostgresErasures
from greenroom.store.journal.epoch import random_epoch
from greenroom.store.journal.names import digest_of
from greenroom.store.postgres.connection import Transaction
from greenroom.store.postgres.pool import Pool

JOBS_AT_ONCE = 2_000  # removed by one statement, with their steps
LOOKED_THROUGH = 20_000  # finished jobs, of all queues: nothing finds those of one
NO_ID, LAST_ID = "0" * 32, "f" * 32
JOB_KIND = "job"
STEPS_TOO = """, steps AS (
    DELETE FROM job_steps s USING gone g WHERE s.id = g.id RETURNING 1
)
UPDATE erasures e
SET did = e.did || jsonb_build_object(
    '{table}', coalesce((e.did ->> '{table}')::bigint, 0) + (SELECT count(*) FROM gone),
    'job_steps', coalesce((e.did ->> 'job_steps')::bigint, 0) + (SELECT count(*) FROM steps))
WHERE e.id = $1 RETURNING (SELECT count(*) FROM gone)
"""
WAITING = """
WITH gone AS (
    DELETE FROM jobs WHERE id = ANY (ARRAY(SELECT j.id FROM jobs j WHERE j.queue = $2 LIMIT $3)) RETURNING id
)""" + STEPS_TOO.format(table="jobs")
DONE = """
WITH gone AS (
    DELETE FROM jobs_done WHERE id > $3::text::uuid AND id <= $4::text::uuid AND queue = $2 RETURNING id
)""" + STEPS_TOO.format(table="jobs_done")
PAGE_END = "SELECT id FROM jobs_done WHERE id > $1::text::uuid ORDER BY id OFFSET $2 LIMIT 1"

# Of one job. Its queue is taken from whoever has it awake, since that is who knows of it.
WHERE = """
SELECT queue FROM jobs WHERE id = $1::text::uuid UNION ALL SELECT queue FROM jobs_done WHERE id = $1::text::uuid
"""
TAKE = """
UPDATE heads SET fence = fence + 1, incarnation = 0, epoch = $2 WHERE entity = 'queue:' || $1::text AND fence < $3
"""
ACTIVE = """
SELECT t.worker FROM jobs j JOIN job_takes t ON t.queue = j.queue AND t.token > j.let_go AND j.id = ANY (t.ids)
WHERE j.id = $1::text::uuid
"""
ONE = {
    "jobs": "DELETE FROM jobs WHERE id = $1::text::uuid RETURNING 1",
    "jobs_done": "DELETE FROM jobs_done WHERE id = $1::text::uuid RETURNING 1",
    "job_steps": "DELETE FROM job_steps WHERE id = $1::text::uuid RETURNING 1",
    "job_windows": "DELETE FROM job_windows WHERE queue = $2 AND id = $1::text::uuid RETURNING 1",
    "job_takes": """
        UPDATE job_takes SET ids = array_remove(ids, $1::text::uuid) WHERE queue = $2 AND $1::text::uuid = ANY (ids)
        RETURNING 1""",
    "dead_letters": "DELETE FROM dead_letters WHERE entity = 'job:' || $1::text RETURNING 1",
}
COUNT = {
    "jobs": "SELECT count(*) FROM jobs WHERE id = $1::text::uuid",
    "jobs_done": "SELECT count(*) FROM jobs_done WHERE id = $1::text::uuid",
    "job_steps": "SELECT count(*) FROM job_steps WHERE id = $1::text::uuid",
}
BEGIN = """
INSERT INTO erasures (kind, digest, name, reason, asked_by, call, did)
SELECT $1, $2, $3, $4, $5, coalesce(max(call), 0) + 1, $6::text::jsonb FROM erasures
"""
END = "UPDATE erasures SET name = NULL, done_at = clock_timestamp() WHERE id = $1"


class Active(Exception):
    """A worker has the job in hand."""


class QueueRows:
    """Jobs of a queue whose erasure has begun. All of it raises StoreUnavailable."""

    def __init__(self, pool: Pool, erasure: Erasure, queue: str) -> None:
        self._pool = pool
        self._erasure = erasure
        self._queue = queue

    async def unfinished(self) -> int:
        """Remove some. How many that were; none are left when fewer than JOBS_AT_ONCE."""
        ((rows,),) = await self._pool.fetch(WAITING, self._erasure.id, self._queue, JOBS_AT_ONCE)
        return int(rows)

    async def finished(self, after: str) -> tuple[int, str | None]:
        """Remove those of the next page of all that are finished. How many that were, and where it ends; None: at the
        end."""
        ends = await self._pool.fetch(PAGE_END, after, LOOKED_THROUGH - 1)
        end = ends[0][0].hex if ends else LAST_ID
        ((rows,),) = await self._pool.fetch(DONE, self._erasure.id, self._queue, after, end)
        return int(rows), end if ends else None


class OneJob:
    """One job, by its id. All of it raises StoreUnavailable."""

    def __init__(self, pool: Pool, job_id: str) -> None:
        self._pool = pool
        self._id = job_id
        self.name = f"{JOB_KIND}:{job_id}"

    async def count(self) -> dict[str, int]:
        """Its rows, by table."""
        return {table: int((await self._pool.fetch(sql, self._id))[0][0]) for table, sql in COUNT.items()}

    async def remove(self, *, reason: str, asked_by: str) -> Erasure | None:
        """In one transaction; nodes are called to forget it. None where there is no such job. Raises: Active."""
        async with self._pool.connection() as connection, connection.transaction() as transaction:
            await PostgresErasures.lock(transaction)
            queues = await transaction.fetch(WHERE, self._id)
            if not queues:
                return None
            queue = queues[0][0]
            await transaction.fetch(TAKE, queue, random_epoch(), FENCE_MAX)
            if active := await transaction.fetch(ACTIVE, self._id):
                raise Active(active[0][0])  # and the queue stays whose it was: all of this is taken back
            did = await self._removed(transaction, queue)
            digest = digest_of(self.name)
            await transaction.fetch(BEGIN, JOB_KIND, digest, self.name, reason, asked_by, did)
        return await PostgresErasures(self._pool).find(self.name)

    async def _removed(self, transaction: Transaction, queue: str) -> str:
        did: dict[str, int] = {}
        for table, sql in ONE.items():
            arguments = (self._id, queue) if "$2" in sql else (self._id,)
            if rows := len(await transaction.fetch(sql, *arguments)):
                did[table] = rows
        return msgspec.json.encode(did).decode()

    async def end(self, erasure: Erasure) -> None:
        """Nobody has it in memory any more: its name goes."""
        await self._pool.fetch(END, erasure.id)
