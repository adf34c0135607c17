"""One simulated node's way to its journal: each call a statement on a wire of the simulated database."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import TypeVar

from msgspec.structs import replace

from greenroom.store.journal.consequences.outbox import OutboxRow
from greenroom.store.journal.journal import NOTHING_ABOVE, Claim
from greenroom.store.journal.records import Append, Claimed, Due, Head, Outcome, Remembered, StoredEvent, Trimmed
from greenroom.supervisors.simulation.database import Database, Port, Tables, Wire

T = TypeVar("T")


class SimulatedJournal:
    """One node incarnation's journal."""

    def __init__(self, database: Database, port: Port, *, incarnation: int) -> None:
        self._database = database
        self._port = port
        self._tables = Tables(database, incarnation)
        self._wires: dict[str, Wire] = {}  # as in the pool, one for claims, one for each lane, one for all readers

    async def _call(
        self, what: str, work: Callable[[], Awaitable[T]], *, write: bool = False, wire: str = "readers"
    ) -> T:
        return await self._database.call(what, self._port, self._wires.setdefault(wire, Wire()), work, write=write)

    async def claim(
        self, terms: Mapping[str, int], *, window: int, above: Mapping[str, int] = NOTHING_ABOVE
    ) -> list[Claim]:
        return await self._call(
            "claim",
            lambda: self._database.claim(self._tables, terms, window=window, above=above),
            wire="claims",
        )

    async def append(self, batch: Sequence[Append], *, lane: int = 0) -> list[Outcome]:
        copied = [replace(item, events=list(item.events)) for item in batch]  # as sent: it may run late
        return await self._call(
            "append", lambda: self._database.append(self._tables, copied), write=True, wire=f"lane {lane}"
        )

    async def read(
        self, entity: str, *, after: int = 0, before: int | None = None, limit: int, reverse: bool = False
    ) -> tuple[Head | None, list[StoredEvent]]:
        return await self._call(
            "read", lambda: self._tables.read(entity, after=after, before=before, limit=limit, reverse=reverse)
        )

    async def replies(self, head_id: int, command_ids: Sequence[str]) -> dict[str, Remembered]:
        return await self._call("replies", lambda: self._tables.replies(head_id, command_ids))

    async def received(self, head_id: int, senders: Sequence[int]) -> dict[int, int]:
        if not self._database.guards.learning:
            return dict.fromkeys(senders, 0)
        return await self._call("received", lambda: self._tables.received(head_id, senders))

    async def outbox(
        self, *, after: tuple[int, int], limit: int, shards: Collection[int] | None = None
    ) -> list[OutboxRow]:
        return await self._call("outbox", lambda: self._tables.outbox(after=after, limit=limit, shards=shards))

    async def delivered(self, rows: Sequence[tuple[int, int]], *, lineage: str) -> None:
        database = self._database
        await self._call(
            "delivered",
            lambda: self._tables.delivered(
                list(rows), lineage=lineage if database.guards.deletion else database.rows.lineage
            ),
        )

    async def due(
        self, *, before_ms: int, after: tuple[int, int], limit: int, shards: Collection[int] | None = None
    ) -> list[Due]:
        return await self._call(
            "due", lambda: self._tables.due(before_ms=before_ms, after=after, limit=limit, shards=shards)
        )

    async def lineage(self) -> str:
        return await self._call("lineage", self._tables.lineage)

    async def save_snapshot(self, head_id: int, *, fence: int, offset: int, body: bytes) -> bool:
        return await self._call(
            "snapshot", lambda: self._tables.save_snapshot(head_id, fence=fence, offset=offset, body=body)
        )

    async def stored(self, entity: str) -> Claimed | None:
        return await self._call("stored", lambda: self._tables.stored(entity))

    async def save_folded(self, head_id: int, *, fence: int, offset: int, body: bytes) -> bool:
        return await self._call(
            "folded", lambda: self._tables.save_folded(head_id, fence=fence, offset=offset, body=body)
        )

    async def trim(self, head_id: int, *, keep_count: int, keep_after_ms: int, ids_after_ms: int) -> Trimmed:
        return await self._call(
            "trim",
            lambda: self._tables.trim(
                head_id, keep_count=keep_count, keep_after_ms=keep_after_ms, ids_after_ms=ids_after_ms
            ),
        )
