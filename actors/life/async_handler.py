"""An async handler: awaited under its deadline, while other messages of its entity wait and other entities do not."""

from collections.abc import Awaitable

import trio

from greenroom.actors.life.departures import Reading
from greenroom.actors.life.life import Life
from greenroom.actors.model.envelope import Envelope
from greenroom.actors.model.errors import ActorError, DeadlineExceeded, refusal_in


async def await_handler(life: Life, waiting: Awaitable[object], envelope: Envelope) -> None:
    """Take what `waiting` answers, or refuses, or that it took too long, as the outcome of the envelope.

    Raises: what else the handler raises.
    """
    started = trio.current_time()
    deadline = min(envelope.deadline, started + life.kind.limits.async_handler_s)
    refusal: ActorError | None = None
    life.actor.trace = envelope.trace  # of what it starts; no other message of its entity is handled meanwhile
    try:
        with trio.CancelScope(deadline=deadline) as scope:
            reply = await waiting
    except ActorError as error:
        refusal = error
    except ExceptionGroup as group:  # raised by a nursery of the handler's own, perhaps as the deadline cancelled it
        refusal = refusal_in(group)
        if refusal is None:
            raise
    finally:
        life.actor.trace = None
    if refusal is not None:
        life.refuse(envelope, refusal)
    elif scope.cancelled_caught:
        life.refuse(envelope, DeadlineExceeded(f"the handler took longer than {deadline - started:.3g} s"))
    else:
        life.finish(envelope, reply)


async def read_aside(due: Reading, reading: Awaitable[object]) -> None:
    """Answer with what `reading`, of `due`, comes to, or refuses, or that it took too long. Raises: what else it
    raises."""
    refusal: ActorError | None = None
    try:
        with trio.CancelScope(deadline=trio.current_time() + due.seconds):
            due.later.resolve(await reading, None)
            return
    except ActorError as error:
        refusal = error
    except ExceptionGroup as group:
        refusal = refusal_in(group)
        if refusal is None:
            raise
    due.later.reject(refusal or DeadlineExceeded(f"it took longer than {due.seconds:.3g} s to read"))
