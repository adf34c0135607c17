"""An entity that does in its kit whatever a test wants of it."""

from typing import Any

import pytest
import trio
from msgspec import Struct, field

from greenroom import Actor, Ask, Event, KindLimits, Message, Refused, Tell
from greenroom.testing import Kit


class Count(Struct):
    count: int


class Add(Ask[Count], tag="probe.add"):
    amount: int = 1


class Misbehave(Tell, tag="probe.misbehave"):
    how: str


class Effects(Tell, tag="probe.effects"):
    pass


class Later(Tell, tag="probe.later"):
    seconds: float
    name: str
    key: str = ""


class Fetch(Ask[Count], tag="probe.fetch"):
    from_entity: str = "source:1"
    wait_s: float = 0.0


class Rang(Tell, tag="probe.rang"):
    name: str


class Added(Event, tag="probe.added"):
    amount: int


class RangAt(Event, tag="probe.rang_at"):
    name: str
    at: float


class Undeclared(Event, tag="probe.undeclared"):
    pass


class ProbeState(Struct):
    count: int = 0
    rang: list[tuple[str, float]] = field(default_factory=list)
    first_at_ms: int = 0


class Shown(Struct, tag_field="type", tag="probe.shown"):
    number: int


class Probe(Actor[ProbeState]):
    kind = "probe"
    commands = (Add, Misbehave, Effects, Later, Fetch)
    internal = (Rang,)
    events = (Added, RangAt)
    limits = KindLimits(async_handler_s=5.0)

    def handle(self, message: Message) -> Any:
        match message:
            case Add():
                self.record(Added(amount=message.amount))
                return Count(self.state.count)
            case Misbehave():
                self._misbehave(message.how)
            case Effects():
                self.publish(Shown(1), key="a")
                self.tell("other:1", Rang(name="x"))
                self.nudge(["other:2", "other:1", "other:2"], Rang(name="y"))
                self.kick(4500, "bye")
            case Later():
                self.after(message.seconds, Rang(name=message.name))
            case Rang():
                self.record(RangAt(name=message.name, at=self.now))
            case Fetch():
                return self._fetch(message)
        return None

    async def _fetch(self, message: Fetch) -> Count:
        await trio.sleep(message.wait_s)
        found = await self.ask(message.from_entity, Add(amount=1))
        self.record(Added(amount=found.count))
        return Count(self.state.count)

    def _misbehave(self, how: str) -> None:
        match how:
            case "refuse":
                self.publish(Shown(1))
                raise Refused("probe.no")
            case "refuse late":
                self.record(Added(amount=1))
                raise Refused("probe.no")
            case "crash":
                self.record(Added(amount=1))
                raise ZeroDivisionError
            case "undeclared":
                self.record(Undeclared())
            case "change behind":
                self.state.count += 1

    def apply(self, event: Event) -> None:
        if isinstance(event, Added):
            self.state.count += event.amount
            self.state.first_at_ms = self.state.first_at_ms or self.at_ms
        elif isinstance(event, RangAt):
            self.state.rang.append((event.name, event.at))

    def view(self) -> Any:
        return Count(self.state.count)


@pytest.fixture
def kit() -> Kit[Probe]:
    return Kit(Probe)
