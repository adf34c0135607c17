"""What a handler wants done, held until the events it follows from are durable.

`gc=False`: nothing that an effect leads to leads back to it, and there are many.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from msgspec import Struct

from greenroom.actors.model.message import Event, Later, Message
from greenroom.actors.model.principal import Principal
from greenroom.actors.model.schedule import Schedule
from greenroom.store.journal.consequences.jobs import JobRow, Jobs


class Told(Struct, frozen=True, gc=False):
    """A message for another entity. With `about`, the sender wants to be told what became of it."""

    entity: str
    message: Message
    about: str = ""
    durable: bool = True  # between two entities with journals: it goes through the outbox


class Ephemeral(Struct, frozen=True, gc=False):
    """A publication without an offset: whoever watches now may see it. The newest per `key` wins
    among those of one flush, and for a slow client."""

    data: Struct
    key: str


class Kick(Struct, frozen=True, gc=False):
    """Whoever watches this entity's channel is to stop, with a code of the client protocol."""

    code: int  # 2000..2499 ends the subscription, 3000..4999 the whole connection
    reason: str
    user: str | None = None  # only this user's
    everywhere: bool = False  # also ends whatever else that user watches
    but: frozenset[str] = frozenset()  # not these users'
    but_roles: frozenset[str] = frozenset()  # not of whoever has one of these roles

    def means(self, who: Principal) -> bool:
        """Is `who`, a watcher of this entity, to stop?"""
        if self.user is not None and who.user != self.user:
            return False
        if not (self.but or self.but_roles):
            return True
        return who.user not in self.but and self.but_roles.isdisjoint(who.roles) and not who.system


FORGOTTEN = Kick(2410, "forgotten")  # what watchers of an entity hear that was erased


class After(Struct, frozen=True, gc=False):
    """A message to oneself, after a while. Lost with the actor: what must happen is a durable timer."""

    seconds: float
    message: Message


class SetTimer(Struct, frozen=True, gc=False):
    """A durable timer; one of the same name is moved."""

    name: str
    due_ms: int  # Unix ms
    message: Message
    schedule: Schedule


class CancelTimer(Struct, frozen=True, gc=False):
    """No more of that durable timer."""

    name: str


class AnswerLater(Struct, frozen=True, gc=False):
    """The reply to a message that was handled before."""

    later: Later
    reply: Any


class Nudge(Struct, frozen=True, gc=False):
    """A message for those of these entities that are awake, on whichever node: see Actor.nudge."""

    entities: list[str]
    message: Message


class Startable(Protocol):
    """A job: see actors/jobs/job.py."""

    def to_row(
        self,
        *,
        now_ms: int,
        origin: str,
        about: str,
        delay_s: float,
        priority: int | None,
        partition: str | None,
        attempts: int | None,
        expires_s: float | None,
        weight: int | None,
        after: Iterable[Any],
        children: Iterable[Any],
        when: str,
        queues: Mapping[str, str],
        trace: str,
        by: str,
    ) -> JobRow:
        """As it is stored. Raises: ValueError, TypeError, Refused `job.arguments_too_long`."""


class StartJob(Struct, frozen=True, gc=False):
    """A job that is added with what is recorded here."""

    job: Startable
    row: JobRow
    about: str

    @property
    def id(self) -> str:
        return self.row.id


class WriteJobs(Struct, frozen=True, gc=False):
    """What is written of jobs."""

    jobs: Jobs


Effect = Told | Ephemeral | Kick | After | SetTimer | CancelTimer | AnswerLater | WriteJobs | StartJob | Nudge


class Effects:
    """The effects of the message being handled, in the order they were named. While there are none, there is no list:
    each is one more object that the collector looks at, of every actor that is awake."""

    __slots__ = ("events", "others")

    def __init__(self) -> None:
        self.events: list[Event] | tuple[()] = ()
        self.others: list[Effect] | tuple[()] = ()

    def record(self, event: Event) -> None:
        if self.events:
            self.events.append(event)
        else:
            self.events = [event]

    def name(self, effect: Effect) -> None:
        if self.others:
            self.others.append(effect)
        else:
            self.others = [effect]

    def drop(self) -> None:
        """Nothing was recorded or named."""
        self.events = self.others = ()
