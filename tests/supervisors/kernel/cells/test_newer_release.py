"""An entity that a newer release has written, on a node of the older one: what that does not read is not lost by it."""

from typing import Any

import trio
from msgspec import Struct, field
from trio.testing import MockClock

from greenroom.actors.model.actor import Actor, KindLimits
from greenroom.actors.model.errors import NotInRelease
from greenroom.actors.model.message import Ask, Event
from greenroom.store.journal.journal_memory import MemoryRows
from greenroom.supervisors.duties.folding import Folding
from greenroom.supervisors.kernel.ownership import OwnsAll
from tests.supervisors.kernel.small_kernel import Kernel

A = "tally:a"


class Count(Ask[int], tag="tally.count"):
    note: str = ""


class Halve(Ask[int], tag="tally.halve"):
    pass


class Counted(Event, tag="tally.counted"):
    note: str = ""


class OldCounted(Event, tag="tally.counted"):
    pass


class Halved(Event, tag="tally.halved"):
    pass


class State(Struct):
    total: int = 0
    notes: list[str] = field(default_factory=list)


class Tally(Actor[State]):
    kind = "tally"
    commands = (Count, Halve)
    events = (Counted, Halved)
    limits = KindLimits(snapshot_every=20)

    def handle(self, message: Count | Halve) -> int:
        self.record(Counted(note=message.note) if isinstance(message, Count) else Halved())
        return self.state.total

    def apply(self, event: Counted | Halved) -> None:
        if isinstance(event, Halved):
            self.state.total //= 2
            return
        self.state.total += 1
        if event.note:
            self.state.notes.append(event.note)

    def view(self) -> Any:
        return {"total": self.state.total, "notes": self.state.notes}


class OldState(Struct):
    total: int = 0


class OldTally(Actor[OldState]):
    kind = "tally"
    commands = (Count,)
    events = (OldCounted,)
    limits = KindLimits(snapshot_every=20)

    def handle(self, message: Count) -> int:
        self.record(OldCounted())
        return self.state.total

    def apply(self, event: OldCounted) -> None:
        self.state.total += 1

    def view(self) -> Any:
        return {"total": self.state.total}


class Nodes:
    """One after the other, on one journal."""

    def __init__(self) -> None:
        self.rows = MemoryRows()
        self._count = 0

    def node(self, tally: type[Actor[Any]]) -> Kernel:
        self._count += 1
        made = Kernel(rows=self.rows, incarnation=self._count, ownership=OwnsAll(term=self._count), kinds=(tally,))
        if tally is OldTally:
            made.kinds.others.learn(["tally.halve"], fields={}, behind_in=["tally"])
        return made


async def test_what_the_older_one_does_not_read_is_there_when_the_newer_one_is_back(autojump_clock: MockClock) -> None:
    """It has counted on, enough for a snapshot, and was put to sleep in good order."""
    nodes = Nodes()
    async with nodes.node(Tally).running() as run:
        assert await run.ask(A, Count(note="kept")) == 1
        await run.kernel.drain()
    async with nodes.node(OldTally).running() as run:
        for number in range(50):
            assert await run.ask(A, Count()) == number + 2
        folding = Folding(kinds=run.kinds, journal=run.journal, world=run.kernel.world, turn=run.kernel.turn)
        try:
            await folding.fold(A)
        except Exception as error:
            assert "newer release" in str(error)
        await trio.sleep(10)
        await run.kernel.drain()
    async with nodes.node(Tally).running() as run:
        assert await run.ask(A, Count(note="more")) == 52
        actor: Any = run.cell(A).actor
        assert actor.state.notes == ["kept", "more"]


async def test_an_event_that_it_can_t_read_has_it_refuse_for_now_and_at_once(autojump_clock: MockClock) -> None:
    nodes = Nodes()
    async with nodes.node(Tally).running() as run:
        await run.ask(A, Halve())
        await run.kernel.drain()
    async with nodes.node(OldTally).running() as run:
        at = trio.current_time()
        slot = run.send(A, Count())
        await slot.answered.wait()
        assert isinstance(slot.answer, NotInRelease) and slot.answer.temporary
        assert trio.current_time() - at < 0.1, "it is not built again and again"
        assert run.instruments.restarts == 0
