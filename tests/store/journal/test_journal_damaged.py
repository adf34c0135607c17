"""One entity whose rows contradict one another, or whose data is refused: it fails alone. Held by both implementations
where both can be damaged.
"""

# ruff: noqa: F811 - fixtures are imported, and then arguments

import random

import pytest
import trio

from greenroom.store.errors import DataRefused, JournalDamaged, OutcomeLost, StoreUnavailable
from greenroom.store.journal.claims import Claims
from greenroom.store.journal.consequences.outbox import Outbox, OutboxRow
from greenroom.store.journal.journal import Journal
from greenroom.store.journal.records import Append, Head, Outcome, StoredEvent
from tests.store.journal.clusters import (  # noqa: F401 - fixtures
    ALL,
    Cluster,
    MemoryCluster,
    PostgresCluster,
    append_to,
    claim,
    cluster,
    event,
    memory,
    postgres,
)
from tests.store.journal.test_journal_consequences import with_consequences

LANDED, DAMAGED = Outcome.LANDED, Outcome.DAMAGED


async def damage(cluster: Cluster, entity: str, offset: int) -> None:
    """Take one event out of the journal."""
    if isinstance(cluster, MemoryCluster):
        row = cluster._rows.by_entity[entity]
        row.events = [event for event in row.events if event.offset != offset]
    else:
        assert isinstance(cluster, PostgresCluster)
        async with cluster.pools[0].connection() as connection:
            await connection.fetch(
                'DELETE FROM journal j USING heads h WHERE h.entity = $1 AND j.id = h.id AND j."offset" = $2',
                entity,
                offset,
            )


@pytest.mark.parametrize("gone", [1, 2, 3])
async def test_a_claim_says_of_one_entity_that_it_is_damaged_and_gives_the_others(gone: int, cluster: Cluster) -> None:
    node = cluster.node(1)
    sick = await claim(node, "room:sick")
    assert await node.append([append_to(sick, event(1), event(2), event(3))]) == [LANDED]
    await damage(cluster, "room:sick", gone)
    one, two, three = await node.claim(dict.fromkeys(["room:a", "room:sick", "room:b"], 1), window=ALL)
    assert isinstance(two, JournalDamaged) and not isinstance(one, JournalDamaged | Exception)
    assert not isinstance(three, Exception)
    assert str(two).startswith("room:sick: ") and "restore its rows" in str(two)


async def test_a_snapshot_that_is_gone_is_damage(postgres: PostgresCluster) -> None:
    node = postgres.node(1)
    claimed = await claim(node)
    assert await node.append([append_to(claimed, event(1))]) == [LANDED]
    assert await node.save_snapshot(claimed.head.id, fence=claimed.head.fence, offset=1, body=b"{}")
    async with postgres.pools[0].connection() as connection:
        await connection.fetch("DELETE FROM snapshots")
    [found] = await node.claim({"room:a": 1}, window=0)
    assert isinstance(found, JournalDamaged) and "snapshot as of event 1" in str(found)


async def test_the_claims_go_on_after_one_that_was_damaged(cluster: Cluster) -> None:
    node = cluster.node(1)
    sick = await claim(node, "room:sick")
    assert await node.append([append_to(sick, event(1), event(2))]) == [LANDED]
    await damage(cluster, "room:sick", 2)
    claims = Claims(node)
    async with trio.open_nursery() as nursery:
        await nursery.start(claims.run)
        for _ in range(2):
            with pytest.raises(JournalDamaged, match="room:sick: its journal ends with event 1, its head says 2"):
                await claims.claim("room:sick", term=1)
            assert (await claims.claim("room:fine", term=1)).head.offset == 0
        nursery.cancel_scope.cancel()


async def test_an_entity_whose_name_the_server_refuses_is_claimed_by_nobody_and_others_are(
    postgres: PostgresCluster,
) -> None:
    node = postgres.node(1)
    names = [f"room:{number}" for number in range(5)]
    found = await node.claim(dict.fromkeys([*names[:2], "room:\0", *names[2:]], 1), window=0)
    assert [isinstance(one, JournalDamaged) for one in found] == [False, False, True, False, False, False]


async def test_an_append_to_a_journal_that_is_ahead_of_its_head_fails_alone(cluster: Cluster) -> None:
    node = cluster.node(1)
    claims = [await claim(node, f"room:{number}") for number in range(5)]
    sick = claims[2]
    assert await node.append([append_to(sick, event(1), event(2))]) == [LANDED]
    if isinstance(cluster, MemoryCluster):
        cluster._rows.by_id[sick.head.id].head.offset = 1
    else:
        assert isinstance(cluster, PostgresCluster)
        async with cluster.pools[0].connection() as connection:
            await connection.fetch('UPDATE heads SET "offset" = 1 WHERE id = $1', sick.head.id)
    batch = [append_to(one, event(2 if one is sick else 1), after=1 if one is sick else 0) for one in claims]
    assert await node.append(batch) == [LANDED, LANDED, DAMAGED, LANDED, LANDED]
    again = [append_to(one, event(2), after=1) for one in claims if one is not sick]
    assert await node.append(again) == [LANDED] * 4


async def test_data_that_the_server_refuses_fails_its_own_append(postgres: PostgresCluster) -> None:
    """Nobody knows whose it was: an outbox row that is there already, and a time that is no number of its type."""
    node = postgres.node(1)
    claims = [await claim(node, f"room:{number}") for number in range(7)]
    rows = Outbox([OutboxRow(9, b"first")])
    assert await node.append([with_consequences(claims[1], event(1), outbox=rows)]) == [LANDED]
    batch: list[Append] = []
    for number, one in enumerate(claims):
        item = append_to(one, event(2 if number == 1 else 1), after=1 if number == 1 else 0)
        if number == 1:
            item = with_consequences(one, event(2), after=1, outbox=Outbox([OutboxRow(9, b"again")]))
        if number == 5:
            item.events[0].at_ms = 1 << 64
        batch.append(item)
    assert await node.append(batch) == [LANDED, DAMAGED, LANDED, LANDED, LANDED, DAMAGED, LANDED]


@pytest.mark.parametrize(("refusals", "outcome"), [(1, LANDED), (2, DAMAGED)])
async def test_an_append_that_is_refused_alone_is_tried_once_more(
    refusals: int, outcome: Outcome, postgres: PostgresCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it ran into may have gone since, and who looks for the culprit then finds none. For a damaged one a message
    is given up."""
    node = postgres.node(1)
    claimed = await claim(node)
    connection = node._pool.dedicated("lane-0")
    node._lanes[0] = connection
    fetch = connection.fetch
    refused = 0

    async def refuse(sql: str, *args: object, write: bool = False) -> object:
        nonlocal refused
        if write and refused < refusals:
            refused += 1
            raise DataRefused("the test says so")
        return await fetch(sql, *args, write=write)

    monkeypatch.setattr(connection, "fetch", refuse)
    assert await node.append([append_to(claimed, event(1))]) == [outcome]
    assert refused == refusals


async def test_a_command_id_that_fits_no_index_fails_its_own_append(postgres: PostgresCluster) -> None:
    """Program limit exceeded, as Postgres calls it: no data error, and yet this one's alone."""
    node = postgres.node(1)
    one, long, two = [await claim(node, f"room:{number}") for number in range(3)]
    key = "".join(chr(random.randrange(33, 127)) for _ in range(9_000))  # compressed it would fit
    batch = [append_to(one, event(1)), append_to(long, event(1, command_id=key)), append_to(two, event(1))]
    assert await node.append(batch) == [LANDED, DAMAGED, LANDED]


async def test_a_later_round_that_fails_after_one_that_landed_is_a_lost_outcome(
    postgres: PostgresCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Were it told as `nothing landed`, what did would be done again."""
    node = postgres.node(1)
    good, bad = await claim(node, "room:good"), await claim(node, "room:bad")
    bad_event = event(1)
    bad_event.at_ms = 1 << 64  # so the batch goes in halves
    connection = node._pool.dedicated("lane-0")
    node._lanes[0] = connection
    fetch = connection.fetch
    landed = False

    async def fails_after_the_first_landed(sql: str, *args: object, write: bool = False) -> object:
        nonlocal landed
        if landed:
            raise StoreUnavailable("the test says so")
        rows = await fetch(sql, *args, write=write)
        landed = write and bool(rows)
        return rows

    monkeypatch.setattr(connection, "fetch", fails_after_the_first_landed)
    with pytest.raises(OutcomeLost):
        await node.append([append_to(good, event(1)), append_to(bad, bad_event)])
    assert landed


async def test_an_event_carries_the_fence_it_was_written_under(cluster: Cluster) -> None:
    """Equal events of two activations at one offset are told apart by nothing else."""
    node = cluster.node(1)
    first = await claim(node)
    assert await node.append([append_to(first, event(1))]) == [LANDED]
    second = await claim(node)
    assert await node.append([append_to(second, event(2))]) == [LANDED]
    fences = [first.head.fence, second.head.fence]
    assert [one.fence for one in await _read(node)] == fences
    assert [one.fence for one in (await claim(node)).events] == fences


async def _read(node: Journal) -> list[StoredEvent]:
    _, events = await node.read("room:a", limit=10)
    return events


def test_positions_rise_past_2_to_the_32_and_over_a_failover() -> None:
    def position(era: int, offset: int) -> int:
        return Head(1, "room:a", 1, "e", 0, era=era).position(offset)

    huge = 1 << 32
    for era in (0, 1, 2, 7):
        offsets = [1, huge - 1, huge, huge + 5, 3 * huge + 1]
        assert sorted(position(era, offset) for offset in offsets) == [position(era, offset) for offset in offsets]
        for offset in offsets:
            assert position(era + 1, max(0, offset - 1_000)) > position(era, offset)
