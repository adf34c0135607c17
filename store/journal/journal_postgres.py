"""The journal in Postgres. Auto-commit statements keep each promise of `journal.py`, so none can stall in between.

The statements are in `postgres/`.
"""

import time
from collections.abc import Callable, Collection, Mapping, Sequence

import trio

from greenroom.store.journal.consequences.outbox import OutboxRow
from greenroom.store.journal.epoch import random_epoch
from greenroom.store.journal.journal import NOTHING_ABOVE, Claim
from greenroom.store.journal.keep import Looked, Rule
from greenroom.store.journal.names import decode_name, encode_name
from greenroom.store.journal.postgres.append import Appending
from greenroom.store.journal.postgres.claim import Claiming
from greenroom.store.journal.postgres.keeping import (
    EXPIRE_IDS,
    EXPIRE_MARKS,
    IDS_MAX,
    REMOVE_UNUSED,
    SAVE_FOLDED,
    SAVE_SNAPSHOT,
    STORED,
    look,
    trim,
)
from greenroom.store.journal.postgres.places import Places
from greenroom.store.journal.postgres.probe import probe
from greenroom.store.journal.postgres.reads import (
    DELIVERED,
    LINEAGE,
    OFFSET_MAX,
    READ_DOWN,
    READ_UP,
    RECEIVED,
    REPLIES,
    event,
)
from greenroom.store.journal.postgres.sweeps import Sweeps
from greenroom.store.journal.records import Append, Claimed, Due, Head, Outcome, Remembered, StoredEvent, Trimmed
from greenroom.store.ownership.sharding import SHARDS, mask_of
from greenroom.store.postgres.connection import Connection
from greenroom.store.postgres.pool import Pool

CLAIMS_AT_ONCE = 2  # connections for claims, which don't queue behind readers


class PostgresJournal:
    """The journal of one node incarnation: reads over the pool, claims and lanes on connections of their own."""

    def __init__(
        self,
        pool: Pool,
        *,
        incarnation: int,
        shards: int = SHARDS,  # that entities hash onto
        new_epoch: Callable[[], str] = random_epoch,
        now: Callable[[], float] = time.time,  # Unix seconds
    ) -> None:
        self._pool = pool
        self._now = now
        self._incarnation = incarnation
        self._shards = shards
        self._new_epoch = new_epoch
        self._lanes: dict[int, Connection] = {}
        self._places = Places()  # of heads; whoever moves one here says so, for a wrong one costs a second try
        self._claims = pool.group("claim", CLAIMS_AT_ONCE)

    async def claim(
        self, terms: Mapping[str, int], *, window: int, above: Mapping[str, int] = NOTHING_ABOVE
    ) -> list[Claim]:
        """See Journal."""
        async with self._claims.connection() as connection:
            found = await self._claiming(connection).run(terms, window=window, above=above)
        self._places.forget(one.head.id for one in found.values() if isinstance(one, Claimed))
        return [found[entity] for entity in terms]

    async def warm(self, *, lanes: int) -> None:
        """Have what an entity needs that wakes and answers take no longer at first than later: claims, the commits of
        so many lanes, and what is looked up before commands are handled. Raises: StoreUnavailable, in a group."""
        async with trio.open_nursery() as nursery:  # owner: this call
            for _ in range(CLAIMS_AT_ONCE):
                nursery.start_soon(self._warm_claims)
            for lane in range(lanes):
                nursery.start_soon(Appending(self._lane(lane), self._incarnation, self._places).warm)
        await self.received(0, ())  # after them, to whom readers would give their sessions
        await self.replies(0, ())

    async def _warm_claims(self) -> None:
        async with self._claims.connection() as connection:
            await self._claiming(connection).warm()

    def _claiming(self, connection: Connection) -> Claiming:
        return Claiming(
            connection,
            incarnation=self._incarnation,
            shards=self._shards,
            new_epoch=self._new_epoch,
            now_ms=self._now_ms(),
        )

    async def append(self, batch: Sequence[Append], *, lane: int = 0) -> list[Outcome]:
        """See Journal."""
        appending = Appending(self._lane(lane), self._incarnation, self._places)
        await appending.run(batch)
        fenced = Outcome.FENCED  # named once: see `Committer`
        return [appending.outcomes.get(item.head_id, fenced) for item in batch]

    def _lane(self, lane: int) -> Connection:
        connection = self._lanes.get(lane)
        if connection is None:
            connection = self._lanes[lane] = self._pool.dedicated(f"lane-{lane}")
        return connection

    async def probe(self, *, lanes: int) -> None:
        """Do nothing, in every way in which something is done: a read, as claims read, and a write on each lane.

        Raises: StoreUnavailable, OutcomeLost, in a group.
        """
        await probe(self._pool.readers, self._claims, [self._lane(lane) for lane in range(lanes)])

    async def read(
        self, entity: str, *, after: int = 0, before: int | None = None, limit: int, reverse: bool = False
    ) -> tuple[Head | None, list[StoredEvent]]:
        """See Journal. Head and events are of one moment."""
        sql = READ_DOWN if reverse else READ_UP
        async with self._pool.connection() as connection:
            rows = await connection.fetch(sql, entity, after, OFFSET_MAX if before is None else before, limit)
        if not rows:
            return None, []
        head = Head(*tuple(rows[0])[:8])
        return head, [event(tuple(row)[8:]) for row in rows if row[8] is not None]

    async def replies(self, head_id: int, command_ids: Sequence[str]) -> dict[str, Remembered]:
        """See Journal. A command that had no reply is there with JSON's null."""
        async with self._pool.connection() as connection:
            rows = await connection.fetch(REPLIES, head_id, [encode_name(command_id) for command_id in command_ids])
        return {decode_name(row[0]): Remembered(b"null" if row[1] is None else row[1], row[2]) for row in rows}

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

    async def outbox(
        self, *, after: tuple[int, int], limit: int, shards: Collection[int] | None = None
    ) -> list[OutboxRow]:
        """See Journal."""
        async with self._pool.connection() as connection:
            return await Sweeps(connection, shards=self._shards).outbox(after, limit, shards)

    async def delivered(self, rows: Sequence[tuple[int, int]], *, lineage: str) -> None:
        """See Journal."""
        async with self._pool.connection() as connection:
            await connection.fetch(DELIVERED, [row[0] for row in rows], [row[1] for row in rows], lineage)

    async def due(
        self, *, before_ms: int, after: tuple[int, int], limit: int, shards: Collection[int] | None = None
    ) -> list[Due]:
        """See Journal."""
        async with self._pool.connection() as connection:
            return await Sweeps(connection, shards=self._shards).due(before_ms, after, limit, shards)

    async def save_snapshot(self, head_id: int, *, fence: int, offset: int, body: bytes) -> bool:
        """See Journal. Whether a lost one landed matters to nobody: the fence decides, and it is only a short cut."""
        async with self._pool.connection() as connection:
            rows = await connection.fetch(SAVE_SNAPSHOT, head_id, fence, self._incarnation, offset, body)
        self._places.forget((head_id,))
        return bool(rows)

    async def stored(self, entity: str) -> Claimed | None:
        """See Journal."""
        async with self._pool.connection() as connection:
            rows = await connection.fetch(STORED, entity)
        if not rows:
            return None
        *head, offset, body = rows[0]
        return Claimed(Head(*head), body, offset or 0, [])

    async def save_folded(self, head_id: int, *, fence: int, offset: int, body: bytes) -> bool:
        """See Journal."""
        async with self._pool.connection() as connection:
            rows = await connection.fetch(SAVE_FOLDED, head_id, fence, offset, body)
        self._places.forget((head_id,))
        return bool(rows)

    async def trim(self, head_id: int, *, keep_count: int, keep_after_ms: int, ids_after_ms: int) -> Trimmed:
        """See Journal."""
        async with self._pool.connection() as connection:
            trimmed = await trim(connection, head_id, keep_count, keep_after_ms, ids_after_ms, self._now_ms())
        self._places.forget((head_id,))
        return trimmed

    async def expire_ids(self, head_id: int, *, before_ms: int) -> bool:
        """See SweptJournal."""
        async with self._pool.connection() as connection:
            return len(await connection.fetch(EXPIRE_IDS, head_id, before_ms, IDS_MAX)) == IDS_MAX

    async def look(
        self,
        rules: Sequence[Rule],
        *,
        after_id: int,
        limit: int,
        unused_before_ms: int,
        shards: Collection[int] | None = None,
    ) -> Looked:
        """See SweptJournal."""
        mask = None if shards is None else mask_of(shards, self._shards)
        async with self._pool.connection() as connection:
            return await look(
                connection,
                rules,
                after_id=after_id,
                limit=limit,
                unused_before_ms=unused_before_ms,
                shards=self._shards,
                mask=mask,
            )

    async def remove_unused(self, head_ids: Sequence[int], *, claimed_before_ms: int) -> int:
        """See SweptJournal."""
        async with self._pool.connection() as connection:
            ((removed,),) = await connection.fetch(REMOVE_UNUSED, list(head_ids), claimed_before_ms)
        return int(removed)

    async def expire_marks(
        self, *, after: tuple[int, int], limit: int, older_than_s: float, shards: Collection[int] | None = None
    ) -> tuple[int, tuple[int, int] | None]:
        """See SweptJournal."""
        mask = None if shards is None else mask_of(shards, self._shards)
        async with self._pool.connection() as connection:
            rows = await connection.fetch(EXPIRE_MARKS, *after, limit, older_than_s, mask, self._shards)
        if not rows:
            return 0, None
        head_id, sender, removed = rows[0]
        return removed, (head_id, sender)

    def _now_ms(self) -> int:
        return int(self._now() * 1_000)
