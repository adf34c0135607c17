"""The retention sweep: which heads are due, what is left of their history, and the pace."""

from collections.abc import AsyncIterator

import pytest
import trio
from trio.testing import MockClock

from greenroom.store.errors import StoreUnavailable
from greenroom.store.journal.journal_memory import MemoryJournal
from greenroom.store.journal.journal_postgres import PostgresJournal
from greenroom.store.journal.records import Append, Claimed, StoredEvent
from greenroom.store.journal.retention import Keep, Retention, Trimmable, due
from greenroom.store.postgres.bridge import Bridge
from greenroom.store.postgres.pool import Pool

NOW_S = 1_000_000.0


@pytest.fixture
async def postgres(database_url: str) -> AsyncIterator[PostgresJournal]:
    async with Bridge() as bridge, Pool(bridge, database_url, incarnation=1) as pool:
        yield PostgresJournal(pool, incarnation=1)


@pytest.fixture
async def memory() -> MemoryJournal:
    return MemoryJournal()


@pytest.fixture(params=["memory", "postgres"])
def journal(request: pytest.FixtureRequest) -> MemoryJournal | PostgresJournal:
    journal: MemoryJournal | PostgresJournal = request.getfixturevalue(request.param)
    return journal


async def fill(
    journal: MemoryJournal | PostgresJournal, entity: str, events: int, *, age_s: float = 0, snapshot: bool = True
) -> int:
    """An entity with so many events, all `age_s` old, with a command id each; its head's id."""
    (claimed,) = await journal.claim([entity], term=1, window=0)
    assert isinstance(claimed, Claimed)
    head = claimed.head
    at_ms = int((NOW_S - age_s) * 1_000)
    stored = [StoredEvent(n, at_ms, b"{}", None, f"id-{n}", b"null") for n in range(1, events + 1)]
    await journal.append([Append(head.id, head.fence, 0, stored)])
    if snapshot:
        assert await journal.save_snapshot(head.id, fence=head.fence, offset=events, body=b"{}")
    return head.id


async def left(journal: MemoryJournal | PostgresJournal, entity: str) -> int:
    return len((await journal.read(entity, limit=1_000))[1])


async def test_a_sweep_trims_each_kind_by_its_own_limits(journal: MemoryJournal | PostgresJournal) -> None:
    await fill(journal, "room:long", 30)
    await fill(journal, "room:short", 5)
    await fill(journal, "room:fresh", 30, snapshot=False)
    await fill(journal, "feed:old", 10, age_s=7_200)
    await fill(journal, "feed:young", 10, age_s=60)
    await fill(journal, "kept:all", 30, age_s=7_200)
    keep = {"room": Keep(events=10), "feed": Keep(seconds=3_600)}
    retention = Retention(journal, keep, now=lambda: NOW_S, trims_per_s=10_000, page=2)
    await retention.sweep()
    assert await left(journal, "room:long") == 10
    assert await left(journal, "room:short") == 5
    assert await left(journal, "room:fresh") == 30
    assert await left(journal, "feed:old") == 0
    assert await left(journal, "feed:young") == 10
    assert await left(journal, "kept:all") == 30


async def test_command_ids_expire_also_when_no_event_is_left(journal: MemoryJournal | PostgresJournal) -> None:
    head_id = await fill(journal, "feed:a", 3, age_s=50)
    now_s = NOW_S
    keep = {"feed": Keep(seconds=40, command_ids_s=100)}
    retention = Retention(journal, keep, now=lambda: now_s, trims_per_s=10_000)
    assert await retention.sweep() == 1
    assert await left(journal, "feed:a") == 0
    assert set(await journal.replies(head_id, ["id-1", "id-3"])) == {"id-1", "id-3"}
    now_s += 60
    assert await retention.sweep() == 1
    assert await journal.replies(head_id, ["id-1", "id-3"]) == {}
    assert await retention.sweep() == 0


@pytest.mark.parametrize(
    ("keep", "head", "expected"),
    [
        (Keep(), Trimmable(1, "a:b", 100, 0, 100, False), False),
        (Keep(events=10), Trimmable(1, "a:b", 11, 0, 11, False), False),  # within the slack
        (Keep(events=10), Trimmable(1, "a:b", 12, 0, 12, False), True),
        (Keep(events=10), Trimmable(1, "a:b", 100, 50, 50, False), False),  # the snapshot is behind
        (Keep(seconds=1), Trimmable(1, "a:b", 5, 0, 5, False), True),
        (Keep(), Trimmable(1, "a:b", 5, 5, 5, True), True),
    ],
)
def test_what_is_due(keep: Keep, head: Trimmable, expected: bool) -> None:
    assert due(keep, head) is expected


async def test_it_sweeps_again_and_again_and_outlives_a_store_that_is_away(autojump_clock: MockClock) -> None:
    sweeps_at: list[float] = []

    class Away(MemoryJournal):
        async def trimmable(self, *, after_id: int, limit: int) -> list[Trimmable]:
            sweeps_at.append(trio.current_time())
            if len(sweeps_at) == 1:
                raise StoreUnavailable("gone")
            return await super().trimmable(after_id=after_id, limit=limit)

    journal = Away()
    for n in range(20):
        await fill(journal, f"room:{n}", 30)
    retention = Retention(journal, {"room": Keep(events=10)}, now=lambda: NOW_S, sweep_s=100, trims_per_s=2)
    began = trio.current_time()
    with trio.move_on_after(350):
        await retention.run()
    # The second trims 20 heads at 2 a second before it asks for another page, so the third begins at 310.
    assert [at - began for at in sweeps_at] == pytest.approx([100, 200, 210, 310, 320])
    assert await left(journal, "room:7") == 10
