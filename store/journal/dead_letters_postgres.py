"""Dead letters in Postgres."""

from collections.abc import Collection, Sequence
from typing import Any

from greenroom.store.journal.consequences.letters import letter_columns, storable
from greenroom.store.journal.dead_letters import ALL, TEXT_CHARACTERS_MAX, Census, DeadLetter, Which
from greenroom.store.journal.names import digest_of
from greenroom.store.ownership.sharding import SHARDS, mask_of, shard_sql
from greenroom.store.postgres.pool import Pool

KEPT_MAX = 100_000  # letters; beyond, the oldest go
TRIMMED_MAX = 1_000  # letters that one statement deletes
COLUMNS = (
    "id, entity, (extract(epoch FROM at) * 1000)::bigint AS at_ms, message_type, payload, principal, error, traceback, "
    "trace, strikes, wished"
)
ADD = """
WITH added AS (
    INSERT INTO dead_letters (at, entity, message_type, payload, principal, error, traceback, trace, strikes, key)
    SELECT now(), $1, $2, $3, $4, $5, $6, $7, $8, $11
    WHERE NOT EXISTS (SELECT FROM erasures WHERE digest = $12)
    ON CONFLICT (key) WHERE key IS NOT NULL DO NOTHING
    RETURNING id
)
DELETE FROM dead_letters WHERE id IN (
    SELECT id FROM dead_letters WHERE id <= (SELECT id FROM added) - $9::bigint ORDER BY id LIMIT $10
)
"""

REPLACE = """
UPDATE dead_letters SET at = now(), payload = $3, error = $5, traceback = $6, trace = $7, strikes = strikes + $8,
    wished = false, key = coalesce($10, key)
WHERE id = $9 AND entity = $1 AND message_type = $2 AND principal = $4
    AND ($10::bigint IS NULL OR key IS DISTINCT FROM $10)
"""
REFUSED = "UPDATE dead_letters SET wished = false, error = coalesce(nullif($2, ''), error) WHERE id = $1"
# Letters that come with an append are inserted there, which keeps no bound.
TRIM = """
DELETE FROM dead_letters WHERE id IN (
    SELECT id FROM dead_letters WHERE id <= (SELECT max(id) FROM dead_letters) - $1::bigint ORDER BY id LIMIT $2
)
RETURNING id
"""
WISHED = f"""
SELECT {COLUMNS} FROM dead_letters
WHERE wished AND ($2::bytea IS NULL OR get_bit($2, {shard_sql("entity", "$3::int")}) = 1)
ORDER BY id LIMIT $1
"""
CENSUS = """
SELECT count(*) AS stored, coalesce(max(id), 0) AS last_id, count(*) FILTER (WHERE id > $1) AS since,
    count(*) FILTER (WHERE at > now() - interval '1 minute') AS minute
FROM dead_letters
"""
COMMON = """
SELECT split_part(entity, ':', 1) AS kind, message_type, count(*)
FROM dead_letters WHERE id > $1 GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2 LIMIT 1
"""


class PostgresDeadLetters:
    """See DeadLetters."""

    def __init__(self, pool: Pool, *, shards: int = SHARDS) -> None:
        """`shards`: how many entities hash onto."""
        self._pool = pool
        self._shards = shards

    async def add(self, letter: DeadLetter, *, key: int | None = None) -> None:
        if letter.id:
            await self._fetch(REPLACE, *letter_columns(letter), letter.id, key)
        else:
            await self._fetch(ADD, *letter_columns(letter), KEPT_MAX, TRIMMED_MAX, key, digest_of(letter.entity))

    async def list(self, *, limit: int, before: int | None = None, which: Which = ALL) -> Sequence[DeadLetter]:
        where, arguments = _where(which, before=before)
        sql = f"SELECT {COLUMNS} FROM dead_letters {where} ORDER BY id DESC LIMIT ${len(arguments) + 1}"
        rows = await self._fetch(sql, *arguments, limit)
        return [_letter(row) for row in rows]

    async def get(self, number: int) -> DeadLetter | None:
        rows = await self._fetch(f"SELECT {COLUMNS} FROM dead_letters WHERE id = $1", number)
        return _letter(rows[0]) if rows else None

    async def drop(self, which: Which) -> int:
        where, arguments = _where(which)
        return len(await self._fetch(f"DELETE FROM dead_letters {where} RETURNING id", *arguments))

    async def wish(self, which: Which) -> Sequence[int]:
        where, arguments = _where(which)
        rows = await self._fetch(f"UPDATE dead_letters SET wished = true {where} RETURNING id", *arguments)
        return sorted(row[0] for row in rows)

    async def wished(self, *, limit: int, shards: Collection[int] | None = None) -> Sequence[DeadLetter]:
        mask = None if shards is None else mask_of(shards, self._shards)
        return [_letter(row) for row in await self._fetch(WISHED, limit, mask, self._shards)]

    async def refused(self, number: int, error: str = "") -> None:
        await self._fetch(REFUSED, number, storable(error[:TEXT_CHARACTERS_MAX]))

    async def census(self, *, after: int) -> Census:
        while len(await self._fetch(TRIM, KEPT_MAX, TRIMMED_MAX)) == TRIMMED_MAX:
            pass
        (row,) = await self._fetch(CENSUS, after)
        common = await self._fetch(COMMON, after) if row["since"] else []
        return Census(**dict(row), common=tuple(common[0]) if common else None)

    async def _fetch(self, sql: str, *args: object) -> Any:
        async with self._pool.connection() as connection:
            return await connection.fetch(sql, *args)


def _where(which: Which, *, before: int | None = None) -> tuple[str, list[object]]:
    """The condition, with its arguments. Of what is given alone: planned once for all, it would use no index else."""
    given = {
        "id = ANY ({}::bigint[])": list(which.ids) or None,
        "entity = {}::text": storable(which.entity) or None,
        "starts_with(entity, {}::text || ':')": which.kind or None,
        "message_type = {}::text": storable(which.message_type) or None,
        "id < {}::bigint": before,
    }
    present = [(condition, value) for condition, value in given.items() if value is not None]
    conditions = [condition.format(f"${number}") for number, (condition, _) in enumerate(present, 1)]
    return f"WHERE {' AND '.join(conditions)}" if conditions else "", [value for _, value in present]


def _letter(row: Any) -> DeadLetter:
    return DeadLetter(**dict(row))
