"""Sweeps: what is found by looking at a whole table, as outbox rows that nobody posted and timers that are due.

A node alone sees all of it. One of several sees what is on its shards: each row says on which it is. One written before
there were shards is where its head is, and a head where its name says.

Shards are in no index: each append that comes with an outbox row or a timer would write into it, for what few sweeps
find. So others' rows are passed over as they are read, some thousands by one statement, which therefore takes
milliseconds however many there are of them.
"""

from collections.abc import Collection
from typing import Any

from greenroom.store.journal.consequences.outbox import OutboxRow
from greenroom.store.journal.postgres.pages import Pages, page
from greenroom.store.journal.postgres.reads import OFFSET_MAX
from greenroom.store.journal.records import Due
from greenroom.store.ownership.sharding import mask_of, shard_sql
from greenroom.store.postgres.connection import Connection

PASSED_MAX = 10_000  # rows of all nodes that one statement looks at
PASSED_FIRST = 4  # times as many as are wanted, it looks at first: where there are some of ours, that is enough

OUTBOX_COLUMNS = 'o."offset", o.body, o.id, h.entity'
OUTBOX_ROWS = 'outbox o JOIN heads h ON h.id = o.id WHERE (o.id, o."offset") > ($3::bigint, $4::bigint)'
OUTBOX_ORDER, OUTBOX_SIZE = 'o.id, o."offset"', "octet_length(o.body)"
DUE_ROWS = """
SELECT t.due_ms, t.id, h.entity
FROM timers t JOIN heads h ON h.id = t.id
WHERE t.due_ms < $1 AND (t.due_ms, t.id) > ($2::bigint, $3::bigint)
"""


def is_on(row: str, mask: str, shards: str) -> str:
    """Is the row, beside its head `h`, on one of the shards in the mask? In two steps, so that others' rows are dropped
    before their heads are looked up."""
    of_head = f"coalesce(h.shard, {shard_sql('h.entity', shards)})"
    return (
        f"({row}.shard IS NULL OR get_bit({mask}, {row}.shard) = 1)"
        f" AND ({row}.shard IS NOT NULL OR get_bit({mask}, {of_head}) = 1)"
    )


OUTBOX = page(OUTBOX_COLUMNS, OUTBOX_ROWS, order=OUTBOX_ORDER, size=OUTBOX_SIZE)
OUTBOX_OF = page(
    OUTBOX_COLUMNS,
    f'{OUTBOX_ROWS} AND (o.id, o."offset") <= ($5::bigint, $6::bigint) AND {is_on("o", "$7::bytea", "$8::int")}',
    order=OUTBOX_ORDER,
    size=OUTBOX_SIZE,
)
# The end of what one statement looks at; no row where that is the end of all.
OUTBOX_STEP = """
SELECT id, "offset" FROM outbox WHERE (id, "offset") > ($1::bigint, $2::bigint) ORDER BY id, "offset" OFFSET $3 LIMIT 1
"""

DUE = f"{DUE_ROWS} ORDER BY t.due_ms, t.id LIMIT $4"
DUE_OF = f"""{DUE_ROWS} AND (t.due_ms, t.id) <= ($5::bigint, $6::bigint) AND {is_on("t", "$7::bytea", "$8::int")}
ORDER BY t.due_ms, t.id LIMIT $4
"""
DUE_STEP = """
SELECT due_ms, id FROM timers
WHERE due_ms < $1 AND (due_ms, id) > ($2::bigint, $3::bigint) ORDER BY due_ms, id OFFSET $4 LIMIT 1
"""
END = (OFFSET_MAX, OFFSET_MAX)


class Sweeps:
    """Over one connection. `shards`: how many there are."""

    def __init__(self, connection: Connection, *, shards: int) -> None:
        self._connection = connection
        self._shards = shards

    async def outbox(self, after: tuple[int, int], limit: int, owned: Collection[int] | None) -> list[OutboxRow]:
        """See Journal.outbox."""
        pages = Pages(self._connection, rows_max=limit)
        if owned is None:
            return [OutboxRow(*row[:4]) for row in await pages.fetch(OUTBOX, *after)]
        mask = mask_of(owned, self._shards)
        passed = PASSED_FIRST * limit
        while True:
            passed = min(passed, PASSED_MAX)
            step = _position(await self._connection.fetch(OUTBOX_STEP, *after, passed))
            rows = await pages.fetch(OUTBOX_OF, *after, *(step or END), mask, self._shards)
            if rows or step is None:
                return [OutboxRow(*row[:4]) for row in rows]
            after = step
            passed *= PASSED_FIRST

    async def due(self, before_ms: int, after: tuple[int, int], limit: int, owned: Collection[int] | None) -> list[Due]:
        """See Journal.due."""
        if owned is None:
            return [Due(*row) for row in await self._connection.fetch(DUE, before_ms, *after, limit)]
        mask = mask_of(owned, self._shards)
        found: list[Due] = []
        passed = PASSED_FIRST * limit
        while True:
            passed = min(passed, PASSED_MAX)
            step = _position(await self._connection.fetch(DUE_STEP, before_ms, *after, passed))
            upto = step or END
            left = limit - len(found)
            rows = await self._connection.fetch(DUE_OF, before_ms, *after, left, *upto, mask, self._shards)
            found += [Due(*row) for row in rows]
            if step is None or len(found) == limit:
                return found
            after = step
            passed *= PASSED_FIRST


def _position(rows: Any) -> tuple[int, int] | None:
    return (rows[0][0], rows[0][1]) if rows else None
