"""The journal's promises, held by both implementations. First the traps that a single primary has, each found by
experiment (the single-writer notes number them); then appends, command ids, reading, snapshots and retention.
"""

# ruff: noqa: F811 - fixtures are imported, and then arguments

import pytest
import trio
from msgspec.structs import replace

from greenroom.store.errors import NotOwner, OutcomeLost, StoreUnavailable
from greenroom.store.journal.journal import READ_BYTES_MAX
from greenroom.store.journal.records import Append, Claimed, Outcome, StoredEvent
from greenroom.store.own.servers import OwnServers
from tests.store.journal.clusters import (  # noqa: F401 - fixtures
    ALL,
    Cluster,
    PostgresCluster,
    append_to,
    claim,
    cluster,
    event,
    memory,
    offsets,
    postgres,
    trim,
)

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
        (claimed,) = await node.claim({entity: 1}, window=0, above={entity: (1 << 32) + 20})
        assert isinstance(claimed, Claimed)
        assert claimed.head.fence == (1 << 32) + 21
        (again,) = await node.claim({entity: 1}, window=0, above={entity: 3})
        assert isinstance(again, Claimed)
        assert again.head.fence == (1 << 32) + 22


async def test_many_are_claimed_at_once_and_a_newer_term_refuses_one_alone(cluster: Cluster) -> None:
    old, new = cluster.node(1), cluster.node(2)
    await claim(new, "room:b", term=9)
    results = await old.claim({"room:c": 1, "room:b": 8, "room:a": 3, "room:d": 1}, window=0)
    assert [type(result) for result in results] == [Claimed, NotOwner, Claimed, Claimed]
    heads = [result.head for result in results if isinstance(result, Claimed)]
    assert [head.entity for head in heads] == ["room:c", "room:a", "room:d"]
    assert [head.fence >> 32 for head in heads] == [1, 3, 1], "each under the term of its own shard"
    assert (await claim(new, "room:b", term=9)).head.fence == 9 << 32 | 2


async def test_claims_of_the_same_entities_in_other_orders_at_once_do_not_get_in_each_others_way(
    cluster: Cluster,
) -> None:
    node = cluster.node(1)
    names = [f"room:{n}" for n in range(40)]

    async def claim_all(order: list[str]) -> None:
        for _ in range(5):
            await node.claim(dict.fromkeys(order, 1), window=0)

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
