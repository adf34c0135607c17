"""An entity's next life, from its snapshot and its journal."""

import msgspec
import pytest
from trio.testing import MockClock

from greenroom.actors.model.errors import Unavailable
from tests.supervisors.kernel.small_kernel import Log, Note, Noted, Read, kernel, settled

A = "log:a"


async def test_an_entity_is_rebuilt_from_its_snapshot_and_the_events_after_it(autojump_clock: MockClock) -> None:
    applied: list[str] = []

    class Replayed(Log):
        limits = msgspec.structs.replace(Log.limits, snapshot_every=10)

        def apply(self, event: Noted) -> None:
            applied.append(event.text)
            super().apply(event)

    entity = A
    async with kernel(kinds=(Replayed,)) as run:
        for number in range(15):
            run.send(entity, Note(text=str(number)))
            await settled()
        assert run.journal.rows.by_entity[entity].snapshot_offset == 10
    applied.clear()
    async with kernel(kinds=(Replayed,), rows=run.journal.rows, incarnation=2) as other:
        assert await other.ask(entity, Read()) == [str(number) for number in range(15)]
        assert applied == ["10", "11", "12", "13", "14"]


async def test_an_unreadable_snapshot_is_replaced_by_the_whole_journal(autojump_clock: MockClock) -> None:
    async with kernel() as run:
        run.send(A, Note(text="x", times=100))
        await settled()
    row = run.journal.rows.by_entity[A]
    row.snapshot, row.snapshot_offset = b'{"texts":"not a list"}', 90
    async with kernel(rows=run.journal.rows, incarnation=2) as other:
        assert await other.ask(A, Read()) == ["x"] * 100


async def test_a_journal_that_does_not_add_up_is_refused(autojump_clock: MockClock) -> None:
    async with kernel() as run:
        run.send(A, Note(text="x", times=3))
        await settled()
    del run.journal.rows.by_entity[A].events[1]
    async with kernel(rows=run.journal.rows, incarnation=2) as other:
        with pytest.raises(Unavailable):
            await other.ask(A, Read())
