"""Messages that the runtime itself speaks to actors and their cells."""

from typing import Any, TypeVar

import msgspec
from msgspec import Raw, Struct

from greenroom.actors.model.errors import Unavailable
from greenroom.actors.model.message import Ask, Event, Tell
from greenroom.store.jobs.sealing import RESULT, NotOpenedHere, Place, opened_if_sealed

Wanted = TypeVar("Wanted")

# The runtime's own event: something became durable, a message or a timer, and the entity had recorded nothing itself.
NOTED = b'{"type":"actor.noted"}'


class Noted(Event, tag="actor.noted"):
    """That event, on its way to the journal. Actors never see it."""


class Answered(Tell, tag="actor.answered"):
    """An entity has done what it was told with `about`; `reply` is its answer as JSON."""

    entity: str
    about: str
    reply: Raw

    def decode(self, wanted: type[Wanted]) -> Wanted:
        """The reply as the type that the message promises; the result of a job that is encrypted too.

        Raises: msgspec.ValidationError; Unavailable where its key is not here, so that it is brought again; CannotOpen
        for what nobody can open.
        """
        reply: bytes | Raw = self.reply
        try:
            if self.entity.startswith("job:"):  # what others answer may be anybody's words
                reply = opened_if_sealed(reply, Place("", self.entity.removeprefix("job:"), RESULT))
        except NotOpenedHere as error:
            raise Unavailable(str(error)) from None
        return msgspec.json.decode(reply, type=wanted)


class Undelivered(Tell, tag="actor.undelivered"):
    """An entity has refused for good what it was told with `about`, or can't handle it.

    What follows from a refusal is for the sender to decide, so there is no dead letter; of a handler that failed there
    is one, for people.
    """

    entity: str
    about: str
    name: str  # the refusal's name, such as `room.banned`; `internal` when the handler failed
    detail: str = ""


REPORTS: tuple[type[Any], ...] = (Answered, Undelivered)


class Inspected(Struct, tag="actor.inspected"):
    """An entity as of one moment between two events. Released in order: what follows has higher offsets."""

    view: bytes  # JSON; b"" where it was not asked for
    epoch: str
    offset: int
    fence: int = 0  # of the activation that answers: who has claimed it since raised it. 0: it has no journal


class Attended(Struct, frozen=True, tag="actor.attended"):
    """Who watches an entity, on all nodes."""

    clients: int  # connections
    users: int  # different ones; all who are anonymous are one
    named: dict[str, Raw] | None  # ClientInfo by connection, of those who have one; None: not asked for, or too many
    fence: int = 0  # see Inspected


class Naming(Struct, frozen=True):
    """How many watchers one answer may name, and the bytes of ClientInfo that it may bring: with more it names none."""

    clients_max: int = 0
    bytes_max: int = 0


class Inspect(Ask[Inspected | Attended], tag="actor.inspect"):
    """May the principal watch? Then the view, epoch and offset; or, with `audience`, who does."""

    audience: Naming | None = None
    bare: bool = False  # without the view: whoever asks wants to know where it stands, or whether they may
    fast: bool = False  # what is remembered will do, also where another node may own the entity by now


class AudienceChanged(Tell, tag="actor.audience_changed"):
    """The envelope's principal began or ceased to watch."""

    joined: bool


class Passivate(Struct, frozen=True):
    """Control: go to sleep if nothing waits."""


class Stop(Struct, frozen=True):
    """Control: finish the burst, flush, stop."""


class HandOver(Struct, frozen=True):
    """Control: finish the burst, flush, and end: another node is to own the entity."""


class Forget(Struct, frozen=True):
    """Control: the entity is being erased. End at once; what is in flight can't land any more."""


class BeginAnew(Struct, frozen=True):
    """Control: what the journal holds of the entity was written anew, and memory is not what it says."""


class Overreached(Struct, frozen=True):
    """Control: who was to answer a glance has recorded something instead, and failed by it. Memory is ahead."""

    error: Exception


class TimersDue(Struct, frozen=True):
    """Control: a durable timer is due."""


class Rebuild(Struct, frozen=True):
    """Control: an append failed or its outcome is unknown, so memory may be ahead of the journal."""


class Reclaim(Struct, frozen=True):
    """Control: the database has another history since, so memory may be ahead of the journal."""
