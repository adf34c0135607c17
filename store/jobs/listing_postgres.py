"""Listing in Postgres. A look is one statement over both tables, each read along an index in the order of ids.

What a row must have is worked out beside its id, behind the limit: so a look reads so many rows and no more, whatever
is asked for, and only those that are shown are read whole. Jobs of one queue are looked at along its own index; those
of it that have failed or were cancelled have one too (`jobs_done_failed`); what has succeeded is passed over in the
order of all. What workers have is found by what they took.
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from greenroom.store.jobs.filter import RESTS, SEARCHED_MAX, TAKEN, WAITS, JobFilter, spellings
from greenroom.store.jobs.jobs import JobFound
from greenroom.store.jobs.jobs_postgres import ENDED
from greenroom.store.jobs.listing import LONG_SHOWN, ListedJob, Looked
from greenroom.store.journal.consequences.jobs import FREED, JobRow
from greenroom.store.postgres.pool import Pool

DAY_MS = 86_400_000
# The last take that has a job is the one that may still do: a row names also what was put back since.
TAKES = """takes AS MATERIALIZED (
    SELECT DISTINCT ON (one.id) one.id, t.token, t.worker, t.at_ms
    FROM job_takes t CROSS JOIN LATERAL unnest(t.ids) AS one (id)
    WHERE {queue} ORDER BY one.id, t.token DESC
)"""
STATE = """CASE
        WHEN t.token > u.let_go THEN CASE WHEN u.cancel IS NULL THEN 'active' ELSE 'cancelling' END
        WHEN u.is_blocked THEN 'blocked'
        WHEN u.due_ms > {now} THEN CASE WHEN u.attempts > 0 THEN 'retrying' ELSE 'delayed' END
        ELSE 'waiting' END"""
BLOCKED = f"""coalesce(
        position('{WAITS.decode()}'::bytea IN j.options) > 0
            AND (j.let_go < {FREED} OR position('{RESTS.decode()}'::bytea IN j.options) > 0), false)"""
ERRORS = "jsonb_path_query_array({row}.errors, '$[*].error')::text"
LAST_ERROR = f"left({{row}}.errors -> -1 ->> 'error', {LONG_SHOWN})"
SHOWN = f"""{{row}}.id, {{row}}.queue, {{row}}.job, {{row}}.partition, {{row}}.priority, {{row}}.attempts,
    {{row}}.attempts_max, {{row}}.lost, {{row}}.added_ms, {{row}}.due_ms, {{row}}.options, {LAST_ERROR} AS error,
    CASE WHEN octet_length({{row}}.arguments) <= {LONG_SHOWN} THEN {{row}}.arguments END AS arguments,
    octet_length({{row}}.arguments) AS arguments_bytes"""
# Those of flows have an index (`jobs_of_flows`), by just this.
NAMED = f"""
SELECT DISTINCT one ->> 0
FROM jobs j CROSS JOIN LATERAL jsonb_array_elements(convert_from(j.options, 'UTF8')::jsonb #> '{{waits,jobs}}') AS one
WHERE position('{WAITS.decode()}'::bytea IN j.options) > 0 AND one ->> 0 = ANY ($1::text[])
"""
# A queue that has been awake has a head; of one that has only been given jobs by others there are only these, which are
# gone through name by name, not job by job.
QUEUES = """
WITH RECURSIVE names (queue) AS (
    (SELECT queue FROM jobs ORDER BY queue LIMIT 1)
    UNION ALL
    SELECT (SELECT j.queue FROM jobs j WHERE j.queue > n.queue ORDER BY j.queue LIMIT 1) FROM names n
    WHERE n.queue IS NOT NULL
)
SELECT queue FROM (
    (SELECT substr(entity, 7) FROM heads WHERE entity > 'queue:' || $1 AND entity < 'queue;' ORDER BY entity LIMIT $2)
    UNION
    SELECT queue COLLATE "C" FROM names WHERE queue COLLATE "C" > $1
) found (queue)
ORDER BY queue COLLATE "C" LIMIT $2
"""


class _By(Struct):
    by: str = ""


_decode_by: Callable[[bytes], _By] = msgspec.json.Decoder(_By).decode


class PostgresListing:
    """See JobListing."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def looked_at(self, asked: JobFilter, before: str, *, most: int, rows: int, now_ms: int) -> Looked:
        sql, arguments = looking(asked, before, rows=rows, now_ms=now_ms, most=most)
        found = await self._pool.fetch(sql, *arguments)
        after = found[0][0]
        jobs = [_listed(row) for row in found if row[1] is not None]
        return Looked(jobs, after.hex if after is not None else None)

    async def counted(self, asked: JobFilter, before: str, *, rows: int, now_ms: int) -> tuple[int, str | None]:
        sql, arguments = looking(asked, before, rows=rows, now_ms=now_ms)
        ((after, count),) = await self._pool.fetch(sql, *arguments)
        return count, after.hex if after is not None else None

    async def ended(self, ids: list[str]) -> list[JobFound]:
        rows = await self._pool.fetch(ENDED, ids)
        return [JobFound(JobRow(row[0].hex, *row[1:16]), row[16], row[17]) for row in rows]

    async def named(self, ids: list[str]) -> list[str]:
        return [row[0] for row in await self._pool.fetch(NAMED, ids)]

    async def queues(self, after: str, limit: int) -> list[str]:
        return [row[0] for row in await self._pool.fetch(QUEUES, after, limit)]


class _Statement:
    """SQL that is put together, with its arguments."""

    def __init__(self) -> None:
        self.arguments: list[object] = []
        self._numbers: dict[tuple[object, str], str] = {}

    def __call__(self, value: object, kind: str) -> str:
        """How a value is named in it."""
        if (value, kind) not in self._numbers:
            self.arguments.append(list(value) if isinstance(value, tuple) else value)
            self._numbers[value, kind] = f"${len(self.arguments)}::{kind}"
        return self._numbers[value, kind]


def looking(
    asked: JobFilter, before: str, *, rows: int, now_ms: int, most: int | None = None
) -> tuple[str, Sequence[object]]:
    """The statement and its arguments, of a filter that means something. `most`: None: only how many there are."""
    put = _Statement()
    limit = put(rows, "int")
    first, beyond = asked.ids_between
    below = put(min(before, beyond), "text") + "::uuid"
    above = put(first, "text") + "::uuid"
    parts = [TAKES.format(queue=f"t.queue = {put(asked.queue, 'text')}" if asked.queue else "true")]
    sources = list[str]()
    if asked.unfinished:
        taken = "JOIN takes k ON k.id = j.id AND k.token > j.let_go" if set(asked.unfinished) <= set(TAKEN) else ""
        parts.append(f"""u AS MATERIALIZED (
    SELECT j.id, j.let_go, j.due_ms, j.attempts, j.cancel, {BLOCKED} AS is_blocked,
        {_fits(asked, "j", put)} AS fits
    FROM jobs j {taken} WHERE {_range(asked, "j", above, below, put)} ORDER BY {_order(asked, "j")} LIMIT {limit}
)""")
        state = STATE.format(now=put(now_ms, "bigint"))
        sources.append(f"""SELECT u.id, u.fits, {state} AS state, NULL::bigint AS ended_ms
        FROM u LEFT JOIN takes t ON t.id = u.id""")
    if asked.ended:
        spared = (
            "AND d.state <> 'completed'" if _by_queue(asked, "d") else ""
        )  # of the index: others count as looked at
        if asked.ended_since_ms is not None:  # whole days, which are partitions: within one, what fits is looked for
            spared += f" AND d.ended_ms >= {put(asked.ended_since_ms // DAY_MS * DAY_MS, 'bigint')}"
        if asked.ended_until_ms is not None:
            spared += f" AND d.ended_ms < {put(-(-asked.ended_until_ms // DAY_MS) * DAY_MS, 'bigint')}"
        parts.append(f"""d AS MATERIALIZED (
    SELECT d.id, d.state, d.ended_ms, {_fits(asked, "d", put)} AS fits
    FROM jobs_done d WHERE {_range(asked, "d", above, below, put)} {spared}
    ORDER BY {_order(asked, "d")} LIMIT {limit}
)""")
        sources.append("SELECT d.id, d.fits, d.state, d.ended_ms FROM d")
    # Where one of the tables has more, what lies behind its last row was not looked at in full.
    tables = [name for name, states in (("u", asked.unfinished), ("d", asked.ended)) if states]
    ends = ", ".join(f"(SELECT id FROM {one} ORDER BY id DESC OFFSET {limit} - 1 LIMIT 1)" for one in tables)
    parts.append(f"e AS MATERIALIZED (SELECT greatest({ends}) AS id)")
    states = put((*asked.unfinished, *asked.ended), "text[]")
    parts.append(f"""hits AS (
    SELECT l.id, l.state, l.ended_ms FROM ({" UNION ALL ".join(sources)}) AS l CROSS JOIN e
    WHERE l.fits AND l.state = ANY ({states}) AND (e.id IS NULL OR l.id >= e.id)
    {"" if most is None else f"ORDER BY l.id DESC LIMIT {put(most, 'int')}"}
)""")
    whole = "WITH " + ",\n".join(parts)
    if most is None:
        return f"{whole}\nSELECT e.id, (SELECT count(*) FROM hits) FROM e", put.arguments
    return (
        f"""{whole}
SELECT e.id, h.*
FROM e LEFT JOIN LATERAL (
    SELECT {SHOWN.format(row="j")}, l.state, t.worker, t.at_ms AS started_ms, l.ended_ms
    FROM hits l JOIN jobs j ON j.id = l.id
        LEFT JOIN takes t ON t.id = l.id AND t.token > j.let_go
    WHERE l.ended_ms IS NULL
    UNION ALL
    SELECT {SHOWN.format(row="d")}, l.state, d.worker, d.started_ms, l.ended_ms
    FROM hits l JOIN jobs_done d ON d.id = l.id AND d.ended_ms = l.ended_ms
) h ON true
ORDER BY h.id DESC""",
        put.arguments,
    )


def _range(asked: JobFilter, row: str, above: str, below: str, put: _Statement) -> str:
    """Rows are compared whole: see jobs_postgres.py."""
    if asked.ids:
        ids = put(asked.ids, "text[]") + "::uuid[]"
        queue = f"AND {row}.queue = {put(asked.queue, 'text')}" if asked.queue else ""
        return f"{row}.id = ANY ({ids}) AND {row}.id >= {above} AND {row}.id < {below} {queue}"
    if _by_queue(asked, row):
        queue = put(asked.queue, "text")
        return f"({row}.queue, {row}.id) >= ({queue}, {above}) AND ({row}.queue, {row}.id) < ({queue}, {below})"
    return f"{row}.id >= {above} AND {row}.id < {below}"


def _order(asked: JobFilter, row: str) -> str:
    return f"{row}.queue DESC, {row}.id DESC" if _by_queue(asked, row) else f"{row}.id DESC"


def _by_queue(asked: JobFilter, row: str) -> bool:
    """Is there an index of just these jobs of one queue?"""
    return bool(asked.queue) and not asked.ids and (row == "j" or "completed" not in asked.ended)


def _fits(asked: JobFilter, row: str, put: _Statement) -> str:
    """All that no index knows."""
    wanted = list[str]()
    if asked.queue:
        wanted.append(f"{row}.queue = {put(asked.queue, 'text')}")
    if asked.job:
        wanted.append(f"{row}.job = {put(asked.job, 'text')}")
    if asked.key is not None:
        wanted.append(f"{row}.partition = {put(asked.key, 'text')}")
    for sign, ms in ((">=", asked.ended_since_ms), ("<", asked.ended_until_ms)):
        if ms is not None:  # none is asked for of what has not ended
            wanted.append(f"{row}.ended_ms {sign} {put(ms, 'bigint')}")
    short = f"octet_length({row}.arguments) <= {SEARCHED_MAX}"
    arguments = f"CASE WHEN {short} THEN lower(convert_from({row}.arguments, 'UTF8')) END"
    errors = f"lower({ERRORS.format(row=row)})"
    for word in asked.words:
        like = put(tuple(f"%{_literal(one)}%" for one in spellings(word)), "text[]")
        wanted.append(f"coalesce({arguments} LIKE ANY ({like}) OR {errors} LIKE ANY ({like}), false)")
    return " AND ".join(wanted) or "true"


def _literal(text: str) -> str:
    """For LIKE, nothing in it is a pattern."""
    return text.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")


def _listed(row: Any) -> ListedJob:
    options = row["options"]
    try:
        by = _decode_by(options).by if options is not None else ""
    except msgspec.DecodeError:
        by = ""
    return ListedJob(
        id=row[1].hex,
        queue=row["queue"],
        job=row["job"],
        state=row["state"],
        partition=row["partition"],
        priority=row["priority"],
        attempts=row["attempts"],
        attempts_max=row["attempts_max"],
        lost=row["lost"],
        added_ms=row["added_ms"],
        due_ms=row["due_ms"],
        started_ms=row["started_ms"],
        ended_ms=row["ended_ms"],
        worker=row["worker"] or "",
        by=by,
        error=row["error"] or "",
        arguments=row["arguments"],
        arguments_bytes=row["arguments_bytes"],
    )
