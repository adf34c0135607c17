"""A table of a view and its store on a real Postgres, for tests of the store alone."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from greenroom.store.postgres.bridge import Bridge
from greenroom.store.postgres.pool import Pool
from greenroom.store.views.progress import PostgresProgress
from greenroom.store.views.shape import Column, Shape
from greenroom.store.views.store import Version, Writing
from greenroom.store.views.store_postgres import PostgresViewStore
from greenroom.store.views.versions import PostgresVersions, Wanted

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


def wanted(version: int = 1, *, shape: Shape = SHAPE, name: str = "standings", seeds: bool = False) -> Wanted:
    return Wanted(name, version, shape, frozenset({"show"}), seeds)


class Stores:
    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.versions = PostgresVersions(pool)
        self.store = PostgresViewStore(pool)
        self.progress = PostgresProgress(pool)

    async def make(self, *all_wanted: Wanted) -> Version:
        """Installed; the last of them."""
        await self.versions.install(all_wanted or (wanted(),))
        return max(await self.versions.all(), key=lambda one: one.id)

    async def heads(self, *entities: str, offset: int = 1, trimmed: int = 0) -> list[int]:
        """Heads that say they have so many events."""
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

    async def rows(self, version: Version) -> list[tuple[object, ...]]:
        table = version.table
        return sorted(tuple(row) for row in await self.pool.fetch(f"SELECT {table.columns} FROM {table.rows}"))


@asynccontextmanager
async def stores(database_url: str) -> AsyncIterator[Stores]:
    async with Bridge() as bridge, Pool(bridge, database_url, incarnation=1) as pool:
        yield Stores(pool)
