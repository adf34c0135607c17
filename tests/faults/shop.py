"""Orders that tell an inventory, and alarms. Served through GREENROOM_ENTITIES."""

from typing import Annotated, Any

from msgspec import Meta, Struct, field

from greenroom import Actor, Answered, Ask, Done, Event, KindLimits, Tell


class Place(Ask[Done], tag="order.place"):
    """Ask the inventory for the item of this number."""

    number: int
    inventory: str


class Placed(Event, tag="order.placed"):
    number: int


class Confirmed(Event, tag="order.confirmed"):
    number: int
    place: int


class Numbers(Struct):
    numbers: list[int] = field(default_factory=list)


class Order(Actor[Numbers]):
    """One customer's orders, by rising numbers."""

    kind = "order"
    commands = (Place,)
    events = (Placed, Confirmed)
    limits = KindLimits(idle_s=0.2)

    def handle(self, message: Place | Answered) -> Any:
        match message:
            case Place(number=number, inventory=inventory):
                self.record(Placed(number=number))
                self.tell(inventory, Reserve(order=self.entity, number=number), about=str(number))
                return Done()
            case Answered(about=about):
                self.record(Confirmed(number=int(about), place=message.decode(int)))

    def apply(self, event: Placed | Confirmed) -> None:
        self.state.numbers.append(event.number)

    def view(self) -> Any:
        return {}


class Reserve(Ask[int], tag="inventory.reserve"):
    order: str
    number: int


class Reserved(Event, tag="inventory.reserved"):
    order: str
    number: int


class Inventory(Actor[Numbers]):
    """Answers how many items it has given away. Were it told twice, it would give twice."""

    kind = "inventory"
    internal = (Reserve,)
    events = (Reserved,)

    def handle(self, message: Reserve) -> int:
        self.record(Reserved(order=message.order, number=message.number))
        return len(self.state.numbers)

    def apply(self, event: Reserved) -> None:
        self.state.numbers.append(event.number)


class SetAlarm(Ask[Done], tag="alarm.set"):
    name: str
    after: float
    every: Annotated[float, Meta(ge=0)] = 0.0


class Ring(Tell, tag="alarm.ring"):
    pass


class Rang(Event, tag="alarm.rang"):
    name: str
    due_s: float
    at_s: float


class Alarm(Actor[Numbers]):
    kind = "alarm"
    commands = (SetAlarm,)
    internal = (Ring,)
    events = (Rang,)

    def handle(self, message: SetAlarm | Ring) -> Any:
        match message:
            case SetAlarm():
                self.set_timer(message.name, Ring(), after=message.after, every=message.every or None, missed="all")
                return Done()
            case Ring():
                assert self.fired is not None
                self.record(Rang(name=self.fired.name, due_s=self.fired.due_s, at_s=self.now))

    def apply(self, event: Any) -> None:
        pass

    def view(self) -> Any:
        return {}
