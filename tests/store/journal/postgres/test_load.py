"""Loading what takes too long at once: by halves, then in pages; one that can't be read fails alone."""

# ruff: noqa: F811 - fixtures are imported, and then arguments

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from greenroom.store.errors import JournalDamaged, TookTooLong
from greenroom.store.journal.consequences.outbox import Outbox, OutboxRow
from greenroom.store.journal.consequences.timers import TimerRow, Timers
from greenroom.store.journal.postgres import load
from greenroom.store.journal.postgres.load import LOAD, SNAPSHOT, shares
from greenroom.store.journal.records import Claimed, Head, Outcome
from greenroom.store.postgres.connection import Connection
from tests.store.journal.clusters import PostgresCluster, append_to, claim, event, postgres  # noqa: F401 - fixture
from tests.store.journal.test_journal_consequences import with_consequences

EVENTS = 40
NAMES = [f"room:{number}" for number in range(6)]


class Slow:
    """A server that ends what asks for too much: `too_much` says so of a statement and its arguments."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.too_much: Callable[[str, tuple[Any, ...]], bool] = lambda sql, args: False
        self.asked: list[tuple[str, tuple[Any, ...]]] = []
        fetch = Connection.fetch

        async def fetch_or_time_out(
            connection: Connection, sql: str, *args: object, write: bool = False
        ) -> Sequence[Any]:
            self.asked.append((sql, args))
            if self.too_much(sql, args):
                raise TookTooLong("the test says so")
            return await fetch(connection, sql, *args, write=write)

        monkeypatch.setattr(Connection, "fetch", fetch_or_time_out)

    def loads(self) -> list[int]:
        """Heads of each statement that loads several."""
        return [len(args[0]) for sql, args in self.asked if sql is LOAD]


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Slow:
    return Slow(monkeypatch)


async def fill(cluster: PostgresCluster) -> list[Claimed]:
    """Entities with a snapshot in the middle of their events, messages and timers; as one statement loads them."""
    node = cluster.node(1)
    for name in NAMES:
        claimed = await claim(node, name)
        own = with_consequences(
            claimed,
            *(event(offset) for offset in range(1, EVENTS + 1)),
            outbox=Outbox([OutboxRow(offset, b"out %d" % offset) for offset in range(1, 8)]),
            timers=Timers({f"t{n}": TimerRow(f"t{n}", 100 - n, b"body") for n in range(7)}),
        )
        assert await node.append([own]) == [Outcome.LANDED]
        assert await node.save_snapshot(claimed.head.id, fence=claimed.head.fence, offset=EVENTS // 2, body=b"{}")
    return await found(cluster)


async def found(cluster: PostgresCluster) -> list[Claimed]:
    results = await cluster.node(1).claim(dict.fromkeys(NAMES, 1), window=5)
    assert all(isinstance(one, Claimed) for one in results), results
    return [one for one in results if isinstance(one, Claimed)]


def contents(claims: list[Claimed]) -> list[tuple[Any, ...]]:
    return [(one.head.entity, one.snapshot, one.snapshot_offset, one.events, one.outbox, one.timers) for one in claims]


async def test_in_the_normal_case_it_is_one_statement(postgres: PostgresCluster, slow: Slow) -> None:
    at_once = await fill(postgres)
    assert slow.loads()[-1] == len(NAMES) and [len(one.events) for one in at_once] == [EVENTS // 2 + 5] * len(NAMES)
    slow.asked.clear()
    await found(postgres)
    assert len(slow.asked) == 2  # the raise, and the load


async def test_a_batch_that_takes_too_long_is_loaded_by_halves(postgres: PostgresCluster, slow: Slow) -> None:
    at_once = await fill(postgres)
    slow.too_much = lambda sql, args: sql is LOAD and len(args[0]) > 2
    slow.asked.clear()
    assert contents(await found(postgres)) == contents(at_once)
    assert slow.loads() == [6, 3, 1, 1, 1, 1, 1, 1]


@pytest.mark.parametrize("rows", [1, 3, 1_000])
async def test_a_head_that_takes_too_long_alone_is_read_in_pages(
    rows: int, postgres: PostgresCluster, slow: Slow
) -> None:
    at_once = await fill(postgres)
    slow.too_much = lambda sql, args: sql is LOAD or (sql is not SNAPSHOT and "size_before" in sql and args[0] > rows)
    assert contents(await found(postgres)) == contents(at_once)


async def test_a_head_with_too_many_events_is_read_in_pages_at_once(
    postgres: PostgresCluster, slow: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once = await fill(postgres)
    monkeypatch.setattr(load, "EVENTS_MAX", EVENTS // 2)
    slow.asked.clear()
    assert contents(await found(postgres)) == contents(at_once)
    assert slow.loads() == []


async def test_pages_are_bounded_in_bytes_and_hold_one_row_at_least(
    postgres: PostgresCluster, slow: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once = await fill(postgres)
    slow.too_much = lambda sql, args: sql is LOAD
    monkeypatch.setattr("greenroom.store.journal.postgres.pages.BYTES_MAX", 1)
    slow.asked.clear()
    assert contents(await found(postgres)) == contents(at_once)
    pages = [args for sql, args in slow.asked if sql is not LOAD and "size_before" in sql]
    assert len(pages) == len(NAMES) * ((EVENTS // 2 + 5 + 2) + (7 + 1) + (7 + 1))  # and one to see each end


async def test_one_that_is_never_read_in_time_keeps_no_other_from_waking(postgres: PostgresCluster, slow: Slow) -> None:
    at_once = await fill(postgres)
    heavy = at_once[2].head.id
    slow.too_much = lambda sql, args: heavy in (args[0] if sql is LOAD else args[-2:] if "size_before" in sql else ())
    results = await postgres.node(1).claim(dict.fromkeys(NAMES, 1), window=5)
    assert isinstance(results[2], TookTooLong)
    assert [type(one) for one in results].count(Claimed) == len(NAMES) - 1


async def test_one_whose_rows_the_server_can_not_read_is_damaged_alone(
    postgres: PostgresCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row damaged on disk fails every statement that reads it."""
    at_once = await fill(postgres)
    spoiled = LOAD.replace("SELECT w.id, 1,", f"SELECT w.id, 1 / (w.id <> {at_once[4].head.id})::int,")
    monkeypatch.setattr(load, "LOAD", spoiled)
    monkeypatch.setattr(load, "SNAPSHOT", SNAPSHOT + f" AND 1 / (id <> {at_once[4].head.id})::int = 1")
    results = await postgres.node(1).claim(dict.fromkeys(NAMES, 1), window=5)
    assert isinstance(results[4], JournalDamaged) and "refuses to read it" in str(results[4])
    assert [type(one) for one in results].count(Claimed) == len(NAMES) - 1


async def test_retention_between_two_pages_makes_no_damage(
    postgres: PostgresCluster, slow: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Events before the snapshot go from the front, and are read from the back."""
    at_once = await fill(postgres)
    node = postgres.node(1)
    head = at_once[0].head
    downs = 0
    fetch = Connection.fetch

    async def trimming(connection: Connection, sql: str, *args: object, write: bool = False) -> Sequence[Any]:
        nonlocal downs
        if sql is load.EVENTS_DOWN:
            downs += 1
            if downs == 2:
                await node.trim(head.id, keep_count=EVENTS // 2 + 2, keep_after_ms=0, ids_after_ms=0)
        return await fetch(connection, sql, *args, write=write)

    slow.too_much = lambda sql, args: sql is LOAD or ("size_before" in sql and args[0] > 1)
    monkeypatch.setattr(Connection, "fetch", trimming)
    [claimed] = await node.claim({NAMES[0]: 1}, window=5)
    assert isinstance(claimed, Claimed) and downs > 2
    assert [one.offset for one in claimed.events] == list(range(EVENTS // 2 - 1, EVENTS + 1))


def test_those_with_few_events_go_together_and_one_with_many_alone() -> None:
    def item(number: int, events: int, snapshot: int = 0) -> Claimed:
        return Claimed(Head(number, f"a:{number}", 1, "e", events), b"", snapshot, [])

    huge = load.EVENTS_MAX + 1
    items = [item(1, huge), item(2, 10), item(3, huge, huge - 5), item(4, load.EVENTS_MAX - 30), item(5, 40)]
    ids = [[one.head.id for one in share] for share in shares(items, window=10)]
    assert ids == [[2, 3, 5], [4], [1]]
    assert list(shares([], 10)) == []
