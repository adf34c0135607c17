"""Departures: what leaves an entity once the events before it are durable. One union, so that none is forgotten.

A publication is the stored event itself; effects that need no more than to wait leave as the handler named them.
`gc=False`: nothing that one leads to leads back to it, and there are many.
"""

from collections.abc import Awaitable, Callable

from msgspec import Struct

from greenroom.actors.life.outgoing import Outgoing
from greenroom.actors.model.actor import ReadTurn
from greenroom.actors.model.effects import After, Ephemeral, Kick, Nudge, StartJob, Told
from greenroom.actors.model.errors import ActorError
from greenroom.actors.model.message import Later, ReplySlot
from greenroom.store.journal.consequences.outbox import OutboxRow
from greenroom.store.journal.dead_letters import DeadLetter
from greenroom.store.journal.records import StoredEvent


class Answer(Struct, frozen=True, gc=False):
    """A reply."""

    slot: ReplySlot
    reply: object
    encoded: bytes | None  # the reply's JSON, where that exists already


class Rejection(Struct, frozen=True, gc=False):
    """A refusal, or why there is no reply."""

    slot: ReplySlot
    error: ActorError


class Reading(Struct, frozen=True, gc=False):
    """An answer that is read aside, in so many seconds."""

    later: Later
    read: Callable[[ReadTurn | None], Awaitable[object]]
    seconds: float
    is_command: bool  # may it be turned away where too many read?


class Posted(Struct, frozen=True, gc=False):
    """The outbox row is durable, so what lies in it can be delivered."""

    row: OutboxRow
    messages: list[Outgoing]
    told: list[Told]  # the same, as the handler said it; without answers to others
    first_to: frozenset[str] = frozenset()  # receivers that the sender had never told anything
    at: int = 0  # the turn's serial, before the row was committed


class JobsStarted(Struct, frozen=True, gc=False):
    """These jobs are stored: their queues are to look for them."""

    started: list[StartJob]


class TimersSet(Struct, frozen=True, gc=False):
    """These durable timers are stored, due at these times (Unix ms)."""

    due_ms: list[int]


class SnapshotDue(Struct, frozen=True, gc=False):
    """The state as of an offset, worth keeping."""

    offset: int
    body: bytes


class GivenUp(Struct, frozen=True, gc=False):
    """A message was refused for good, or has killed the actor too often; committed with what else came of it."""

    letter: DeadLetter | None  # among the dead letters; None when its sender hears of the refusal, and decides
    error: ActorError | None = None  # what it was refused with; None when it has killed the actor too often


Departure = (
    StoredEvent
    | Answer
    | Rejection
    | Reading
    | Ephemeral
    | Told
    | Posted
    | TimersSet
    | After
    | SnapshotDue
    | Kick
    | GivenUp
    | JobsStarted
    | Nudge
)
