"""The checkout of docs/guides/sagas.md, and a larger order whose steps go on at once, race, and wait for a word; among
customers who change their minds, people who cancel, retry and fork, and entities that fail or are busy."""

from random import Random
from typing import Annotated, Any

from msgspec import Meta
from msgspec.structs import replace

from greenroom import Ask, Done, Retry, Saga, SoFar, Step, parallel, race, wait_for
from greenroom.actors.model.actor import KindLimits
from greenroom.actors.model.errors import Refused
from greenroom.actors.model.message import Message
from greenroom.actors.saga.messages import CancelSaga, ForkSaga, RetrySaga
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


class Steered:
    def may_steer(self, command: Message) -> None:
        """Whoever likes."""

    def may_tell(self, message: Message) -> None:
        """Likewise."""


class Checkout(Steered, checkout.Checkout):  # type: ignore[misc, name-defined]
    limits = LIMITS
    steps = tuple(replace(step, deadline_s=4.0) for step in checkout.Checkout.steps)
    deadline_s = 9.0


class Bundle(Ask[Done], tag="bundle.order"):
    count: Annotated[int, Meta(ge=1, le=4)]


class Approve(Ask[Done], tag="bundle.approve"):
    pass


BundleSoFar = SoFar[Bundle]
WAYS = ("van", "bike")  # by which it may be sent: each is an order of its own


def take(article: str) -> Step[Any]:
    def do(so_far: BundleSoFar) -> tuple[str, Message]:
        return f"stock:{article}", shop.Reserve(order=so_far.key, count=so_far.input.count)

    return Step(name=f"take_{article}", do=do, undo=checkout.release, deadline_s=5.0)


def send(way: str) -> Step[Any]:
    def do(so_far: BundleSoFar) -> tuple[str, Message]:
        return f"order:{so_far.key}.{way}", shop.Confirm()

    return Step(name=f"send_{way}", do=do, undo=checkout.cancel, deadline_s=5.0)


def pay(so_far: BundleSoFar) -> tuple[str, Message]:
    return f"wallet:{so_far.by}", shop.Charge(order=so_far.key, cents=300 * so_far.input.count)


class Bundles(Steered, Saga[Bundle]):
    kind = "bundle"
    starts = "users"
    limits = LIMITS
    steps = (
        parallel(
            *(take(article) for article in ARTICLES),
            Step(name="pay", do=pay, undo=checkout.refund, deadline_s=5.0, retry=Retry(attempts=3, first_s=1.0)),
        ),
        wait_for(Approve, within=5.0, sent_by="users", otherwise=()),
        race(*(send(way) for way in WAYS)),
    )
    deadline_s = 20.0


class Shopping:
    def __init__(self) -> None:
        self._bought: list[tuple[str, str, Message]] = []
        self._bundles: list[tuple[str, str]] = []

    def __call__(self, draw: Random, user: str) -> Work:
        chance = draw.random()
        if chance < 0.15:
            return Work(f"stock:{draw.choice(ARTICLES)}", shop.Supply(count=draw.randint(1, 20)))
        if chance < 0.3:
            return Work(f"wallet:{user}", shop.Deposit(cents=draw.randint(100, 2_000)))
        mine = [one for one in self._bought[-20:] if one[0] == user]
        if mine and chance < 0.4:
            return Work(f"order:{draw.choice(mine)[1]}", shop.Cancel())
        if chance < 0.75:
            return self._bundle(draw, user)
        buy = checkout.Buy(article=draw.choice(ARTICLES), count=draw.randint(1, 4))
        if mine and chance < 0.8:  # again, or the same one with something else
            _, key, before = draw.choice(mine)
            return Work(f"checkout:{key}", draw.choice((before, buy)))
        key = f"{user}-{len(self._bought)}"
        self._bought.append((user, key, buy))
        return Work(f"checkout:{key}", buy)

    def _bundle(self, draw: Random, user: str) -> Work:
        mine = [key for owner, key in self._bundles[-20:] if owner == user]
        sagas = [f"bundle:{key}" for key in mine]
        sagas += [f"checkout:{key}" for owner, key, _ in self._bought[-20:] if owner == user]
        chance = draw.random()
        if mine and chance < 0.25:
            return Work(f"bundle:{draw.choice(mine)}", Approve())
        if sagas and chance < 0.35:
            return Work(draw.choice(sagas), CancelSaga(reason="another idea"))
        if sagas and chance < 0.4:
            return Work(draw.choice(sagas), RetrySaga())
        if sagas and chance < 0.5:
            saga = draw.choice(sagas)
            steps = ("take_a", "approve", "send_van") if saga.startswith("bundle") else ("charge", "confirm")
            return Work(saga, ForkSaga(from_step=draw.choice(steps)))
        key = f"{user}-b{len(self._bundles)}"
        self._bundles.append((user, key))
        return Work(f"bundle:{key}", Bundle(count=draw.randint(1, 3)))


def mark(event: Any) -> str | None:
    """What an entity does once: each thing for each order."""
    match event:
        case {"type": "stock.supplied" | "wallet.deposited" | "actor.noted"}:
            return None
        case {"type": "saga.step_begun" | "saga.step_put_off" | "saga.retried" | "saga.undo_begun"}:
            return None  # it may be tried more than once: what comes of it may not
        case {"type": "saga.undo_refused" | "saga.ended"}:
            return None  # likewise
        case {"type": "saga.forked" | "saga.fork_refused" as kind, "to": to}:
            return f"{kind} {to}"
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
    held: dict[str, set[str]] = {}  # by order, the steps that left it
    for entity, state in states.items():
        kind, _, key = entity.partition(":")
        match state:
            case shop.StockState():
                for order in state.reserved:
                    held.setdefault(order, set()).add(f"take_{key}" if is_of_bundle(order) else "reserve")
            case shop.WalletState():
                for order in state.paid:
                    held.setdefault(order, set()).add("pay" if is_of_bundle(order) else "charge")
            case shop.OrderState(status="confirmed"):
                order, _, way = key.partition(".")
                held.setdefault(order, set()).add(f"send_{way}" if way else "confirm")
    for entity, state in states.items():
        if not isinstance(state, SagaState):
            continue
        kind, _, order = entity.partition(":")
        found = held.pop(order, set())
        taken = {step.name for step in state.steps if step.taken}
        match state.status:
            case "new" | "undone":  # the former: its start has never come through
                fits = not found
            case "done" if kind == "checkout":
                fits = found == {"reserve", "charge", "confirm"} - taken
            case "done":
                sent = {f"send_{way}" for way in WAYS}
                goods = {f"take_{article}" for article in ARTICLES} | {"pay"}
                fits = found - sent == goods - taken and len(found & sent) == 1
            case "stuck":  # an undo that was refused leaves what there was
                stuck = {step.name for step in state.steps if step.status == "stuck"}
                fits = found <= stuck if state.back else bool(found)
            case status:
                if not waits_for_time(state):
                    left.append(f"{entity} is {status}")
                continue
        if not fits:
            left.append(f"{entity} is {state.status}, and there is {sorted(found)}")
    left += [f"nobody knows of order {order}: {sorted(found)}" for order, found in held.items()]
    return left


def waits_for_time(state: SagaState) -> bool:
    """Till a moment by the clock of a node that may have gone an hour wrong: whoever comes after it waits so long."""
    under_way = [step for step in state.steps if step.status in ("running", "resting", "undoing", "undo_resting")]
    resting = [step for step in under_way if "resting" in step.status or (step.status == "running" and not step.entity)]
    return bool(under_way) and resting == under_way


def is_of_bundle(order: str) -> bool:
    return "-b" in order


def sagas(**how: Any) -> Scenario:
    return Scenario(
        kinds=(Stock, Wallet, Order, Checkout, Bundles),
        channels=(*(f"stock:{article}" for article in ARTICLES), *(f"wallet:{user}" for user in USERS)),
        work=Shopping(),
        records=lambda message: isinstance(message, shop.Supply | shop.Deposit),
        mark=mark,
        invariant=in_credit,
        unfinished=unfinished,
        # One node, seeds 4, 8, 21, 27 to 29: they found steps done twice, where a receiver that had been told something
        # was said not to have been (supervisors/kernel/cells/release.py, known_to_have_landed).
        pace_s=11.0,  # each purchase is a dozen appends
        **how,
    )
