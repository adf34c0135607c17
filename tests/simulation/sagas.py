"""The checkout of docs/guides/sagas.md, among customers who change their minds and entities that fail or are busy."""

from random import Random
from typing import Any

from msgspec.structs import replace

from greenroom.actors.model.actor import KindLimits
from greenroom.actors.model.errors import Refused
from greenroom.actors.model.message import Message
from greenroom.actors.saga.state import SagaState
from greenroom.testing import Scenario, Work
from tests.docs.sagas_page import checkout, shop

LIMITS = KindLimits(idle_s=10.0, snapshot_every=20, history_events=50, command_ids_s=3600.0)
ARTICLES = ("a", "b")
USERS = ("user1", "user2", "user3", "user4")  # as a world names them


class Moody:
    """Busy at some moments, and failing at others; so that a message which fails once may succeed, or never."""

    limits = LIMITS

    def handle(self: Any, message: Message) -> Any:
        mood = int(self.now * 1000) % 16
        if self.principal.system and mood == 0:
            raise Refused("busy", status=429)
        reply = super().handle(message)  # type: ignore[misc]
        if self.principal.system and mood in (1, 2):
            raise ZeroDivisionError("after it has recorded")
        return reply


class Stock(Moody, shop.Stock):  # type: ignore[misc, name-defined]
    pass


class Wallet(Moody, shop.Wallet):  # type: ignore[misc, name-defined]
    pass


class Order(Moody, shop.Order):  # type: ignore[misc, name-defined]
    pass


class Checkout(checkout.Checkout):  # type: ignore[misc, name-defined]
    limits = LIMITS
    steps = tuple(replace(step, deadline_s=4.0) for step in checkout.Checkout.steps)
    deadline_s = 9.0


class Shopping:
    def __init__(self) -> None:
        self._bought: list[tuple[str, str, Message]] = []

    def __call__(self, draw: Random, user: str) -> Work:
        chance = draw.random()
        if chance < 0.15:
            return Work(f"stock:{draw.choice(ARTICLES)}", shop.Supply(count=draw.randint(1, 20)))
        if chance < 0.3:
            return Work(f"wallet:{user}", shop.Deposit(cents=draw.randint(100, 2_000)))
        mine = [one for one in self._bought[-20:] if one[0] == user]
        if mine and chance < 0.4:
            return Work(f"order:{draw.choice(mine)[1]}", shop.Cancel())
        buy = checkout.Buy(article=draw.choice(ARTICLES), count=draw.randint(1, 4))
        if mine and chance < 0.5:  # again, or the same one with something else
            _, key, before = draw.choice(mine)
            return Work(f"checkout:{key}", draw.choice((before, buy)))
        key = f"{user}-{len(self._bought)}"
        self._bought.append((user, key, buy))
        return Work(f"checkout:{key}", buy)


def mark(event: Any) -> str | None:
    """What an entity does once: each thing for each order."""
    match event:
        case {"type": "stock.supplied" | "wallet.deposited" | "actor.noted"}:
            return None
        case {"type": kind, "order": order}:
            return f"{kind} {order}"
        case {"type": kind, "step": step}:
            return f"{kind} {step}"
        case {"type": kind}:
            return str(kind)
    return None


def in_credit(entity: str, state: Any) -> None:
    match state:
        case shop.StockState():
            assert state.free >= 0
        case shop.WalletState():
            assert state.cents >= 0


def unfinished(states: dict[str, Any]) -> list[str]:
    """Every saga has ended, and what the others hold for it is what its outcome says."""
    left: list[str] = []
    held: dict[str, set[str]] = {}  # by order
    for entity, state in states.items():
        match state:
            case shop.StockState():
                for order in state.reserved:
                    held.setdefault(order, set()).add("reserve")
            case shop.WalletState():
                for order in state.paid:
                    held.setdefault(order, set()).add("charge")
            case shop.OrderState(status="confirmed"):
                held.setdefault(entity.partition(":")[2], set()).add("confirm")
    for entity, state in states.items():
        if not isinstance(state, SagaState):
            continue
        order = entity.partition(":")[2]
        found = held.pop(order, set())
        match state.status:
            case "new":  # its start has never come through
                wanted = set()
            case "done":
                wanted = {"reserve", "charge", "confirm"}
            case "undone":
                wanted = set()
            case "stuck":
                stuck = {step.name for step in state.steps if step.status == "stuck"}
                wanted = found & stuck  # an undo that was refused leaves what there was
            case status:
                left.append(f"{entity} is {status}")
                continue
        if found != wanted:
            left.append(f"{entity} is {state.status}, and there is {sorted(found)}")
    left += [f"nobody knows of order {order}: {sorted(found)}" for order, found in held.items()]
    return left


def sagas(**how: Any) -> Scenario:
    return Scenario(
        kinds=(Stock, Wallet, Order, Checkout),
        channels=(*(f"stock:{article}" for article in ARTICLES), *(f"wallet:{user}" for user in USERS)),
        work=Shopping(),
        records=lambda message: isinstance(message, shop.Supply | shop.Deposit),
        mark=mark,
        invariant=in_credit,
        unfinished=unfinished,
        pace_s=11.0,  # each purchase is a dozen appends
        **how,
    )
