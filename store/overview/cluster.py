"""What the database says of the cluster: its nodes, those that have ended lately too, and how shards came to be whose
they are.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from msgspec import Struct

Fetch = Callable[..., Awaitable[Sequence[Any]]]  # Connection.fetch

ENDED_MAX = 20  # nodes that have ended
CHANGES_MAX = 50  # lines of the record

NODES = """
SELECT incarnation, url, version, state, capacity, alone, coalesce(owned.shards, 0) AS shards,
    extract(epoch FROM lease_until - clock_timestamp())::float8 AS lease_left_s,
    (extract(epoch FROM joined_at) * 1000)::bigint AS joined_at_ms,
    (extract(epoch FROM ended_at) * 1000)::bigint AS ended_at_ms, why
FROM nodes LEFT JOIN (SELECT owner, count(*) AS shards FROM shards GROUP BY owner) owned ON owner = incarnation
WHERE state <> 'dead'
    OR incarnation IN (SELECT incarnation FROM nodes WHERE state = 'dead' ORDER BY ended_at DESC LIMIT $1)
ORDER BY state = 'dead', joined_at, incarnation
"""
# A statement gives each shard a time of its own, so those of one second are told together.
CHANGES = """
SELECT (extract(epoch FROM date_trunc('second', since)) * 1000)::bigint AS at_ms, owner, cause, count(*) AS shards
FROM shards GROUP BY 1, 2, 3 ORDER BY 1 DESC, 4 DESC LIMIT $1
"""


class NodeRow(Struct, frozen=True):
    """A node, as its row says."""

    incarnation: int
    url: str
    version: str
    state: str  # joining, up, draining or dead
    capacity: int
    alone: bool
    shards: int
    lease_left_s: float
    joined_at_ms: int
    ended_at_ms: int | None
    why: str | None  # it ended


class Change(Struct, frozen=True):
    """How so many shards came to be `owner`'s (None: nobody's), and when: the last change of each."""

    at_ms: int
    owner: int | None
    cause: str
    shards: int


async def node_rows(fetch: Fetch) -> list[NodeRow]:
    """Those alive, the oldest first, then those that have ended lately. Raises: StoreUnavailable."""
    return [NodeRow(**dict(row)) for row in await fetch(NODES, ENDED_MAX)]


async def last_changes(fetch: Fetch) -> list[Change]:
    """The newest first. Raises: StoreUnavailable."""
    return [Change(**dict(row)) for row in await fetch(CHANGES, CHANGES_MAX)]
