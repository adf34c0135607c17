"""Nodes that share a database: in memory, and in Postgres."""

from collections.abc import AsyncIterator
from typing import Protocol

import pytest

from greenroom.store.journal.journal import Journal
from greenroom.store.journal.journal_memory import MemoryJournal, MemoryRows
from greenroom.store.journal.journal_postgres import PostgresJournal
from greenroom.store.journal.records import Append, Claimed, StoredEvent
from greenroom.store.postgres.bridge import Bridge
from greenroom.store.postgres.pool import Pool

ALL = 10**6  # a window or limit that leaves nothing out


class Cluster(Protocol):
    def node(self, incarnation: int) -> MemoryJournal | PostgresJournal: ...


class MemoryCluster:
    def __init__(self) -> None:
        self._rows = MemoryRows()

    def node(self, incarnation: int) -> MemoryJournal:
        return MemoryJournal(self._rows, incarnation=incarnation)


class PostgresCluster:
    def __init__(self, bridge: Bridge, url: str) -> None:
        self.bridge = bridge
        self.url = url
        self.pools: list[Pool] = []

    def node(self, incarnation: int) -> PostgresJournal:
        self.pools.append(Pool(self.bridge, self.url, incarnation=incarnation, size=2))
        return PostgresJournal(self.pools[-1], incarnation=incarnation)

    async def aclose(self) -> None:
        for pool in self.pools:
            await pool.aclose()


@pytest.fixture
async def postgres(database_url: str) -> AsyncIterator[PostgresCluster]:
    async with Bridge() as bridge:
        cluster = PostgresCluster(bridge, database_url)
        yield cluster
        await cluster.aclose()


@pytest.fixture
async def memory() -> MemoryCluster:
    return MemoryCluster()


@pytest.fixture(params=["memory", "postgres"])
def cluster(request: pytest.FixtureRequest) -> Cluster:
    cluster: Cluster = request.getfixturevalue(request.param)
    return cluster


def event(offset: int, *, at_ms: int = 1_000, command_id: str | None = None, reply: bytes | None = None) -> StoredEvent:
    return StoredEvent(offset, at_ms, b'{"n":%d}' % offset, b'{"user":"ann"}', command_id, reply)


def append_to(claimed: Claimed, *events: StoredEvent, after: int | None = None) -> Append:
    return Append(claimed.head.id, claimed.head.fence, claimed.head.offset if after is None else after, list(events))


async def claim(journal: Journal, entity: str = "room:a", *, term: int = 1, window: int = ALL) -> Claimed:
    (claimed,) = await journal.claim({entity: term}, window=window)
    assert isinstance(claimed, Claimed)
    return claimed


async def trim(
    journal: Journal, head_id: int, *, keep_count: int = ALL, keep_after_ms: int = 0, ids_after_ms: int = 0
) -> int:
    """In as many steps as it takes."""
    while True:
        trimmed = await journal.trim(
            head_id, keep_count=keep_count, keep_after_ms=keep_after_ms, ids_after_ms=ids_after_ms
        )
        if not trimmed.has_more:
            return trimmed.through


async def offsets(journal: Journal, entity: str = "room:a") -> list[int]:
    _, events = await journal.read(entity, limit=ALL)
    return [each.offset for each in events]
