"""Studios that start jobs with their events, and what is wished for: the worlds `jobs` and `assorted`."""

from random import Random
from typing import Any

import msgspec
from msgspec import Struct, field

from greenroom.actors.jobs.limits import Rate
from greenroom.actors.model.actor import Actor, KindLimits
from greenroom.actors.model.errors import Refused
from greenroom.actors.model.lifecycle import Answered, Undelivered
from greenroom.actors.model.message import Ask, Event, Message
from greenroom.supervisors.simulation.client import Work as Command
from tests.simulation.jobs.classes import (
    BY_TAG,
    SECRET,
    Batch,
    Calm,
    Chore,
    Errand,
    Fate,
    Gathered,
    Latest,
    Newest,
    Plain,
    Rare,
    Sealed,
    Single,
)

STUDIOS = tuple(f"studio:{number}" for number in range(1, 4))
KEYS = ("a", "b", "c")
LONG = "x" * 3_000  # what is not in a queue's memory


class Order(Struct, frozen=True):
    """A job as it is ordered."""

    job: str
    arguments: dict[str, Any]
    delay_s: float = 0.0
    priority: int = 4
    report: bool = False
    expires_s: float | None = None
    weight: int | None = None


class Ordered(Event, tag="studio.ordered"):
    token: str
    ids: list[str]


class Heard(Event, tag="studio.heard"):
    job: str
    how: str


class Place(Ask[int], tag="studio.place"):
    token: str
    orders: list[Order]


class StudioState(Struct):
    ordered: int = 0
    heard: dict[str, str] = field(default_factory=dict)


class Studio(Actor[StudioState]):
    kind = "studio"
    commands = (Place,)
    events = (Ordered, Heard)
    limits = KindLimits(idle_s=12.0, snapshot_every=25, history_events=60, command_ids_s=3600.0)

    def handle(self, message: Message) -> Any:
        match message:
            case Place():
                ids = [self._start(order) for order in message.orders]
                self.record(Ordered(token=message.token, ids=ids))
                if int(self.now * 1000) % 9 == 0:
                    raise Refused("studio.busy", status=429)  # nothing of it has happened
            case Answered():
                self.record(Heard(job=message.entity.partition(":")[2], how="completed"))
            case Undelivered():
                self.record(Heard(job=message.entity.partition(":")[2], how=message.name))
        return self.offset

    def _start(self, order: Order) -> str:
        job = msgspec.convert(order.arguments, BY_TAG[order.job])
        about = str(order.arguments["token"]) if order.report else ""
        return self.start_job(
            job,
            about=about,
            delay_s=order.delay_s,
            priority=order.priority,
            expires_s=order.expires_s,
            weight=order.weight,
        )

    def apply(self, event: Event) -> None:
        match event:
            case Ordered():
                self.state.ordered += len(event.ids)
            case Heard():
                self.state.heard[event.job] = event.how

    def view(self) -> Any:
        return {"ordered": self.state.ordered}


FATES: tuple[Fate, ...] = (
    *("keep",) * 8, "slow", "steps", "steps", "long", "fails", *("stumbles",) * 3, "discards", "snoozes", "snoozes",
    "pauses", "cancels",
)  # fmt: skip
POISON = 0.01  # share of the jobs that end their workers: few, for each ends three
TOO_LONG = ("slow", "poison")


class Wishes:
    """What is to be done next. Never the same token twice in a world."""

    queues: tuple[str, ...] = ("chores", "lanes")
    jobs: tuple[type[Chore], ...] = (*(Chore,) * 4, Single, Latest, Calm, Rare, *(Errand,) * 4)
    fates = FATES
    rates: tuple[Rate | None, ...] = (None, None, Rate(1, per_s=2.0), Rate(6, per_s=3.0, burst=2))
    key_rates: tuple[Rate | None, ...] = (None, None, None, Rate(2, per_s=2.0))
    rate_at_last: Rate | None = None  # once all that is left is to be done

    def __init__(self, poison: float = POISON) -> None:
        self._next = 0
        self._poison = poison

    def token(self, user: str) -> str:
        self._next += 1
        return f"{user}-{self._next}"

    def order(self, draw: Random, user: str) -> Order:
        job = draw.choice(self.jobs)
        fate = draw.choice(self.fates) if draw.random() >= self._poison else "poison"
        if job is Errand and fate in TOO_LONG:  # those behind it would wait for too long
            fate = "keep"
        arguments = {
            "token": self.token(user),
            "fate": fate,
            "key": draw.choice(KEYS),
            "takes_s": round(draw.choice((0.0, 0.05, 0.3, 1.5)), 3),
            "pad": LONG if fate == "long" else "",
        }
        return Order(
            str(job.__struct_config__.tag),
            arguments,
            delay_s=round(draw.uniform(0.0, 10.0), 1) if draw.random() < 0.15 else 0.0,
            priority=draw.randint(0, 9) if draw.random() < 0.2 else 4,
            report=draw.random() < 0.6,
        )

    def edited(self, draw: Random) -> dict[str, Any]:
        """What people change the arguments of a job to."""
        return {"token": self.token("editor"), "key": "a"}

    def __call__(self, draw: Random, user: str) -> Command:
        token = self.token(user)
        orders = [self.order(draw, user) for _ in range(draw.randint(1, 3))]
        return Command(draw.choice(STUDIOS), Place(token=token, orders=orders), token)


class AssortedWishes(Wishes):
    """Jobs that expire, that weigh more than others, that several are done of by one call, that nobody may read."""

    queues = ("mixed", "batches")
    jobs = (*(Plain,) * 4, *(Newest,) * 2, *(Sealed,) * 2, *(Gathered,) * 3, *(Batch,) * 3)
    fates = (*FATES, *("halts",) * 4)
    rates = (
        None,
        Rate(4, per_s=2.0, burst=2),
        Rate(5, per_s=4.0, window="fixed"),
        Rate(5, per_s=4.0, window="sliding"),
    )
    rate_at_last = Rate(1_000, per_s=1.0)
    key_rates = (None, None, Rate(4, per_s=3.0, window="fixed"), Rate(3, per_s=2.0, window="sliding"))

    def order(self, draw: Random, user: str) -> Order:
        order = super().order(draw, user)
        within_s = draw.choice((0.5, 2.0, 6.0, 15.0)) if draw.random() < 0.4 else 0.0
        weight = draw.choice((2, 2, 3, 12)) if draw.random() < 0.4 else 1
        said = {"within_s": within_s, "weight": weight, "secret": self._secret(order.arguments["token"], order.job)}
        return msgspec.structs.replace(
            order, arguments=order.arguments | said, expires_s=within_s or None, weight=weight
        )

    def edited(self, draw: Random) -> dict[str, Any]:
        arguments = super().edited(draw)
        return arguments | {"fate": draw.choice(("keep", "steps", "halts"))}

    def _secret(self, token: str, job: str) -> str:
        return f"{SECRET}{token}" if BY_TAG[job].encrypts else ""


def mark(event: Any) -> str | None:
    match event:
        case {"type": "studio.ordered", "token": token}:
            return str(token)
        case {"type": "studio.heard", "job": job}:
            return f"heard of {job}"
    return None
