"""Reads that a command needs beyond its entity: a bounded number at once, each in a task of its own."""

from collections.abc import Awaitable, Callable

import structlog
import trio

from greenroom.actors.model.errors import Overloaded

log = structlog.get_logger("greenroom.background")


class Background:
    def __init__(self, *, waiting_max: int = 8192) -> None:
        self._waiting_max = waiting_max
        self._waiting = 0
        self._nursery: trio.Nursery | None = None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        async with trio.open_nursery() as nursery:  # owner: this call; `_run` keeps crashes to itself
            self._nursery = nursery
            try:
                task_status.started()
                await trio.sleep_forever()
            finally:
                self._nursery = None

    def spawn(self, work: Callable[[], Awaitable[None]]) -> None:
        """Raises: Overloaded when too many are under way."""
        if self._nursery is None or self._waiting >= self._waiting_max:
            raise Overloaded(f"{self._waiting} reads are under way")
        self._waiting += 1
        self._nursery.start_soon(self._run, work)

    async def _run(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except Exception:  # the edge: whoever waits for this read is answered by its deadline
            log.exception("background_failed")
        finally:
            self._waiting -= 1
