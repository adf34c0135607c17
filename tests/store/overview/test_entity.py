"""What the database says of one entity, on a real Postgres."""

from collections.abc import AsyncIterator

import pytest

from greenroom.store.journal.consequences.consequences import Consequences
from greenroom.store.journal.consequences.letters import Letters
from greenroom.store.journal.consequences.marks import Marks
from greenroom.store.journal.consequences.outbox import Outbox, OutboxRow
from greenroom.store.journal.consequences.timers import TimerRow, Timers
from greenroom.store.journal.dead_letters import DeadLetter
from greenroom.store.journal.journal_postgres import PostgresJournal
from greenroom.store.journal.records import Append, Claimed, Outcome, StoredEvent
from greenroom.store.overview import entity as entity_module
from greenroom.store.overview.entity import StoredEntity, stored_entity, stored_snapshot
from greenroom.store.ownership.referee import Newcomer
from greenroom.store.ownership.referee_postgres import PostgresReferee
from greenroom.store.ownership.sharding import shard_of
from greenroom.store.postgres.bridge import Bridge
from greenroom.store.postgres.pool import Pool

SHARDS = 16
ENTITY = "room:a"
LETTER = DeadLetter(
    entity=ENTITY, message_type="room.send", payload=b"{}", principal="ann", error="boom", traceback="", strikes=3
)


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    async with Bridge() as bridge, Pool(bridge, database_url, incarnation=7, size=1) as pool:
        yield pool


async def taken(pool: Pool, incarnation: int = 7) -> PostgresReferee:
    """A node that owns every shard."""
    referee = PostgresReferee(pool.dedicated("members"), incarnation=incarnation)
    await referee.agree(SHARDS)
    await referee.join(Newcomer(url="http://one", version="1", host="h", process="p"), lease_s=60.0)
    await referee.take("start")
    return referee


async def written(pool: Pool, consequences: Consequences, *, events: int = 1) -> Claimed:
    journal = PostgresJournal(pool, incarnation=7, shards=SHARDS, now=lambda: 1_000.0)
    (claimed,) = await journal.claim({ENTITY: 1}, window=100)
    assert isinstance(claimed, Claimed)
    stored = [StoredEvent(number, 5_000, b'{"type":"room.message"}') for number in range(1, events + 1)]
    append = Append(claimed.head.id, claimed.head.fence, 0, stored, consequences, claimed.head.shard)
    assert await journal.append([append]) == [Outcome.LANDED]
    await journal.save_snapshot(claimed.head.id, fence=claimed.head.fence, offset=events, body=b'{"n":1}')
    return claimed


async def test_of_a_database_that_no_node_has_served_there_is_nothing_to_say(pool: Pool) -> None:
    found = await stored_entity(pool.fetch, ENTITY)
    assert (found.shards, found.place, found.head, found.letters) == (0, None, None, [])


async def test_what_nobody_has_stored_anything_of_has_a_place_all_the_same(pool: Pool) -> None:
    await taken(pool)
    found = await stored_entity(pool.fetch, ENTITY)
    assert found.place is not None and found.head is None
    assert (found.shards, found.place.shard, found.place.owner) == (SHARDS, shard_of(ENTITY, SHARDS), 7)
    assert (found.place.url, found.place.state, found.place.cause, found.place.term) == ("http://one", "up", "start", 1)
    assert found.place.lease_left_s is not None and 50 < found.place.lease_left_s <= 60


async def test_all_that_is_stored_of_it_is_told(pool: Pool) -> None:
    await taken(pool)
    claimed = await written(
        pool,
        Consequences(
            outbox=Outbox([OutboxRow(1, b"row")]),
            marks=Marks({5: 10}),
            timers=Timers({"b": TimerRow("b", 2_000, b"t"), "a": TimerRow("a", 1_000, b"t")}),
            letters=Letters([LETTER]),
        ),
        events=3,
    )
    found = await stored_entity(pool.fetch, ENTITY)
    head = found.head
    assert head is not None
    assert (head.id, head.offset, head.incarnation, head.fence) == (claimed.head.id, 3, 7, claimed.head.fence)
    assert (head.snapshot_offset, head.snapshot_bytes, head.last_at_ms) == (3, 7, 5_000)
    counts = found.counts
    assert (counts.timers, counts.outbox, counts.marks, counts.kept_ids, counts.letters) == (2, 1, 1, 0, 1)
    assert [(one.name, one.due_ms) for one in found.timers] == [("a", 1_000), ("b", 2_000)]
    assert [one.body for one in found.outbox] == [b"row"]
    (letter,) = found.letters
    assert (letter.message_type, letter.strikes, letter.wished, letter.error) == ("room.send", 3, False, "boom")
    assert await stored_snapshot(pool.fetch, ENTITY, bytes_max=7) == (3, b'{"n":1}')
    assert await stored_snapshot(pool.fetch, ENTITY, bytes_max=6) is None, "one that is too long is not read"


async def test_how_far_views_are_with_it_is_told_of_those_that_are_made_of_its_kind(pool: Pool) -> None:
    await taken(pool)
    claimed = await written(pool, Consequences(), events=3)
    for name, kinds, kind in (("board", ["room", "log"], "view"), ("far", ["room"], "sink"), ("logs", ["log"], "view")):
        await pool.fetch(
            "INSERT INTO view_versions (name, version, shape, digest, kinds, state, kind) "
            "VALUES ($1, 1, '{}', '', $2, 'live', $3)",
            name,
            kinds,
            kind,
        )
    await pool.fetch(
        'INSERT INTO view_progress (view_id, id, "offset", parked) SELECT id, $1, 2, $2::jsonb FROM view_versions '
        "WHERE name = 'far'",
        claimed.head.id,
        '{"offset": 3, "error": "bang", "traceback": "", "at_ms": 1}',
    )
    found = (await stored_entity(pool.fetch, ENTITY)).views
    assert [(one.name, one.kind, one.offset, one.parked, one.error) for one in found] == [
        ("board", "view", 0, None, None),
        ("far", "sink", 2, 3, "bang"),
    ]
    assert (await stored_entity(pool.fetch, "room:nobody")).views == []


async def test_no_more_is_read_than_is_shown(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("SHOWN_MAX", 2), ("COUNTED_MAX", 3), ("BODY_BYTES_MAX", 4)):
        monkeypatch.setattr(entity_module, name, value)
    timers = {f"t{number}": TimerRow(f"t{number}", number, b"t") for number in range(5)}
    outbox = Outbox([OutboxRow(1, b"long row"), OutboxRow(2, b"row")])
    await written(pool, Consequences(timers=Timers(timers), outbox=outbox, letters=Letters([LETTER] * 5)), events=2)
    found: StoredEntity = await stored_entity(pool.fetch, ENTITY)
    assert (found.counts.timers, len(found.timers)) == (3, 2)
    assert (found.counts.letters, len(found.letters)) == (3, 2)
    assert [one.body for one in found.outbox] == [None, b"row"]


async def test_a_node_that_has_ended_is_told_as_one(pool: Pool) -> None:
    referee = await taken(pool)
    await referee.bury(7, is_proven=True, why="stopped")
    found = await stored_entity(pool.fetch, ENTITY)
    assert found.place is not None
    assert (found.place.owner, found.place.cause, found.place.term) == (None, "stopped", 2)


async def test_its_dead_letters_are_found_by_their_index(pool: Pool) -> None:
    plan = "\n".join(row[0] for row in await pool.fetch(f"EXPLAIN {entity_module.LETTERS}", ENTITY, 20, 10_000))
    assert plan.count("dead_letters_entity") == 2, plan
