"""One simulated node's ways to the rows of views: each call a statement, several of them a transaction.

A transaction lives at the database, in a session of its own. Whoever has begun it may be cut off from it at any
statement: then it is rolled back at once, as where a connection is closed, or once it has been idle for too long.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

import trio

from greenroom.store.views.memory.folding import MemoryFoldTransaction
from greenroom.store.views.memory.locks import Session
from greenroom.store.views.memory.progress import MemoryProgress
from greenroom.store.views.memory.reading import MemoryReading
from greenroom.store.views.memory.store import MemoryViewStore
from greenroom.store.views.memory.versions import MemoryVersions
from greenroom.store.views.paging import Wanted as WantedRows
from greenroom.store.views.reading import Changes, Found, Look
from greenroom.store.views.store import (
    FOLDS_AT_ONCE,
    Behind,
    FoldTransaction,
    Key,
    Snapshot,
    Standing,
    Unfolded,
    Values,
    Version,
    Writing,
    Written,
)
from greenroom.store.views.stores import Behind as Seen
from greenroom.store.views.stores import Left, Parked, Stores
from greenroom.store.views.tables import Table
from greenroom.store.views.wanted import Wanted
from greenroom.supervisors.simulation.database import Database, Port, Wire
from greenroom.supervisors.simulation.views.guarded import GuardedFolding

T = TypeVar("T")
CLOSED = 0.7  # share of transactions that are given up whose connection is seen to be closed at once


class Way:
    """From one node to the rows of views; `wires` are named, as in the pool."""

    def __init__(self, database: Database, port: Port) -> None:
        self.database = database
        self._port = port
        self._wires: dict[str, Wire] = {}

    async def call(
        self, what: str, work: Callable[[], Awaitable[T]], *, write: bool = False, wire: str = "readers"
    ) -> T:
        """Raises: StoreUnavailable; OutcomeLost of what writes."""
        return await self.database.call(what, self._port, self._wires.setdefault(wire, Wire()), work, write=write)


def simulated_stores(way: Way) -> Stores:
    """Of one node incarnation."""
    return Stores(SimulatedViewStore(way), SimulatedVersions(way), SimulatedProgress(way))


class SimulatedViewStore:
    """See ViewStore."""

    def __init__(self, way: Way) -> None:
        self._way = way
        self._rows = MemoryViewStore(way.database.views)
        self._free = [f"view {number}" for number in range(FOLDS_AT_ONCE)]
        self._folds = trio.Semaphore(FOLDS_AT_ONCE)

    @asynccontextmanager
    async def transaction(self, version: Version) -> AsyncIterator[FoldTransaction]:
        async with self._folds:
            wire = self._free.pop(0)
            try:
                async with self._begun(version, wire) as transaction:
                    yield transaction
            finally:
                self._free.append(wire)

    @asynccontextmanager
    async def _begun(self, version: Version, wire: str) -> AsyncIterator[FoldTransaction]:
        database = self._way.database

        async def begin() -> GuardedFolding:
            await trio.lowlevel.checkpoint()
            return GuardedFolding(database, version)

        async def commit() -> None:
            await trio.lowlevel.checkpoint()
            transaction.commit()

        transaction = await self._way.call("view begin", begin, wire=wire)
        is_through = False
        try:
            yield SimulatedFoldTransaction(self._way, wire, transaction)
            await self._way.call("view commit", commit, write=True, wire=wire)
            is_through = True
        finally:
            if not is_through and database.chance() < CLOSED:
                transaction.roll_back()

    async def behind(
        self, version: Version, *, after_id: int, limit: int, shards: Collection[int] | None
    ) -> tuple[list[Behind], int | None]:
        return await self._way.call(
            "view behind", lambda: self._rows.behind(version, after_id=after_id, limit=limit, shards=shards)
        )

    async def unfolded(self, version: Version, head_ids: Sequence[int], *, limit: int) -> list[Unfolded]:
        return await self._way.call("view unfolded", lambda: self._rows.unfolded(version, head_ids, limit=limit))

    async def snapshot(self, head_id: int) -> Snapshot | None:
        return await self._way.call("view snapshot", lambda: self._rows.snapshot(head_id))


class SimulatedFoldTransaction:
    """See FoldTransaction."""

    def __init__(self, way: Way, wire: str, transaction: MemoryFoldTransaction) -> None:
        self._way = way
        self._wire = wire
        self._transaction = transaction

    async def lock(self, head_ids: Sequence[int]) -> dict[int, Standing]:
        return await self._way.call("view lock", lambda: self._transaction.lock(head_ids), wire=self._wire)

    async def load(self, keys: Sequence[Key]) -> dict[Key, Values | None]:
        return await self._way.call("view load", lambda: self._transaction.load(keys), wire=self._wire)

    async def write(self, writing: Writing) -> Written:
        return await self._way.call("view write", lambda: self._transaction.write(writing), wire=self._wire)


class SimulatedVersions:
    """See Versions."""

    def __init__(self, way: Way) -> None:
        self._way = way
        self._rows = MemoryVersions(way.database.views)

    async def _write(self, what: str, work: Callable[[], Awaitable[T]]) -> T:
        """A transaction: begun, and ended by what lands all of it. That comes late to nothing but an ended session."""
        locks = self._way.database.views.locks

        async def begin() -> Session:
            await trio.lowlevel.checkpoint()
            return Session(locks)

        async def commit() -> T:
            try:
                with session.statement():
                    return await work()
            finally:
                session.end()

        session = await self._way.call(f"{what} begins", begin)
        return await self._way.call(what, commit, write=True)

    async def all(self) -> list[Version]:
        return await self._way.call("versions", self._rows.all)

    async def install(self, wanted: Sequence[Wanted]) -> None:
        await self._write("install", lambda: self._rows.install(wanted))

    async def releases(self, known: Collection[str]) -> dict[str, dict[str, int] | None]:
        return await self._way.call("view releases", lambda: self._rows.releases(list(known)))

    async def switch(self, version: Version, *, until_s: float | None = None, lineage: str | None = None) -> bool:
        return await self._write("switch", lambda: self._rows.switch(version, until_s=until_s, lineage=lineage))

    async def rebuild(self, wanted: Wanted) -> Version:
        return await self._write("rebuild", lambda: self._rows.rebuild(wanted))

    async def remake(self, name: str) -> Version | None:
        return await self._write("remake", lambda: self._rows.remake(name))

    async def abandoned(self, versions: Collection[Version], code: Collection[Wanted]) -> set[int]:
        return await self._way.call("abandoned", lambda: self._rows.abandoned(versions, code))

    async def running(self) -> set[tuple[str, int]]:
        return await self._way.call("view releases", self._rows.running)

    async def give_up(self, version: Version) -> bool:
        return await self._write("give up", lambda: self._rows.give_up(version))

    async def drop(self, versions: Collection[Version], *, abandoned: Collection[int] = (), whole: bool = False) -> int:
        return await self._write("drop", lambda: self._rows.drop(versions, abandoned=abandoned, whole=whole))

    async def pause(self, name: str, *, paused: bool) -> int:
        return await self._way.call("pause", lambda: self._rows.pause(name, paused=paused))

    async def ring(self, name: str) -> None:
        await self._way.call("ring", lambda: self._rows.ring(name))


class SimulatedProgress:
    """See Progress."""

    def __init__(self, way: Way) -> None:
        self._way = way
        self._rows = MemoryProgress(way.database.views)

    async def left(self, version: Version, *, entities_max: int) -> Left:
        return await self._way.call("view left", lambda: self._rows.left(version, entities_max=entities_max))

    async def behind(self, version: Version, *, entities_max: int) -> Seen:
        return await self._way.call("view behind", lambda: self._rows.behind(version, entities_max=entities_max))

    async def folded(self, version: Version, entity: str) -> int | None:
        return await self._way.call("view folded", lambda: self._rows.folded(version, entity))

    async def parked_count(self, version: Version) -> int:
        return await self._way.call("view parked", lambda: self._rows.parked_count(version))

    async def parked(self, version: Version, *, limit: int, after: int = 0) -> list[Parked]:
        return await self._way.call("view parked", lambda: self._rows.parked(version, limit=limit, after=after))

    async def kept_on(self, version: Version, after: int) -> int:
        return await self._way.call("view kept", lambda: self._rows.kept_on(version, after))

    async def retry(self, versions: list[Version], entity: str | None = None) -> int:
        return await self._way.call("view retry", lambda: self._rows.retry(versions, entity))

    async def clean(self) -> int:
        return await self._way.call("view clean", self._rows.clean)


class SimulatedReading:
    """See RowReading."""

    def __init__(self, way: Way) -> None:
        self._way = way
        self._rows = MemoryReading(way.database.views)

    async def page(self, table: Table, wanted: WantedRows) -> list[Found]:
        return await self._way.call("view page", lambda: self._rows.page(table, wanted))

    async def pages(self, table: Table, wanted: WantedRows, column: str, values: Sequence[str]) -> list[Found]:
        return await self._way.call("view pages", lambda: self._rows.pages(table, wanted, column, values))

    async def changes(self, looks: Sequence[Look]) -> Changes:
        return await self._way.call("view looks", lambda: self._rows.changes(looks))

    async def first(self, table: Table, wanted: WantedRows) -> tuple[list[Found], int]:
        return await self._way.call("view page", lambda: self._rows.first(table, wanted))

    async def folded(self, view_id: int, entity: str) -> int:
        return await self._way.call("view folded", lambda: self._rows.folded(view_id, entity))
