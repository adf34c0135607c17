"""Its tables and statements. Claims and completions are batches, the index has what may be claimed and nothing else,
what is done lies in partitions by day, and autovacuum does not rest.

Left out, in its favour: fairness, limits and unique keys, errors, an index by which lost jobs are found.
"""

from dataclasses import dataclass

import asyncpg

DAY_MS = 86_400_000
BELL = "peer_jobs"  # the channel of LISTEN
TABLES = (
    """
    CREATE TABLE peer_jobs (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        queue text NOT NULL,
        job text NOT NULL,
        arguments bytea NOT NULL,
        priority smallint NOT NULL DEFAULT 4,
        added_ms bigint NOT NULL,
        due_ms bigint NOT NULL,
        attempts smallint NOT NULL DEFAULT 0,
        attempts_max smallint NOT NULL DEFAULT 5,
        taken_ms bigint,
        worker text
    ) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
        autovacuum_vacuum_cost_delay = 0)
    """,
    "CREATE INDEX peer_jobs_ready ON peer_jobs (queue, priority, id) WHERE taken_ms IS NULL",
    """
    CREATE TABLE peer_jobs_done (
        id bigint NOT NULL,
        queue text NOT NULL,
        job text NOT NULL,
        arguments bytea NOT NULL,
        added_ms bigint NOT NULL,
        taken_ms bigint,
        ended_ms bigint NOT NULL,
        worker text,
        attempts smallint NOT NULL,
        state text NOT NULL,
        result bytea
    ) PARTITION BY RANGE (ended_ms)
    """,
    "CREATE INDEX peer_jobs_done_by_id ON peer_jobs_done (id)",
)
ADD = """
    INSERT INTO peer_jobs (queue, job, arguments, added_ms, due_ms)
    SELECT $1, $2, m.arguments, $4, $4 FROM unnest($3::bytea[]) AS m(arguments)
    RETURNING id
"""
CLAIM = """
    WITH next AS MATERIALIZED (
        SELECT id FROM peer_jobs WHERE queue = $1 AND taken_ms IS NULL AND due_ms <= $4
        ORDER BY priority, id LIMIT $2 FOR UPDATE SKIP LOCKED
    )
    UPDATE peer_jobs j SET taken_ms = $4, worker = $3, attempts = j.attempts + 1 FROM next WHERE j.id = next.id
    RETURNING j.id, j.job, j.arguments
"""
COMPLETE = """
    WITH gone AS (
        DELETE FROM peer_jobs j USING unnest($1::bigint[], $2::bytea[]) AS m(id, result) WHERE j.id = m.id
        RETURNING j.id, j.queue, j.job, j.arguments, j.added_ms, j.taken_ms, j.worker, j.attempts, m.result
    )
    INSERT INTO peer_jobs_done (id, queue, job, arguments, added_ms, taken_ms, ended_ms, worker, attempts, state,
        result)
    SELECT id, queue, job, arguments, added_ms, taken_ms, $3, worker, attempts, 'completed', result FROM gone
"""
RING = f"NOTIFY {BELL}"  # after the commit: in a transaction it would have all of the instance wait


@dataclass(frozen=True)
class Place:
    """Where its Postgres is."""

    host: str  # or the folder of its socket
    port: int = 5432

    async def connect(self) -> asyncpg.Connection:
        return await asyncpg.connect(host=self.host, port=self.port, user="greenroom", database="greenroom", ssl=False)


async def create(connection: asyncpg.Connection, now_ms: int) -> None:
    """With partitions for today and tomorrow. Autovacuum looks each second, as a busy queue's is told to."""
    for statement in TABLES:
        await connection.execute(statement)
    day = now_ms // DAY_MS
    for number in (day, day + 1):
        await connection.execute(
            f"CREATE TABLE peer_jobs_done_{number} PARTITION OF peer_jobs_done "
            f"FOR VALUES FROM ({number * DAY_MS}) TO ({(number + 1) * DAY_MS})"
        )
    await connection.execute("ALTER SYSTEM SET autovacuum_naptime = '1s'")
    await connection.execute("SELECT pg_reload_conf()")
