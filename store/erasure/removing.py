"""Removing: the rows of one entity, table by table, in steps that may be done again whatever has become of the last.

What a step has removed is counted in its own statement, so that the count is right whenever the process ends.
"""

from greenroom.store.erasure.erasures import FENCE_MAX, QUEUE_KIND, Erasure
from greenroom.store.postgres.pool import Pool

ROWS_AT_ONCE = 2_000  # removed by one statement: some milliseconds

# Table -> the rows of one head, as (what tells them apart, condition). `$1` is the head's id, `$2` the entity's name.
TABLES: dict[str, tuple[str, str]] = {
    "journal": ('"offset"', "id = $1"),
    "snapshots": ("id", "id = $1"),
    "kept_ids": ("command_id", "id = $1"),
    "received": ("sender", "id = $1"),
    "timers": ("name", "id = $1"),
    "outbox": ('"offset"', "id = $1"),
    "dead_letters": ("id", "entity = $2"),
}
# And of a queue, beside its jobs: see jobs.py.
OF_QUEUE = "queue = substr($2, 7)"
QUEUE_TABLES: dict[str, tuple[str, str]] = {
    "job_takes": ("token", OF_QUEUE),
    "job_windows": ("unique_key", OF_QUEUE),
}
QUEUE_COUNTED: dict[str, tuple[str, str]] = {
    **QUEUE_TABLES,
    "jobs": ("id", OF_QUEUE),
    "job_steps": ("id", "id IN (SELECT j.id FROM jobs j WHERE j.queue = substr($2, 7))"),
    "jobs_done": ("id", OF_QUEUE),
}

COUNT = "SELECT count(*) FROM {table} WHERE $1::bigint IS NOT NULL AND $2::text IS NOT NULL AND {which}"
REMOVE = """
WITH gone AS (
    DELETE FROM {table} WHERE {which} AND {key} IN (SELECT {key} FROM {table} WHERE {which} LIMIT $3)
        AND $1::bigint IS NOT NULL AND $2::text IS NOT NULL
    RETURNING 1
), counted AS (
    SELECT count(*) AS rows FROM gone
)
UPDATE erasures e
SET did = jsonb_set(e.did, '{{{table}}}', to_jsonb(coalesce((e.did ->> '{table}')::bigint, 0) + c.rows))
FROM counted c WHERE e.id = $4 RETURNING c.rows
"""
# A claim that began before the entity was marked has a snapshot in which its head is as it was, and would make it
# anew if it found it gone. Whoever writes heads has this lock for as long as the statement takes: those who had it at
# any time after the mark are waited for, and nobody else. So it is with whoever adds jobs, who may have looked for the
# mark before it was there.
WRITERS = """
SELECT l.pid, l.virtualtransaction FROM pg_locks l
WHERE l.locktype = 'relation' AND l.relation = $1::text::regclass AND l.mode = 'RowExclusiveLock'
    AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
    AND l.pid <> pg_backend_pid()
"""
# Other entities' messages to it: their relay gives them up as soon as it tries to deliver them.
# A body with the name somewhere in it is as good as one to it: who waits for those that there were waits for no more.
ADDRESSED = """SELECT id, "offset" FROM outbox WHERE position(convert_to($1, 'UTF8') IN body) > 0"""
END_PROGRESS = "DELETE FROM view_progress WHERE id = $1 AND view_id IN (SELECT id FROM view_versions)"
END_HEAD = "DELETE FROM heads WHERE id = $1 AND fence = $2"
END = "UPDATE erasures SET name = NULL, head_id = NULL, done_at = clock_timestamp() WHERE id = $1"


class Removing:
    """Of one entity, whose erasure has begun. All of it raises StoreUnavailable."""

    def __init__(self, pool: Pool, erasure: Erasure) -> None:
        self._pool = pool
        self._erasure = erasure

    async def step(self, table: str) -> int:
        """Remove some rows from a table of ours. How many that were; none are left when fewer than ROWS_AT_ONCE."""
        erasure = self._erasure
        key, which = (TABLES | QUEUE_TABLES)[table]
        sql = REMOVE.format(table=table, key=key, which=which)
        ((rows,),) = await self._pool.fetch(sql, erasure.head_id, erasure.name, ROWS_AT_ONCE, erasure.id)
        return int(rows)

    async def addressed(self) -> set[tuple[int, int]]:
        """Rows of others' outboxes with messages to it, or whose messages have its name in them: head and offset."""
        return {(row[0], row[1]) for row in await self._pool.fetch(ADDRESSED, self._erasure.name)}

    async def writers(self, table: str) -> set[tuple[int, str]]:
        """Transactions that write that table at this moment."""
        return {(row[0], row[1]) for row in await self._pool.fetch(WRITERS, table)}

    async def end(self) -> None:
        """The head goes, and its name. Only once nobody is left of those `writers` that there were after the mark."""
        head_id = self._erasure.head_id
        async with self._pool.connection() as connection, connection.transaction() as transaction:
            await transaction.fetch(END_PROGRESS, head_id)
            await transaction.fetch(END_HEAD, head_id, FENCE_MAX)
            await transaction.fetch(END, self._erasure.id)


async def count(pool: Pool, head_id: int, entity: str) -> dict[str, int]:
    """Rows of an entity, by table. Raises: StoreUnavailable."""
    found: dict[str, int] = {}
    tables = TABLES | QUEUE_COUNTED if entity.partition(":")[0] == QUEUE_KIND else TABLES
    for table, (_, which) in tables.items():
        ((rows,),) = await pool.fetch(COUNT.format(table=table, which=which), head_id, entity)
        found[table] = int(rows)
    return found
