"""A cell that was overtaken, and does not know: what it does with a message must not count."""

from typing import Any

from msgspec import Struct
from trio.testing import MockClock, wait_all_tasks_blocked

from greenroom.actors.model.actor import Actor
from greenroom.actors.model.message import Ask, Done, Event, Message, Tell
from greenroom.store.journal.journal_memory import MemoryRows
from tests.supervisors.kernel.small_kernel import Kernel


class Opened(Event, frozen=True, kw_only=True, tag="gate.opened"):
    pass


class Passed(Event, frozen=True, kw_only=True, tag="gate.passed"):
    pass


class Open(Ask[Done], frozen=True, kw_only=True, tag="gate.open"):
    pass


class Pass(Tell, frozen=True, kw_only=True, tag="gate.pass"):
    """Ignored while the gate is closed."""


class Look(Ask[int], frozen=True, kw_only=True, tag="gate.look"):
    """How many have passed."""


class GateState(Struct):
    open: bool = False
    passed: int = 0


class Gate(Actor[GateState]):
    kind = "gate"
    commands = (Open, Pass, Look)
    events = (Opened, Passed)

    def handle(self, message: Message) -> Any:
        match message:
            case Open():
                self.record(Opened())
            case Pass() if self.state.open:
                self.record(Passed())
            case Look():
                return self.state.passed

    def apply(self, event: Event) -> None:
        match event:
            case Opened():
                self.state.open = True
            case Passed():
                self.state.passed += 1


class Sent(Event, frozen=True, kw_only=True, tag="visitor.sent"):
    pass


class Go(Ask[Done], frozen=True, kw_only=True, tag="visitor.go"):
    pass


class VisitorState(Struct):
    pass


class Visitor(Actor[VisitorState]):
    kind = "visitor"
    commands = (Go,)
    events = (Sent,)

    def handle(self, message: Message) -> Any:
        self.record(Sent())
        self.tell("gate:1", Pass())


async def test_what_an_overtaken_cell_ignores_is_not_lost(autojump_clock: MockClock) -> None:
    """It decides from an old state. Had it the last word, the sender's outbox would forget the message."""
    rows = MemoryRows()
    kinds = (Gate, Visitor)
    async with Kernel(rows=rows, kinds=kinds).running() as old:
        assert await old.ask("gate:1", Look()) == 0  # awake there, and closed
        async with Kernel(rows=rows, incarnation=2, kinds=kinds).running() as new:
            await new.ask("gate:1", Open())
            await old.ask("visitor:ann", Go())
            await wait_all_tasks_blocked(0.01)
            assert await old.ask("gate:1", Look()) == 1
