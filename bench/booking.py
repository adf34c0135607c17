"""The saga that is measured: three steps, each at a desk that records one event. As small as a saga can be."""

import time
from collections.abc import Callable
from typing import Any, ClassVar

from msgspec import Struct

from greenroom.actors.model.actor import Actor
from greenroom.actors.model.message import Ask, Done, Event, Message, Tell
from greenroom.actors.saga import Saga, SoFar, Step

DESKS = 300


class Book(Ask[Done], tag="desk.book"):
    trip: str


class Release(Ask[Done], tag="desk.release"):
    trip: str


class Booked(Event, tag="desk.booked"):
    trip: str


class Bookings(Struct):
    count: int = 0


class Desk(Actor[Bookings]):
    kind = "desk"
    internal = (Book, Release)
    events = (Booked,)

    def handle(self, message: Message) -> Done:
        if isinstance(message, Book):
            self.record(Booked(trip=message.trip))
        return Done()

    def apply(self, event: Booked) -> None:
        self.state.count += 1


class Over(Tell, tag="gauge.over"):
    trip: str


class Gauge(Actor[Bookings]):
    """Is told of each saga that is done, once that is durable."""

    kind = "gauge"
    internal = (Over,)
    durable = False
    over: ClassVar[Callable[[str, int], None]]  # a saga's key, and when it was over (`time.perf_counter_ns`)

    def handle(self, message: Over) -> None:
        type(self).over(message.trip, time.perf_counter_ns())


class Travel(Ask[Done], tag="trip.travel"):
    number: int


def _desk(offset: int) -> Callable[[SoFar[Travel]], tuple[str, Message]]:
    return lambda so_far: (f"desk:{(so_far.input.number + offset) % DESKS}", Book(trip=so_far.key))


def _release(so_far: SoFar[Travel]) -> Message:
    return Release(trip=so_far.key)


class Trip(Saga[Travel]):
    kind = "trip"
    steps = (
        Step(name="flight", do=_desk(0), undo=_release, deadline_s=30.0),
        Step(name="hotel", do=_desk(1), undo=_release, deadline_s=30.0),
        Step(name="car", do=_desk(2), undo=_release, deadline_s=30.0),
    )
    deadline_s = 60.0

    def ended(self, outcome: Any) -> None:
        assert outcome == "done", outcome
        self.tell("gauge:all", Over(trip=self.key))
