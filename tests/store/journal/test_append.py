"""Appending while retention goes on: a lost race is no fence."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
import trio

from greenroom.store.errors import OutcomeLost, StoreUnavailable
from greenroom.store.journal.consequences.consequences import Consequences
from greenroom.store.journal.consequences.inline import FORMS, SET, Inline, InlineRow, InlineTable
from greenroom.store.journal.journal_postgres import PostgresJournal
from greenroom.store.journal.keep import Keep
from greenroom.store.journal.postgres.append import RACES_MAX, Appending
from greenroom.store.journal.postgres.places import Places
from greenroom.store.journal.records import Append, Claimed, Outcome, StoredEvent
from greenroom.store.journal.retention import Retention
from greenroom.store.postgres.bridge import Bridge
from greenroom.store.postgres.connection import Connection
from greenroom.store.postgres.pool import Pool


@pytest.fixture
async def postgres(database_url: str) -> AsyncIterator[PostgresJournal]:
    async with Bridge() as bridge, Pool(bridge, database_url, incarnation=1) as pool:
        yield PostgresJournal(pool, incarnation=1)


async def claimed(journal: PostgresJournal, entity: str) -> Claimed:
    (found,) = await journal.claim({entity: 1}, window=0)
    assert isinstance(found, Claimed)
    return found


def one_more(entity: Claimed, offset: int) -> Append:
    event = StoredEvent(offset, 1_000_000, b"{}", None, f"id-{offset}", b"null")
    return Append(entity.head.id, entity.head.fence, offset - 1, [event])


class Racing:
    """So often, an append finds that a trim has come between its snapshot and its lock of this head."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, times: int, head_id: int) -> None:
        self.lost = 0
        fetch = Connection.fetch

        async def racing(connection: Connection, sql: str, *args: Any, write: bool = False) -> Sequence[Any]:
            if not (write and self.lost < times and str(head_id) in args[0].strip("{}").split(",")):
                return await fetch(connection, sql, *args, write=write)
            self.lost += 1
            guard = "h.trimmed = seen.trimmed"
            assert guard in sql
            rows = await fetch(connection, sql.replace(guard, f"({guard}) = (h.id <> {head_id})"), *args, write=write)
            assert head_id not in {row[0] for row in rows}
            return rows

        monkeypatch.setattr(Connection, "fetch", racing)


async def test_an_append_that_loses_many_races_is_not_fenced(
    postgres: PostgresJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    hot, other = await claimed(postgres, "room:hot"), await claimed(postgres, "room:other")
    races = Racing(monkeypatch, 20, hot.head.id)
    outcomes = await postgres.append([one_more(hot, 1), one_more(other, 1)])
    assert (outcomes, races.lost) == ([Outcome.LANDED, Outcome.LANDED], 20)


@pytest.mark.bound("races against retention that an append may lose")
async def test_races_without_an_end_are_no_fence_either(
    postgres: PostgresJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    hot, other = await claimed(postgres, "room:hot"), await claimed(postgres, "room:other")
    races = Racing(monkeypatch, 10 * RACES_MAX, hot.head.id)
    with pytest.raises(StoreUnavailable):
        await postgres.append([one_more(hot, 1)])
    assert races.lost == RACES_MAX
    with pytest.raises(OutcomeLost):  # a part of it has landed
        await postgres.append([one_more(hot, 1), one_more(other, 1)])


async def test_retention_fences_nobody(postgres: PostgresJournal) -> None:
    """Thousands of events with ids go while their entity is written to, in a lane with a neighbour."""
    hot, cold = await claimed(postgres, "room:hot"), await claimed(postgres, "room:cold")
    events = 6_000
    async with postgres._pool.connection() as connection:
        await connection.fetch(
            'INSERT INTO journal (id, "offset", fence, at_ms, payload, command_id) '
            "SELECT $1, g, 1, g, '{}', convert_to('old-' || g, 'UTF8') FROM generate_series(1, $2::bigint) g",
            hot.head.id, events,
        )  # fmt: skip
        await connection.fetch(
            'UPDATE heads SET "offset" = $2, snapshot_offset = $2, since_ms = 0 WHERE id = $1', hot.head.id, events
        )
    outcomes: list[Outcome] = []

    async def write() -> None:
        for number in range(1, 1_000_000):
            outcomes.extend(await postgres.append([one_more(hot, events + number), one_more(cold, number)]))

    async def fold(entity: str) -> None:
        raise AssertionError("a snapshot covers what is to go")

    keep = {"room": Keep(seconds=10.0, command_ids_s=1e300)}
    async with trio.open_nursery() as nursery:
        nursery.start_soon(write)
        await Retention(postgres, keep, fold=fold, now=lambda: 900.0).sweep()
        nursery.cancel_scope.cancel()
    head, _ = await postgres.read("room:hot", limit=1)
    assert head is not None and head.trimmed == events
    assert len(outcomes) > 20 and set(outcomes) == {Outcome.LANDED}


class Nowhere:
    """A connection that fails each statement, as when there is no server, or as when it has refused it."""

    def __init__(self, *, has_session: bool) -> None:
        self.has_session = has_session
        self.asked: list[int] = []  # by how many parameters

    async def fetch(self, sql: str, *args: Any, write: bool = False) -> Sequence[Any]:
        self.asked.append(len(args))
        raise StoreUnavailable("it said no")


@pytest.mark.parametrize("has_session", [True, False])
async def test_only_what_a_server_refuses_is_tried_again_without_its_rows(has_session: bool) -> None:
    connection: Any = Nowhere(has_session=has_session)

    class Nobody:
        def skipped(self) -> None:
            raise AssertionError

    row = InlineRow(InlineTable(1, ("text",), 0, (("", ""),) * FORMS), 0, 1, "a", Nobody(), SET, ("a",))
    append = Append(1, 1, 0, [StoredEvent(1, 1, b"{}")], Consequences(inline=Inline({1: row})))
    with pytest.raises(StoreUnavailable):
        await Appending(connection, 1, Places()).run([append])
    assert len(connection.asked) == (2 if has_session else 1)
