"""A cell that was overtaken, and does not know: what it does with a message must not count."""

from typing import Any

import trio
from msgspec import Struct
from trio.testing import MockClock, wait_all_tasks_blocked

from greenroom.actors.model.actor import Actor
from greenroom.actors.model.message import Ask, Done, Event, Message, Tell
from greenroom.store.journal.journal_memory import MemoryRows
from tests.supervisors.kernel.small_kernel import Kernel, Note


class Opened(Event, tag="gate.opened"):
    pass


class Passed(Event, tag="gate.passed"):
    pass


class Open(Ask[Done], tag="gate.open"):
    pass


class Pass(Tell, tag="gate.pass"):
    """Ignored while the gate is closed."""


class Look(Ask[int], tag="gate.look"):
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

    def view(self) -> Any:
        return {}


class Sent(Event, tag="visitor.sent"):
    pass


class Go(Ask[Done], tag="visitor.go"):
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

    def apply(self, event: Any) -> None:
        pass

    def view(self) -> Any:
        return {}


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


async def test_two_activations_that_record_the_same_at_one_offset_are_not_both_acknowledged(
    autojump_clock: MockClock,
) -> None:
    """Equal events, in one millisecond: the row's fence says whose it is, not its content."""
    rows = MemoryRows()
    async with Kernel(rows=rows).running() as old:
        old.send("log:a", Note(text="seed"))
        await trio.sleep(1)
        async with Kernel(rows=rows, incarnation=2).running() as new:
            old.journal.hold()  # its append is on its way
            first = old.send("log:a", Note(text="+1"))
            await wait_all_tasks_blocked()
            second = new.send("log:a", Note(text="+1"))  # claims, and appends
            await wait_all_tasks_blocked()
            old.journal.release()
            await trio.sleep(1)
            assert (second.answer, first.answer) == (2, 3)
            assert old.texts("log:a") == ["seed", "+1", "+1"]
