"""One simulated node's ways to the database, journal and referee: each call a statement on a wire of its own."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import TypeVar

from msgspec.structs import replace

from greenroom.store.journal.consequences.outbox import OutboxRow
from greenroom.store.journal.journal import NOTHING_ABOVE, Claim
from greenroom.store.journal.records import Append, Claimed, Due, Head, Outcome, Remembered, StoredEvent, Trimmed
from greenroom.store.ownership.referee import NOBODY_NEXT, Member, Newcomer, Owned, State
from greenroom.store.ownership.referee_memory import MemoryReferee
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


class SimulatedReferee:
    """See Referee. Renewals have a wire of their own."""

    def __init__(self, database: Database, port: Port, *, incarnation: int) -> None:
        self._database = database
        self._port = port
        self._rows = MemoryReferee(database.shards, incarnation=incarnation)
        self._lease, self._spare, self._members = Wire(), Wire(), Wire()
        self.incarnation = incarnation

    async def _call(self, what: str, work: Callable[[], Awaitable[T]], wire: Wire | None = None) -> T:
        return await self._database.call(what, self._port, wire or self._members, work, write=False)

    async def agree(self, shards: int) -> None:
        await self._call("agree", lambda: self._rows.agree(shards))

    async def cluster(self) -> str:
        return await self._call("cluster", self._rows.cluster)

    async def join(self, newcomer: Newcomer, *, lease_s: float) -> None:
        await self._call("join", lambda: self._rows.join(newcomer, lease_s=lease_s))

    async def renew(self, lease_s: float, *, unreached: Collection[int] = ()) -> bool:
        return await self._call("renew", lambda: self._rows.renew(lease_s, unreached=unreached), self._lease)

    async def renew_beside(self, lease_s: float) -> bool | None:
        return await self._call("renew", lambda: self._rows.renew_beside(lease_s), self._spare)

    async def enter(self, state: State) -> bool:
        return await self._call("enter", lambda: self._rows.enter(state))

    async def members(self) -> list[Member]:
        return await self._call("members", self._rows.members)

    async def releases(self, known: Collection[str]) -> dict[str, str | None]:
        return await self._call("releases", lambda: self._rows.releases(known))

    async def bury(
        self, incarnation: int, *, is_proven: bool, why: str, nexts: Mapping[int, int] = NOBODY_NEXT
    ) -> list[Owned] | None:
        return await self._call("bury", lambda: self._rows.bury(incarnation, is_proven=is_proven, why=why, nexts=nexts))

    async def end_sessions(self, incarnation: int) -> None:
        await self._call("end sessions", lambda: self._rows.end_sessions(incarnation))

    async def withdraw(self) -> None:
        await self._call("withdraw", self._rows.withdraw)

    async def owned(self, *, since: float | None = None) -> list[Owned]:
        return await self._call("owned", lambda: self._rows.owned(since=since))

    async def take(self, why: str, *, shards: Collection[int] | None = None) -> dict[int, int]:
        return await self._call("take", lambda: self._rows.take(why, shards=shards))

    async def give(self, shards: Mapping[int, tuple[int, int]], why: str) -> dict[int, int]:
        return await self._call("give", lambda: self._rows.give(shards, why))
