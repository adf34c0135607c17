"""The walk meets everything that is stored once, or an even sample within its bound."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.store.journal.consequences.consequences import Consequences
from greenroom.store.journal.consequences.outbox import Outbox, OutboxRow
from greenroom.store.journal.consequences.timers import TimerRow, Timers
from greenroom.store.journal.journal_postgres import PostgresJournal
from greenroom.store.journal.postgres.pages import BYTES_MAX
from greenroom.store.journal.records import Append, Claimed, StoredEvent
from greenroom.store.journal.walk import StoredWalk, stretches
from greenroom.store.postgres.bridge import Bridge
from greenroom.store.postgres.pool import Pool

ENTITIES = 5
EVENTS = 300  # of each: several stretches of pages


@given(st.integers(0, 5_000), st.integers(1, 2_000))
def test_stretches_lie_within_the_table_and_the_bound(pages: int, pages_max: int) -> None:
    found = stretches(pages, pages_max)
    read = [page for first, end in found for page in range(first, end)]
    assert all(0 <= page < pages for page in read)
    assert read == sorted(set(read))
    if pages <= pages_max:
        assert len(read) == pages
    else:
        assert 1 <= len(read) <= max(2, pages_max)
        assert (read[0], read[-1]) == (0, pages - 1) or pages_max < 2


@pytest.mark.parametrize("bytes_max", [BYTES_MAX, 1_200, 1])
async def test_everything_stored_is_met_once(
    bytes_max: int, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many bytes one statement may read: at one byte it is a row at a time."""
    monkeypatch.setattr("greenroom.store.journal.walk.ROWS", 2)
    monkeypatch.setattr("greenroom.store.journal.walk.PAGES", 3)
    monkeypatch.setattr("greenroom.store.journal.postgres.pages.BYTES_MAX", bytes_max)
    async with Bridge() as bridge, Pool(bridge, database_url, incarnation=1, size=1) as pool:
        journal = PostgresJournal(pool, incarnation=1)
        names = [f"room:{number}" for number in range(ENTITIES)]
        for claimed in await journal.claim(dict.fromkeys(names, 1), window=0):
            assert isinstance(claimed, Claimed)
            head = claimed.head
            events = [StoredEvent(offset, 0, b"x" * 500) for offset in range(1, EVENTS + 1)]
            consequences = Consequences(outbox=Outbox([OutboxRow(EVENTS, b"out")]))
            consequences.timers = Timers({name: TimerRow(name, 1, name.encode()) for name in ("a", "b", "c")})
            await journal.append([Append(head.id, head.fence, 0, events, consequences)])
            await journal.save_snapshot(head.id, fence=head.fence, offset=7, body=b"state")
        async with pool.connection() as connection:
            walk = StoredWalk(connection)
            events_met: list[tuple[str, int]] = []
            walked = await walk.events(
                lambda entity, offset, payload: events_met.append((entity, offset)), pages_max=100_000
            )
            assert sorted(events_met) == [(name, offset) for name in names for offset in range(1, EVENTS + 1)]
            assert (walked.events, walked.share) == (ENTITIES * EVENTS, 1.0)

            some: list[tuple[str, int]] = []
            walked = await walk.events(lambda entity, offset, payload: some.append((entity, offset)), pages_max=30)
            assert 0 < walked.events == len(some) < len(events_met) and 0 < walked.share < 1
            assert {entity for entity, _ in some} == set(names)  # evenly

            snapshots: list[tuple[str, int, bytes, int]] = []
            await walk.snapshots(lambda *row: snapshots.append(row))
            assert snapshots == [(name, 7, b"state", 0) for name in names]
            timers: list[tuple[str, bytes]] = []
            await walk.timers(lambda *row: timers.append(row))
            assert timers == [(name, body) for name in names for body in (b"a", b"b", b"c")]
            outbox: list[tuple[str, int, bytes]] = []
            await walk.outbox(lambda *row: outbox.append(row))
            assert outbox == [(name, EVENTS, b"out") for name in names]


async def test_an_empty_database(database_url: str) -> None:
    async with Bridge() as bridge, Pool(bridge, database_url, incarnation=1, size=1) as pool:
        async with pool.connection() as connection:
            walked = await StoredWalk(connection).events(lambda *row: None, pages_max=10)
            assert (walked.events, walked.share) == (0, 1.0)
