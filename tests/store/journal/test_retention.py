"""The retention sweep: which heads are due, what is left of their history, and the pace."""

import math
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from greenroom.store.errors import StoreUnavailable, TookTooLong
from greenroom.store.journal.journal_memory import MemoryJournal
from greenroom.store.journal.journal_postgres import PostgresJournal
from greenroom.store.journal.postgres.keeping import TRIM
from greenroom.store.journal.records import Append, Claimed, StoredEvent
from greenroom.store.journal.retention import Keep, Retention, Trimmable, due
from greenroom.store.postgres.bridge import Bridge
from greenroom.store.postgres.connection import Connection
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


async def test_what_is_kept_for_ever_is_kept(journal: MemoryJournal | PostgresJournal) -> None:
    for seconds in (math.inf, 1e300):
        await fill(journal, f"room:{seconds}", 30)
        keep = {"room": Keep(events=10, seconds=seconds, command_ids_s=seconds)}
        await Retention(journal, keep, now=lambda: NOW_S, trims_per_s=10_000).sweep()
        assert await left(journal, f"room:{seconds}") == 10, "by number all the same"


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


class Refusing(MemoryJournal):
    """Some heads can't be trimmed."""

    def __init__(self, *refused: str, error: StoreUnavailable | None = None) -> None:
        super().__init__()
        self.refused = set(refused)
        self.error = error or TookTooLong("the test says so")
        self.tried: list[str] = []

    async def trim(self, head_id: int, *, keep_count: int, keep_after_ms: int, ids_after_ms: int) -> int:
        entity = self.rows.by_id[head_id].head.entity
        self.tried.append(entity)
        if entity in self.refused:
            raise self.error
        return await super().trim(
            head_id, keep_count=keep_count, keep_after_ms=keep_after_ms, ids_after_ms=ids_after_ms
        )


async def test_behind_an_entity_that_always_fails_the_others_are_trimmed(autojump_clock: MockClock) -> None:
    journal = Refusing("room:1", "room:3")
    for n in range(5):
        await fill(journal, f"room:{n}", 30)
    retention = Retention(journal, {"room": Keep(events=10)}, now=lambda: NOW_S)
    with capture_logs() as logs:
        assert await retention.sweep() == 3
        await retention.sweep()
    assert [await left(journal, f"room:{n}") for n in range(5)] == [10, 30, 10, 30, 10]
    told = [line["entity"] for line in logs if line["event"] == "entity_not_trimmed"]
    assert told == ["room:1", "room:3"], "once each, not at every lap"
    journal.refused.clear()
    await retention.sweep()
    assert [await left(journal, f"room:{n}") for n in range(5)] == [10] * 5


async def test_a_sweep_that_a_store_that_is_away_has_ended_goes_on_where_it_was(autojump_clock: MockClock) -> None:
    """Not at the first head: behind entities that fail it would never come."""
    names = [f"room:{n}" for n in range(9)]
    journal = Refusing(*names[1:4], error=StoreUnavailable("away"))
    for name in names:
        await fill(journal, name, 30)
    retention = Retention(journal, {"room": Keep(events=10)}, now=lambda: NOW_S, page=4)
    with pytest.raises(StoreUnavailable):
        await retention.sweep()
    assert journal.tried == names[:4], "three in a row are no accident"
    assert await retention.sweep() == 5
    assert journal.tried == names
    journal.refused.clear()
    await retention.sweep()
    assert [await left(journal, name) for name in names] == [10] * 9, "the next lap has those that were passed over"


async def test_a_page_is_of_heads_looked_at_not_of_heads_found(journal: MemoryJournal | PostgresJournal) -> None:
    """Else a statement would walk over all heads where there is little to trim."""
    for n in range(10):
        await fill(journal, f"room:{n}", 3, snapshot=n in (0, 9))
    pages: list[list[str]] = []
    after_id = 0
    while heads := await journal.trimmable(after_id=after_id, limit=4):
        pages.append([head.entity for head in heads])
        after_id = heads[-1].head_id
    assert pages == [["room:0", "room:3"], ["room:7"], ["room:9"]]


async def test_command_ids_expire_some_at_a_time(postgres: PostgresJournal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("greenroom.store.journal.postgres.keeping.IDS_MAX", 4)
    head_id = await fill(postgres, "feed:a", 11, age_s=50)
    keep = {"feed": Keep(seconds=40, command_ids_s=100)}
    now_s = NOW_S
    retention = Retention(postgres, keep, now=lambda: now_s, trims_per_s=10_000)
    await retention.sweep()
    assert len(await postgres.replies(head_id, [f"id-{n}" for n in range(1, 12)])) == 11
    now_s += 60
    await retention.sweep()
    assert await postgres.replies(head_id, [f"id-{n}" for n in range(1, 12)]) == {}


async def test_events_that_take_too_long_to_delete_are_deleted_fewer_at_once(
    postgres: PostgresJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(postgres, "room:a", 30)
    asked: list[int] = []
    fetch = Connection.fetch

    async def slow(connection: Connection, sql: str, *args: Any, write: bool = False) -> Sequence[Any]:
        if sql is TRIM:
            asked.append(args[4])
            if args[4] > 10:
                raise TookTooLong("the test says so")
        return await fetch(connection, sql, *args, write=write)

    monkeypatch.setattr(Connection, "fetch", slow)
    await Retention(postgres, {"room": Keep(events=10)}, now=lambda: NOW_S, trims_per_s=10_000).sweep()
    assert asked == [5_000, 625, 78, 9, 9, 9, 9]
    assert await left(postgres, "room:a") == 10
