"""An entity whose effects can be counted: it pays others, hears that they have been credited, and reminds itself.

Every payment is four facts: `paid` here, `credited` there (a durable tell), `confirmed` here (its answer) and
`reminded` here (a durable timer). Served through GREENROOM_ENTITIES.
"""

from typing import Any

from msgspec import Struct

from greenroom import Actor, Ask, Event
from greenroom.actors.model.lifecycle import Answered, Undelivered
from greenroom.actors.model.message import Message, Tell

REMIND_S = 1.5


class Receipt(Struct, frozen=True):
    offset: int


class Paid(Event, tag="till.paid"):
    number: int
    to: str


class Credited(Event, tag="till.credited"):
    number: int
    sender: str


class Confirmed(Event, tag="till.confirmed"):
    number: int


class Returned(Event, tag="till.returned"):
    """Should never happen: a till takes what it gets."""

    number: int


class Reminded(Event, tag="till.reminded"):
    number: int


class Pay(Ask[Receipt], tag="till.pay"):
    number: int
    to: str


class Credit(Ask[Receipt], tag="till.credit"):
    number: int
    sender: str


class Remind(Tell, tag="till.remind"):
    number: int


class TillState(Struct):
    counts: dict[str, int] = {}


class Till(Actor[TillState]):
    kind = "till"
    commands = (Pay,)
    internal = (Credit, Remind)
    events = (Paid, Credited, Confirmed, Returned, Reminded)

    def handle(self, message: Message) -> Any:
        match message:
            case Pay(number=number, to=to):
                self.record(Paid(number=number, to=to))
                self.tell(f"till:{to}", Credit(number=number, sender=self.key), about=str(number))
                self.set_timer(f"remind-{number}", Remind(number=number), after=REMIND_S)
                return Receipt(self.offset)
            case Credit(number=number, sender=sender):
                self.record(Credited(number=number, sender=sender))
                return Receipt(self.offset)
            case Answered(about=about):
                self.record(Confirmed(number=int(about)))
            case Undelivered(about=about):
                self.record(Returned(number=int(about)))
            case Remind(number=number):
                self.record(Reminded(number=number))

    def apply(self, event: Event) -> None:
        name = type(event).__name__.lower()
        self.state.counts[name] = self.state.counts.get(name, 0) + 1

    def view(self) -> Any:
        return {"counts": self.state.counts}
