"""Erasures: a row for each, which is its audit, how far it has come, and the tombstone of the entity.

An entity that is being erased gets a fence that nobody can raise or match. So from that transaction on no node appends
to it, saves a snapshot of it or claims it, whatever it had in memory, and those that are awake end. Once all is removed
its head goes too, and with it the name; what is left is the digest of the name, at which claims of new entities look.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from greenroom.store.journal.names import digest_of
from greenroom.store.postgres.connection import Transaction
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
# A queue to which only others have added jobs was never awake: it gets a head, so that there is one to be marked.
QUEUE_HEAD = """
INSERT INTO heads (entity, fence, incarnation, epoch, lineage)
SELECT 'queue:' || $1::text, 0, 0, '', lineage() WHERE EXISTS (SELECT FROM jobs WHERE queue = $1)
ON CONFLICT (entity) DO NOTHING
"""
NEXT_CALL = "(SELECT coalesce(max(call), 0) + 1 FROM erasures)"
BEGIN = f"""
INSERT INTO erasures (kind, digest, name, head_id, reason, asked_by, call) VALUES ($1, $2, $3, $4, $5, $6, {NEXT_CALL})
"""
BEGIN_USER = "INSERT INTO erasures (kind, digest, name, reason, asked_by, did) VALUES ($1, $2, $3, $4, $5, $6::jsonb)"
# A user may be forgotten again, for what came later: the audit of the former one keeps a digest that none looks for.
AGAIN = """
UPDATE erasures SET digest = sha256(digest || convert_to(id::text, 'UTF8')) WHERE digest = $1 AND done_at IS NOT NULL
"""
CALL = f"UPDATE erasures SET call = {NEXT_CALL} WHERE id = $1"
HEARD = "UPDATE nodes SET erased = greatest(erased, $2) WHERE incarnation = $1"
UNDONE = """
SELECT call, id, kind, name, head_id FROM erasures WHERE call > $1 AND done_at IS NULL
UNION ALL SELECT coalesce(max(call), 0), NULL, NULL, NULL, NULL FROM erasures
ORDER BY 2 NULLS LAST
"""
DEAF = """
SELECT incarnation, url FROM nodes
WHERE state <> 'dead' AND lease_until > clock_timestamp() AND erased < (SELECT e.call FROM erasures e WHERE e.id = $1)
ORDER BY incarnation
"""
# Of these the heads that were written anew, and that nobody has claimed since.
CHANGED = "SELECT entity FROM heads WHERE entity = ANY ($1::text[]) AND incarnation = 0"
QUEUE_KIND = "queue"
USER = ""  # in place of a kind: what is erased is what there is of a user


class Erasure(NamedTuple):
    """One of them. Times in Unix ms; `did` is JSON."""

    id: int
    kind: str  # of the entity; USER where it is a user's
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
    kind: str
    name: str
    head_id: int | None


def name_of_user(user: str) -> str:
    """A user's name among erasures: no entity's."""
    return f"user {user}"


class PostgresErasures:
    """All of it raises StoreUnavailable."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @staticmethod
    async def lock(transaction: Transaction) -> None:
        """No other erasure begins before this transaction ends."""
        await transaction.fetch(LOCK)

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
                kind, _, key = entity.partition(":")
                if kind == QUEUE_KIND:
                    await transaction.fetch(QUEUE_HEAD, key)
                marked = await transaction.fetch(MARK, entity, FENCE_MAX, LATER_MS)
                if not marked:
                    return None
                await transaction.fetch(BEGIN, kind, digest, entity, marked[0][0], reason, asked_by)
                found = await transaction.fetch(FIND, digest)
            return Erasure(*found[0])

    async def begin_user(self, user: str, *, reason: str, asked_by: str, did: str) -> Erasure:
        """Note that it has begun, with `did` as JSON; one that was begun before, and is not done, is given as it is.
        Of one who was forgotten before, another begins."""
        name = name_of_user(user)
        async with self._pool.connection() as connection, connection.transaction() as transaction:
            await transaction.fetch(LOCK)
            await transaction.fetch(AGAIN, digest_of(name))
            if not await transaction.fetch(FIND, digest_of(name)):
                await transaction.fetch(BEGIN_USER, USER, digest_of(name), name, reason, asked_by, did)
            return Erasure(*(await transaction.fetch(FIND, digest_of(name)))[0])

    async def call(self, erasure: Erasure) -> None:
        """Nodes are to hear of it now."""
        async with self._pool.connection() as connection, connection.transaction() as transaction:
            await transaction.fetch(LOCK)
            await transaction.fetch(CALL, erasure.id)

    # What nodes hear of it.

    async def undone(self, *, after: int) -> tuple[list[Undone], int]:
        """Those called behind `after` that are not done, and the last call of all."""
        *rows, (last, *_) = await self._pool.fetch(UNDONE, after)
        return [Undone(*tuple(row)[1:]) for row in rows], last

    async def changed(self, entities: Sequence[str]) -> list[str]:
        """Those of these entities whose events and state were written anew, and whom nobody has claimed since."""
        return [row[0] for row in await self._pool.fetch(CHANGED, list(entities))]

    async def heard(self, incarnation: int, *, through: int) -> None:
        """That node has nothing in memory any more of what erasures up to this call are about."""
        await self._pool.fetch(HEARD, incarnation, through)

    async def deaf(self, erasure: Erasure) -> Sequence[Any]:
        """Nodes that are up and have not said so yet: incarnation and URL."""
        return await self._pool.fetch(DEAF, erasure.id)
