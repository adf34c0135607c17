"""The journal's promises, held by both implementations. First the traps that a single primary has, each found by
experiment (the single-writer notes number them); then appends, command ids, reading, snapshots and retention.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol

import asyncpg
import pytest
import trio
from msgspec.structs import replace

from greenroom.store.errors import NotOwner, OutcomeLost, StoreUnavailable
from greenroom.store.journal.journal import READ_BYTES_MAX, Journal
from greenroom.store.journal.journal_memory import MemoryJournal, MemoryRows
from greenroom.store.journal.journal_postgres import PostgresJournal
from greenroom.store.journal.postgres.statement import columns, text
from greenroom.store.journal.records import Append, Claimed, Outcome, Remembered, StoredEvent
from greenroom.store.own.servers import OwnServers
from greenroom.store.postgres.bridge import Bridge
from greenroom.store.postgres.pool import Pool
from greenroom.store.postgres.wire import SESSION

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
    (claimed,) = await journal.claim([entity], term=term, window=window)
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


class OpenAppend:
    """An append whose transaction stays open, like one of a process that was stopped in the middle of it."""

    def __init__(self, cluster: PostgresCluster) -> None:
        self._bridge = cluster.bridge
        self._url = cluster.url

    async def begin(self, item: Append, incarnation: int) -> None:
        self._connection = await self._bridge.run(self._connect)
        await self._bridge.run(self._connection.execute, "BEGIN")
        rows = await self._bridge.run(self._connection.fetch, text((), ids=True), *columns([item], incarnation))
        assert len(rows) == 1

    async def _connect(self) -> asyncpg.Connection:
        return await asyncpg.connect(self._url, server_settings=SESSION)

    async def commit(self) -> None:
        await self._bridge.run(self._connection.execute, "COMMIT")
        await self._bridge.run(self._connection.close)


async def finish_while_waiting(
    waiting: Callable[[], Awaitable[Claimed]], finish: Callable[[], Awaitable[None]]
) -> Claimed:
    """Start `waiting`, see that it waits, then `finish` what it waits for; its result."""
    results: list[Claimed] = []

    async def wait() -> None:
        results.append(await waiting())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        await trio.sleep(0.1)  # real: it is a server that must not answer
        assert results == []
        await finish()
    return results[0]


# The traps


async def test_trap_1_an_append_in_flight_at_a_takeover_is_seen_by_the_new_owner(postgres: PostgresCluster) -> None:
    old, new = postgres.node(1), postgres.node(2)
    zombie = OpenAppend(postgres)
    await zombie.begin(append_to(await claim(old), event(1)), incarnation=1)

    claimed = await finish_while_waiting(lambda: claim(new, term=2), zombie.commit)

    assert claimed.head.offset == 1
    assert [each.offset for each in claimed.events] == [1]
    assert await new.append([append_to(claimed, event(2))]) == [Outcome.LANDED]


async def test_trap_1_a_zombies_append_after_a_takeover_writes_nothing(cluster: Cluster) -> None:
    old, new = cluster.node(1), cluster.node(2)
    stale = await claim(old)
    fresh = await claim(new, term=2)
    assert await old.append([append_to(stale, event(1))]) == [Outcome.FENCED]
    assert await offsets(new) == []
    assert await new.append([append_to(fresh, event(1))]) == [Outcome.LANDED]


async def test_trap_2_the_right_offset_does_not_make_up_for_an_old_fence(cluster: Cluster) -> None:
    old, new = cluster.node(1), cluster.node(2)
    stale = await claim(old)
    fresh = await claim(new, term=2)
    assert await new.append([append_to(fresh, event(1))]) == [Outcome.LANDED]
    assert await old.append([append_to(stale, event(2), after=1)]) == [Outcome.FENCED]
    assert await new.append([append_to(fresh, event(2), after=1)]) == [Outcome.LANDED]


async def test_trap_2_the_right_fence_does_not_make_up_for_an_old_offset(cluster: Cluster) -> None:
    node = cluster.node(1)
    claimed = await claim(node)
    assert await node.append([append_to(claimed, event(1))]) == [Outcome.LANDED]
    assert await node.append([append_to(claimed, event(1))]) == [Outcome.FENCED]
    assert await offsets(node) == [1]


async def test_trap_3_an_earlier_activation_on_the_same_node_is_fenced(cluster: Cluster) -> None:
    node = cluster.node(1)
    crashed = await claim(node)
    again = await claim(node)
    assert again.head.fence == crashed.head.fence + 1
    assert await node.append([append_to(crashed, event(1))]) == [Outcome.FENCED]
    assert await node.append([append_to(again, event(1))]) == [Outcome.LANDED]


async def test_trap_3_on_the_same_node_too_a_claim_waits_for_the_append_in_flight(postgres: PostgresCluster) -> None:
    node = postgres.node(1)
    lost = OpenAppend(postgres)
    await lost.begin(append_to(await claim(node), event(1, command_id="c", reply=b'"first"')), incarnation=1)

    claimed = await finish_while_waiting(lambda: claim(node), lost.commit)

    assert [(each.command_id, each.reply) for each in claimed.events] == [("c", b'"first"')]


async def test_trap_4_what_a_claim_loads_ends_at_the_offset_that_it_returns(postgres: PostgresCluster) -> None:
    old, new = postgres.node(1), postgres.node(2)
    first = await claim(old)
    assert await old.append([append_to(first, *map(event, range(1, 6)))]) == [Outcome.LANDED]
    zombie = OpenAppend(postgres)
    await zombie.begin(append_to(first, event(6), event(7), after=5), incarnation=1)

    claimed = await finish_while_waiting(lambda: claim(new, term=2), zombie.commit)

    assert claimed.head.offset == 7
    assert [each.offset for each in claimed.events] == [1, 2, 3, 4, 5, 6, 7]


async def test_trap_5_a_process_stopped_inside_a_transaction_holds_up_a_takeover_for_a_second_at_most(
    postgres: PostgresCluster,
) -> None:
    old, new = postgres.node(1), postgres.node(2)
    zombie = OpenAppend(postgres)
    await zombie.begin(append_to(await claim(old), event(1)), incarnation=1)  # and never commits
    with trio.fail_after(3):
        claimed = await claim(new, term=2)
    assert claimed.head.offset == 0
    assert await new.append([append_to(claimed, event(1))]) == [Outcome.LANDED]


async def test_trap_6_a_stricter_default_isolation_does_not_turn_waiting_into_failing(
    postgres: PostgresCluster, own_servers: OwnServers
) -> None:
    async def make_strict() -> None:
        connection = await asyncpg.connect(postgres.url)
        name = await connection.fetchval("SELECT current_database()")
        await connection.execute(f"ALTER DATABASE {name} SET default_transaction_isolation = 'repeatable read'")
        await connection.close()

    await postgres.bridge.run(make_strict)
    old, new = postgres.node(1), postgres.node(2)
    zombie = OpenAppend(postgres)
    await zombie.begin(append_to(await claim(old), event(1)), incarnation=1)
    claimed = await finish_while_waiting(lambda: claim(new, term=2), zombie.commit)
    assert claimed.head.offset == 1


async def test_trap_7_a_reader_by_offset_never_skips_what_commits_later(postgres: PostgresCluster) -> None:
    node = postgres.node(1)
    claimed = await claim(node)
    assert await node.append([append_to(claimed, event(1))]) == [Outcome.LANDED]
    slow = OpenAppend(postgres)
    await slow.begin(append_to(claimed, event(2), after=1), incarnation=1)
    head, seen = await node.read("room:a", limit=ALL)
    assert head is not None
    assert head.offset == 1
    await slow.commit()
    _, rest = await node.read("room:a", after=seen[-1].offset, limit=ALL)
    assert [each.offset for each in seen + rest] == [1, 2]


# Claims


async def test_a_claim_makes_the_head_and_raises_the_fence_by_term_and_activation(cluster: Cluster) -> None:
    node = cluster.node(1)
    first = await claim(node, term=3)
    assert (first.head.fence, first.head.offset, first.head.trimmed) == (3 << 32 | 1, 0, 0)
    assert (first.snapshot, first.snapshot_offset, first.events) == (None, 0, [])
    again = await claim(node, term=3)
    assert again.head.fence == 3 << 32 | 2
    assert (again.head.id, again.head.epoch) == (first.head.id, first.head.epoch)
    later = await claim(node, term=5)
    assert later.head.fence == 5 << 32 | 1


async def test_a_claim_rises_above_what_its_incarnation_has_had_even_where_the_database_lost_that(
    cluster: Cluster,
) -> None:
    """Else what was sent under a claim that a failover lost would land, late, under the next."""
    node = cluster.node(1)
    for entity in ("room:a", "room:b"):  # a head that is there, one that is new
        if entity == "room:a":
            await claim(node, entity)
        (claimed,) = await node.claim([entity], term=1, window=0, above={entity: (1 << 32) + 20})
        assert isinstance(claimed, Claimed)
        assert claimed.head.fence == (1 << 32) + 21
        (again,) = await node.claim([entity], term=1, window=0, above={entity: 3})
        assert isinstance(again, Claimed)
        assert again.head.fence == (1 << 32) + 22


async def test_many_are_claimed_at_once_and_a_newer_term_refuses_one_alone(cluster: Cluster) -> None:
    old, new = cluster.node(1), cluster.node(2)
    await claim(new, "room:b", term=9)
    results = await old.claim(["room:c", "room:b", "room:a", "room:c"], term=1, window=0)
    assert [type(result) for result in results] == [Claimed, NotOwner, Claimed, Claimed]
    names = [result.head.entity for result in results if isinstance(result, Claimed)]
    assert names == ["room:c", "room:a", "room:c"]
    assert (await claim(new, "room:b", term=9)).head.fence == 9 << 32 | 2


async def test_claims_of_the_same_entities_in_other_orders_at_once_do_not_get_in_each_others_way(
    cluster: Cluster,
) -> None:
    node = cluster.node(1)
    names = [f"room:{n}" for n in range(40)]

    async def claim_all(order: list[str]) -> None:
        for _ in range(5):
            await node.claim(order, term=1, window=0)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(claim_all, names)
        nursery.start_soon(claim_all, names[::-1])
    assert (await claim(node, names[0])).head.fence == 1 << 32 | 11


# Appends


async def test_events_come_back_as_they_were_stored(cluster: Cluster) -> None:
    node = cluster.node(1)
    claimed = await claim(node)
    full = StoredEvent(1, 1_700_000_000_123, b'{"type":"t"}', b'{"user":"x"}', "id \x00 \U0001f600", b'{"ok":true}')
    bare = StoredEvent(2, 0, b"{}")
    assert await node.append([append_to(claimed, full, bare)]) == [Outcome.LANDED]
    head, events = await node.read("room:a", limit=10)
    fence = claimed.head.fence
    assert events == [replace(full, fence=fence), replace(bare, fence=fence)]
    assert head is not None
    assert (head.offset, head.epoch) == (2, claimed.head.epoch)


async def test_in_a_batch_each_item_stands_alone(cluster: Cluster) -> None:
    node, other = cluster.node(1), cluster.node(2)
    claims = [await claim(node, f"room:{n}") for n in range(5)]
    await claim(other, "room:1", term=2)
    await node.append([append_to(claims[3], event(1, command_id="seen"))])
    outcomes = await node.append(
        [
            append_to(claims[4], event(1), event(2, command_id="x")),
            append_to(claims[1], event(1)),
            append_to(claims[3], event(2), event(3, command_id="seen"), after=1),
            append_to(claims[2], event(7), after=6),
            append_to(claims[0], event(1, command_id="seen")),
        ]
    )
    assert outcomes == [Outcome.LANDED, Outcome.FENCED, Outcome.REPEATED, Outcome.FENCED, Outcome.LANDED]
    assert [await offsets(node, f"room:{n}") for n in range(5)] == [[1], [], [], [1], [1, 2]]


async def test_an_unknown_head_is_fenced(cluster: Cluster) -> None:
    node = cluster.node(1)
    assert await node.append([Append(12_345, 1, 0, [event(1)])]) == [Outcome.FENCED]


async def test_another_incarnation_with_the_same_fence_is_fenced(cluster: Cluster) -> None:
    claimed = await claim(cluster.node(1))
    assert await cluster.node(2).append([append_to(claimed, event(1))]) == [Outcome.FENCED]


async def test_appends_on_several_lanes_at_once_all_land(cluster: Cluster) -> None:
    node = cluster.node(1)
    claims = [await claim(node, f"room:{n}") for n in range(4)]

    async def lane(number: int) -> None:
        for offset in range(1, 21):
            batch = [append_to(claimed, event(offset), after=offset - 1) for claimed in claims[number::2]]
            assert await node.append(batch, lane=number) == [Outcome.LANDED] * 2

    async with trio.open_nursery() as nursery:
        nursery.start_soon(lane, 0)
        nursery.start_soon(lane, 1)
    for n in range(4):
        assert await offsets(node, f"room:{n}") == [*range(1, 21)]


# Command ids


async def test_a_repeated_command_id_writes_nothing_and_the_first_reply_is_kept(cluster: Cluster) -> None:
    node = cluster.node(1)
    claimed = await claim(node)
    assert await node.append([append_to(claimed, event(1, command_id="a", reply=b'"one"'))]) == [Outcome.LANDED]
    again = await claim(cluster.node(2), term=2)
    repeat = append_to(again, event(2), event(3, command_id="a", reply=b'"two"'))
    node_2 = cluster.node(2)
    assert await node_2.append([repeat]) == [Outcome.REPEATED]
    assert await offsets(node_2) == [1]
    assert await node_2.replies(claimed.head.id, ["a", "b"]) == {"a": Remembered(b'"one"')}
    assert await node_2.append([append_to(again, event(2, command_id="b"))]) == [Outcome.LANDED]
    assert await node_2.replies(claimed.head.id, ["b"]) == {"b": Remembered(b"null")}


async def test_the_same_id_twice_in_one_append_is_a_repeat(cluster: Cluster) -> None:
    node = cluster.node(1)
    claimed = await claim(node)
    other = await claim(node, "room:b")
    twice = append_to(claimed, event(1, command_id="a"), event(2, command_id="a"))
    assert await node.append([twice, append_to(other, event(1, command_id="a"))]) == [Outcome.REPEATED, Outcome.LANDED]


async def test_fenced_comes_before_repeated(cluster: Cluster) -> None:
    """What is out of date must stop and look again; then it finds the command id."""
    node = cluster.node(1)
    claimed = await claim(node)
    await node.append([append_to(claimed, event(1, command_id="a"))])
    assert await node.append([append_to(claimed, event(1, command_id="a"))]) == [Outcome.FENCED]
    other = await claim(node, "room:b")
    twice = append_to(other, event(1, command_id="b"), event(2, command_id="b"))
    stale = append_to(claimed, event(1, command_id="a"))
    assert await node.append([twice, stale]) == [Outcome.REPEATED, Outcome.FENCED]


async def test_an_id_outlives_its_trimmed_event_until_it_is_old(cluster: Cluster) -> None:
    node = cluster.node(1)
    claimed = await claim(node)
    head, fence = claimed.head.id, claimed.head.fence
    events = [event(n, at_ms=n * 1_000, command_id=f"id-{n}", reply=b'"%d"' % n) for n in range(1, 5)]
    await node.append([append_to(claimed, *events)])
    assert await node.save_snapshot(head, fence=fence, offset=4, body=b"{}")
    assert await trim(node, head, keep_count=1, keep_after_ms=0, ids_after_ms=2_000) == 3
    assert await node.replies(head, [f"id-{n}" for n in range(1, 5)]) == {
        "id-2": Remembered(b'"2"'),
        "id-3": Remembered(b'"3"'),
        "id-4": Remembered(b'"4"'),
    }
    other = await claim(node, "room:b")
    outcomes = await node.append(
        [
            append_to(claimed, event(5, command_id="id-2"), after=4),
            append_to(other, event(1, command_id="id-2")),
        ]
    )
    assert outcomes == [Outcome.REPEATED, Outcome.LANDED]
    assert await node.append([append_to(claimed, event(5, command_id="id-1"), after=4)]) == [Outcome.LANDED]
    assert not await node.expire_ids(head, before_ms=3_000)
    assert set(await node.replies(head, ["id-2", "id-3"])) == {"id-3"}
    assert not await node.expire_ids(head, before_ms=9_000)
    assert await node.replies(head, ["id-2", "id-3"]) == {}


async def test_a_repeat_that_races_with_retention_is_still_a_repeat(postgres: PostgresCluster) -> None:
    """The append takes its snapshot, then the trim moves the id from the index to kept_ids, then the append goes on."""
    node = postgres.node(1)
    claimed = await claim(node)
    head = claimed.head.id
    first = [event(1, command_id="a", reply=b'"first"'), event(2)]
    assert await node.append([append_to(claimed, *first)]) == [Outcome.LANDED]
    assert await node.save_snapshot(head, fence=claimed.head.fence, offset=2, body=b"{}")
    other = await claim(node, "room:b")
    outcomes: list[Outcome] = []

    async def hold() -> asyncpg.Connection:
        connection = await asyncpg.connect(postgres.url)
        await connection.execute("BEGIN")
        await connection.execute('UPDATE heads SET "offset" = "offset" WHERE id = $1', head)
        return connection

    async def append() -> None:
        batch = [append_to(claimed, event(3, command_id="a"), after=2), append_to(other, event(1))]
        outcomes.extend(await node.append(batch))

    async def trim_inside(connection: asyncpg.Connection) -> None:
        await connection.execute(
            "INSERT INTO kept_ids SELECT id, command_id, reply, at_ms FROM journal WHERE command_id = 'a'"
        )
        await connection.execute("DELETE FROM journal WHERE command_id = 'a'")
        await connection.execute("UPDATE heads SET trimmed = 1 WHERE id = $1", head)
        await connection.execute("COMMIT")
        await connection.close()

    holder = await postgres.bridge.run(hold)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(append)
        await trio.sleep(0.1)  # real: it now waits for the row, its snapshot taken
        assert outcomes == []
        await postgres.bridge.run(trim_inside, holder)
    assert outcomes == [Outcome.REPEATED, Outcome.LANDED]


async def test_an_append_that_races_with_retention_lands_at_the_second_try(postgres: PostgresCluster) -> None:
    node = postgres.node(1)
    claimed = await claim(node)
    await node.append([append_to(claimed, event(1))])
    outcomes: list[Outcome] = []

    async def hold() -> asyncpg.Connection:
        connection = await asyncpg.connect(postgres.url)
        await connection.execute("BEGIN")
        await connection.execute("UPDATE heads SET trimmed = 1 WHERE id = $1", claimed.head.id)
        return connection

    async def append() -> None:
        outcomes.extend(await node.append([append_to(claimed, event(2), after=1)]))

    holder = await postgres.bridge.run(hold)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(append)
        await trio.sleep(0.1)
        await postgres.bridge.run(holder.execute, "COMMIT")
    await postgres.bridge.run(holder.close)
    assert outcomes == [Outcome.LANDED]


# Reading


async def test_reading_between_two_offsets_up_and_down_within_a_limit(cluster: Cluster) -> None:
    node = cluster.node(1)
    assert await node.read("room:a", limit=5) == (None, [])
    claimed = await claim(node)
    head, events = await node.read("room:a", limit=5)
    assert head == claimed.head
    assert events == []
    await node.append([append_to(claimed, *map(event, range(1, 11)))])

    async def read(**bounds: object) -> list[int]:
        head, events = await node.read("room:a", **bounds)  # type: ignore[arg-type]
        assert head is not None
        assert head.offset == 10
        return [each.offset for each in events]

    assert await read(limit=3) == [1, 2, 3]
    assert await read(after=4, limit=3) == [5, 6, 7]
    assert await read(after=4, before=6, limit=3) == [5]
    assert await read(after=4, before=4, limit=3) == []
    assert await read(after=10, limit=3) == []
    assert await read(after=99, limit=3) == []
    assert await read(limit=3, reverse=True) == [10, 9, 8]
    assert await read(before=5, limit=3, reverse=True) == [4, 3, 2]
    assert await read(after=3, before=5, limit=3, reverse=True) == [4]
    assert await read(limit=0) == []


@pytest.mark.bound("events in one read of the journal")
async def test_a_read_gives_no_more_bytes_at_once_than_it_may_and_one_event_at_least(cluster: Cluster) -> None:
    """Whoever reads a page of the history, or builds an entity, holds it in memory."""
    node = cluster.node(1)
    claimed = await claim(node)
    large = [StoredEvent(offset, 9, b"x" * size) for offset, size in ((1, READ_BYTES_MAX), (2, 10), (3, 10))]
    await node.append([append_to(claimed, *large)])

    async def read(**bounds: object) -> list[int]:
        head, events = await node.read("room:a", limit=10, **bounds)  # type: ignore[arg-type]
        assert head is not None and head.offset == 3
        return [each.offset for each in events]

    assert await read() == [1]
    assert await read(after=1) == [2, 3]
    assert await read(reverse=True) == [3, 2, 1], "the last may pass the bound"


# Snapshots and retention


async def test_a_claim_loads_the_snapshot_the_events_after_it_and_a_window_before_it(cluster: Cluster) -> None:
    node = cluster.node(1)
    claimed = await claim(node)
    await node.append([append_to(claimed, *map(event, range(1, 11)))])
    assert await node.save_snapshot(claimed.head.id, fence=claimed.head.fence, offset=7, body=b"at 7")
    for window, expected in ((0, [8, 9, 10]), (2, [6, 7, 8, 9, 10]), (99, [*range(1, 11)])):
        again = await claim(node, window=window)
        assert (again.snapshot, again.snapshot_offset, again.head.offset) == (b"at 7", 7, 10)
        assert [each.offset for each in again.events] == expected
    assert await node.save_snapshot(claimed.head.id, fence=again.head.fence, offset=10, body=b"at 10")
    again = await claim(node, window=0)
    assert (again.snapshot, again.snapshot_offset, again.events) == (b"at 10", 10, [])


async def test_a_snapshot_of_no_events_is_none(cluster: Cluster) -> None:
    node = cluster.node(1)
    claimed = await claim(node)
    assert await node.save_snapshot(claimed.head.id, fence=claimed.head.fence, offset=0, body=b"{}")
    claimed = await claim(node)
    assert (claimed.snapshot, claimed.snapshot_offset) == (None, 0)
    await node.append([append_to(claimed, event(1))])
    claimed = await claim(node)
    assert (claimed.snapshot, claimed.snapshot_offset, len(claimed.events)) == (None, 0, 1)


async def test_a_snapshot_of_an_overtaken_activation_is_refused(cluster: Cluster) -> None:
    node = cluster.node(1)
    old = await claim(node)
    await node.append([append_to(old, event(1), event(2))])
    new = await claim(node)
    assert not await node.save_snapshot(old.head.id, fence=old.head.fence, offset=2, body=b"old")
    assert await node.save_snapshot(new.head.id, fence=new.head.fence, offset=2, body=b"new")
    assert not await node.save_snapshot(new.head.id, fence=new.head.fence, offset=1, body=b"backwards")
    assert not await node.save_snapshot(new.head.id, fence=new.head.fence, offset=3, body=b"of the future")
    assert (await claim(node)).snapshot == b"new"


async def test_retention_by_count_and_by_age_never_passes_the_snapshot(cluster: Cluster) -> None:
    node = cluster.node(1)
    claimed = await claim(node)
    head, fence = claimed.head.id, claimed.head.fence
    await node.append([append_to(claimed, *(event(n, at_ms=n * 100) for n in range(1, 11)))])

    assert await trim(node, head, keep_count=0, keep_after_ms=10_000) == 0  # no snapshot yet
    await node.save_snapshot(head, fence=fence, offset=9, body=b"{}")
    assert await trim(node, head) == 0
    assert await trim(node, head, keep_count=8) == 2
    assert await offsets(node) == [*range(3, 11)]
    assert await trim(node, head, keep_after_ms=550) == 5
    assert await trim(node, head, keep_after_ms=100) == 5  # never back
    assert await trim(node, head, keep_count=0, keep_after_ms=10_000) == 9
    again = await claim(node)
    assert (again.head.trimmed, again.head.offset) == (9, 10)
    assert [each.offset for each in again.events] == [10]
    assert await node.append([append_to(again, event(11))]) == [Outcome.LANDED]
    assert await trim(node, 99_999, keep_count=0, keep_after_ms=0, ids_after_ms=0) == 0


async def test_a_clock_that_went_back_leaves_no_gap(cluster: Cluster) -> None:
    node = cluster.node(1)
    claimed = await claim(node)
    times = (100, 900, 200, 950)
    await node.append([append_to(claimed, *(event(n, at_ms=at) for n, at in enumerate(times, 1)))])
    await node.save_snapshot(claimed.head.id, fence=claimed.head.fence, offset=4, body=b"{}")
    assert await trim(node, claimed.head.id, keep_count=ALL, keep_after_ms=500, ids_after_ms=0) == 1
    assert await offsets(node) == [2, 3, 4]


async def test_much_is_trimmed_in_bounded_steps(postgres: PostgresCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("greenroom.store.journal.postgres.keeping.TRIM_EVENTS_MAX", 7)
    node = postgres.node(1)
    claimed = await claim(node)
    await node.append([append_to(claimed, *(event(n, at_ms=n) for n in range(1, 101)))])
    await node.save_snapshot(claimed.head.id, fence=claimed.head.fence, offset=100, body=b"{}")
    assert await trim(node, claimed.head.id, keep_count=ALL, keep_after_ms=81, ids_after_ms=0) == 80
    assert await trim(node, claimed.head.id, keep_count=5, keep_after_ms=0, ids_after_ms=0) == 95
    assert await offsets(node) == [*range(96, 101)]


# Failures


async def test_every_call_is_a_checkpoint_before_anything_changes(cluster: Cluster) -> None:
    node = cluster.node(1)
    claimed = await claim(node)
    with trio.CancelScope() as scope:
        scope.cancel()
        await node.append([append_to(claimed, event(1))])
    assert scope.cancelled_caught
    assert await offsets(node) == []


async def test_over_a_crash_of_the_server_what_was_acknowledged_stays_and_what_is_unknown_is_settled_by_a_claim(
    postgres: PostgresCluster, own_servers: OwnServers
) -> None:
    node = postgres.node(1)
    claimed = await claim(node)
    acknowledged = 0
    failures: list[Exception] = []
    restarted = False  # between two statements, nothing need fail: the next finds the connection gone, and another

    async def write() -> None:
        nonlocal acknowledged
        while not failures and not restarted:
            item = append_to(claimed, event(acknowledged + 1), after=acknowledged)
            try:
                assert await node.append([item]) == [Outcome.LANDED]
                acknowledged += 1
            except (OutcomeLost, StoreUnavailable) as error:
                failures.append(error)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(write)
        with trio.fail_after(10):
            while acknowledged < 20:
                await trio.lowlevel.checkpoint()
        own_servers.restart_postgres(crash=True)
        restarted = True
    with trio.fail_after(10):
        while True:
            try:
                again = await claim(node)
                break
            except StoreUnavailable:
                continue
    assert again.head.offset in (acknowledged, acknowledged + 1)
    assert [each.offset for each in again.events] == [*range(1, again.head.offset + 1)]
    following = again.head.offset + 1
    assert await node.append([append_to(again, event(following))]) == [Outcome.LANDED]
