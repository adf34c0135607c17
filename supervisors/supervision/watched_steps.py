"""An async handler under the watchdog's eye: each of its steps, from one wait to the next, is a turn of its own.

While a handler waits the event loop goes on, and its deadline ends it. While it computes nothing else runs, no deadline
fires, and only the watchdog can end it.
"""

import types
from collections.abc import Coroutine, Generator

from greenroom.actors.life.turn import Turn


@types.coroutine
def watched_steps(
    handler: Coroutine[object, object, object], turn: Turn, owner: object, item: object
) -> Generator[object, object, object]:
    """Await `handler`. Raises what it raises, and HandlerStuck from inside one of its steps."""
    value: object = None
    thrown: BaseException | None = None
    try:
        while True:
            turn.serial += 1
            turn.owner = owner
            turn.item = item
            try:
                trap = handler.send(value) if thrown is None else handler.throw(thrown)
                turn.item = turn.owner = None
            except StopIteration as end:
                turn.item = turn.owner = None
                return end.value
            except BaseException:
                turn.item = turn.owner = None
                raise
            value = thrown = None
            try:
                value = yield trap
            except BaseException as error:  # what the loop throws is the handler's to see, as without us
                thrown = error
    finally:
        turn.item = turn.owner = None  # whatever an interrupt came between
