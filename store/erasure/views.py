"""Rows of views: what an entity's events have left in the tables of views, and how those go.

A row says nothing of the entities it was made of. A view that keys its rows by the entity says so (`View.entity_key`),
and they are deleted. Of any other the rows may be of many entities, so its table is made anew from what is left.
"""

from typing import Any

from greenroom.store.erasure.erasures import Erasure
from greenroom.store.erasure.remaking import WANTED, Made, Remaking
from greenroom.store.erasure.removing import ROWS_AT_ONCE
from greenroom.store.errors import TookTooLong
from greenroom.store.postgres.pool import Pool
from greenroom.store.views.store import Version
from greenroom.store.views.tables import quoted
from greenroom.store.views.versions import PostgresVersions

FOLDED = 1 << 62  # nothing follows on this offset: whatever is still on its way to a runner, or in one, is left out

# Waits for a fold of it that is under way. Was there a row before, then something of it may have been folded.
END_FOLDING = """
INSERT INTO view_progress AS p (view_id, id, "offset") VALUES ($1, $2, $3)
ON CONFLICT (view_id, id) DO UPDATE SET "offset" = excluded."offset", parked = NULL
RETURNING xmax <> 0
"""
OTHERS = "SELECT entity FROM heads WHERE entity = ANY ($1::text[]) LIMIT 1"
REMOVE = """
WITH gone AS (
    DELETE FROM {rows} t
    WHERE t.ctid = ANY (ARRAY(SELECT r.ctid FROM {rows} r WHERE r.{column} = ANY ($1::text[]) LIMIT $2))
        AND t.{column} = ANY ($1::text[])
    RETURNING 1
), counted AS (
    SELECT count(*) AS rows FROM gone
)
UPDATE erasures e
SET did = jsonb_set(e.did, '{{view_rows}}', to_jsonb(coalesce((e.did ->> 'view_rows')::bigint, 0) + c.rows))
FROM counted c WHERE e.id = $3 RETURNING c.rows
"""


class ViewRows:
    """Of one entity whose erasure has begun: its head shows no events. All of it raises StoreUnavailable."""

    def __init__(self, pool: Pool, erasure: Erasure) -> None:
        self._pool = pool
        self._erasure = erasure
        self._versions = PostgresVersions(pool)

    async def remove(self) -> list[Made]:
        """Fold nothing of it any more, and delete its rows; the tables that have to take the place of others."""
        for version in await self._versions.all():
            if self._erasure.kind in version.kinds:
                await self._end(version)
        return await Remaking(self._pool, self._erasure.id).begin()

    async def _end(self, version: Version) -> None:
        erasure = self._erasure
        mine = await self._values(version)
        async with self._pool.connection() as connection, connection.transaction() as transaction:
            ((was_folded,),) = await transaction.fetch(END_FOLDING, version.id, erasure.head_id, FOLDED)
            # A sink has no rows: what it has delivered is the other side's, and is not delivered again.
            if was_folded and not mine and version.kind == "view":
                await transaction.fetch(WANTED, erasure.id, [version.name])
        rows = ROWS_AT_ONCE if mine else 0
        while rows == ROWS_AT_ONCE:
            sql = REMOVE.format(rows=version.table.rows, column=quoted(version.shape.entity_key))
            try:
                ((rows,),) = await self._pool.fetch(sql, mine, ROWS_AT_ONCE, erasure.id)
            except TookTooLong:  # no index begins with that column, and the table is large
                await self._pool.fetch(WANTED, erasure.id, [version.name])
                return

    async def _values(self, version: Version) -> list[str]:
        """What the view's key column has in rows of this entity alone. [] where rows don't say whose they are."""
        name = self._erasure.name
        assert name is not None
        if not version.shape.entity_key:
            return []
        kind, _, key = name.partition(":")
        # Of whom a row may be, too, that has one of these: who is called `room:a` as a whole, or has that for a key.
        others = [f"{other}:{key}" for other in version.kinds if other != kind]
        others += [key, *(f"{other}:{name}" for other in version.kinds)]
        return [] if await self._pool.fetch(OTHERS, others) else [name, key]


async def views_of(pool: Pool, kind: str) -> dict[str, str]:
    """What becomes of each view that folds events of this kind: `rows` are deleted, or it is made `anew`.

    Raises: StoreUnavailable."""
    found: dict[str, str] = {}
    versions: list[Any] = await PostgresVersions(pool).all()
    for version in versions:
        if version.kind == "view" and kind in version.kinds and found.get(version.name) != "anew":
            found[version.name] = "rows" if version.shape.entity_key else "anew"
    return found
