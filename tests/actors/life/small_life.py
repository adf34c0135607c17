"""A life without a kernel: an entity that adds up, a world that a test moves, slots that keep their answers."""

from contextlib import nullcontext
from typing import Any

from msgspec import Struct

from greenroom.actors.life.life import Life
from greenroom.actors.life.turn import Turn
from greenroom.actors.model.actor import Actor
from greenroom.actors.model.envelope import Envelope
from greenroom.actors.model.errors import ActorError, Refused
from greenroom.actors.model.kinds import Kind
from greenroom.actors.model.message import Ask, Event, Message
from greenroom.actors.model.principal import Principal
from greenroom.store.jobs.no_jobs import NoJobs
from greenroom.store.journal.records import Head


class Added(Event, tag="sum.added"):
    amount: int


class Add(Ask[int], tag="sum.add"):
    amount: int
    refuse: str = ""  # "before" or "after" recording
    tell: str = ""


class SumState(Struct):
    total: int = 0


class Sum(Actor[SumState]):
    kind = "sum"
    commands = (Add,)
    events = (Added,)
    trouble: Exception | None = None  # of readers

    def handle(self, message: Message) -> Any:
        assert isinstance(message, Add)
        if message.refuse == "before":
            raise Refused("sum.no")
        if message.tell:
            self.tell(message.tell, Add(amount=1))
        if message.amount:
            self.record(Added(amount=message.amount))
        if message.refuse == "after":
            raise Refused("sum.no")
        return self.state.total

    def apply(self, event: Event) -> None:
        assert isinstance(event, Added)
        self.state.total += event.amount

    def view(self) -> Any:
        if self.trouble is not None:
            raise self.trouble
        return {"total": self.state.total}


class World:
    """A clock that a test moves; every entity has a journal."""

    jobs = NoJobs()

    def __init__(self) -> None:
        self.seconds = 0.0
        self.step_s = 0.0  # by which each look moves it

    def now(self) -> float:
        return 1000.0

    def monotonic(self) -> float:
        self.seconds += self.step_s
        return self.seconds

    def new_epoch(self) -> str:
        return "e"

    def audience(self, entity: str) -> list[Principal]:
        return []

    def spend(self, rule: str, user: str, per_h: int) -> float:
        return 0.0

    def is_durable(self, entity: str, message: Message) -> bool:
        return True

    def trace(self, name: str, parent: str, entity: str) -> Any:
        return nullcontext()

    async def ask(self, entity: str, message: Any, **_: Any) -> Any:
        raise AssertionError("nobody asks here")

    def nudged(self, entities: Any, message: Message) -> list[str]:
        return list(entities)

    def glance(self, entity: str, message: Any) -> Any:
        raise NotImplementedError

    async def query(self, row: Any, key: str, asked: Any) -> Any:
        raise AssertionError("nobody queries here")

    async def query_pages(self, row: Any, keys: Any, **_: Any) -> Any:
        raise AssertionError("nobody queries here")

    async def query_rows(self, wanted: Any) -> Any:
        raise AssertionError("nobody queries here")

    def has_ended(self, process: str) -> bool:
        raise NotImplementedError


class Slot:
    def __init__(self) -> None:
        self.answers: list[Any] = []

    def resolve(self, reply: Any, encoded: bytes | None) -> None:
        self.answers.append(reply)

    def reject(self, error: ActorError) -> None:
        self.answers.append(error)


def life_of(world: World | None = None, *, epoch: str = "e") -> Life:
    return Life(Kind(Sum), "sum:1", world or World(), Turn(), Head(1, "sum:1", 7, epoch, 0))


def total(life: Life) -> int:
    assert isinstance(life.actor.state, SumState)
    return life.actor.state.total


def ask(message: Message, **fields: Any) -> Envelope:
    return Envelope(message=message, slot=Slot(), **fields)
