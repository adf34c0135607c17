"""An entity's next life, from its snapshot and its journal."""

from typing import Any

import msgspec
import pytest
from trio.testing import MockClock

from greenroom.actors.model.errors import Unavailable
from greenroom.store.errors import StoreUnavailable
from tests.supervisors.kernel.small_kernel import Fail, Log, Note, Noted, Read, kernel, settled

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


async def test_what_it_begins_with_is_fetched_after_the_claim_and_before_its_first_message(
    autojump_clock: MockClock,
) -> None:
    fetched: list[tuple[int, list[str]]] = []
    trouble = [StoreUnavailable("at first")]

    class Fetching(Log):
        async def begin(self) -> None:
            row = run.journal.rows.by_entity[A]
            fetched.append((row.head.fence, list(self.state.texts)))
            if trouble:
                raise trouble.pop()

        def handle(self, message: Any) -> Any:
            assert fetched, "first what it begins with"
            return super().handle(message)

    async with kernel(kinds=(Fetching,)) as run:
        run.send(A, Note(text="x"))
        assert await run.ask(A, Read()) == ["x"]
        claimed = run.journal.rows.by_entity[A].head.fence
        assert [texts for _, texts in fetched] == [[], []] and fetched[-1][0] == claimed, "tried again, from the claim"
        await run.send(A, Fail()).answered.wait()
        assert await run.ask(A, Read()) == ["x"]
        assert fetched[-1] == (run.journal.rows.by_entity[A].head.fence, ["x"]), "and by each life anew"
