"""Deadlines of commands on their way: one task for all of them, since almost none is ever reached."""

from typing import Protocol

import trio

TICK_S = 0.1  # how late a deadline may be noticed


class Expiring(Protocol):
    """What must be answered by a moment, or is told that it was not."""

    done: bool  # answered: nothing is to expire

    def expire(self) -> None: ...


class Deadlines:
    """Adding is a dict look-up and an append; what was answered in time is dropped unseen when its tick comes."""

    def __init__(self) -> None:
        self._ticks: dict[int, list[Expiring]] = {}

    def add(self, deadline: float, waiting: Expiring) -> None:
        """`deadline` on the trio clock; `expire` is called within TICK_S after it unless `done` by then."""
        tick = int(deadline / TICK_S) + 1
        waiters = self._ticks.get(tick)
        if waiters is None:
            self._ticks[tick] = [waiting]
        else:
            waiters.append(waiting)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        task_status.started()
        while True:
            await trio.sleep(TICK_S)
            now = int(trio.current_time() / TICK_S)
            for tick in [tick for tick in self._ticks if tick <= now]:
                for waiting in self._ticks.pop(tick):
                    if not waiting.done:
                        waiting.expire()
