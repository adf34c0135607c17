"""Dead letters in Postgres."""

from typing import Any

from store.dead_letters import DeadLetter
from store.pool import Pool

KEPT_MAX = 100_000  # letters; beyond, the oldest go
COLUMNS = (
    "id, entity, (extract(epoch FROM at) * 1000)::bigint AS at_ms, message_type, payload, principal, error, traceback, "
    "trace, strikes"
)
ADD = """
WITH added AS (
    INSERT INTO dead_letters (at, entity, message_type, payload, principal, error, traceback, trace, strikes)
    VALUES (now(), $1, $2, $3, $4, $5, $6, $7, $8) RETURNING id
)
DELETE FROM dead_letters WHERE id <= (SELECT id FROM added) - $9::bigint
"""


class PostgresDeadLetters:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def add(self, letter: DeadLetter) -> None:
        async with self._pool.connection() as connection:
            await connection.fetch(ADD, *letter_columns(letter), KEPT_MAX)

    async def list(self, *, limit: int, before: int | None = None) -> "list[DeadLetter]":
        async with self._pool.connection() as connection:
            rows = await connection.fetch(
                f"SELECT {COLUMNS} FROM dead_letters WHERE id < $1 ORDER BY id DESC LIMIT $2",
                before if before is not None else 2**63 - 1,
                limit,
            )
        return [_letter(row) for row in rows]

    async def get(self, number: int) -> DeadLetter | None:
        async with self._pool.connection() as connection:
            rows = await connection.fetch(f"SELECT {COLUMNS} FROM dead_letters WHERE id = $1", number)
        return _letter(rows[0]) if rows else None

    async def drop(self, number: int) -> bool:
        async with self._pool.connection() as connection:
            return bool(await connection.fetch("DELETE FROM dead_letters WHERE id = $1 RETURNING id", number))


LETTER_COLUMNS = 8


def letter_columns(letter: DeadLetter) -> tuple[Any, ...]:
    """Entity, message_type, payload, principal, error, traceback, trace, strikes: as they can be stored."""
    return (
        _storable(letter.entity),
        _storable(letter.message_type),
        letter.payload,
        _storable(letter.principal),
        _storable(letter.error),
        _storable(letter.traceback),
        _storable(letter.trace or ""),
        letter.strikes,
    )


def _letter(row: Any) -> DeadLetter:
    return DeadLetter(**dict(row))


def _storable(text: str) -> str:
    # Postgres has no NUL in text, and UTF-8 no lone surrogates; a traceback may quote either.
    return text.replace("\0", "\N{SYMBOL FOR NULL}").encode("utf-8", "replace").decode()
