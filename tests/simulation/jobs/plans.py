"""Planners that start flows with their events, services that add others, and schedules: the world `plans`.

Parts are done in one queue, wholes in another, which wait for them, and add some. A job's arguments say what becomes of
it.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any, Literal, cast

import msgspec
import trio
from msgspec import Raw, Struct, field

from greenroom import Discard, Job, Retry, Unique, WaitFor
from greenroom.actors.jobs.installed import Jobs
from greenroom.actors.jobs.queue.flows.messages import AddFlow, FlowJob
from greenroom.actors.jobs.schedule.messages import Backfill, Pause, Resume, Set, Trigger
from greenroom.actors.jobs.schedule.overlap import Overlap
from greenroom.actors.jobs.single.messages import Cancel, Edit
from greenroom.actors.jobs.single.messages import Retry as TryAgain
from greenroom.actors.jobs.waits import OnFailure, When
from greenroom.actors.jobs.work import Work
from greenroom.actors.model.actor import Actor, KindLimits
from greenroom.actors.model.errors import ActorError
from greenroom.actors.model.lifecycle import Answered, Undelivered
from greenroom.actors.model.message import Ask, Event, Message
from greenroom.store.journal.consequences.jobs import JobTables
from greenroom.supervisors.simulation.client import Work as Command
from greenroom.supervisors.simulation.jobs.outside import Outside
from greenroom.supervisors.simulation.node import STARTED
from tests.simulation.jobs.errands import Wanted, errands_of
from tests.simulation.jobs.timed import EVERY_MS

if TYPE_CHECKING:
    from greenroom.supervisors.simulation.world import World

PLANNERS = tuple(f"planner:{number}" for number in range(1, 4))
SCHEDULES: dict[str, Overlap] = {
    "each": "allow",
    "alone": "skip",
    "behind": "buffer_one",
    "all": "buffer_all",
    "other": "cancel_other",
}
ENDLESS_S = 86_400.0  # what takes so long is cancelled, however late anybody hears of it: no world goes on for as long
TAKES_S = {"each": 0.2, "all": 6.0}
ADD_EVERY_S = 12.0
MEDDLE_EVERY_S = 4.0
ASKED_S, AGAIN_S, LONG_S = 30.0, 1.0, 20.0
EXPIRES_S = {0.5: 1.5}  # by how long it takes: the others need not begin in time
RETRY = Retry(attempts=3, first_s=0.5, max_s=2.0)
Fate = Literal["keep", "stumbles", "discards"]
FATES: tuple[Fate, ...] = ("keep", "keep", "keep", "stumbles", "discards")
POLICIES: tuple[OnFailure, ...] = ("fail", "ignore", "continue")
WHENS: tuple[When, ...] = ("", "", "", "success", "failure", "ended")


class Part(Job, queue="parts", tag="job.part"):
    fate: Fate = "keep"
    takes_s: float = 0.2
    retry = RETRY

    async def run(self, work: Work) -> str:
        await trio.sleep(self.takes_s)
        if self.fate == "discards":
            raise Discard("it can't be done")
        if self.fate == "stumbles" and work.attempt == 1:
            raise RuntimeError("at first")
        return work.id


class Lone(Part, queue="parts", tag="job.lone"):
    """One of an errand's, that makes room for another's."""

    unique = Unique(mode="keep_last")


class Whole(Job, queue="wholes", tag="job.whole"):
    """Made of parts, some of which it adds itself: it says which it has found, and how they had ended."""

    adds: list[tuple[Fate, OnFailure]] = field(default_factory=list)
    asks: bool = True  # else it is begun again since it has returned
    retry = RETRY

    async def run(self, work: Work) -> list[list[str]]:
        await trio.sleep(0.2)
        for number, (fate, on_failure) in enumerate(self.adds):
            await work.spawn(f"{number}", [Part(fate=fate, takes_s=0.05)], on_failure=on_failure)
        return [[one.id, one.state] for one in await work.children()] if self.asks else []


INSTALLED = Jobs((Part, Lone, Whole))


def _step(fate: str, takes_s: float) -> Job:
    return (Lone if fate == "stumbles" else Part)(fate=cast("Fate", fate), takes_s=takes_s)


Errands = errands_of(_step)


class Planned(Struct, frozen=True):
    """A flow as it is wanted."""

    parts: list[tuple[Fate, OnFailure, float]]
    are_children: bool
    when: When
    adds: list[tuple[Fate, OnFailure]]
    asks: bool

    @property
    def whole(self) -> Whole:
        return Whole(adds=self.adds, asks=self.asks)


class Made(Event, tag="planner.made"):
    token: str
    ids: list[str]  # the whole is the last


class Heard(Event, tag="planner.heard"):
    job: str
    how: str


class Make(Ask[int], tag="planner.make"):
    token: str
    flow: Planned


class PlannerState(Struct):
    made: int = 0
    heard: dict[str, str] = field(default_factory=dict)


class Planner(Actor[PlannerState]):
    kind = "planner"
    commands = (Make,)
    events = (Made, Heard)
    limits = KindLimits(idle_s=12.0, snapshot_every=25, history_events=60, command_ids_s=3600.0)

    def handle(self, message: Message) -> Any:
        match message:
            case Make(token=token, flow=flow):
                ids = [
                    self.start_job(Part(fate=fate, takes_s=takes_s), expires_s=EXPIRES_S.get(takes_s))
                    for fate, _, takes_s in flow.parts
                ]
                waits = [WaitFor(one, policy) for one, (_, policy, _) in zip(ids, flow.parts, strict=True)]
                after, children = ((), waits) if flow.are_children else (waits, ())
                ids.append(self.start_job(flow.whole, about=token, after=after, children=children, when=flow.when))
                self.record(Made(token=token, ids=ids))
            case Answered():
                self.record(Heard(job=message.entity.partition(":")[2], how="job.completed"))
            case Undelivered():
                self.record(Heard(job=message.entity.partition(":")[2], how=message.name))
        return self.offset

    def apply(self, event: Event) -> None:
        match event:
            case Made():
                self.state.made += 1
            case Heard():
                self.state.heard[event.job] = event.how

    def view(self) -> Any:
        return {"made": self.state.made}


class Wishes:
    """Never the same token twice in a world."""

    def __init__(self) -> None:
        self._next = 0
        self._errands = Wanted()

    def flow(self, draw: Random) -> Planned:
        parts = [
            (draw.choice(FATES), draw.choice(POLICIES), draw.choice((0.05, 0.5, 3.0)))
            for _ in range(draw.randint(1, 3))
        ]
        when = draw.choice(WHENS)
        parts = [(fate, "fail" if when else policy, s) for fate, policy, s in parts]
        adds = [(draw.choice(FATES), draw.choice(POLICIES)) for _ in range(draw.choice((0, 0, 1, 2)))]
        return Planned(parts, draw.random() < 0.5, when, adds, draw.random() < 0.8)

    def __call__(self, draw: Random, user: str) -> Command:
        if draw.random() < 0.4:
            return self._errands(draw, user, FATES)
        self._next += 1
        token = f"{user}-{self._next}"
        return Command(draw.choice(PLANNERS), Make(token=token, flow=self.flow(draw)), token)


class Planners:
    """Services and people of one world."""

    def __init__(self, wishes: Wishes, endless_s: float) -> None:
        self._endless_s = endless_s
        self.world: World | None = None
        self.acknowledged: set[str] = set()  # whose adding was answered
        self._wishes = wishes

    def __deepcopy__(self, memo: object) -> "Planners":
        return self  # a failover changes nothing out here

    def operators(self, world: "World") -> list[Callable[[], Awaitable[None]]]:
        self.world = world
        draw = world.draw_of_crews
        adding = partial(self._add_on, world.outside(), Random(draw.getrandbits(64)))
        timing = partial(self._time, world.outside(), Random(draw.getrandbits(64)))
        meddling = partial(self._meddle, world, world.outside(), Random(draw.getrandbits(64)))
        return [adding, timing, meddling]

    async def _add_on(self, ask: Outside, draw: Random) -> None:
        count = 0
        while True:
            await trio.sleep(draw.expovariate(1.0 / ADD_EVERY_S))
            count += 1
            flow = self._wishes.flow(draw)
            jobs = [
                FlowJob(
                    "job.part",
                    _raw({"fate": fate, "takes_s": takes_s}),
                    attempts=3,
                    name=f"{n}",
                    queue="parts",
                    expires_s=EXPIRES_S.get(takes_s),
                )
                for n, (fate, _, takes_s) in enumerate(flow.parts)
            ]
            waits = [WaitFor(f"{n}", policy) for n, (_, policy, _) in enumerate(flow.parts)]
            after, children = ([], waits) if flow.are_children else (waits, [])
            whole = Raw(msgspec.json.encode(flow.whole))
            jobs.append(FlowJob("job.whole", whole, name="whole", after=after, children=children, when=flow.when))
            added = await self._until(ask, "queue:wholes", AddFlow(jobs=jobs, idempotency_key=f"flow-{count}"))
            self.acknowledged |= set(added.ids.values())

    async def _time(self, ask: Outside, draw: Random) -> None:
        for name, overlap in SCHEDULES.items():
            arguments = {"takes_s": self._endless_s if name == "other" else TAKES_S.get(name, 9.0)}
            every_s = EVERY_MS / 1000
            wanted = Set(job="job.part", arguments=arguments, every_s=every_s, overlap=overlap, missed="all")
            await self._until(ask, f"schedule:{name}", wanted)
        await self._try(ask, f"schedule:{draw.choice(list(SCHEDULES))}", self._made_up(draw))
        while True:
            await trio.sleep(draw.expovariate(1.0 / 8.0))
            name = draw.choice(list(SCHEDULES))
            made_up = self._made_up(draw)
            message = draw.choice((Pause(note="for now"), Resume(), Resume(), Trigger(), made_up, made_up))
            await self._try(ask, f"schedule:{name}", message)

    async def _meddle(self, world: "World", ask: Outside, draw: Random) -> None:
        """With jobs of errands: those that are to be done, and those that have ended, which go on as they did."""
        while True:
            await trio.sleep(draw.expovariate(1.0 / MEDDLE_EVERY_S))
            tables = world.database.rows.consequences.of(JobTables)
            rows = [*tables.jobs.values(), *(row for row, _ in tables.done.values())]
            ids = [row.id for row in rows if b'"errand:' in (row.options or b"")]
            if ids:
                edit = Edit(arguments=_raw({"fate": "keep", "takes_s": 0.1}), priority=draw.randint(0, 9))
                await self._try(ask, f"job:{draw.choice(ids)}", draw.choice((TryAgain(), TryAgain(), edit, Cancel())))

    def _made_up(self, draw: Random) -> Backfill:
        now_ms = int((STARTED + trio.current_time()) * 1000)
        return Backfill(from_ms=now_ms - 60_000, until_ms=now_ms - draw.randint(0, 40_000))

    async def _until(self, ask: Outside, entity: str, message: Ask[Any]) -> Any:
        """Again and again, until it is answered."""
        while True:
            found = await self._try(ask, entity, message)
            if found is not None:
                return found
            await trio.sleep(AGAIN_S)

    async def _try(self, ask: Outside, entity: str, message: Ask[Any]) -> Any:
        """The answer; None: nobody knows what became of it."""
        try:
            with trio.fail_after(ASKED_S):
                return await ask(entity, message)
        except (ActorError, trio.TooSlowError):
            return None

    async def tidy(self, world: "World") -> None:
        """Schedules rest, and nobody waits for a time that a clock which was ahead has said."""
        ask = world.outside()
        while True:
            for name in SCHEDULES:
                await self._try(ask, f"schedule:{name}", Pause(note="it is over"))
            late_ms = (STARTED + trio.current_time() + LONG_S) * 1000
            for row in list(world.database.rows.consequences.of(JobTables).jobs.values()):
                if msgspec.json.decode(row.arguments or b"{}").get("takes_s") == self._endless_s:
                    await self._try(ask, f"job:{row.id}", Cancel())
                elif row.due_ms > late_ms:
                    await self._try(ask, f"job:{row.id}", Edit(delay_s=0.0))
            await trio.sleep(5.0)


def mark(event: Any) -> str | None:
    match event:
        case {"type": "planner.made", "token": token}:
            return str(token)
        case {"type": "planner.heard", "job": job}:
            return f"heard of {job}"
    return None


def _raw(fields: dict[str, Any]) -> Raw:
    return Raw(msgspec.json.encode(fields))
