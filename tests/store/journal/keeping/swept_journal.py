"""A journal with entities in it, and its retention, swept when a test says so."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from greenroom.store.journal.journal_memory import MemoryJournal
from greenroom.store.journal.journal_postgres import PostgresJournal
from greenroom.store.journal.keep import Keep
from greenroom.store.journal.records import Append, Claimed, StoredEvent
from greenroom.store.journal.retention import Retention
from greenroom.store.postgres.bridge import Bridge
from greenroom.store.postgres.pool import Pool

NOW_S = 1_000_000.0


class Clock:
    """Unix seconds, as a test sets them: entities are claimed before their events."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def postgres(database_url: str, clock: Clock) -> AsyncIterator[PostgresJournal]:
    async with Bridge() as bridge, Pool(bridge, database_url, incarnation=1) as pool:
        yield PostgresJournal(pool, incarnation=1, now=clock)


@pytest.fixture
async def memory(clock: Clock) -> MemoryJournal:
    return MemoryJournal(now=clock)


@pytest.fixture(params=["memory", "postgres"])
def journal(request: pytest.FixtureRequest) -> MemoryJournal | PostgresJournal:
    journal: MemoryJournal | PostgresJournal = request.getfixturevalue(request.param)
    return journal


async def fill(
    journal: MemoryJournal | PostgresJournal, entity: str, events: int, *, age_s: float = 0, snapshot: bool = True
) -> int:
    """An entity with so many events, all `age_s` old, with a command id each; its head's id."""
    (claimed,) = await journal.claim({entity: 1}, window=0)
    assert isinstance(claimed, Claimed)
    head = claimed.head
    at_ms = int((NOW_S - age_s) * 1_000)
    stored = [StoredEvent(n, at_ms, b"{}", None, f"id-{n}", b"null") for n in range(1, events + 1)]
    if events:
        await journal.append([Append(head.id, head.fence, 0, stored)])
    if snapshot:
        assert await journal.save_snapshot(head.id, fence=head.fence, offset=events, body=b"{}")
    return head.id


def swept(
    journal: MemoryJournal | PostgresJournal, keep: Mapping[str, Keep], *, now_s: float = NOW_S, **changed: Any
) -> Retention:
    """A retention without rests, which makes snapshots without looking at events."""

    async def fold(entity: str) -> None:
        stored = await journal.stored(entity)
        assert stored is not None
        head = stored.head
        await journal.save_folded(head.id, fence=head.fence, offset=head.offset, body=b"folded")

    how: dict[str, Any] = {"fold": fold, "now": lambda: now_s, "trims_per_s": 1e9, "monotonic": lambda: 0.0} | changed
    return Retention(journal, keep, **how)
