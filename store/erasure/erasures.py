"""Erasures: a row for each, which is its audit, how far it has come, and the tombstone of the entity.

An entity that is being erased gets a fence that nobody can raise or match. So from that transaction on no node appends
to it, saves a snapshot of it or claims it, whatever it had in memory, and those that are awake end. Once all is removed
its head goes too, and with it the name; what is left is the digest of the name, at which claims of new entities look.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from greenroom.store.journal.names import digest_of
from greenroom.store.postgres.pool import Pool

FENCE_MAX = (2**31 - 1) << 32  # under a term that no shard ever has
LATER_MS = 1 << 62  # an unused head is removed by when it was claimed: this one not before we do it
LOCK = "SELECT pg_advisory_xact_lock(0x67726e65)"  # "grne": so that numbers are seen in their order

COLUMNS = """
id, kind, digest, name, head_id, reason, asked_by, (extract(epoch FROM began_at) * 1000)::bigint AS began_ms,
(extract(epoch FROM done_at) * 1000)::bigint AS done_ms, did::text
"""
FIND = f"SELECT {COLUMNS} FROM erasures WHERE digest = $1"
LIST = f"SELECT {COLUMNS} FROM erasures ORDER BY id DESC LIMIT $1"
# Its rows stay until they are removed, but nobody finds any: to whoever looks at the head it has no events.
MARK = """
UPDATE heads SET fence = $2, incarnation = 0, "offset" = 0, trimmed = 0, snapshot_offset = 0, claimed_ms = $3
WHERE entity = $1 RETURNING id
"""
BEGIN = """
INSERT INTO erasures (kind, digest, name, head_id, reason, asked_by) VALUES ($1, $2, $3, $4, $5, $6)
"""
HEARD = "UPDATE nodes SET erased = greatest(erased, $2) WHERE incarnation = $1"
UNDONE = """
SELECT (SELECT coalesce(max(id), 0) FROM erasures), id, name, head_id FROM erasures WHERE id > $1 AND done_at IS NULL
UNION ALL SELECT coalesce(max(id), 0), NULL, NULL, NULL FROM erasures
ORDER BY 2 NULLS LAST
"""
DEAF = """
SELECT incarnation, url FROM nodes
WHERE state <> 'dead' AND lease_until > clock_timestamp() AND erased < $1 ORDER BY incarnation
"""


class Erasure(NamedTuple):
    """One of them. Times in Unix ms; `did` is JSON."""

    id: int
    kind: str  # of the entity
    digest: bytes
    name: str | None  # None once it is done
    head_id: int | None
    reason: str
    asked_by: str
    began_ms: int
    done_ms: int | None
    did: str


class Undone(NamedTuple):
    """What a node is to forget, as it hears of it."""

    id: int
    name: str
    head_id: int | None


class PostgresErasures:
    """All of it raises StoreUnavailable."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def find(self, name: str) -> Erasure | None:
        """The erasure of this entity, done or not."""
        rows = await self._pool.fetch(FIND, digest_of(name))
        return Erasure(*rows[0]) if rows else None

    async def newest(self, *, limit: int) -> list[Erasure]:
        """The newest first."""
        return [Erasure(*row) for row in await self._pool.fetch(LIST, limit)]

    async def begin(self, entity: str, *, reason: str, asked_by: str) -> Erasure | None:
        """From here on the entity is gone for everybody. One that was begun before is given as it is; None where there
        is no such entity. An append that is under way is waited for."""
        async with self._pool.connection() as connection, connection.transaction() as transaction:
            await transaction.fetch(LOCK)
            digest = digest_of(entity)
            found = await transaction.fetch(FIND, digest)
            if not found:
                marked = await transaction.fetch(MARK, entity, FENCE_MAX, LATER_MS)
                if not marked:
                    return None
                kind = entity.partition(":")[0]
                await transaction.fetch(BEGIN, kind, digest, entity, marked[0][0], reason, asked_by)
                found = await transaction.fetch(FIND, digest)
            return Erasure(*found[0])

    # What nodes hear of it.

    async def undone(self, *, after: int) -> tuple[list[Undone], int]:
        """Those behind `after` that are not done, and the number of the last of all."""
        *rows, (last, *_) = await self._pool.fetch(UNDONE, after)
        return [Undone(id_, name, head_id) for _, id_, name, head_id in rows], last

    async def heard(self, incarnation: int, *, through: int) -> None:
        """That node has nothing in memory any more of what erasures up to this one are about."""
        await self._pool.fetch(HEARD, incarnation, through)

    async def deaf(self, erasure: Erasure) -> Sequence[Any]:
        """Nodes that are up and have not said so yet: incarnation and URL."""
        return await self._pool.fetch(DEAF, erasure.id)
