"""The referee as rows of nodes and shards in Postgres, each change of which is one statement: see `referee.py`."""

from collections.abc import Collection, Mapping

import trio

from greenroom.store.ownership.referee import NOBODY_NEXT, Member, Newcomer, Owned, ShardsDiffer, State
from greenroom.store.postgres.connection import Connection

DEAD_DAYS = 7  # rows of ended nodes, and of their releases, are kept for whoever asks why

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
), known AS (
    INSERT INTO releases (digest, knowledge) SELECT $10::text, $11::text WHERE $10::text <> ''
    ON CONFLICT (digest) DO UPDATE SET seen_at = clock_timestamp()
), outdated AS (
    DELETE FROM releases
    WHERE digest <> $10::text AND seen_at < clock_timestamp() - $7::int * interval '1 day'
        AND NOT EXISTS (SELECT FROM nodes WHERE release = digest)
)
INSERT INTO nodes (incarnation, url, version, host, process, lease_until, capacity, alone, state, release)
VALUES ($1, $2, $3, $4, $5, clock_timestamp() + $6::float8 * interval '1 second', $8, $9,
    CASE WHEN $9 THEN 'up' ELSE 'joining' END, $10::text)
"""

RENEW = """
UPDATE nodes SET lease_until = clock_timestamp() + $2::float8 * interval '1 second', unreached = $3
WHERE incarnation = $1 AND state <> 'dead'
RETURNING incarnation
"""

# Whoever works on the row holds its lock.
RENEW_BESIDE = """
WITH free AS (
    SELECT incarnation FROM nodes WHERE incarnation = $1 AND state <> 'dead' FOR UPDATE SKIP LOCKED
), renewed AS (
    UPDATE nodes SET lease_until = clock_timestamp() + $2::float8 * interval '1 second'
    FROM free WHERE nodes.incarnation = free.incarnation
    RETURNING nodes.incarnation
)
SELECT EXISTS (SELECT FROM renewed), EXISTS (SELECT FROM nodes WHERE incarnation = $1 AND state <> 'dead')
"""

ENTER = """
UPDATE nodes SET state = CASE WHEN state = 'draining' THEN state ELSE $2::text END
WHERE incarnation = $1 AND state <> 'dead'
RETURNING incarnation
"""

MEMBERS = """
SELECT incarnation, url, version, host, process, state, capacity, alone,
    extract(epoch FROM lease_until - clock_timestamp())::float8 AS left_s,
    extract(epoch FROM lease_until)::float8 AS until, coalesce(owned.shards, 0) AS shards, release, unreached
FROM nodes LEFT JOIN (SELECT owner, count(*) AS shards FROM shards GROUP BY owner) owned ON owner = incarnation
WHERE state <> 'dead'
ORDER BY joined_at, incarnation
"""

RELEASES = """
SELECT digest, CASE WHEN digest = ANY($1::text[]) THEN NULL ELSE knowledge END
FROM releases
WHERE EXISTS (
    SELECT FROM nodes
    WHERE release = digest AND (state <> 'dead' OR ended_at > clock_timestamp() - $2::int * interval '1 day')
)
"""

# A column a list: thousands of rows are read by all nodes whenever shards move.
OWNED = """
SELECT array_agg(shard), array_agg(owner), array_agg(term), array_agg(extract(epoch FROM since)::float8)
FROM shards
WHERE $1::float8 IS NULL OR since >= to_timestamp($1::float8)
"""

# A renewal that is under way holds the row, so this waits for it and then sees the lease that it has made. One row for
# the node itself, or none, and one for each of its shards. Who is next comes as a list by shard, nobody as -1: to join
# pairs takes ten times as long, for nobody tells the planner how many there are.
BURY = """
WITH dead AS (
    UPDATE nodes SET state = 'dead', ended_at = clock_timestamp(), why = $3
    WHERE incarnation = $1 AND state <> 'dead' AND ($2 OR lease_until < clock_timestamp())
    RETURNING incarnation
), theirs AS (
    SELECT shards.shard, heirs.incarnation AS next
    FROM shards
    JOIN dead ON owner = dead.incarnation
    LEFT JOIN nodes heirs
        ON heirs.incarnation = ($4::bigint[])[shards.shard + 1] AND heirs.incarnation <> $1 AND heirs.state = 'up'
    ORDER BY shards.shard FOR UPDATE OF shards
), changed AS (
    UPDATE shards SET owner = theirs.next, term = term + 1, since = clock_timestamp(), cause = $3
    FROM theirs WHERE shards.shard = theirs.shard
    RETURNING shards.shard, shards.owner, shards.term, extract(epoch FROM shards.since)::float8 AS since
)
SELECT NULL::int AS shard, NULL::bigint AS owner, NULL::int AS term, NULL::float8 AS since FROM dead
UNION ALL
SELECT * FROM changed
"""

# Locked in one order, as by all that change several, so that two can't deadlock; the second finds them taken. What a
# dead node owns is nobody's too: its own taking may have come to its end only after its burial had looked for what it
# owns.
TAKE = """
WITH free AS (
    SELECT s.shard
    FROM unnest(coalesce($3::int[], (SELECT array_agg(shard) FROM shards))) AS wanted (shard)
    JOIN shards s ON s.shard = wanted.shard
    WHERE (s.owner IS NULL OR EXISTS (SELECT FROM nodes WHERE incarnation = s.owner AND state = 'dead'))
        AND EXISTS (SELECT FROM nodes WHERE incarnation = $1 AND state = 'up')
    ORDER BY s.shard FOR UPDATE OF s
)
UPDATE shards SET owner = $1, term = term + 1, since = clock_timestamp(), cause = $2
FROM free WHERE shards.shard = free.shard
RETURNING shards.shard, shards.term
"""

# The other way by which a shard changes hands, locked in the same order. Somebody may be declared dead while it is
# given something: then it is to be had, as above.
GIVE = """
WITH given AS (
    SELECT s.shard, g.next
    FROM unnest($2::int[], $3::int[], $4::bigint[]) AS g (shard, term, next)
    JOIN shards s ON s.shard = g.shard AND s.term = g.term
    WHERE s.owner = $1 AND EXISTS (
        SELECT FROM nodes WHERE incarnation = g.next AND (state = 'up' OR incarnation = $1 AND state <> 'dead')
    )
    ORDER BY s.shard FOR UPDATE OF s
)
UPDATE shards SET owner = given.next, term = term + 1, since = clock_timestamp(), cause = $5
FROM given WHERE shards.shard = given.shard
RETURNING shards.shard, shards.term
"""

WITHDRAW = "DELETE FROM nodes WHERE incarnation = $1 AND NOT EXISTS (SELECT FROM shards WHERE owner = incarnation)"

# A statement of the dead that waits for a lock would hold up whoever comes after it.
END_SESSIONS = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE application_name LIKE $1 AND usename = current_user AND pid <> pg_backend_pid()
"""
# Behind a pooler a session bears the name of whoever had it last, and may be lent on in the moment in which we look. So
# there it is asked what is under way in their name, and a little later that is ended which has not come to its end.
UNDER_WAY = """
SELECT array_agg(pid), array_agg(query_start) FROM pg_stat_activity
WHERE application_name LIKE $1 AND usename = current_user AND pid <> pg_backend_pid() AND state = 'active'
"""
END_STUCK = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
JOIN unnest($2::int[], $3::timestamptz[]) AS stuck (pid, query_start) USING (pid, query_start)
WHERE application_name LIKE $1 AND usename = current_user AND state = 'active'
"""
STUCK_S = 0.05  # what is under way for longer waits for something


class PostgresReferee:
    """Of one node."""

    def __init__(
        self,
        connection: Connection,
        *,
        incarnation: int,
        lease: Connection | None = None,
        spare: Connection | None = None,
        is_pooled: bool = False,
    ) -> None:
        """`lease`: a connection for renewals alone, so that none queues behind what waits for a lock; None: there is
        nothing to wait for. `spare`: another one for when that does not answer. `is_pooled`: sessions are anybody's
        (store/postgres/pooling.py)."""
        self._connection = connection
        self._is_pooled = is_pooled
        self._lease = lease or connection
        self._spare = spare or self._lease
        self.incarnation = incarnation

    async def agree(self, shards: int) -> None:
        """See Referee. Raises: ShardsDiffer."""
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

    async def cluster(self) -> str:
        """See Referee."""
        (row,) = await self._connection.fetch("SELECT cluster FROM sharding")
        return str(row["cluster"])

    async def join(self, newcomer: Newcomer, *, lease_s: float) -> None:
        """See Referee."""
        new = newcomer
        place = (new.host, new.process, lease_s, DEAD_DAYS, new.capacity, new.is_alone)
        release = (new.release, new.knowledge)
        await self._connection.fetch(JOIN, self.incarnation, new.url, new.version, *place, *release)

    async def renew(self, lease_s: float, *, unreached: Collection[int] = ()) -> bool:
        """See Referee."""
        return bool(await self._lease.fetch(RENEW, self.incarnation, lease_s, list(unreached)))

    async def renew_beside(self, lease_s: float) -> bool | None:
        """See Referee."""
        ((is_renewed, is_alive),) = await self._spare.fetch(RENEW_BESIDE, self.incarnation, lease_s)
        return True if is_renewed else None if is_alive else False

    async def enter(self, state: State) -> bool:
        """See Referee."""
        return bool(await self._connection.fetch(ENTER, self.incarnation, state))

    async def members(self) -> list[Member]:
        """See Referee."""
        rows = await self._connection.fetch(MEMBERS)
        return [Member(*(*row[:-1], tuple(row[-1]))) for row in rows]

    async def releases(self, known: Collection[str]) -> dict[str, str | None]:
        """See Referee."""
        rows = await self._connection.fetch(RELEASES, list(known), DEAD_DAYS)
        return {row[0]: row[1] for row in rows}

    async def bury(
        self, incarnation: int, *, is_proven: bool, why: str, nexts: Mapping[int, int] = NOBODY_NEXT
    ) -> list[Owned] | None:
        """See Referee."""
        heirs = [nexts.get(shard, -1) for shard in range(max(nexts, default=-1) + 1)]
        rows = await self._connection.fetch(BURY, incarnation, is_proven, why, heirs)
        return [Owned(*row) for row in rows if row[0] is not None] if rows else None

    async def end_sessions(self, incarnation: int) -> None:
        """See Referee."""
        theirs = f"greenroom {incarnation:016x} %"
        if not self._is_pooled:
            await self._connection.fetch(END_SESSIONS, theirs)
            return
        ((processes, began),) = await self._connection.fetch(UNDER_WAY, theirs)
        if processes:
            await trio.sleep(STUCK_S)
            await self._connection.fetch(END_STUCK, theirs, processes, began)

    async def withdraw(self) -> None:
        """See Referee."""
        await self._connection.fetch(WITHDRAW, self.incarnation)

    async def owned(self, *, since: float | None = None) -> list[Owned]:
        """See Referee."""
        (columns,) = await self._connection.fetch(OWNED, since)
        return [] if columns[0] is None else list(map(Owned, *columns))

    async def take(self, why: str, *, shards: Collection[int] | None = None) -> dict[int, int]:
        """See Referee."""
        wanted = None if shards is None else list(shards)
        return {row[0]: row[1] for row in await self._connection.fetch(TAKE, self.incarnation, why, wanted)}

    async def give(self, shards: Mapping[int, tuple[int, int]], why: str) -> dict[int, int]:
        """See Referee."""
        terms, nexts = [term for term, _ in shards.values()], [following for _, following in shards.values()]
        rows = await self._connection.fetch(GIVE, self.incarnation, list(shards), terms, nexts, why)
        return {row[0]: row[1] for row in rows}
