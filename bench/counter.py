"""The entity that the in-process benchmarks wake: a number that grows. As small as an entity can be, so that what is
measured is the runtime and not the entity."""

from typing import Any, ClassVar

from msgspec import Struct

from greenroom.actors.model.actor import Actor, KindLimits
from greenroom.actors.model.message import Ask, Event, Message, Tell


class Count(Struct):
    value: int = 0


class Total(Struct, frozen=True):
    value: int


class Bump(Tell, tag="counter.bump"):
    """Count one."""


class Read(Ask[Total], tag="counter.read"):
    """What is the count?"""


class Counter(Actor[Count]):
    kind = "counter"
    commands = (Bump, Read)
    durable = False

    def handle(self, message: Message) -> Total | None:
        if type(message) is Bump:
            self.state.value += 1
            return None
        return Total(self.state.value)

    def view(self) -> Any:
        return {}


class Add(Ask[Total], tag="ledger.add"):
    """Count `amount`, durably."""

    amount: int
    note: str = ""


class AddOn(Ask[Total], tag="ledger.add_on"):
    """Count `amount`, durably, have another ledger count it too, and move a durable timer."""

    amount: int
    to: str
    note: str = ""


class Passed(Tell, tag="ledger.passed"):
    """Count what another ledger has counted."""

    amount: int
    note: str = ""


class Close(Tell, tag="ledger.close"):
    """The message of the timer, which is always moved before it is due."""


class Added(Event, tag="ledger.added"):
    amount: int
    note: str = ""


class Ledger(Actor[Count]):
    """The durable one."""

    kind = "ledger"
    commands = (Add, AddOn)
    internal = (Passed, Close)
    events = (Added,)
    limits: ClassVar[KindLimits] = KindLimits()

    def handle(self, message: Message) -> Total | None:
        match message:
            case Add():
                self.record(Added(amount=message.amount, note=message.note))
            case AddOn():
                self.record(Added(amount=message.amount, note=message.note))
                self.tell(message.to, Passed(amount=message.amount, note=message.note))
                self.set_timer("close", CLOSE, after=3_600)
            case Passed():
                self.record(Added(amount=message.amount, note=message.note))
                return None
        return Total(self.state.value)

    def apply(self, event: Added) -> None:
        self.state.value += event.amount

    def view(self) -> Any:
        return {}


CLOSE = Close()
