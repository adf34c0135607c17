"""Why a message was not handled, sorted by what the sender does next. `name` and `status` are what clients see."""

from greenroom.store.errors import DataRefused, NotAnswered, StatementRefused, StoreUnavailable, TookTooLong


class ActorError(Exception):
    """Base. The text is for our logs; only `name`, `status`, `temporary` and `detail` leave the node."""

    name: str = "internal"
    status: int = 500  # HTTP status; also the code over the client protocol unless that has its own
    temporary: bool = False  # can sending the same message again succeed?


class Overloaded(ActorError):
    """The entity is alive and behind. Nothing was enqueued: back off, then send again."""

    name, status, temporary = "overloaded", 429, True


class Unavailable(ActorError):
    """The entity, its store or its node can't serve now; the message was not handled. Send again later."""

    name, status, temporary = "unavailable", 503, True


class NotHere(ActorError):
    """Another node owns the entity, or is about to; the message was not handled. Send again: the owner is looked for
    anew."""

    name, status, temporary = "not_owner", 503, True


class NotInRelease(Unavailable):
    """Another release that serves the same database knows the kind or the message, and this node's does not; it was
    not handled. Send again: while a release is rolled out, whoever lacks something gives way."""

    name = "not_in_release"


class StoreAway(Unavailable):
    """The handler has asked the store, which can't be reached now; nothing came of the message. Send again later."""


class OutcomeUnknown(ActorError):
    """The entity stopped after taking the message. Send again with the same idempotency key, never a new one."""

    name, status, temporary = "outcome_unknown", 503, True


class DeadlineExceeded(ActorError):
    """The deadline passed before an answer was released. Whether it was handled shows only in the entity."""

    name, status, temporary = "deadline_exceeded", 504, True


class CallCycle(ActorError):
    """An ask would wait, through others, for the asker itself. Use a tell, or turn the call around."""

    name, status = "call_cycle", 500


class UnknownKind(ActorError):
    """No entity kind of that name is installed."""

    name, status = "unknown_kind", 404


class UnknownCommand(ActorError):
    """The kind has no command of that name."""

    name, status = "unknown_command", 404


class InvalidCommand(ActorError):
    """The command's fields do not decode; the text names the field."""

    name, status = "invalid", 422


class MalformedCommand(InvalidCommand):
    """What came is not JSON at all, or nested too deeply to be looked at."""

    name, status = "malformed", 400


class Forgotten(ActorError):
    """The entity was erased for good; nobody can make one of its name again."""

    name, status = "forgotten", 410


class HandlerFailed(ActorError):
    """The handler raised, again after restarts: the message is among the dead letters."""

    name, status = "internal", 500


class HandlerStuck(ActorError):
    """A handler held the event loop past its budget and was interrupted."""

    name, status = "internal", 500


class Refused(ActorError):
    """The entity's own rule says no. Nothing was recorded, so nothing happened.

    `name` is the rule (`room.muted`), `status` a fitting 4xx, `detail` a sentence for people.
    """

    def __init__(self, name: str, detail: str = "", *, status: int = 403) -> None:
        super().__init__(f"{name}: {detail}" if detail else name)
        self.name = name
        self.status = status
        self.temporary = status == 429
        self.detail = detail


def is_away(error: Exception) -> bool:
    """Is it the store that fails, and not what it was asked, which would fare no better the next time?"""
    if isinstance(error, DataRefused | StatementRefused | TookTooLong):
        return isinstance(error, NotAnswered)
    return isinstance(error, StoreUnavailable)


def refusal_in(error: Exception) -> ActorError | None:
    """What a handler says by raising this. Of those that a nursery has wrapped the last; None when anything else is in
    there, too: then it has crashed."""
    match error:
        case ActorError():
            return error
        case _ if is_away(error):
            return StoreAway(str(error))
        case ExceptionGroup():
            found: ActorError | None = None
            for inner in error.exceptions:
                found = refusal_in(inner)
                if found is None:
                    return None
            return found
    return None
