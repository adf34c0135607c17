"""Jobs in Postgres.

What others have added is found by their transactions' numbers (`jobs.xid`): those that were not visible in the snapshot
that a queue has seen are its `xmax` and above, or were under way in it (`xip`). Each is a range of the index, so
however long a transaction stays open nothing is looked at again. A number beyond the present snapshot's is of another
cluster, of which the rows were copied: such a row is read when the queue wakes, and never found.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from greenroom.store.jobs.instead import follow, wanted
from greenroom.store.jobs.jobs import LONG, LOOK_ROWS, PAGE, Begun, JobFound, JobOutcome, Look, Seen
from greenroom.store.jobs.kept import Kept
from greenroom.store.journal.consequences.jobs import IS_SEALED, JobRow, TakeRow, WindowRow
from greenroom.store.postgres.pool import Pool

ROW = """j.id, j.queue, j.job, {arguments} AS arguments, j.added_ms, j.due_ms, j.partition, j.priority, j.attempts,
    j.attempts_max, j.lost, j.options, j.unique_key, {others} AS is_of_others, {let_go} AS let_go, {cancel} AS cancel"""
UNFINISHED = (
    ROW.replace("{others}", "j.xid IS NOT NULL").replace("{let_go}", "j.let_go").replace("{cancel}", "j.cancel")
)
DONE = ROW.replace("j.unique_key", "NULL").format(
    arguments="j.arguments", others="false", let_go="j.let_go", cancel="NULL"
)
ARGUMENTS = f"CASE WHEN octet_length(j.arguments) <= {LONG} THEN j.arguments END"
NO_ID = "00000000000000000000000000000000"
LAST_ID = "ffffffffffffffffffffffffffffffff"

SNAPSHOT = "SELECT pg_current_snapshot()::text"
TAKES = "SELECT queue, token, worker, at_ms, ids, process FROM job_takes WHERE queue = $1 ORDER BY token"
WINDOWS = "SELECT queue, unique_key, id, until_ms FROM job_windows WHERE queue = $1 AND until_ms > $2"
# Rows are compared whole, here and below: what is `queue = …` could be looked for by another index that has its order,
# as that of ids, which is a walk over the jobs of all queues.
#
# Nobody but the queue's owner, who reads this, removes any of them: so all pages together are one moment's.
PAGES = {
    brings: f"""
SELECT {UNFINISHED.format(arguments=ARGUMENTS if brings else "NULL::bytea")}
FROM jobs j
WHERE (j.queue, j.id) > ($1, $2::text::uuid) AND (j.queue, j.id) <= ($1, '{LAST_ID}')
    AND (j.xid IS NULL OR pg_visible_in_snapshot(j.xid, $3::text::pg_snapshot)
    OR j.xid >= pg_snapshot_xmax(pg_current_snapshot()))
ORDER BY j.queue, j.id LIMIT {PAGE}
"""
    for brings in (False, True)
}
LOOK = f"""
WITH w AS MATERIALIZED (
    SELECT i.number, i.queue, i.before, coalesce(i.now, pg_current_snapshot()) AS now, i.xid, i.id,
        greatest(i.xid, pg_snapshot_xmax(i.before)) AS new_xid,
        CASE WHEN i.xid >= pg_snapshot_xmax(i.before) THEN i.id ELSE '{NO_ID}' END AS new_id
    FROM unnest($1::text[], $2::text[]::pg_snapshot[], $3::text[]::pg_snapshot[], $4::text[]::xid8[],
        $5::text[]::uuid[]) WITH ORDINALITY AS i (queue, before, now, xid, id, number)
)
SELECT w.number, w.now::text, NULL::text AS xid, NULL::uuid AS id, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
    NULL, NULL, NULL, NULL, NULL, NULL
FROM w
UNION ALL
SELECT w.number, NULL, f.xid::text, f.id, f.queue, f.job, f.arguments, f.added_ms, f.due_ms, f.partition, f.priority,
    f.attempts, f.attempts_max, f.lost, f.options, f.unique_key,
    f.is_of_others, f.let_go, f.cancel
FROM w CROSS JOIN LATERAL (
    (
        SELECT j.xid, {UNFINISHED.format(arguments=ARGUMENTS)}
        FROM jobs j
        WHERE j.queue = w.queue AND (j.xid, j.id) > (w.new_xid, w.new_id) AND pg_visible_in_snapshot(j.xid, w.now)
        ORDER BY j.queue, j.xid, j.id LIMIT {LOOK_ROWS}
    )
    UNION ALL
    SELECT o.*
    FROM pg_snapshot_xip(w.before) AS x (xid) CROSS JOIN LATERAL (
        SELECT j.xid, {UNFINISHED.format(arguments=ARGUMENTS)}
        FROM jobs j
        WHERE j.queue = w.queue AND x.xid >= w.xid
            AND (j.xid, j.id) > (x.xid, CASE WHEN x.xid = w.xid THEN w.id ELSE '{NO_ID}' END)
            AND (j.xid, j.id) <= (x.xid, '{LAST_ID}') AND pg_visible_in_snapshot(j.xid, w.now)
        ORDER BY j.queue, j.xid, j.id LIMIT {LOOK_ROWS}
    ) o
    ORDER BY xid, id LIMIT {LOOK_ROWS}
) f
"""
READ = "SELECT id, arguments FROM jobs WHERE id = ANY ($1::text[]::uuid[])"
READ_CLEAR = f"SELECT j.id, j.arguments FROM jobs j WHERE j.id = ANY ($1::text[]::uuid[]) AND NOT {IS_SEALED}"
FIND = f"""
SELECT {UNFINISHED.format(arguments="j.arguments")},
    CASE WHEN EXISTS (
        SELECT FROM job_takes t WHERE t.queue = j.queue AND t.token > j.let_go AND j.id = ANY (t.ids)
    ) THEN 'active' ELSE 'unfinished' END,
    NULL::bigint, NULL::bigint, '', NULL::bytea, convert_to(j.errors::text, 'UTF8')
FROM jobs j WHERE j.id = $1::text::uuid
UNION ALL
SELECT {DONE},
    j.state, j.ended_ms, j.started_ms, j.worker, j.result, convert_to(j.errors::text, 'UTF8')
FROM jobs_done j WHERE j.id = $1::text::uuid
"""
# One statement, and so one moment: a job that ends meanwhile is in one of the two tables.
OUTCOMES = """
SELECT j.id, j.queue, 'unfinished' AS state, NULL::bytea AS result, '' AS error, NULL::bigint AS ended_ms,
    '' AS instead, j.cancel IS NOT NULL AS is_cancelling
FROM jobs j
WHERE j.id = ANY ($1::text[]::uuid[])
UNION ALL
SELECT d.id, d.queue, d.state, CASE WHEN $2 THEN d.result END,
    CASE WHEN $2 AND d.state <> 'completed' THEN coalesce(d.errors -> -1 ->> 'error', '') ELSE '' END, d.ended_ms,
    CASE WHEN d.state = 'cancelled' AND (d.errors -> -1 ->> 'at_ms')::bigint = d.ended_ms
        THEN coalesce(d.errors -> -1 ->> 'instead', '') ELSE '' END,
    false
FROM jobs_done d WHERE d.id = ANY ($1::text[]::uuid[])
"""
ENDED = f"SELECT {DONE}, j.state, j.ended_ms FROM jobs_done j WHERE j.id = ANY ($1::text[]::uuid[])"
FORGOTTEN = """
SELECT q FROM unnest($1::text[]) AS q
WHERE EXISTS (SELECT FROM erasures e WHERE e.digest = sha256(convert_to('queue:' || q, 'UTF8')))
"""
WITH_STEPS = "SELECT DISTINCT s.id FROM job_steps s JOIN jobs j ON j.id = s.id WHERE j.queue = $1"
STEPS = "SELECT name, result FROM job_steps WHERE id = $1::text::uuid"
STEP_NAMES = 'SELECT name FROM job_steps WHERE id = $1::text::uuid ORDER BY name COLLATE "C" LIMIT $2'
VERSION = """
SELECT 'u' || xmin::text FROM jobs WHERE id = $1::text::uuid
UNION ALL SELECT 'd' || xmin::text FROM jobs_done WHERE id = $1::text::uuid
"""
KEEP_DAYS = "SELECT keep_jobs($1, $2, $3, $4)"
REST_AT_ONCE = 10_000
# What no day had; in many transactions, of which none is long.
DROP_REST = """
WITH gone AS (
    DELETE FROM jobs_done_rest WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM jobs_done_rest
        WHERE ended_ms < (floor(extract(epoch FROM clock_timestamp()) / 86400)::bigint - $1) * 86400000
        LIMIT $2 FOR UPDATE SKIP LOCKED))
    RETURNING 1
)
SELECT count(*) FROM gone
"""


class PostgresJobs:
    """See JobStore."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def begin(self, queue: str, now_ms: int) -> Begun:
        fetch = self._pool.fetch
        ((snapshot,),) = await fetch(SNAPSHOT)
        takes, windows = await fetch(TAKES, queue), await fetch(WINDOWS, queue, now_ms)
        return Begun(
            seen=Seen(snapshot),
            takes=[TakeRow(row[0], row[1], row[2], row[3], [one.hex for one in row[4]], row[5]) for row in takes],
            windows=[WindowRow(row[0], row[1], row[2].hex, row[3]) for row in windows],
        )

    async def page(self, queue: str, seen: Seen, after: str, *, arguments: bool) -> list[JobRow]:
        return [_row(row) for row in await self._pool.fetch(PAGES[arguments], queue, after or NO_ID, seen.before)]

    async def look(self, wanted: Mapping[str, Seen]) -> dict[str, Look]:
        queues, seen = list(wanted), list(wanted.values())
        rows = await self._pool.fetch(
            LOOK,
            queues,
            [one.before for one in seen],
            [one.now for one in seen],
            [one.xid or "0" for one in seen],
            [one.id or NO_ID for one in seen],
        )
        found: dict[str, list[Any]] = {queue: [] for queue in queues}
        now: dict[str, str] = {}
        for row in rows:
            queue = queues[row[0] - 1]
            if row[3] is None:
                now[queue] = row[1]
            else:
                found[queue].append(row)
        return {queue: _look(before, now[queue], found[queue]) for queue, before in wanted.items()}

    async def arguments(self, ids: Sequence[str]) -> dict[str, bytes]:
        return {row[0].hex: row[1] for row in await self._pool.fetch(READ, list(ids))}

    async def clear_arguments(self, ids: Sequence[str]) -> dict[str, bytes]:
        return {row[0].hex: row[1] for row in await self._pool.fetch(READ_CLEAR, list(ids))}

    async def find(self, job_id: str) -> JobFound | None:
        rows = await self._pool.fetch(FIND, job_id)
        if not rows:
            return None
        row = rows[0]
        return JobFound(_row(row), *row[16:])

    async def outcomes(self, ids: Sequence[str], *, results: bool = False) -> dict[str, JobOutcome]:
        found = await self._outcomes(ids, results)
        while results and (more := wanted(found)):
            follow(found, await self._outcomes(more, results))
        return found

    async def _outcomes(self, ids: Sequence[str], results: bool) -> dict[str, JobOutcome]:
        return {row[0].hex: JobOutcome(*row[1:]) for row in await self._pool.fetch(OUTCOMES, list(ids), results)}

    async def ended(self, ids: Sequence[str]) -> list[JobFound]:
        return [JobFound(_row(row), row[16], row[17]) for row in await self._pool.fetch(ENDED, list(ids))]

    async def forgotten(self, queues: Sequence[str]) -> list[str]:
        return [row[0] for row in await self._pool.fetch(FORGOTTEN, list(queues))] if queues else []

    async def with_steps(self, queue: str) -> list[str]:
        return [row[0].hex for row in await self._pool.fetch(WITH_STEPS, queue)]

    async def steps(self, job_id: str) -> dict[str, bytes]:
        return dict(await self._pool.fetch(STEPS, job_id))

    async def step_names(self, job_id: str, most: int) -> list[str]:
        return [row[0] for row in await self._pool.fetch(STEP_NAMES, job_id, most)]

    async def version(self, job_id: str) -> str:
        rows = await self._pool.fetch(VERSION, job_id)
        return rows[0][0] if rows else ""

    async def keep_days(self, kept: Kept) -> int:
        ((dropped,),) = await self._pool.fetch(KEEP_DAYS, kept.completed, kept.failed, kept.cancelled, kept.most)
        gone = REST_AT_ONCE
        while gone == REST_AT_ONCE:
            ((gone,),) = await self._pool.fetch(DROP_REST, kept.longest, REST_AT_ONCE)
        return dropped  # type: ignore[no-any-return]


def _look(before: Seen, now: str, rows: list[Any]) -> Look:
    """What comes next begins where these end."""
    found = [_row(row[3:]) for row in rows]
    if len(rows) < LOOK_ROWS:
        return Look(Seen(now), found)
    return Look(Seen(before.before, now, rows[-1][2], found[-1].id), found)


def _row(row: Any) -> JobRow:
    return JobRow(row[0].hex, *row[1:16])
