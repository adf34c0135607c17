"""Rows that are written with the append of their events: only where they follow on what is folded, never in its way."""

from collections.abc import AsyncIterator
from random import Random
from typing import Any

import asyncpg
import pytest
import trio

from greenroom.store.journal.consequences.consequences import Consequences
from greenroom.store.journal.consequences.inline import AS_IT_IS, REMOVED, SET, Inline, InlineRow
from greenroom.store.journal.journal_postgres import PostgresJournal
from greenroom.store.journal.records import Append, Claimed, Outcome, StoredEvent
from greenroom.store.views.inline import Own, PostgresInline, inline_table
from greenroom.store.views.shape import Column, Shape
from greenroom.store.views.store import ParkedEntity, Version, Writing
from tests.store.journal.clusters import claim
from tests.store.views.tables import Stores, stores, wanted

SHAPE = Shape(
    columns=(
        Column(name="claps", type="bigint"),
        Column(name="id", type="text", is_key=True),  # a name that the statement has for its own, too
        Column(name="note", type="text", is_indexed=True),
        Column(name="tags", type="jsonb", is_nullable=True),
    ),
    entity_key="id",
)


class Keeper:
    """Who keeps a row in memory."""

    def __init__(self) -> None:
        self.was_skipped = False

    def skipped(self) -> None:
        self.was_skipped = True


class Place:
    """A table of a view, and entities that are claimed."""

    def __init__(self, made: Stores, version: Version) -> None:
        self.stores = made
        self.version = version
        self.journal = PostgresJournal(made.pool, incarnation=1)
        self.table = inline_table(version)

    async def claim(self, *keys: str) -> list[Claimed]:
        return [await claim(self.journal, f"show:{key}") for key in keys]

    def append(
        self, claimed: Claimed, after: int, row: Any = None, *, events: int = 1, what: int = SET, before: int = -1
    ) -> Append:
        """`row`: claps, note, tags."""
        key = claimed.head.entity.partition(":")[2]
        stored = [StoredEvent(after + number, 1, b"{}") for number in range(1, events + 1)]
        inline = InlineRow(self.table, after if before < 0 else before, after + events, key, Keeper(), what)
        if what == SET:
            claps, note, tags = row
            inline.values = (claps, key, note, tags)
        return Append(
            claimed.head.id, claimed.head.fence, after, stored, Consequences(inline=Inline({self.version.id: inline}))
        )

    async def rows(self) -> list[tuple[object, ...]]:
        return await self.stores.rows(self.version)

    async def folded(self, key: str) -> int | None:
        return await self.stores.progress.folded(self.version, f"show:{key}")


@pytest.fixture
async def place(database_url: str) -> AsyncIterator[Place]:
    async with stores(database_url) as made:
        yield Place(made, await made.make(wanted(shape=SHAPE)))


def own(append: Append) -> InlineRow:
    assert append.consequences is not None and append.consequences.inline is not None
    (row,) = append.consequences.inline.values()
    return row


LANDED = [Outcome.LANDED]


async def test_a_row_lands_with_its_append_and_tells_its_revision(place: Place) -> None:
    (one,) = await place.claim("a")
    first, second = place.append(one, 0, (1, "n", '{"b": 1}')), place.append(one, 1, (2, "m", None), events=2)
    assert await place.journal.append([first]) == await place.journal.append([second]) == LANDED
    assert await place.rows() == [(2, "a", "m", None)]
    assert await place.folded("a") == 3
    revisions = [own(append).revision for append in (first, second)]
    assert None not in revisions and revisions == sorted(revisions)  # type: ignore[type-var]
    assert (await place.stores.pool.fetch(f"SELECT _revision FROM {place.version.table.rows}"))[0][0] == revisions[1]


async def test_a_row_is_removed_and_one_that_no_event_changes_stays(place: Place) -> None:
    (one,) = await place.claim("a")
    await place.journal.append([place.append(one, 0, (1, "", None))])
    same, gone, nothing = (place.append(one, at, what=what) for at, what in ((1, AS_IT_IS), (2, REMOVED), (3, REMOVED)))
    assert await place.journal.append([same]) == LANDED and own(same).has_landed and own(same).revision is None
    assert await place.rows() == [(1, "a", "", None)] and await place.folded("a") == 2
    assert await place.journal.append([gone]) == LANDED and own(gone).revision is not None
    assert await place.journal.append([nothing]) == LANDED and own(nothing).revision is None
    assert await place.rows() == [] and await place.folded("a") == 4


async def test_in_one_batch_some_land_and_some_do_not(place: Place) -> None:
    claims = await place.claim("a", "b", "c", "d")
    await place.journal.append([place.append(one, 0, (1, "", None)) for one in claims])
    batch = [
        place.append(claims[0], 1, (2, "", None)),
        place.append(claims[1], 1, (2, "", None), before=0),  # it is folded further than that
        Append(claims[2].head.id, claims[2].head.fence, 1, [StoredEvent(2, 1, b"{}")]),  # it has none
        place.append(claims[3], 1, what=REMOVED),
    ]
    assert await place.journal.append(batch) == LANDED * 4
    assert await place.rows() == [(1, "b", "", None), (1, "c", "", None), (2, "a", "", None)]
    assert [await place.folded(key) for key in "abcd"] == [2, 1, 1, 2]
    assert [own(batch[number]).has_landed for number in (0, 1, 3)] == [True, False, True]


async def test_a_fenced_append_writes_no_row(place: Place) -> None:
    (stale,) = await place.claim("a")
    (fresh,) = await place.claim("a")
    append = place.append(stale, 0, (1, "", None))
    assert await place.journal.append([append]) == [Outcome.FENCED]
    assert await place.rows() == [] and await place.folded("a") == 0 and not own(append).has_landed
    assert await place.journal.append([place.append(fresh, 0, (2, "", None))]) == LANDED
    assert await place.rows() == [(2, "a", "", None)]


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("why", ["paused", "old", "filling", "parked", "another"])
async def test_nothing_is_written_where_the_table_or_the_entity_is_not_to_be_folded(
    why: str, first: bool, place: Place
) -> None:
    (one,) = await place.claim("a")
    if not first:
        await place.journal.append([place.append(one, 0, (1, "", None))])
    at, before = (0, []) if first else (1, [(1, "a", "", None)])
    pool = place.stores.pool
    if why == "paused":
        await place.stores.versions.pause("standings", paused=True)
    elif why == "another":  # after a failover its number has been given again
        await pool.fetch("UPDATE view_versions SET name = 'others'")
    elif why != "parked":
        await pool.fetch("UPDATE view_versions SET state = $1", why)
    elif not first:
        await pool.fetch("UPDATE view_progress SET parked = '{}'")
    else:
        return  # nothing is parked that has no events
    append = place.append(one, at, (2, "", None))
    assert await place.journal.append([append]) == LANDED
    assert not own(append).has_landed and await place.rows() == before


async def test_an_append_does_not_wait_for_a_transaction_that_folds(place: Place) -> None:
    one, other = await place.claim("a", "b")
    await place.journal.append([place.append(item, 0, (1, "", None)) for item in (one, other)])
    async with place.stores.store.transaction(place.version) as transaction:
        await transaction.lock([one.head.id])
        await transaction.load([("a",)])
        batch = [place.append(item, 1, (2, "", None)) for item in (one, other)]
        with trio.fail_after(5):
            assert await place.journal.append(batch) == LANDED * 2
        assert [own(append).has_landed for append in batch] == [False, True]
    assert await place.rows() == [(1, "a", "", None), (2, "b", "", None)]


async def test_what_a_transaction_has_just_folded_is_seen(place: Place) -> None:
    """It was committed after the statement has begun: the append waits for a claim, and folds on what is there then."""
    (one,) = await place.claim("a")
    await place.journal.append([place.append(one, 0, (1, "", None))])
    dsn: Any = place.stores.pool._dsn
    bridge = place.stores.pool._bridge
    session = await bridge.run(asyncpg.connect, dsn)
    await bridge.run(session.execute, "BEGIN; SELECT 1 FROM heads FOR UPDATE")
    append = place.append(one, 1, (2, "", None))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(place.journal.append, [append])
        while not (await place.stores.pool.fetch("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'")):
            pass
        async with place.stores.store.transaction(place.version) as transaction:
            await transaction.lock([one.head.id])
            why = ParkedEntity(offset=2, error="", traceback="", at_ms=0)
            await transaction.write(Writing([], [], [], {one.head.id: 1}, {}, {one.head.id: why}))
        await bridge.run(session.execute, "COMMIT")
    await bridge.run(session.close)
    assert not own(append).has_landed and await place.rows() == [(1, "a", "", None)]


async def test_a_row_that_the_server_refuses_is_left_and_no_append_fails_by_it(place: Place) -> None:
    one, other = await place.claim("a", "b")
    long = Random(1).randbytes(10_000).hex()  # more than an index takes
    await place.stores.pool.fetch(f"CREATE INDEX ON {place.version.table.rows} (note)")
    batch = [place.append(one, 0, (1, long, None)), place.append(other, 0, (1, "", None))]
    assert await place.journal.append(batch) == LANDED * 2
    assert not any(own(append).has_landed for append in batch) and await place.rows() == []
    assert await place.journal.append([place.append(other, 1, (2, "", None), before=0)]) == LANDED


async def test_a_table_that_has_gone_fails_no_append(place: Place) -> None:
    (one,) = await place.claim("a")
    await place.stores.versions.drop([place.version], whole=True)
    append = place.append(one, 0, (1, "", None))
    assert await place.journal.append([append]) == LANDED and not own(append).has_landed


async def test_a_repeated_command_takes_no_other_row_along(place: Place) -> None:
    one, other = await place.claim("a", "b")
    batch = [place.append(item, 0, (1, "", None)) for item in (one, other)]
    batch[0].events[0].command_id = "x"
    assert await place.journal.append(batch) == LANDED * 2
    batch = [place.append(item, 1, (2, "", None)) for item in (one, other)]
    batch[0].events[0].command_id = "x"
    assert await place.journal.append(batch) == [Outcome.REPEATED, Outcome.LANDED]
    assert await place.rows() == [(1, "a", "", None), (2, "b", "", None)]


async def test_what_there_is_of_an_entity_is_read_with_how_far_it_is_folded(place: Place) -> None:
    one, other, new = await place.claim("a", "b", "c")
    await place.journal.append([place.append(one, 0, (1, "n", '["x"]')), place.append(other, 0, what=AS_IT_IS)])
    inline = PostgresInline(place.stores.pool.fetch)
    found = await inline.own_rows(place.version, [(item.head.id, item.head.entity) for item in (one, other, new)])
    revision = found[one.head.id].rows[0][1]
    assert found == {
        one.head.id: Own(1, is_parked=False, rows=[((1, "a", "n", '["x"]'), revision)]),
        other.head.id: Own(1, is_parked=False, rows=[]),
        new.head.id: Own(0, is_parked=False, rows=[]),
    }
    await place.stores.pool.fetch("UPDATE view_progress SET parked = '{}' WHERE id = $1", one.head.id)
    assert (await inline.own_rows(place.version, [(one.head.id, "show:a")]))[one.head.id].is_parked


async def test_two_tables_are_written_by_one_statement(place: Place) -> None:
    second = await place.stores.make(wanted(shape=SHAPE, name="others"))
    other = Place(place.stores, second)
    (one,) = await place.claim("a")
    append = place.append(one, 0, (1, "", None))
    assert append.consequences is not None and append.consequences.inline is not None
    append.consequences.inline[second.id] = own(other.append(one, 0, (5, "", None)))
    assert await place.journal.append([append]) == LANDED
    assert await place.rows() == [(1, "a", "", None)] and await other.rows() == [(5, "a", "", None)]
    assert all(row.revision is not None for row in append.consequences.inline.values())
