"""The store of views in Postgres: see `store.py`, which says what it promises."""

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager

from greenroom.store.journal.postgres.reads import EVENT_COLUMNS, EVENT_SIZE, event
from greenroom.store.ownership.sharding import SHARDS, mask_of, shard_sql
from greenroom.store.postgres.pool import Pool
from greenroom.store.views.inline import PostgresInline
from greenroom.store.views.progress import PostgresProgress
from greenroom.store.views.store import (
    BYTES_MAX,
    FOLDS_AT_ONCE,
    Behind,
    FoldTransaction,
    Snapshot,
    Standing,
    Unfolded,
    Version,
)
from greenroom.store.views.stores import Stores
from greenroom.store.views.versions import PostgresVersions
from greenroom.store.views.writing import PostgresFoldTransaction

# Of a page of heads those with something to fold. Their shard is in the row, or where the name says.
BEHIND = f"""
WITH looked AS MATERIALIZED (
    SELECT id, entity, "offset", shard FROM heads WHERE id > $2 ORDER BY id LIMIT $3
)
SELECT l.id, l.entity
FROM looked l LEFT JOIN view_progress p ON p.view_id = $1 AND p.id = l.id
WHERE l."offset" > coalesce(p."offset", 0) AND p.parked IS NULL AND split_part(l.entity, ':', 1) = ANY ($4::text[])
    AND ($5::bytea IS NULL OR get_bit($5, coalesce(l.shard, {shard_sql("l.entity", "$6::int")})) = 1)
UNION ALL
SELECT max(id), NULL FROM looked
"""

# In nested loops, which give one head's events after another's, as long as the page has room; their sizes are read off
# the headers of large values.
UNFOLDED = f"""
SELECT * FROM (
    SELECT *, coalesce(sum(size) OVER (ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS size_before
    FROM (
        SELECT h.id, h.entity, l.lineage, coalesce(p."offset", 0), p."offset" IS NOT NULL, p.parked IS NOT NULL,
            h.fence AS head_fence, h."offset" AS head_offset, h.trimmed, {EVENT_SIZE} AS size,
            {", ".join(f"e.{name.strip()}" for name in EVENT_COLUMNS.split(","))}
        FROM unnest($2::bigint[]) AS w (id)
        CROSS JOIN (SELECT lineage() AS lineage OFFSET 0) l
        JOIN heads h ON h.id = w.id
        LEFT JOIN view_progress p ON p.view_id = $1 AND p.id = w.id
        LEFT JOIN LATERAL (
            SELECT * FROM journal j WHERE j.id = w.id AND j."offset" > coalesce(p."offset", 0) ORDER BY j."offset"
        ) e ON true
        LIMIT $3
    ) found
) page
WHERE size_before < {BYTES_MAX}
"""
HEAD_COLUMNS = 9  # of UNFOLDED, before the size and the event

SNAPSHOT = """
SELECT "offset", body, (extract(epoch FROM at) * 1000)::bigint FROM snapshots WHERE id = $1 AND "offset" > 0
"""


class PostgresViewStore:
    """See ViewStore. Reads over the pool, transactions over connections of their own."""

    def __init__(self, pool: Pool, *, shards: int = SHARDS) -> None:
        """`shards`: that entities hash onto."""
        self._pool = pool
        self._shards = shards
        self._folds = pool.group("view", FOLDS_AT_ONCE)

    @asynccontextmanager
    async def transaction(self, version: Version) -> AsyncIterator[FoldTransaction]:
        """See ViewStore."""
        async with self._folds.connection() as connection, connection.transaction() as transaction:
            yield PostgresFoldTransaction(transaction, version)

    async def behind(
        self, version: Version, *, after_id: int, limit: int, shards: Collection[int] | None
    ) -> tuple[list[Behind], int | None]:
        """See ViewStore."""
        mask = None if shards is None else mask_of(shards, self._shards)
        kinds = sorted(version.kinds)
        rows = await self._pool.fetch(BEHIND, version.id, after_id, limit, kinds, mask, self._shards)
        found = [Behind(*row) for row in rows]
        last: int | None = found.pop().head_id
        return found, last

    async def unfolded(self, version: Version, head_ids: Sequence[int], *, limit: int) -> list[Unfolded]:
        """See ViewStore."""
        found: dict[int, Unfolded] = {}
        for row in await self._pool.fetch(UNFOLDED, version.id, list(head_ids), limit):
            columns = tuple(row)
            head_id, entity, lineage = columns[:3]
            standing = Standing(*(*columns[3:HEAD_COLUMNS], lineage))
            one = found.get(head_id)
            if one is None:
                one = found[head_id] = Unfolded(head_id, entity, lineage, standing, [])
            stored = columns[HEAD_COLUMNS + 1 : -1]
            if stored[0] is not None and stored[0] == one.standing.offset + len(one.events) + 1:
                one.events.append(event(stored))
        return list(found.values())

    async def snapshot(self, head_id: int) -> Snapshot | None:
        """See ViewStore."""
        rows = await self._pool.fetch(SNAPSHOT, head_id)
        return Snapshot(*rows[0]) if rows else None


def postgres_stores(pool: Pool, *, shards: int = SHARDS) -> Stores:
    """`shards`: that entities hash onto."""
    return Stores(
        PostgresViewStore(pool, shards=shards),
        PostgresVersions(pool),
        PostgresProgress(pool),
        PostgresInline(pool.fetch),
    )
