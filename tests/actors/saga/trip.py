"""A saga of three steps to try things on, and how its reports are played."""

from typing import Annotated, Any, ClassVar

from msgspec import Meta, Struct

from greenroom import Ask, Done, Message, Saga, SoFar, Step
from greenroom.actors.model.effects import Told
from greenroom.testing import Kit

STEPS = ("flight", "hotel", "car")


class Booked(Struct):
    reference: str


class Book(Ask[Booked], tag="desk.book"):
    trip: str
    what: str


class Release(Ask[Done], tag="desk.release"):
    trip: Annotated[str, Meta(max_length=100)]


class Travel(Ask[Done], tag="trip.travel"):
    city: str
    nights: int = 1


def book(so_far: SoFar[Travel]) -> tuple[str, Message]:
    return f"flights:{so_far.input.city}", Book(trip=so_far.key, what=f"for {so_far.by}")


def book_hotel(so_far: SoFar[Travel]) -> tuple[str, Message]:
    flight = so_far.reply("flight", Booked).reference
    return f"hotels:{so_far.input.city}", Book(trip=so_far.key, what=f"{so_far.input.nights} nights after {flight}")


def book_car(so_far: SoFar[Travel]) -> tuple[str, Message]:
    return f"cars:{so_far.input.city}", Book(trip=so_far.key, what="a small one")


def release(so_far: SoFar[Travel]) -> Message:
    return Release(trip=so_far.key)


class Trip(Saga[Travel]):
    kind = "trip"
    starts = "users"
    steps: ClassVar[tuple[Step[Any], ...]] = (
        Step(name="flight", do=book, undo=release, deadline_s=30.0),
        Step(name="hotel", do=book_hotel, undo=release, deadline_s=20.0),
        Step(name="car", do=book_car, undo=release, deadline_s=10.0),
    )
    deadline_s = 50.0


def travelling(saga: type[Saga[Any]] = Trip, **how: Any) -> Kit[Any]:
    kit = Kit(saga, key="1")
    kit.ask(Travel(city="Rome", **how), user="ann")
    return kit


def newest(kit: Kit[Any]) -> Told:
    told: Told = kit.told[-1]
    return told


def do_all(kit: Kit[Any], steps: tuple[str, ...]) -> None:
    """These steps are told next, and done."""
    for step in steps:
        assert newest(kit).about == f"do:{step}"
        kit.answered(newest(kit), Booked(f"{step}-ref"))


def undo_all(kit: Kit[Any]) -> list[str]:
    """What is told from now on is an undo, and done. Gives the steps in that order."""
    undone = []
    while kit.view()["status"] == "undoing":
        undone.append(newest(kit).about.removeprefix("undo:"))
        kit.answered(newest(kit))
    return undone


def statuses(kit: Kit[Any]) -> list[str]:
    return [step["status"] for step in kit.view()["steps"]]
