"""Rows that nobody uses: heads that were only looked at, and marks of senders that have been silent for long."""

# ruff: noqa: F811 - fixtures are imported, and then arguments

import asyncpg
import pytest
import trio
from structlog.testing import capture_logs

from greenroom.store.journal import retention as retention_module
from greenroom.store.journal.consequences.consequences import Consequences
from greenroom.store.journal.consequences.marks import Marks
from greenroom.store.journal.journal_memory import MemoryJournal
from greenroom.store.journal.journal_postgres import PostgresJournal
from greenroom.store.journal.keep import Keep
from greenroom.store.journal.postgres.keeping import REMOVE_UNUSED
from greenroom.store.journal.records import Append, Claimed, Outcome, StoredEvent
from greenroom.store.journal.retention import CannotFold
from tests.store.journal.keeping.swept_journal import Clock, clock, fill, journal, memory, postgres, swept  # noqa: F401 - fixtures


async def test_a_head_that_was_only_looked_at_goes_after_a_day(
    journal: MemoryJournal | PostgresJournal, clock: Clock
) -> None:
    names = ("room:written", "room:unused", "room:watched", "other:unused", "room:late")
    for name in names:
        clock.now_s = 5_000.0 if name == "room:late" else 0.0
        await fill(journal, name, name == "room:written", snapshot=False)
    retention = swept(journal, {"room": Keep()}, is_present=lambda entity: entity == "room:watched", now_s=89_000.0)
    assert (await retention.sweep()).unused == 2
    assert [name for name in names if await journal.stored(name) is not None] == [
        "room:written", "room:watched", "room:late",
    ]  # fmt: skip
    clock.now_s = 90_000.0
    await journal.claim({"room:late": 1}, window=0)
    retention = swept(journal, {"room": Keep()}, now_s=170_000.0)
    assert (await retention.sweep()).unused == 1
    assert await journal.stored("room:late") is not None, "somebody has looked at it again"


async def test_behind_a_removed_head_fences_go_on_rising(
    journal: MemoryJournal | PostgresJournal, clock: Clock
) -> None:
    for _ in range(5):
        (old,) = await journal.claim({"room:a": 1}, window=0)
    assert isinstance(old, Claimed)
    assert (await swept(journal, {}).sweep()).unused == 1
    late = Append(old.head.id, old.head.fence, 0, [StoredEvent(1, 0, b"{}")])
    assert await journal.append([late]) == [Outcome.FENCED]
    assert not await journal.save_snapshot(old.head.id, fence=old.head.fence, offset=0, body=b"{}")
    for name in ("room:a", "room:b"):
        (new,) = await journal.claim({name: 1}, window=0)
        assert isinstance(new, Claimed)
        assert new.head.id != old.head.id and new.head.fence > old.head.fence
        assert await journal.append([late]) == [Outcome.FENCED]
        first = Append(new.head.id, new.head.fence, 0, [StoredEvent(1, 0, b"{}")])
        assert await journal.append([first]) == [Outcome.LANDED]


async def test_a_head_that_somebody_writes_to_meanwhile_stays(postgres: PostgresJournal, database_url: str) -> None:
    """Its removal waits for the append under way, and then sees that the head is another."""
    head_id = await fill(postgres, "room:a", 0, snapshot=False)
    removed: list[int] = []

    async def remove() -> None:
        removed.append(await postgres.remove_unused([head_id], claimed_before_ms=1))

    bridge = postgres._pool._bridge
    writer: asyncpg.Connection = await bridge.run(asyncpg.connect, database_url)
    await bridge.run(writer.execute, "BEGIN")
    await bridge.run(writer.execute, "INSERT INTO timers VALUES ($1, 't', 1, '')", head_id)
    await bridge.run(writer.execute, 'UPDATE heads SET "offset" = 0 WHERE id = $1', head_id)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(remove)
        await trio.sleep(0.1)  # real: it is a server that must not answer
        assert removed == []
        await bridge.run(writer.execute, "COMMIT")
    await bridge.run(writer.close)
    assert removed == [0]


async def test_marks_end_with_their_senders(postgres: PostgresJournal) -> None:
    """After a day, unless the sender has something in its outbox: until then a message may come again."""
    receiver = await fill(postgres, "room:receiver", 1)
    senders = [await fill(postgres, f"room:{n}", 1) for n in range(4)]
    stored = await postgres.stored("room:receiver")
    assert stored is not None
    marks = Consequences(marks=Marks(dict.fromkeys(senders, 1 << 16)))
    await postgres.append([Append(receiver, stored.head.fence, 1, [StoredEvent(2, 0, b"{}")], marks)])
    async with postgres._pool.connection() as connection:
        await connection.fetch("UPDATE received SET at = at - interval '25 hours' WHERE sender <> $1", senders[0])
        await connection.fetch("INSERT INTO outbox VALUES ($1, 1, '')", senders[1])
    assert (await swept(postgres, {}, page=1).sweep()).marks == 2
    known = await postgres.received(receiver, senders)
    assert [bool(known[sender]) for sender in senders] == [True, True, False, False]
    async with postgres._pool.connection() as connection:
        await connection.fetch("DELETE FROM outbox")
    assert (await swept(postgres, {}).sweep()).marks == 1


async def test_a_claim_that_waits_for_a_removal_gets_a_higher_fence_too(
    postgres: PostgresJournal, database_url: str
) -> None:
    """What its snapshot has is the head that goes, and not yet the floor."""
    for _ in range(5):
        (old,) = await postgres.claim({"room:a": 1}, window=0)
    assert isinstance(old, Claimed)
    claimed: list[object] = []

    async def claim() -> None:
        claimed.extend(await postgres.claim({"room:a": 1}, window=0))

    bridge = postgres._pool._bridge
    sweeper: asyncpg.Connection = await bridge.run(asyncpg.connect, database_url)
    await bridge.run(sweeper.execute, "BEGIN")
    assert await bridge.run(sweeper.fetchval, REMOVE_UNUSED, [old.head.id], 1) == 1
    async with trio.open_nursery() as nursery:
        nursery.start_soon(claim)
        await trio.sleep(0.1)  # real: it is a server that must not answer
        assert claimed == []
        await bridge.run(sweeper.execute, "COMMIT")
    await bridge.run(sweeper.close)
    (new,) = claimed
    assert isinstance(new, Claimed)
    assert new.head.id != old.head.id and new.head.fence > old.head.fence


@pytest.mark.bound("entities remembered as not to be trimmed")
async def test_of_more_that_cannot_be_trimmed_than_are_remembered_the_others_are_told_each_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(retention_module, "UNTRIMMED_MAX", 3)
    journal = MemoryJournal()
    names = [f"room:{n}" for n in range(5)]
    for name in names:
        await fill(journal, name, 5, age_s=7_200, snapshot=False)

    async def fold(entity: str) -> None:
        raise CannotFold("the test says so")

    retention = swept(journal, {"room": Keep(seconds=3_600)}, fold=fold)
    with capture_logs() as logs:
        await retention.sweep()
        await retention.sweep()
    told = [line["entity"] for line in logs if line["event"] == "entity_not_trimmed"]
    assert told == [*names, *names[3:]]
    assert len(retention._untrimmed) == 3
