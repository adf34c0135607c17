"""Stepping: a job's coroutine is driven step by step, each between two awaits that yield, and each step is a turn.

So the watchdog sees a job that never yields as it sees an entity's handler: its stack is logged, and it is interrupted.
Tasks that the job starts in a nursery of its own are not seen.
"""

from collections.abc import Coroutine, Generator
from types import coroutine
from typing import Any

from greenroom.actors.life.turn import Turn


@coroutine
def stepping(running: Coroutine[Any, Any, Any], turn: Turn, owner: object, item: object) -> Generator[Any, Any, Any]:
    """What `running` returns or raises. `owner`, its `entity`, and the class of `item` are named in the log."""
    answer: Any = None
    error: BaseException | None = None
    while True:
        turn.serial += 1
        turn.owner = owner
        turn.item = item
        try:
            waits_for = running.send(answer) if error is None else running.throw(error)
        except StopIteration as stop:
            return stop.value
        finally:
            turn.item = turn.owner = None
        try:
            answer, error = (yield waits_for), None
        except BaseException as thrown:  # whatever it is, it is the job's to see
            answer, error = None, thrown
