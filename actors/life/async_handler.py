"""An async handler: awaited under its deadline, while other messages of its entity wait and other entities do not."""

from collections.abc import Awaitable, Callable

import trio

from greenroom.actors.life.departures import Reading
from greenroom.actors.life.life import Life
from greenroom.actors.model.envelope import Envelope
from greenroom.actors.model.errors import ActorError, DeadlineExceeded, Refused, StoreAway, refusal_in
from greenroom.store.errors import StoreUnavailable


async def await_handler(life: Life, waiting: Awaitable[object], envelope: Envelope) -> ActorError | None:
    """Take what `waiting` answers, or refuses, or that it took too long, as the outcome of the envelope. What it was
    refused with, if it was.

    Raises: what else the handler raises; StoreUnavailable once it has recorded, which only a life anew takes back.
    """
    started = trio.current_time()
    deadline = min(envelope.deadline, started + life.kind.limits.async_handler_s)
    refusal: ActorError | None = None
    life.actor.trace = envelope.trace  # of what it starts; no other message of its entity is handled meanwhile
    try:
        with trio.CancelScope(deadline=deadline) as scope:
            reply = await waiting
    except Exception as error:  # what it says no with; also in a group, of a nursery that the deadline cancelled
        refusal = refusal_in(error)
        if refusal is None:
            raise
        if isinstance(refusal, StoreAway) and life.actor.effects.events:
            raise StoreUnavailable(str(refusal)) from error
    finally:
        life.actor.trace = None
    if refusal is None and scope.cancelled_caught:
        refusal = DeadlineExceeded(f"the handler took longer than {deadline - started:.3g} s")
    if refusal is not None:
        life.refuse(envelope, refusal)
    else:
        life.finish(envelope, reply)
    return refusal


async def read_aside(
    due: Reading, reading: Awaitable[object], certain: Callable[[], Awaitable[None]]
) -> ActorError | None:
    """Answer with what `reading`, of `due`, comes to, or refuses, once that is `certain`; or that it took too long.
    That it can't be read for now says nothing of what is there, and is heard at once. What it was refused with, if it
    was. Raises: what else it raises."""
    reply: object = None
    refusal: ActorError | None = None
    with trio.CancelScope(deadline=trio.current_time() + due.seconds) as scope:
        try:
            reply = await reading
        except Exception as error:
            refusal = refusal_in(error)
            if refusal is None:
                raise
        if refusal is None or isinstance(refusal, Refused) or not refusal.temporary:
            await certain()
    if scope.cancelled_caught:
        refusal = DeadlineExceeded(f"it took longer than {due.seconds:.3g} s to read")
    if refusal is not None:
        due.later.reject(refusal)
    else:
        due.later.resolve(reply, None)
    return refusal
