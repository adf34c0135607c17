"""How a cell ends, and what those hear by it whose messages are still open."""

from enum import Enum

from greenroom.actors.model.errors import ActorError, Forgotten, NotHere, NotInRelease, OutcomeUnknown, Unavailable


class Ending(Enum):
    """Why a cell stopped serving."""

    ASLEEP = "asleep"
    STOPPED = "stopped"
    MOVED = "moved"  # another node owns the entity, or is about to
    REFUSED = "refused"  # its claim, though nobody else is known to own it
    FAILED = "failed"
    DAMAGED = "damaged"  # what is stored of it contradicts itself, or is refused: somebody must look
    ERASED = "erased"  # for good
    BEHIND = "behind"  # a newer release has recorded what this one can't read
    REBUILD = "rebuild"  # only this life ends


def unanswered(ending: Ending) -> ActorError:
    """What those hear whose messages were handled, and may be in the journal or not."""
    if ending is Ending.ERASED:  # there is none any more
        return Forgotten("the entity was erased")
    return OutcomeUnknown("the entity stopped before its commit was known")


def unhandled(ending: Ending) -> ActorError:
    """What those hear whose messages were not handled."""
    if ending is Ending.REFUSED:
        return NotHere("the entity's claim was refused")
    if ending is Ending.ERASED:
        return Forgotten("the entity was erased")
    if ending is Ending.BEHIND:
        return NotInRelease("a newer release has recorded what this node's can't read")
    return Unavailable(f"the entity {'stopped here' if ending is Ending.STOPPED else ending.value}")
