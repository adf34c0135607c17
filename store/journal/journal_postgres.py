"""The journal in Postgres. Each promise of `journal.py` is kept by one auto-commit statement, so none can stall inside.

The append *updates* the heads whose fence, incarnation and offset all match and inserts only the events of the rows it
updated: the row lock orders it against a claim of the same head, which therefore either waits for the append and
returns the offset after it, or comes first and fences it. docs/inside/decisions/0002-append-statement.md has the
measurements, and what else was tried.

Heads are locked in the order of their ids by every statement that locks several, so two of them can't deadlock.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from greenroom.store.errors import DataRefused, NotOwner, StoreUnavailable
from greenroom.store.journal.dead_letters_postgres import LETTER_COLUMNS, letter_columns
from greenroom.store.journal.epoch import random_epoch
from greenroom.store.journal.journal import (
    NOTHING_ABOVE,
    Append,
    Claimed,
    Due,
    Head,
    OutboxRow,
    Outcome,
    Remembered,
    StoredEvent,
    TimerRow,
)
from greenroom.store.journal.retention import Trimmable
from greenroom.store.postgres.connection import Connection
from greenroom.store.postgres.pool import Pool

TRIM_EVENTS_MAX = 5_000  # deleted by one statement: a tenth of a second or so
CLAIMS_AT_ONCE = 2  # connections for claims, which don't queue behind readers
RETRIES_MAX = 3  # of an append that lost a race against retention

# A command id that retention has moved to kept_ids is not in the unique index any more, so it is looked up. `seen` is
# the head as this statement's snapshot has it, `h` as it is once locked: when they differ in `trimmed`, ids were moved
# after the snapshot was taken, the look-up may have missed one, and nothing of this entity is written (`_sort_out`).
# IS TRUE and IS NOT TRUE keep the sub-selects hashed: as joins they were planned as nested loops, events times heads.
APPEND_EVENTS = """
WITH kept AS MATERIALIZED (
    SELECT k.id
    FROM unnest($6::bigint[], $12::bytea[]) AS c (id, command_id)
    JOIN kept_ids k ON k.id = c.id AND k.command_id = c.command_id
), owned AS (
    UPDATE heads h SET "offset" = i.after + i.events
    FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[]) AS i (id, fence, after, events)
    JOIN heads seen ON seen.id = i.id
    WHERE h.id = i.id AND h.fence = i.fence AND h.incarnation = $5 AND h."offset" = i.after
        AND h.lineage = (SELECT lineage()) AND h.trimmed = seen.trimmed AND (h.id IN (SELECT id FROM kept)) IS NOT TRUE
    RETURNING h.id
), landed AS (
    INSERT INTO journal (id, "offset", fence, at_ms, payload, info, command_id, reply, digest)
    SELECT e.*
    FROM unnest($6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bytea[], $11::bytea[], $12::bytea[],
        $13::bytea[], $14::bigint[]) AS e (id, "offset", fence, at_ms, payload, info, command_id, reply, digest)
    WHERE (e.id IN (SELECT id FROM owned)) IS TRUE
)
"""
# Most batches have no consequences, and pay nothing for them.
CONSEQUENCES = """
, sent AS (
    INSERT INTO outbox (id, "offset", body)
    SELECT m.* FROM unnest($15::bigint[], $16::bigint[], $17::bytea[]) AS m (id, "offset", body)
    WHERE (m.id IN (SELECT id FROM owned)) IS TRUE
), marked AS (
    INSERT INTO received AS r (id, sender, seq)
    SELECT m.* FROM unnest($18::bigint[], $19::bigint[], $20::bigint[]) AS m (id, sender, seq)
    WHERE (m.id IN (SELECT id FROM owned)) IS TRUE
    ON CONFLICT (id, sender) DO UPDATE SET seq = excluded.seq WHERE r.seq < excluded.seq
), moved AS (
    INSERT INTO timers (id, name, due_ms, body)
    SELECT t.* FROM unnest($21::bigint[], $22::bytea[], $23::bigint[], $24::bytea[]) AS t (id, name, due_ms, body)
    WHERE (t.id IN (SELECT id FROM owned)) IS TRUE
    ON CONFLICT (id, name) DO UPDATE SET due_ms = excluded.due_ms, body = excluded.body
), ended AS (
    DELETE FROM timers t
    USING unnest($25::bigint[], $26::bytea[]) AS e (id, name)
    WHERE t.id = e.id AND t.name = e.name AND (e.id IN (SELECT id FROM owned)) IS TRUE
), lettered AS (
    INSERT INTO dead_letters (at, entity, message_type, payload, principal, error, traceback, trace, strikes)
    SELECT now(), l.entity, l.message_type, l.payload, l.principal, l.error, l.traceback, l.trace, l.strikes
    FROM unnest($27::bigint[], $28::text[], $29::text[], $30::bytea[], $31::text[], $32::text[], $33::text[],
        $34::text[], $35::int[]) AS l (id, entity, message_type, payload, principal, error, traceback, trace, strikes)
    WHERE (l.id IN (SELECT id FROM owned)) IS TRUE
)
"""
APPEND = APPEND_EVENTS + "SELECT id FROM owned"
APPEND_WITH_CONSEQUENCES = APPEND_EVENTS + CONSEQUENCES + "SELECT id FROM owned"

STILL_MINE = """
SELECT h.id
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS i (id, fence, after)
JOIN heads h ON h.id = i.id AND h.fence = i.fence AND h.incarnation = $4 AND h."offset" = i.after
    AND h.lineage = (SELECT lineage())
"""

REPEATED = """
SELECT c.id
FROM unnest($1::bigint[], $2::bytea[]) AS c (id, command_id)
WHERE EXISTS (SELECT FROM journal j WHERE j.id = c.id AND j.command_id = c.command_id)
    OR EXISTS (SELECT FROM kept_ids k WHERE k.id = c.id AND k.command_id = c.command_id)
"""

# The conflict branch waits for the row's lock and then works on its newest version, whatever the snapshot says.
# A standby that takes over may lack the newest claims and heads. So that it grants no fence that its predecessor has
# granted, it leaves room for as many claims as may be missing, and new heads begin with another number.
RAISE = """
INSERT INTO heads (entity, fence, incarnation, epoch, lineage, era)
SELECT w.entity, greatest(($3::bigint << 32) | (now.era << 16) | 1, w.above + 1), $4::bigint, w.epoch, now.lineage,
    now.era
FROM unnest($1::text[], $2::text[], $5::bigint[]) AS w (entity, epoch, above)
CROSS JOIN (SELECT lineage() AS lineage, timeline() - 1 & 32767 AS era OFFSET 0) now
LEFT JOIN heads known ON known.entity = w.entity
ORDER BY known.id NULLS LAST, w.entity
ON CONFLICT (entity) DO UPDATE SET
    fence = greatest(
        excluded.fence, heads.fence + CASE WHEN heads.lineage = excluded.lineage THEN 1 ELSE 65536 END
    ),
    incarnation = $4,
    lineage = excluded.lineage,
    era = CASE WHEN heads.lineage = excluded.lineage THEN heads.era ELSE greatest(heads.era + 1, excluded.era) END
WHERE heads.fence >> 32 <= $3
RETURNING id, entity, fence, epoch || lineage AS epoch, "offset", trimmed, era, snapshot_offset, xmax <> 0 AS known
"""

# A statement of its own, after the raise: its snapshot then holds the append that the raise has waited for (trap 4).
LOAD = """
SELECT id, 0 AS what, "offset", 0::bigint AS at_ms, body AS payload,
    NULL::bytea AS info, NULL::bytea AS command_id, NULL::bytea AS reply, NULL::bigint AS digest
FROM snapshots WHERE id = ANY ($1::bigint[]) AND "offset" > 0
UNION ALL
SELECT w.id, 1, e."offset", e.at_ms, e.payload, e.info, e.command_id, e.reply, e.digest
FROM unnest($1::bigint[], $2::bigint[]) AS w (id, after)
CROSS JOIN LATERAL (SELECT * FROM journal j WHERE j.id = w.id AND j."offset" > w.after ORDER BY j."offset") e
UNION ALL
SELECT id, 2, "offset", 0, body, NULL, NULL, NULL, NULL FROM outbox WHERE id = ANY ($1::bigint[])
UNION ALL
SELECT id, 3, due_ms, 0, body, name, NULL, NULL, NULL FROM timers WHERE id = ANY ($1::bigint[])
ORDER BY 1, 2, 3
"""
SNAPSHOT_ROW, EVENT_ROW, OUTBOX_ROW, TIMER_ROW = range(4)

READ = """
SELECT h.id, h.entity, h.fence, h.epoch || h.lineage, h."offset", h.trimmed, h.era,
    e."offset", e.at_ms, e.payload, e.info, e.command_id, e.reply, e.digest
FROM heads h
LEFT JOIN LATERAL (
    SELECT * FROM journal j
    WHERE j.id = h.id AND j."offset" > $2 AND j."offset" < $3
    ORDER BY j."offset" {direction} LIMIT $4
) e ON true
WHERE h.entity = $1
ORDER BY e."offset" {direction}
"""
READ_UP = READ.format(direction="ASC")
READ_DOWN = READ.format(direction="DESC")

REPLIES = """
SELECT command_id, reply, digest FROM journal WHERE id = $1 AND command_id = ANY ($2::bytea[])
UNION ALL
SELECT command_id, reply, digest FROM kept_ids WHERE id = $1 AND command_id = ANY ($2::bytea[])
"""

SAVE_SNAPSHOT = """
WITH owned AS (
    UPDATE heads SET snapshot_offset = $4
    WHERE id = $1 AND fence = $2 AND incarnation = $3 AND "offset" >= $4 AND snapshot_offset <= $4
    RETURNING id
)
INSERT INTO snapshots (id, fence, "offset", body, at)
SELECT id, $2, $4, $5, now() FROM owned
ON CONFLICT (id) DO UPDATE SET fence = excluded.fence, "offset" = excluded."offset", body = excluded.body, at = now()
RETURNING id
"""

# By age: everything before the first event that is young enough, so what stays has no gap even if the clock went back.
TRIM = """
WITH cut AS (
    UPDATE heads h SET trimmed = c.cut
    FROM (
        SELECT s.id, least(
            s.snapshot_offset,
            s.trimmed + $5::bigint,
            greatest(
                s."offset" - $2::bigint,
                coalesce(
                    (SELECT j."offset" FROM journal j
                     WHERE j.id = s.id AND j."offset" > s.trimmed AND j."offset" <= s.trimmed + $5::bigint + 1
                         AND j.at_ms >= $3::bigint
                     ORDER BY j."offset" LIMIT 1) - 1,
                    s."offset"
                )
            )
        ) AS cut
        FROM heads s WHERE s.id = $1
    ) c
    WHERE h.id = c.id AND h.trimmed < c.cut
    RETURNING h.id, h.trimmed
), gone AS (
    DELETE FROM journal j USING cut WHERE j.id = cut.id AND j."offset" <= cut.trimmed
    RETURNING j.id, j.command_id, j.reply, j.at_ms, j.digest
), kept AS (
    INSERT INTO kept_ids (id, command_id, reply, at_ms, digest)
    SELECT id, command_id, reply, at_ms, digest FROM gone WHERE command_id IS NOT NULL AND at_ms >= $4::bigint
    ON CONFLICT DO NOTHING
)
SELECT trimmed FROM cut
"""
EXPIRE_IDS = "DELETE FROM kept_ids WHERE id = $1 AND at_ms < $2"
LINEAGE = "SELECT lineage()"
TRIMMED = "SELECT trimmed FROM heads WHERE id = $1"

TRIMMABLE = """
SELECT h.id, h.entity, h."offset", h.trimmed, h.snapshot_offset, k.has
FROM heads h
CROSS JOIN LATERAL (SELECT EXISTS (SELECT FROM kept_ids k WHERE k.id = h.id) AS has) k
WHERE h.id > $1 AND (h.trimmed < h.snapshot_offset OR k.has)
ORDER BY h.id LIMIT $2
"""

RECEIVED = "SELECT sender, seq FROM received WHERE id = $1 AND sender = ANY ($2::bigint[])"

OUTBOX = """
SELECT o."offset", o.body, o.id, h.entity
FROM outbox o JOIN heads h ON h.id = o.id
WHERE (o.id, o."offset") > ($1::bigint, $2::bigint)
ORDER BY o.id, o."offset" LIMIT $3
"""
DELIVERED = """
DELETE FROM outbox o USING unnest($1::bigint[], $2::bigint[]) AS d (id, "offset")
WHERE o.id = d.id AND o."offset" = d."offset" AND (SELECT lineage()) = $3::text
"""
DUE = """
SELECT t.due_ms, t.id, h.entity
FROM timers t JOIN heads h ON h.id = t.id
WHERE t.due_ms < $1 AND (t.due_ms, t.id) > ($2::bigint, $3::bigint)
ORDER BY t.due_ms, t.id LIMIT $4
"""

OFFSET_MAX = 2**63 - 1


class PostgresJournal:
    """The journal of one node incarnation: reads over the pool, claims and lanes on connections of their own."""

    def __init__(self, pool: Pool, *, incarnation: int, new_epoch: Callable[[], str] = random_epoch) -> None:
        self._pool = pool
        self._incarnation = incarnation
        self._new_epoch = new_epoch
        self._lanes: dict[int, Connection] = {}
        self._claims = pool.group("claim", CLAIMS_AT_ONCE)

    async def claim(
        self, entities: Sequence[str], *, term: int, window: int, above: Mapping[str, int] = NOTHING_ABOVE
    ) -> list[Claimed | NotOwner]:
        """See Journal. A raise that was lost on the way does no harm: claim again."""
        names = list(dict.fromkeys(entities))
        async with self._claims.connection() as connection:
            epochs = [self._new_epoch() for _ in names]
            floors = [above.get(name, 0) for name in names]
            rows = await connection.fetch(RAISE, names, epochs, term, self._incarnation, floors)
            claimed = {
                row["entity"]: Claimed(
                    Head(*tuple(row)[:7]),
                    snapshot=None,
                    snapshot_offset=row["snapshot_offset"],
                    events=[],
                )
                for row in rows
            }
            # A head that is new has nothing to load. One without events may have timers.
            old = [claimed[row["entity"]] for row in rows if row["known"] or row["offset"]]
            for item in await self._load(connection, old, window):
                del claimed[item.head.entity]
        return [claimed.get(entity) or NotOwner(entity) for entity in entities]

    async def _load(self, connection: Connection, items: list[Claimed], window: int) -> list[Claimed]:
        """Fill in snapshots and events; those that somebody else has claimed in the meantime."""
        if not items:
            return []
        by_id = {item.head.id: item for item in items}
        after = [max(0, item.head.trimmed, item.snapshot_offset - window) for item in items]
        for row in await connection.fetch(LOAD, list(by_id), after):
            head_id, what, *columns = row
            item = by_id[head_id]
            if what == EVENT_ROW:
                item.events.append(_event(columns))
            elif what == SNAPSHOT_ROW:
                item.snapshot_offset, item.snapshot = columns[0], columns[2]
            elif what == OUTBOX_ROW:
                item.outbox.append(OutboxRow(columns[0], columns[2], head_id, item.head.entity))
            else:
                assert what == TIMER_ROW
                item.timers.append(TimerRow(_decode(columns[3]), columns[0], columns[2]))
        overtaken: list[Claimed] = []
        for item in items:
            last = item.events[-1].offset if item.events else item.snapshot_offset
            if last != item.head.offset:
                rows = await connection.fetch("SELECT fence FROM heads WHERE id = $1", item.head.id)
                assert rows[0][0] != item.head.fence, f"{item.head.entity}: {last} loaded, head at {item.head.offset}"
                overtaken.append(item)
        return overtaken

    async def append(self, batch: Sequence[Append], *, lane: int = 0) -> list[Outcome]:
        """See Journal. Bounded: each round after the first either finds a repeat or lost a race against retention."""
        connection = self._lanes.get(lane)
        if connection is None:
            connection = self._lanes[lane] = self._pool.dedicated(f"lane-{lane}")
        outcomes: dict[int, Outcome] = {}
        todo = sorted(batch, key=_head_id)
        for _ in range(RETRIES_MAX):
            todo = await self._append_once(connection, todo, outcomes)
            if not todo:
                break
        return [outcomes.get(item.head_id, Outcome.FENCED) for item in batch]

    async def _append_once(
        self, connection: Connection, todo: list[Append], outcomes: dict[int, Outcome]
    ) -> list[Append]:
        """Append what can be, note the outcomes; those to try again."""
        while todo:
            try:
                if any(item.consequences is not None for item in todo):
                    columns = (*_columns(todo, self._incarnation), *_consequences(todo))
                    rows = await connection.fetch(APPEND_WITH_CONSEQUENCES, *columns, write=True)
                else:
                    rows = await connection.fetch(APPEND, *_columns(todo, self._incarnation), write=True)
            except DataRefused as error:  # all rolled back: leave out who is at fault, and again
                mine = await self._still_mine(connection, todo)
                repeated = await self._repeated(connection, mine)
                if not repeated and len(mine) == len(todo):
                    raise StoreUnavailable(f"journal and head disagree: {error}") from error
                outcomes.update(dict.fromkeys(repeated, Outcome.REPEATED))
                todo = [item for item in mine if item.head_id not in repeated]
                continue
            landed = {row[0] for row in rows}
            outcomes.update(dict.fromkeys(landed, Outcome.LANDED))
            missing = [item for item in todo if item.head_id not in landed]
            return await self._sort_out(connection, missing, outcomes) if missing else missing
        return todo

    async def _sort_out(
        self, connection: Connection, missing: list[Append], outcomes: dict[int, Outcome]
    ) -> list[Append]:
        """Why were these not written? Fenced, repeated, or (those returned, to be tried again) just trimmed."""
        try:
            again = await self._still_mine(connection, missing)
            repeated = await self._repeated(connection, again)
        except StoreUnavailable:
            # Others of the batch may have landed, so this can't be raised. Fenced is true enough: nothing of these was
            # written, and an activation that is told so claims again and finds out the rest.
            return []
        outcomes.update(dict.fromkeys(repeated, Outcome.REPEATED))
        return [item for item in again if item.head_id not in repeated]

    async def _still_mine(self, connection: Connection, items: Sequence[Append]) -> list[Append]:
        """Those whose fence, incarnation and offset match. The others are fenced, whatever else they may be."""
        ids, fences = [item.head_id for item in items], [item.fence for item in items]
        rows = await connection.fetch(STILL_MINE, ids, fences, [item.after for item in items], self._incarnation)
        mine = {row[0] for row in rows}
        return [item for item in items if item.head_id in mine]

    async def _repeated(self, connection: Connection, items: Iterable[Append]) -> set[int]:
        """Heads among `items` with a command id that was used before, or twice in one append."""
        repeated: set[int] = set()
        heads: list[int] = []
        ids: list[bytes] = []
        for item in items:
            own = [_encode(event.command_id) for event in item.events if event.command_id is not None]
            if len(set(own)) < len(own):
                repeated.add(item.head_id)
            heads += [item.head_id] * len(own)
            ids += own
        if heads:
            repeated.update(row[0] for row in await connection.fetch(REPEATED, heads, ids))
        return repeated

    async def read(
        self, entity: str, *, after: int = 0, before: int | None = None, limit: int, reverse: bool = False
    ) -> tuple[Head | None, list[StoredEvent]]:
        """See Journal. Head and events are of one moment."""
        sql = READ_DOWN if reverse else READ_UP
        async with self._pool.connection() as connection:
            rows = await connection.fetch(sql, entity, after, OFFSET_MAX if before is None else before, limit)
        if not rows:
            return None, []
        head = Head(*tuple(rows[0])[:7])
        return head, [_event(tuple(row)[7:]) for row in rows if row[7] is not None]

    async def replies(self, head_id: int, command_ids: Sequence[str]) -> dict[str, Remembered]:
        """See Journal. A command that had no reply is there with JSON's null."""
        async with self._pool.connection() as connection:
            rows = await connection.fetch(REPLIES, head_id, [_encode(command_id) for command_id in command_ids])
        return {_decode(row[0]): Remembered(b"null" if row[1] is None else row[1], row[2]) for row in rows}

    async def lineage(self) -> str:
        """See Journal."""
        async with self._pool.connection() as connection:
            rows = await connection.fetch(LINEAGE)
        found: str = rows[0][0]
        return found

    async def received(self, head_id: int, senders: Sequence[int]) -> dict[int, int]:
        """See Journal."""
        async with self._pool.connection() as connection:
            rows = await connection.fetch(RECEIVED, head_id, list(senders))
        return dict.fromkeys(senders, 0) | {row[0]: row[1] for row in rows}

    async def outbox(self, *, after: tuple[int, int], limit: int) -> list[OutboxRow]:
        """See Journal."""
        async with self._pool.connection() as connection:
            rows = await connection.fetch(OUTBOX, *after, limit)
        return [OutboxRow(*row) for row in rows]

    async def delivered(self, rows: Sequence[tuple[int, int]], *, lineage: str) -> None:
        """See Journal."""
        async with self._pool.connection() as connection:
            await connection.fetch(DELIVERED, [row[0] for row in rows], [row[1] for row in rows], lineage)

    async def due(self, *, before_ms: int, after: tuple[int, int], limit: int) -> list[Due]:
        """See Journal."""
        async with self._pool.connection() as connection:
            rows = await connection.fetch(DUE, before_ms, *after, limit)
        return [Due(*row) for row in rows]

    async def save_snapshot(self, head_id: int, *, fence: int, offset: int, body: bytes) -> bool:
        """See Journal. Whether a lost one landed matters to nobody: the fence decides, and it is only a short cut."""
        async with self._pool.connection() as connection:
            rows = await connection.fetch(SAVE_SNAPSHOT, head_id, fence, self._incarnation, offset, body)
        return bool(rows)

    async def trim(self, head_id: int, *, keep_count: int, keep_after_ms: int, ids_after_ms: int) -> int:
        """See Journal. Statements of at most TRIM_EVENTS_MAX events, so that appends never wait long for the head."""
        async with self._pool.connection() as connection:
            while await connection.fetch(TRIM, head_id, keep_count, keep_after_ms, ids_after_ms, TRIM_EVENTS_MAX):
                pass
            await connection.fetch(EXPIRE_IDS, head_id, ids_after_ms)
            rows = await connection.fetch(TRIMMED, head_id)
        return rows[0][0] if rows else 0

    async def trimmable(self, *, after_id: int, limit: int) -> list[Trimmable]:
        """See TrimmableJournal."""
        async with self._pool.connection() as connection:
            rows = await connection.fetch(TRIMMABLE, after_id, limit)
        return [Trimmable(*row) for row in rows]


def _head_id(item: Append) -> int:
    return item.head_id


def _columns(items: Sequence[Append], incarnation: int) -> tuple[object, ...]:
    """The arguments of APPEND: one array a column."""
    events = [event for item in items for event in item.events]
    return (
        [item.head_id for item in items],
        [item.fence for item in items],
        [item.after for item in items],
        [len(item.events) for item in items],
        incarnation,
        [item.head_id for item in items for _ in item.events],
        [event.offset for event in events],
        [item.fence for item in items for _ in item.events],
        [event.at_ms for event in events],
        [event.payload for event in events],
        _sparse([event.info for event in events]),
        _sparse([None if event.command_id is None else _encode(event.command_id) for event in events]),
        _sparse([event.reply for event in events]),
        _sparse([event.digest for event in events]),
    )


def _sparse(column: list[Any]) -> list[Any]:
    """Empty when all of it is NULL: UNNEST fills up the shorter of its arrays."""
    return [] if column.count(None) == len(column) else column


def _consequences(items: Sequence[Append]) -> tuple[object, ...]:
    """The further arguments of APPEND_WITH_CONSEQUENCES."""
    own = [(item.head_id, item.consequences) for item in items if item.consequences is not None]
    outbox = [(head_id, row) for head_id, with_it in own for row in with_it.outbox]
    received = [(head_id, sender, seq) for head_id, with_it in own for sender, seq in with_it.received.items()]
    timers = [(head_id, name, row) for head_id, with_it in own for name, row in with_it.timers.items()]
    moved = [(head_id, row) for head_id, _, row in timers if row is not None]
    ended = [(head_id, name) for head_id, name, row in timers if row is None]
    letters = [(head_id, letter) for head_id, with_it in own for letter in with_it.letters]
    return (
        [head_id for head_id, _ in outbox],
        [row.offset for _, row in outbox],
        [row.body for _, row in outbox],
        [head_id for head_id, _, _ in received],
        [sender for _, sender, _ in received],
        [seq for _, _, seq in received],
        [head_id for head_id, _ in moved],
        [_encode(row.name) for _, row in moved],
        [row.due_ms for _, row in moved],
        [row.body for _, row in moved],
        [head_id for head_id, _ in ended],
        [_encode(name) for _, name in ended],
        [head_id for head_id, _ in letters],
        *([letter_columns(letter)[column] for _, letter in letters] for column in range(LETTER_COLUMNS)),
    )


def _event(columns: Sequence[Any]) -> StoredEvent:
    offset, at_ms, payload, info, command_id, reply, digest = columns
    return StoredEvent(offset, at_ms, payload, info, None if command_id is None else _decode(command_id), reply, digest)


def _encode(name: str) -> bytes:
    return name.encode("utf-8", "surrogatepass")  # what a client may send in JSON, we can store


def _decode(name: bytes) -> str:
    return name.decode("utf-8", "surrogatepass")
