"""Tables of views and their store, on a real Postgres or in memory, for tests of the store alone."""

import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import trio

from greenroom.actors.model.message import Event
from greenroom.store.journal.journal_memory import MemoryHead
from greenroom.store.journal.records import Head, StoredEvent
from greenroom.store.ownership.referee import Newcomer
from greenroom.store.ownership.referee_memory import MemoryNode
from greenroom.store.ownership.sharding import SHARDS, shard_of
from greenroom.store.postgres.bridge import Bridge
from greenroom.store.postgres.pool import Pool
from greenroom.store.views.claims import Claims, PostgresClaims
from greenroom.store.views.memory.claims import MemoryClaims
from greenroom.store.views.memory.progress import MemoryProgress
from greenroom.store.views.memory.rows import MemoryViewRows
from greenroom.store.views.memory.store import MemoryViewStore
from greenroom.store.views.memory.versions import MemoryVersions
from greenroom.store.views.shape import Column, Shape
from greenroom.store.views.store import Version, ViewStore, Writing
from greenroom.store.views.store_postgres import postgres_stores
from greenroom.store.views.stores import Progress, Versions
from greenroom.store.views.stores import Stores as StoresOfANode
from greenroom.store.views.wanted import Wanted
from tests.supervisors.views.stage import record

SHAPE = Shape(
    columns=(
        Column(name="show", type="text", is_key=True),
        Column(name="user", type="text", is_key=True),
        Column(name="claps", type="bigint"),
        Column(name="tags", type="jsonb"),
    )
)
replace = msgspec.structs.replace
NOTHING = Writing([], [], [], {}, {}, {})
MEMORY = "memory"


def wanted(version: int = 1, *, shape: Shape = SHAPE, name: str = "standings", seeds: bool = False) -> Wanted:
    return Wanted(name, version, shape, frozenset({"show"}), seeds)


class Tables(ABC):
    """Beside what a node is given, what a test does to rows, and sees of them."""

    store: ViewStore
    versions: Versions
    progress: Progress

    async def make(self, *all_wanted: Wanted) -> Version:
        """Installed; the last of them."""
        await self.versions.install(all_wanted or (wanted(),))
        return max(await self.versions.all(), key=lambda one: one.id)

    @abstractmethod
    async def heads(self, *entities: str, offset: int = 1, trimmed: int = 0) -> list[int]:
        """Heads that say they have so many events."""

    @abstractmethod
    async def record(self, entity: str, *events: Event) -> None: ...

    @abstractmethod
    async def forget(self, entity: str, through: int) -> None:
        """Retention has taken its events up to there."""

    @abstractmethod
    async def snapshot(self, entity: str, offset: int, body: bytes, *, saved_s: int) -> None: ...

    @abstractmethod
    async def ids(self) -> dict[str, int]:
        """Of all heads, by entity."""

    @abstractmethod
    async def age(self, version: Version, seconds: float) -> None:
        """Its table was made so long before."""

    @abstractmethod
    async def rows(self, version: Version) -> list[tuple[object, ...]]: ...

    @abstractmethod
    async def revisions(self, version: Version) -> list[int]:
        """Of its rows, in the order of their keys."""

    @abstractmethod
    async def progress_rows(self) -> int: ...

    @abstractmethod
    async def node(self, incarnation: int, *, release: int, is_up: bool = True) -> None:
        """A node of a release with that version of `standings`, up or dead."""

    @abstractmethod
    def claims(self, incarnation: int) -> Claims: ...

    @abstractmethod
    async def tables(self) -> int:
        """How many there are."""


class Stores(Tables):
    """In Postgres."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        _take(self, postgres_stores(pool))

    async def heads(self, *entities: str, offset: int = 1, trimmed: int = 0) -> list[int]:
        rows = await self.pool.fetch(
            """
            INSERT INTO heads (entity, fence, incarnation, epoch, "offset", trimmed, lineage)
            SELECT e, 7, 1, 'e', $2, $3, lineage() FROM unnest($1::text[]) e RETURNING id
            """,
            list(entities),
            offset,
            trimmed,
        )
        return [row[0] for row in rows]

    async def record(self, entity: str, *events: Event) -> None:
        await record(self.pool, entity, *events)

    async def forget(self, entity: str, through: int) -> None:
        await self.pool.fetch(
            'DELETE FROM journal WHERE "offset" <= $2 AND id = (SELECT id FROM heads WHERE entity = $1)',
            entity,
            through,
        )
        sql = "UPDATE heads SET trimmed = $2, snapshot_offset = greatest(snapshot_offset, $2) WHERE entity = $1"
        await self.pool.fetch(sql, entity, through)

    async def snapshot(self, entity: str, offset: int, body: bytes, *, saved_s: int) -> None:
        sql = """
        WITH head AS (UPDATE heads SET snapshot_offset = $2 WHERE entity = $1 RETURNING id)
        INSERT INTO snapshots (id, fence, "offset", body, at) SELECT id, 1, $2, $3, to_timestamp($4) FROM head
        """
        await self.pool.fetch(sql, entity, offset, body, saved_s)

    async def age(self, version: Version, seconds: float) -> None:
        sql = "UPDATE view_versions SET made_at = made_at - make_interval(secs => $2) WHERE id = $1"
        await self.pool.fetch(sql, version.id, seconds)

    async def ids(self) -> dict[str, int]:
        return {row[1]: row[0] for row in await self.pool.fetch("SELECT id, entity FROM heads ORDER BY id")}

    async def rows(self, version: Version) -> list[tuple[object, ...]]:
        table = version.table
        return sorted(tuple(row) for row in await self.pool.fetch(f"SELECT {table.columns} FROM {table.rows}"))

    async def revisions(self, version: Version) -> list[int]:
        table = version.table
        return [row[0] for row in await self.pool.fetch(f"SELECT _revision FROM {table.rows} ORDER BY {table.key}")]

    async def progress_rows(self) -> int:
        ((count,),) = await self.pool.fetch("SELECT count(*) FROM view_progress")
        return int(count)

    async def node(self, incarnation: int, *, release: int, is_up: bool = True) -> None:
        sql = "INSERT INTO releases (digest, knowledge) VALUES ($1, $2) ON CONFLICT DO NOTHING"
        await self.pool.fetch(sql, f"r{release}", knowledge(release))
        await self.pool.fetch(
            """
            INSERT INTO nodes (incarnation, url, version, host, process, state, lease_until, release)
            VALUES ($1, '', '', '', '', $2, now() + interval '1 hour', $3)
            ON CONFLICT (incarnation) DO UPDATE SET state = excluded.state
            """,
            incarnation,
            "up" if is_up else "dead",
            f"r{release}",
        )

    def claims(self, incarnation: int) -> Claims:
        return PostgresClaims(self.pool, incarnation=incarnation)

    async def tables(self) -> int:
        return len(await self.pool.fetch("SELECT 1 FROM pg_tables WHERE schemaname = 'views'"))


class MemoryStores(Tables):
    """In memory, by a clock that is real, as Postgres's is."""

    def __init__(self) -> None:
        self._rows = rows = MemoryViewRows()
        _take(self, StoresOfANode(MemoryViewStore(rows), MemoryVersions(rows), MemoryProgress(rows)))

    def _head(self, entity: str, fence: int) -> MemoryHead:
        journal = self._rows.journal
        found = journal.by_entity.get(entity)
        if found is None:
            journal.last_id += 1
            head = Head(journal.last_id, entity, fence, "e", 0, shard=shard_of(entity, SHARDS))
            found = journal.by_entity[entity] = journal.by_id[head.id] = MemoryHead(head, 1, "e", journal.lineage)
        return found

    async def heads(self, *entities: str, offset: int = 1, trimmed: int = 0) -> list[int]:
        found = [self._head(entity, 7).head for entity in entities]
        for head in found:
            head.offset, head.trimmed = offset, trimmed
        return [head.id for head in found]

    async def record(self, entity: str, *events: Event) -> None:
        row = self._head(entity, 1)
        for event in events:
            row.head.offset += 1
            at_ms = int(time.time() * 1000)
            row.events.append(StoredEvent(offset=row.head.offset, at_ms=at_ms, payload=msgspec.json.encode(event)))

    async def forget(self, entity: str, through: int) -> None:
        row = self._rows.journal.by_entity[entity]
        row.events = [event for event in row.events if event.offset > through]
        row.head.trimmed = through
        row.snapshot_offset = max(row.snapshot_offset, through)

    async def snapshot(self, entity: str, offset: int, body: bytes, *, saved_s: int) -> None:
        row = self._rows.journal.by_entity[entity]
        row.snapshot, row.snapshot_offset, row.snapshot_ms = body, offset, saved_s * 1000

    async def age(self, version: Version, seconds: float) -> None:
        row = self._rows.versions[version.id]
        self._rows.versions[version.id] = replace(row, made_s=row.made_s - seconds)

    async def ids(self) -> dict[str, int]:
        return {row.head.entity: row.head.id for row in self._rows.heads()}

    async def rows(self, version: Version) -> list[tuple[object, ...]]:
        return sorted(row.values for row in self._rows.table(version.table).values())

    async def revisions(self, version: Version) -> list[int]:
        return [row.revision for _, row in sorted(self._rows.table(version.table).items())]

    async def progress_rows(self) -> int:
        return sum(map(len, self._rows.progress.values()))

    async def node(self, incarnation: int, *, release: int, is_up: bool = True) -> None:
        shards = self._rows.shards
        shards.releases[f"r{release}"] = knowledge(release)
        newcomer = Newcomer(url="", version="", host="", process="", is_alone=False, release=f"r{release}")
        shards.nodes[incarnation] = MemoryNode(newcomer, "up", trio.current_time() + 3600, is_dead=not is_up)

    def claims(self, incarnation: int) -> Claims:
        return MemoryClaims(self._rows, incarnation=incarnation)

    async def tables(self) -> int:
        return len(self._rows.tables)


def knowledge(release: int) -> str:
    """What such a release says that it knows."""
    return msgspec.json.encode({"schema": {"views": {"standings": {"version": release}}}}).decode()


def _take(tables: Tables, stores: StoresOfANode) -> None:
    tables.store, tables.versions, tables.progress = stores.rows, stores.versions, stores.progress


@asynccontextmanager
async def stores(database_url: str) -> AsyncIterator[Stores]:
    async with Bridge() as bridge, Pool(bridge, database_url, incarnation=1) as pool:
        yield Stores(pool)


@asynccontextmanager
async def tables(where: str) -> AsyncIterator[Tables]:
    """In memory, or in the database of that URL."""
    if where == MEMORY:
        yield MemoryStores()
        return
    async with stores(where) as made:
        yield made
