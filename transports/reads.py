"""Reads that an answer needs beyond its entity: a bounded number at once, each in a task of its own."""

from collections.abc import Awaitable, Callable

import structlog
import trio

from greenroom.actors.model.errors import ActorError, Overloaded, Unavailable
from greenroom.store.errors import StoreUnavailable

log = structlog.get_logger("greenroom.reads")


READS_MAX = 4096  # as many as may wait for a connection to Postgres: beyond, the answer would be the same, only later


class Reads:
    """Owner of the reads under way. What becomes of one is always told to whoever waits for it."""

    def __init__(self, *, waiting_max: int = READS_MAX) -> None:
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

    def start(
        self,
        read: Callable[[], Awaitable[None]],
        refused: Callable[[ActorError], None],
        broken: Callable[[Exception], None],
    ) -> bool:
        """Run `read` beside everything else; False when too many are under way, and then `refused` has been called.

        A `read` may raise ActorError and StoreUnavailable, which reach `refused`; anything else is logged and reaches
        `broken`, which must not raise.
        """
        if self._nursery is None or self._waiting >= self._waiting_max:
            refused(Overloaded(f"{self._waiting} reads are under way"))
            return False
        self._waiting += 1
        self._nursery.start_soon(self._run, read, refused, broken)
        return True

    async def _run(
        self,
        read: Callable[[], Awaitable[None]],
        refused: Callable[[ActorError], None],
        broken: Callable[[Exception], None],
    ) -> None:
        try:
            try:
                await read()
            except StoreUnavailable:
                refused(Unavailable("the store is not reachable"))
            except ActorError as error:
                refused(error)
        except Exception as error:  # the edge: whoever waits for this must hear something
            log.exception("read_failed")
            broken(error)
        finally:
            self._waiting -= 1
