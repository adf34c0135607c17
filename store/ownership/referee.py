"""The referee: the rows of nodes and shards in Postgres, each change of which is one statement.

A node's **incarnation** is random and never used again. Its **lease** is on the database's clock, so that no node's
clock decides anything. A shard changes hands only from nobody to somebody, and nobody's it becomes by its owner's
death, which is either proven or follows from a lease that has run out. Each change raises the shard's **term**, the
upper half of every fence granted under it, so what a former owner still writes is refused, whatever it believes.
"""

import structlog
from msgspec import Struct

from greenroom.store.errors import StoreUnavailable
from greenroom.store.postgres.connection import Connection

log = structlog.get_logger("greenroom.membership")

DEAD_DAYS = 7  # rows of ended nodes are kept for whoever asks why

COUNT = "INSERT INTO sharding (count) VALUES ($1) ON CONFLICT DO NOTHING"
COUNTED = "SELECT count, (SELECT count(*) FROM shards) AS rows FROM sharding"
# Terms begin above those that fences were granted under, should heads be older than these rows, as in a copy.
FILL = """
INSERT INTO shards (shard, term)
SELECT generate_series(0, $1::int - 1), coalesce((SELECT max(fence >> 32) FROM heads), 0)
ON CONFLICT DO NOTHING
"""

JOIN = """
WITH forgotten AS (
    DELETE FROM nodes
    WHERE state = 'dead' AND ended_at < clock_timestamp() - $7::int * interval '1 day'
        AND NOT EXISTS (SELECT FROM shards WHERE owner = incarnation)
)
INSERT INTO nodes (incarnation, url, version, host, process, lease_until)
VALUES ($1, $2, $3, $4, $5, clock_timestamp() + $6::float8 * interval '1 second')
"""

RENEW = """
UPDATE nodes SET lease_until = clock_timestamp() + $2::float8 * interval '1 second'
WHERE incarnation = $1 AND state <> 'dead'
RETURNING incarnation
"""

OTHERS = """
SELECT incarnation, url, host, process, extract(epoch FROM lease_until - clock_timestamp())::float8 AS left_s,
    extract(epoch FROM lease_until)::float8 AS until, EXISTS (SELECT FROM shards WHERE owner = incarnation) AS owns
FROM nodes
WHERE state <> 'dead' AND incarnation <> $1
ORDER BY joined_at
"""

# A renewal that is under way holds the row, so this waits for it and then sees the lease that it has made.
BURY = """
WITH dead AS (
    UPDATE nodes SET state = 'dead', ended_at = clock_timestamp(), why = $3
    WHERE incarnation = $1 AND state <> 'dead' AND ($2 OR lease_until < clock_timestamp())
    RETURNING incarnation
), freed AS (
    UPDATE shards SET owner = NULL, term = term + 1, since = clock_timestamp(), cause = $3
    FROM dead WHERE owner = dead.incarnation
    RETURNING shard
)
SELECT (SELECT count(*) FROM dead) AS buried, (SELECT count(*) FROM freed) AS freed
"""

# Locked in one order, so that two nodes that take at once can't deadlock; the second finds them taken. What a dead node
# owns is nobody's too: its own taking may have come to its end only after its burial had looked for what it owns.
TAKE = """
WITH free AS (
    SELECT shard FROM shards
    WHERE (owner IS NULL OR EXISTS (SELECT FROM nodes WHERE incarnation = owner AND state = 'dead'))
        AND EXISTS (SELECT FROM nodes WHERE incarnation = $1 AND state = 'up')
    ORDER BY shard FOR UPDATE
)
UPDATE shards SET owner = $1, term = term + 1, since = clock_timestamp(), cause = $2
FROM free WHERE shards.shard = free.shard
RETURNING shards.shard, shards.term
"""

WITHDRAW = "DELETE FROM nodes WHERE incarnation = $1 AND NOT EXISTS (SELECT FROM shards WHERE owner = incarnation)"

# A statement of the dead that waits for a lock would hold up whoever comes after it.
END_SESSIONS = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE application_name LIKE $1 AND usename = current_user AND pid <> pg_backend_pid()
"""


class ShardsDiffer(StoreUnavailable):
    """The database was set up with another number of shards."""


class Member(Struct, frozen=True):
    """A node that has not been declared dead."""

    incarnation: int
    url: str
    host: str  # where its process is; "" where that is not known
    process: str
    left_s: float  # of its lease, on the database's clock
    until: float  # the end of its lease, Unix s on the database's clock: it rises with each renewal
    owns: bool  # any shard; one that is only starting does not


class Referee:
    """Of one node. Raises, in all that it does: StoreUnavailable; what it changes may be tried again."""

    def __init__(self, connection: Connection, *, incarnation: int) -> None:
        """`connection` is its own, so that a renewal never queues behind anything."""
        self._connection = connection
        self.incarnation = incarnation

    async def agree(self, shards: int) -> None:
        """That entities hash onto so many. Raises: ShardsDiffer."""
        rows = await self._connection.fetch(COUNTED)
        if not rows or rows[0]["rows"] < rows[0]["count"]:
            await self._connection.fetch(COUNT, shards)
            (count,) = await self._connection.fetch("SELECT count FROM sharding")
            await self._connection.fetch(FILL, count[0])
            rows = await self._connection.fetch(COUNTED)
        if rows[0]["count"] != shards:
            raise ShardsDiffer(
                f"must be {rows[0]['count']}, as this database was set up with, and is {shards}: it can't be changed"
            )

    async def join(self, *, url: str, version: str, host: str, process: str, lease_s: float) -> None:
        """Be a node, with a lease."""
        await self._connection.fetch(JOIN, self.incarnation, url, version, host, process, lease_s, DEAD_DAYS)

    async def renew(self, lease_s: float) -> bool:
        """Have the lease end so many seconds from now. False: this node has been declared dead, and that is final."""
        return bool(await self._connection.fetch(RENEW, self.incarnation, lease_s))

    async def others(self) -> list[Member]:
        """All nodes but this one that are not dead, the oldest first."""
        return [Member(**dict(row)) for row in await self._connection.fetch(OTHERS, self.incarnation)]

    async def bury(self, incarnation: int, *, is_proven: bool, why: str) -> bool:
        """Declare a node dead and free its shards, if its death is proven or its lease has run out. Did this do it?"""
        (row,) = await self._connection.fetch(BURY, incarnation, is_proven, why)
        if row["buried"] and incarnation != self.incarnation:
            try:
                await self._connection.fetch(END_SESSIONS, f"greenroom {incarnation:016x} %")
            except StoreUnavailable as error:  # they end without us, later
                log.warning("sessions_not_ended", node=f"{incarnation:016x}", error=str(error))
        return bool(row["buried"])

    async def withdraw(self) -> None:
        """Not to have been a node. No effect where this one owns a shard."""
        await self._connection.fetch(WITHDRAW, self.incarnation)

    async def take(self, why: str) -> dict[int, int]:
        """Own all shards that are nobody's: their terms, by shard. None where this node has been declared dead."""
        return {row[0]: row[1] for row in await self._connection.fetch(TAKE, self.incarnation, why)}
