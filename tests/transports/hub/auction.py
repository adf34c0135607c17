"""An entity that hides one event and one field of another, and says nothing of who acts; with a past."""

from collections.abc import Mapping
from typing import Any, ClassVar

from msgspec import Struct

from greenroom.actors.model.actor import Actor
from greenroom.actors.model.message import Ask, Done, Event
from greenroom.actors.model.upcasters import Upcaster


class Bid(Ask[Done], frozen=True, kw_only=True, tag="auction.bid"):
    amount: int


class Reserve(Ask[Done], frozen=True, kw_only=True, tag="auction.reserve"):
    """Nobody is to see this price."""

    price: int


class Was(Event, frozen=True, kw_only=True, tag="auction.was_bid"):
    amount: int
    bidder: str


class Reserved(Event, frozen=True, kw_only=True, tag="auction.reserved"):
    price: int


class WasBid(Struct, frozen=True, tag="auction.was_bid", tag_field="type"):
    """What is shown of `Was`."""

    amount: int


class Prices(Struct):
    bids: int = 0
    best: int = 0
    reserve: int = 0


class Auction(Actor[Prices]):
    kind = "auction"
    commands = (Bid, Reserve)
    events = (Was, Reserved)
    publishes_info = False
    publish_with = Bid

    @classmethod
    def publication(cls, event: Was | Reserved) -> Struct | None:
        return WasBid(event.amount) if isinstance(event, Was) else None

    def handle(self, message: Bid | Reserve) -> Done:
        match message:
            case Bid(amount=amount):
                self.record(Was(amount=amount, bidder=self.principal.user))
            case Reserve(price=price):
                self.record(Reserved(price=price))
        return Done()

    def apply(self, event: Was | Reserved) -> None:
        match event:
            case Was(amount=amount):
                self.state.bids += 1
                self.state.best = max(self.state.best, amount)
            case Reserved(price=price):
                self.state.reserve = price

    def view(self) -> Any:
        return {"bids": self.state.bids, "best": self.state.best}


class Numbered(Event, frozen=True, kw_only=True, tag="ledger.numbered"):
    number: int
    unit: str


def of_old(stored: dict[str, Any]) -> dict[str, Any] | list[dict[str, Any]]:
    """`{"n": 1}` had no unit, `{"all": [1, 2]}` was several at once."""
    numbers = stored.get("all", [stored["n"]] if "n" in stored else None)
    if numbers is None:
        return stored
    return [{"type": "ledger.numbered", "number": number, "unit": "EUR"} for number in numbers]


class Ledger(Actor[Prices]):
    """Its events were of other shapes once."""

    kind = "ledger"
    events = (Numbered,)
    upcasters: ClassVar[Mapping[str, Upcaster]] = {"ledger.numbered": of_old}

    def apply(self, event: Numbered) -> None:
        self.state.best = event.number
