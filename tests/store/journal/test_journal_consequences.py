"""What is committed with events: outbox, marks, timers, dead letters, digests. Held by both implementations, like the
promises of test_journal.py, on the same clusters.
"""

# ruff: noqa: F811 - fixtures are imported, and then arguments

from typing import Any

import pytest
from msgspec.structs import replace

from greenroom.store.journal.consequences.consequences import Consequences
from greenroom.store.journal.consequences.letters import Letters
from greenroom.store.journal.consequences.marks import Marks
from greenroom.store.journal.consequences.outbox import CLAIMED_BYTES_MAX, CLAIMED_MAX, Outbox, OutboxRow, is_cut_short
from greenroom.store.journal.consequences.timers import TimerRow, Timers
from greenroom.store.journal.dead_letters import DeadLetter
from greenroom.store.journal.journal import READ_BYTES_MAX, Journal
from greenroom.store.journal.records import Append, Claimed, Outcome, Remembered, StoredEvent
from tests.store.journal.clusters import (  # noqa: F401 - fixtures
    Cluster,
    MemoryCluster,
    PostgresCluster,
    append_to,
    claim,
    cluster,
    event,
    memory,
    postgres,
    trim,
)

EVER_MS = 1 << 60
LETTER = DeadLetter(
    entity="room:a", message_type="room.send", payload=b"{}", principal="", error="no \0", traceback="", trace="",
    strikes=3,
)  # fmt: skip


def with_consequences(claimed: Claimed, *events: StoredEvent, after: int | None = None, **fields: Any) -> Append:
    append = append_to(claimed, *events, after=after)
    append.consequences = Consequences(**fields)
    return append


def everything(offset: int = 1) -> dict[str, Any]:
    return {
        "outbox": Outbox([OutboxRow(offset, b"row %d" % offset)]),
        "marks": Marks({5: 10 * offset}),
        "timers": Timers({"t": TimerRow("t", 1_000 * offset, b"timer %d" % offset), "gone": None}),
        "letters": Letters([LETTER]),
    }


async def letters(cluster: Cluster) -> int:
    if isinstance(cluster, MemoryCluster):
        return len(cluster._rows.letters.rows)
    assert isinstance(cluster, PostgresCluster)
    async with cluster.pools[0].connection() as connection:
        rows = await connection.fetch("SELECT count(*) FROM dead_letters WHERE entity = 'room:a'")
    count: int = rows[0][0]
    return count


async def seen_by(cluster: Cluster, journal: Journal, entity: str = "room:a") -> tuple[object, ...]:
    """All that an entity's consequences have left: as a claim has it, and as everybody may read it."""
    again = await claim(cluster.node(9), entity, term=9)
    head_id = again.head.id
    read = [row for row in await journal.outbox(after=(head_id - 1, 0), limit=1000) if row.head_id == head_id]
    due = [one for one in await journal.due(before_ms=EVER_MS, after=(0, 0), limit=1000) if one.head_id == head_id]
    assert [(row.offset, row.body) for row in read] == [(row.offset, row.body) for row in again.outbox]
    assert [one.due_ms for one in due] == [row.due_ms for row in again.timers]
    return (
        [(row.offset, row.body) for row in again.outbox],
        {row.name: (row.due_ms, row.body) for row in again.timers},
        await journal.received(head_id, [5, 6]),
        await letters(cluster),
    )


NOTHING: tuple[object, ...] = ([], {}, {5: 0, 6: 0}, 0)


async def test_what_comes_with_an_append_lands_with_it(cluster: Cluster) -> None:
    node = cluster.node(1)
    claimed = await claim(node)
    assert await node.append([with_consequences(claimed, event(1), **everything())]) == [Outcome.LANDED]
    assert await seen_by(cluster, node) == ([(1, b"row 1")], {"t": (1_000, b"timer 1")}, {5: 10, 6: 0}, 1)


async def test_it_lands_without_events_too(cluster: Cluster) -> None:
    """A timer goes on though nothing happened; nothing else needs this."""
    node = cluster.node(1)
    claimed = await claim(node)
    assert await node.append([append_to(claimed, event(1))]) == [Outcome.LANDED]
    timers = {"t": TimerRow("t", 7, b"x")}
    assert await node.append([with_consequences(claimed, after=1, timers=Timers(timers))]) == [Outcome.LANDED]
    assert await node.append([append_to(claimed, event(2), after=1)]) == [Outcome.LANDED]
    assert (await seen_by(cluster, node))[1] == {"t": (7, b"x")}


async def test_with_an_append_that_is_fenced_nothing_lands(cluster: Cluster) -> None:
    old, new = cluster.node(1), cluster.node(2)
    stale = await claim(old)
    fresh = await claim(new, term=2)
    others = [
        with_consequences(stale, event(1), **everything()),
        with_consequences(fresh, event(8), after=7, **everything()),
    ]
    assert await old.append([others[0]]) == [Outcome.FENCED]
    assert await new.append([others[1]]) == [Outcome.FENCED]
    assert await cluster.node(3).append([with_consequences(fresh, event(1), **everything())]) == [Outcome.FENCED]
    assert await new.append([Append(12_345, 1, 0, [event(1)], Consequences(**everything()))]) == [Outcome.FENCED]
    assert await seen_by(cluster, new) == NOTHING


@pytest.mark.parametrize("trimmed", [False, True])
async def test_with_an_append_that_is_a_repeat_nothing_lands(trimmed: bool, cluster: Cluster) -> None:
    """Neither of one whose id is in the journal nor of one whose id is only kept; and the rest of its batch lands."""
    node = cluster.node(1)
    claimed, other = await claim(node), await claim(node, "room:b")
    assert await node.append([append_to(claimed, event(1, command_id="a"))]) == [Outcome.LANDED]
    if trimmed:
        await node.save_snapshot(claimed.head.id, fence=claimed.head.fence, offset=1, body=b"{}")
        assert await trim(node, claimed.head.id, keep_count=0, keep_after_ms=0, ids_after_ms=0) == 1
    batch = [
        with_consequences(claimed, event(2, command_id="a"), after=1, **everything()),
        with_consequences(other, event(1), outbox=Outbox([OutboxRow(1, b"of the other")])),
    ]
    assert await node.append(batch) == [Outcome.REPEATED, Outcome.LANDED]
    assert await seen_by(cluster, node) == NOTHING
    assert [row.body for row in (await claim(node, "room:b")).outbox] == [b"of the other"]


async def test_in_one_batch_some_have_consequences_and_some_have_none(cluster: Cluster) -> None:
    node = cluster.node(1)
    claims = [await claim(node, f"room:{number}") for number in range(6)]
    await claim(cluster.node(2), "room:3", term=2)
    batch = [
        with_consequences(claimed, event(1), outbox=Outbox([OutboxRow(1, b"%d" % number)]), marks=Marks({number: 1}))
        if number % 2
        else append_to(claimed, event(1))
        for number, claimed in enumerate(claims)
    ]
    landed, fenced = Outcome.LANDED, Outcome.FENCED
    assert await node.append(batch) == [landed, landed, landed, fenced, landed, landed]
    found = [[row.body for row in (await claim(node, f"room:{number}", term=3)).outbox] for number in range(6)]
    assert found == [[], [b"1"], [], [], [], [b"5"]]


async def test_marks_only_rise(cluster: Cluster) -> None:
    node = cluster.node(1)
    claimed = await claim(node)
    head_id = claimed.head.id
    for offset, marks in enumerate(({5: 10, 6: 1}, {5: 12}, {5: 11, 7: (1 << 63) - 1}), 1):
        append = with_consequences(claimed, event(offset), after=offset - 1, marks=Marks(marks))
        assert await node.append([append]) == [Outcome.LANDED]
    assert await node.received(head_id, [5, 6, 7, 8]) == {5: 12, 6: 1, 7: (1 << 63) - 1, 8: 0}
    assert await node.received(head_id, []) == {}
    other = await claim(node, "room:b")
    assert await node.received(other.head.id, [5]) == {5: 0}


async def test_timers_are_set_moved_and_ended_by_name(cluster: Cluster) -> None:
    node = cluster.node(1)
    claimed = await claim(node)
    other = await claim(node, "room:b")
    names = ["", "a", "\0", "ä\U0001f600", "\ud800", "x" * 512]
    timers = {name: TimerRow(name, number, b"%d" % number) for number, name in enumerate(names)}
    same = {"a": TimerRow("a", 77, b"of the other")}
    batch = [
        with_consequences(claimed, event(1), timers=Timers(timers)),
        with_consequences(other, event(1), timers=Timers(same)),
    ]
    assert await node.append(batch) == [Outcome.LANDED] * 2
    changes = {"a": None, "": TimerRow("", 50, b"moved"), "never was": None}
    assert await node.append([with_consequences(claimed, event(2), after=1, timers=Timers(changes))]) == [
        Outcome.LANDED
    ]
    kept = (await claim(node)).timers
    assert [row.due_ms for row in kept] == [2, 3, 4, 5, 50], "by time"
    assert {row.name: row.body for row in kept} == {
        "": b"moved", "\0": b"2", "ä\U0001f600": b"3", "\ud800": b"4", "x" * 512: b"5"
    }  # fmt: skip
    assert [(row.name, row.due_ms) for row in (await claim(node, "room:b")).timers] == [("a", 77)]


async def test_the_outbox_is_read_in_pages_by_sender_and_position(cluster: Cluster) -> None:
    node = cluster.node(1)
    claims = [await claim(node, f"room:{number}") for number in range(3)]
    first = claims[0].head.id
    for offset in (1, 2):
        batch = [
            with_consequences(one, event(offset), after=offset - 1, outbox=Outbox([OutboxRow(offset, b"x" * offset)]))
            for one in claims
        ]
        assert await node.append(batch) == [Outcome.LANDED] * 3
    expected = [(one.head.id, offset, one.head.entity) for one in claims for offset in (1, 2)]
    found: list[tuple[int, int, str]] = []
    position = (first, 0)
    while rows := await node.outbox(after=position, limit=2):
        assert len(rows) <= 2
        found += [(row.head_id, row.offset, row.entity) for row in rows]
        position = found[-1][:2]
    assert found == expected
    lineage = await node.lineage()
    await node.delivered([(first, 1), (claims[2].head.id, 2), (first, 99), (10**6, 1)], lineage=lineage)
    await node.delivered([], lineage=lineage)
    rows = await node.outbox(after=(first, 0), limit=100)
    assert [(row.head_id, row.offset) for row in rows] == [(first, 2), *((one[0], one[1]) for one in expected[2:5])]


@pytest.mark.bound("outbox rows that a claim brings along, of one sender")
async def test_a_claim_brings_along_the_oldest_of_an_outbox_and_leaves_the_others_there(cluster: Cluster) -> None:
    """Of a sender whose receiver takes nothing there may be any number."""
    node = cluster.node(1)
    claimed = await claim(node)
    rows = [OutboxRow(offset, b"x") for offset in range(1, CLAIMED_MAX + 11)]
    await node.append([with_consequences(claimed, event(1), outbox=Outbox(rows))])
    assert [row.offset for row in (await claim(node)).outbox] == list(range(1, CLAIMED_MAX + 1))
    read = await node.outbox(after=(claimed.head.id, CLAIMED_MAX), limit=100)
    assert len(read) == 10


@pytest.mark.bound("bytes of those rows")
async def test_what_is_read_of_outboxes_at_once_is_bounded_in_bytes_too_and_is_one_row_at_least(
    cluster: Cluster,
) -> None:
    """Whoever sweeps or claims holds it in memory, whatever the rows weigh."""
    node = cluster.node(1)
    claimed = await claim(node)
    head_id = claimed.head.id
    sizes = [READ_BYTES_MAX - 1, 2, 10, CLAIMED_BYTES_MAX - 11, 1, 9]
    rows = [OutboxRow(offset, b"x" * size) for offset, size in enumerate(sizes, 1)]
    await node.append([with_consequences(claimed, event(1), outbox=Outbox(rows))])

    async def swept(after: int) -> list[int]:
        read = await node.outbox(after=(head_id, after), limit=10)
        return [row.offset for row in read if row.head_id == head_id]

    async def brought_along() -> list[int]:
        found = (await claim(node)).outbox
        assert [len(row.body) for row in found] == [sizes[row.offset - 1] for row in found]
        assert is_cut_short(found) == (len(found) < len(stored))
        return [row.offset for row in found]

    stored = list(range(1, len(sizes) + 1))
    assert await swept(0) == [1, 2], "the last may pass the bound"
    assert await swept(2) == [3, 4, 5, 6]
    assert await brought_along() == [1]
    for gone, left in ((1, [2, 3, 4]), (2, [3, 4, 5]), (3, [4, 5, 6])):
        await node.delivered([(head_id, gone)], lineage=await node.lineage())
        stored.remove(gone)
        assert await brought_along() == left


async def test_positions_of_all_eras_fit(cluster: Cluster) -> None:
    node = cluster.node(1)
    claimed = await claim(node)
    position = replace(claimed.head, era=(1 << 15) - 1).position((1 << 32) - 1)
    seq = position << 16 | (1 << 16) - 1
    rows = [OutboxRow(1, b"first"), OutboxRow(position, b"last")]
    assert await node.append([with_consequences(claimed, event(1), outbox=Outbox(rows), marks=Marks({5: seq}))]) == [
        Outcome.LANDED
    ]
    assert [row.offset for row in (await claim(node)).outbox] == [1, position]
    assert await node.received(claimed.head.id, [5]) == {5: seq}


async def test_due_timers_are_found_in_pages_by_time(cluster: Cluster) -> None:
    node = cluster.node(1)
    claims = [await claim(node, f"room:{number}") for number in range(4)]
    base = 1 << 50  # apart from the timers of other tests
    for claimed, due_ms in zip(claims, (30, 10, 20, 10), strict=True):
        timers = {"t": TimerRow("t", base + due_ms, b"x"), "far": TimerRow("far", base + 1000, b"x")}
        assert await node.append([with_consequences(claimed, event(1), timers=Timers(timers))]) == [Outcome.LANDED]
    found: list[str] = []
    position = (base, 0)
    while page := await node.due(before_ms=base + 30, after=position, limit=2):
        found += [one.entity for one in page]
        position = page[-1][:2]
    assert found == ["room:1", "room:3", "room:2"]
    assert [one.entity for one in await node.due(before_ms=base + 31, after=position, limit=9)] == ["room:0"]


async def test_digests_are_kept_with_replies_through_retention(cluster: Cluster) -> None:
    node = cluster.node(1)
    claimed = await claim(node)
    head_id = claimed.head.id
    digests = [-(1 << 63), (1 << 63) - 1, 0, None]
    events = [
        replace(event(number, command_id=f"id-{number}", reply=b"%d" % number), digest=digest)
        for number, digest in enumerate(digests, 1)
    ]
    assert await node.append([append_to(claimed, *events)]) == [Outcome.LANDED]
    expected = {f"id-{number}": Remembered(b"%d" % number, digest) for number, digest in enumerate(digests, 1)}
    assert await node.replies(head_id, list(expected)) == expected
    assert [one.digest for one in (await claim(node)).events] == digests
    _, read = await node.read("room:a", limit=10)
    assert [one.digest for one in read] == digests
    fence = (await claim(node)).head.fence
    assert await node.save_snapshot(head_id, fence=fence, offset=4, body=b"{}")
    assert await trim(node, head_id, keep_count=1, keep_after_ms=0, ids_after_ms=0) == 3
    assert await node.replies(head_id, list(expected)) == expected


async def test_retention_touches_no_consequence(cluster: Cluster) -> None:
    node = cluster.node(1)
    claimed = await claim(node)
    assert await node.append([with_consequences(claimed, event(1), **everything())]) == [Outcome.LANDED]
    before = await seen_by(cluster, node)
    again = await claim(node, term=10)
    await node.save_snapshot(again.head.id, fence=again.head.fence, offset=1, body=b"{}")
    assert await trim(node, again.head.id, keep_count=0, keep_after_ms=0, ids_after_ms=EVER_MS) == 1
    again = await claim(node, term=11)
    assert ([(row.offset, row.body) for row in again.outbox], len(again.timers)) == (before[0], 1)
