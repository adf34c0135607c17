"""Jobs in Postgres."""

from greenroom.store.journal.consequences.jobs import JobRow, TakeRow
from greenroom.store.postgres.pool import Pool

JOBS = """
SELECT id, queue, job, arguments, added_ms, due_ms, partition, priority, attempts, attempts_max, lost, options
FROM jobs WHERE queue = $1 ORDER BY id
"""
TAKES = "SELECT queue, token, worker, at_ms, ids FROM job_takes WHERE queue = $1 ORDER BY token"


class PostgresJobs:
    """See JobStore."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def load(self, queue: str) -> tuple[list[JobRow], list[TakeRow]]:
        async with self._pool.connection() as connection:
            takes = await connection.fetch(TAKES, queue)
            jobs = await connection.fetch(JOBS, queue)
        return (
            [JobRow(row[0].hex, *row[1:]) for row in jobs],
            [TakeRow(row[0], row[1], row[2], row[3], [one.hex for one in row[4]]) for row in takes],
        )
