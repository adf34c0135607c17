"""Studios that start jobs with their events, services that add others, and people who steer them: the world `jobs`.

A job's arguments say what becomes of it. All chance lies in them, or in the order of things.
"""

from random import Random
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import trio
from msgspec import Struct, field

from greenroom import Cancel, Discard, Job, Retry, Snooze, Unique
from greenroom.actors.jobs.installed import Jobs
from greenroom.actors.jobs.job import JobLimits
from greenroom.actors.jobs.limits import JobQueue
from greenroom.actors.jobs.work import Pause, Work
from greenroom.actors.model.actor import Actor, KindLimits
from greenroom.actors.model.errors import Refused
from greenroom.actors.model.lifecycle import Answered, Undelivered
from greenroom.actors.model.message import Ask, Event, Message
from greenroom.supervisors.jobs.processes import ProcessLost
from greenroom.supervisors.simulation.client import Work as Command
from greenroom.supervisors.simulation.schedule import NODE

if TYPE_CHECKING:
    from greenroom.supervisors.simulation.world import World

STUDIOS = tuple(f"studio:{number}" for number in range(1, 4))
QUEUES = ("chores", "lanes")
KEYS = ("a", "b", "c")
KNOWN_MAX = 40  # jobs of which people think
LONG = "x" * 3_000  # what is not in a queue's memory

# What becomes of a job: it succeeds, after a while or longer than a lease lasts, in steps, or with arguments that are
# long; it fails always, at first, or for good; it waits, wants nobody to go on, ends as cancelled, or ends its worker.
Fate = Literal[
    "keep", "slow", "steps", "long", "fails", "stumbles", "discards", "snoozes", "pauses", "cancels", "poison"
]
WITHOUT_FAILURE = frozenset(("keep", "slow", "long", "snoozes", "pauses", "cancels", "poison"))
RETRY = Retry(attempts=4, first_s=0.5, max_s=3.0)
LIMITS = JobLimits(timeout_s=600.0, grace_s=1.0)


class Yard:
    """What is outside of all processes: what people know of jobs, and what these have done to the world."""

    def __init__(self) -> None:
        self.world: World | None = None
        self.known: list[str] = []  # ids, the newest last
        self.acknowledged: set[str] = set()  # whose adding was answered
        self.unwanted: set[str] = set()  # that somebody has asked to be cancelled
        self.cancelled: set[str] = set()  # of which somebody was told that they are
        self.retried: set[str] = set()
        self._snoozed: set[str] = set()
        self._steps = 0

    def __deepcopy__(self, memo: object) -> "Yard":
        return self  # a failover changes nothing out here

    def note(self, job_id: str) -> None:
        """There is such a job."""
        self.known.append(job_id)
        del self.known[:-KNOWN_MAX]

    @property
    def clocks_are_right(self) -> bool:
        world = self.world
        return world is not None and not world.faults.skew_s and not world.faults.jump_every_s

    async def do(self, job: Any, work: Work) -> Any:
        await trio.sleep(job.takes_s)
        result: dict[str, Any] = {"token": job.token, "lease": getattr(work, "token")}  # noqa: B009 - no part of Work
        match job.fate:
            case "slow":
                work.log("it takes its time")
                await work.progress(0.5)
                await trio.sleep(14.0)
            case "steps":
                result["steps"] = [await work.step("one", self._step), await work.step("two", self._step)]
            case "fails":
                raise RuntimeError("as it always does")
            case "stumbles" if work.attempt == 1:
                raise RuntimeError("at first")
            case "discards":
                raise Discard("it can't be done")
            case "snoozes" if work.id not in self._snoozed:
                self._snoozed.add(work.id)
                raise Snooze(2.0)
            case "pauses" if work.id not in self._snoozed:
                self._snoozed.add(work.id)
                raise Pause(2.0, "too much")
            case "cancels":
                raise Cancel()
            case "poison":
                await self._end_worker()
        return result

    async def _step(self) -> int:
        await trio.sleep(0.3)
        self._steps += 1
        return self._steps

    async def _end_worker(self) -> None:
        """Raises: ProcessLost, where it is called in a process of a node's own."""
        assert self.world is not None
        process = NODE.get()
        for crew in self.world.crews:
            if crew.name == process:
                crew.kill()
                await trio.sleep_forever()
        raise ProcessLost("its process ended: SIGKILL")


class Present:
    yard = Yard()  # of the world that is played


class Chore(Job, queue="chores", tag="job.chore"):
    token: str
    fate: Fate = "keep"
    key: str = ""
    takes_s: float = 0.1
    pad: str = ""
    partition = "key"
    retry = RETRY
    limits = LIMITS

    async def run(self, work: Work) -> Any:
        return await Present.yard.do(self, work)


class Single(Chore, queue="chores", tag="job.single"):
    unique = Unique("key")


class Latest(Chore, queue="chores", tag="job.latest"):
    unique = Unique("key", mode="keep_last")


class Calm(Chore, queue="chores", tag="job.calm"):
    unique = Unique("key", mode="debounce", ttl_s=2.0)


class Rare(Chore, queue="chores", tag="job.rare"):
    unique = Unique("key", mode="throttle", ttl_s=4.0)


LANES = JobQueue("lanes", per_key=1, on_retry="block")


class Errand(Chore, queue=LANES, tag="job.errand"):
    """One after the other for each key, and none before one that is tried again."""


CLASSES: tuple[type[Chore], ...] = (Chore, Single, Latest, Calm, Rare, Errand)
INSTALLED = Jobs(CLASSES)
BY_TAG = {str(one.__struct_config__.tag): one for one in CLASSES}


class Order(Struct, frozen=True):
    """A job as it is ordered."""

    job: str
    arguments: dict[str, Any]
    delay_s: float = 0.0
    priority: int = 4
    report: bool = False


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
        return self.start_job(job, about=about, delay_s=order.delay_s, priority=order.priority)

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
JOBS = (*(Chore,) * 4, Single, Latest, Calm, Rare, *(Errand,) * 4)


class Wishes:
    """What is to be done next. Never the same token twice in a world."""

    def __init__(self, poison: float = POISON) -> None:
        self._next = 0
        self._poison = poison

    def token(self, user: str) -> str:
        self._next += 1
        return f"{user}-{self._next}"

    def order(self, draw: Random, user: str) -> Order:
        job = draw.choice(JOBS)
        fate = draw.choice(FATES) if draw.random() >= self._poison else "poison"
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

    def __call__(self, draw: Random, user: str) -> Command:
        token = self.token(user)
        orders = [self.order(draw, user) for _ in range(draw.randint(1, 3))]
        return Command(draw.choice(STUDIOS), Place(token=token, orders=orders), token)


def mark(event: Any) -> str | None:
    match event:
        case {"type": "studio.ordered", "token": token}:
            return str(token)
        case {"type": "studio.heard", "job": job}:
            return f"heard of {job}"
    return None
