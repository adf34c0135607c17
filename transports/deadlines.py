"""Deadlines of commands on their way: one task for all of them, since almost none is ever reached."""

import math
from typing import Protocol

import structlog
import trio

log = structlog.get_logger("greenroom.deadlines")

TICK_S = 0.1  # how late a deadline may be noticed


class Expiring(Protocol):
    """What must be answered by a moment, or is told that it was not."""

    done: bool  # answered: nothing is to expire

    def expire(self) -> None: ...


Tick = dict[Expiring, None]  # what expires together, in the order in which it was added


class Deadlines:
    """Adding and leaving are two dict look-ups. What is answered leaves, so that what its request was made of is free
    then and not when its deadline, which the client chooses, has passed."""

    def __init__(self) -> None:
        self._ticks: dict[int, Tick] = {}
        self._next: float = -math.inf  # the number of the tick that is slept for
        self._earlier = trio.Event()  # there is one before it

    def __len__(self) -> int:
        return sum(map(len, self._ticks.values()))

    def add(self, deadline: float, waiting: Expiring) -> Tick:
        """`deadline` on the trio clock; `expire` is called within TICK_S after it unless `done` by then. Whoever is
        answered before leaves the tick: `tick.pop(waiting, None)`."""
        number = int(deadline / TICK_S) + 1
        tick = self._ticks.get(number)
        if tick is None:
            tick = self._ticks[number] = {}
            if number < self._next:
                self._earlier.set()
        tick[waiting] = None
        return tick

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        task_status.started()
        while True:
            self._earlier = trio.Event()
            self._next = min(self._ticks, default=math.inf)
            with trio.move_on_at(self._next * TICK_S):
                await self._earlier.wait()
            now = trio.current_time()
            for number in [number for number in self._ticks if number * TICK_S <= now]:
                for waiting in list(self._ticks.pop(number)):
                    if not waiting.done:
                        try:
                            waiting.expire()
                        except Exception:  # the edge: a mistake with one is not told to the others by silence
                            log.exception("deadline_failed", waiting=type(waiting).__name__)
