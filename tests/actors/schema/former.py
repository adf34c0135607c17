"""A till as it was, and as it is now: for tests of how what the first has stored is read by the second.

Since then `till.paid` counts cents where it counted euros, `till.cashed` was its name before that, `till.greeted` is
gone, and what was `till.settled` are two events.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from msgspec import Struct

from greenroom import Actor, Ask, Event
from greenroom.actors.model.upcasters import Upcaster


class Total(Struct):
    cents: int


class Pay(Ask[Total], tag="till.pay"):
    euros: float


class Settle(Ask[Total], tag="till.settle"):
    euros: float


class Greeted(Event, tag="till.greeted"):
    text: str


class Cashed(Event, tag="till.cashed"):
    amount: float


class PaidEuros(Event, tag="till.paid"):
    euros: float


class Settled(Event, tag="till.settled"):
    euros: float


class Paid(Event, tag="till.paid"):
    cents: int


class Closed(Event, tag="till.closed"):
    pass


class FormerTillState(Struct):
    euros: float = 0
    closed: int = 0


class TillState(Struct, forbid_unknown_fields=True):  # so that it reads no former snapshot
    cents: int = 0
    closed: int = 0


class FormerTill(Actor[FormerTillState]):
    kind = "till"
    commands = (Pay, Settle)
    events = (Greeted, Cashed, PaidEuros, Settled)

    def handle(self, message: Pay | Settle) -> Total:
        match message:
            case Settle():
                self.record(Settled(euros=message.euros))
            case Pay():
                self.record(Greeted(text="hello"))
                self.record(Cashed(amount=message.euros / 2))
                self.record(PaidEuros(euros=message.euros / 2))
        return Total(round(self.state.euros * 100))

    def apply(self, event: Event) -> None:
        match event:
            case Cashed(amount=euros) | PaidEuros(euros=euros):
                self.state.euros += euros
            case Settled():
                self.state.euros += event.euros
                self.state.closed += 1

    def view(self) -> Any:
        return {}


def paid(stored: dict[str, Any]) -> dict[str, Any]:
    if "euros" in stored:
        stored["cents"] = round(stored.pop("euros") * 100)
    return stored


class Till(Actor[TillState]):
    kind = "till"
    commands = (Pay, Settle)
    events = (Paid, Closed)
    upcasters: ClassVar[Mapping[str, Upcaster]] = {
        "till.paid": paid,
        "till.cashed": lambda stored: {"type": "till.paid", "euros": stored["amount"]},
        "till.settled": lambda stored: [{"type": "till.paid", "euros": stored["euros"]}, {"type": "till.closed"}],
        "till.greeted": lambda stored: [],
    }

    def handle(self, message: Pay | Settle) -> Total:
        self.record(Paid(cents=round(message.euros * 100)))
        if isinstance(message, Settle):
            self.record(Closed())
        return Total(self.state.cents)

    def apply(self, event: Event) -> None:
        match event:
            case Paid():
                self.state.cents += event.cents
            case Closed():
                self.state.closed += 1

    def view(self) -> Any:
        return {}
