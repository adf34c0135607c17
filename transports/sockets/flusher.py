"""The end of a turn: what has piled up for sockets leaves together, one system call a connection."""

from collections.abc import Callable
from time import perf_counter
from typing import Protocol

import structlog
import trio

# As trio.testing has it, which imports pytest where that is installed.
from trio._core import wait_all_tasks_blocked  # type: ignore[attr-defined]

from greenroom.transports.sockets.poller import Poller
from greenroom.transports.sockets.rests import SHARE, Rests

log = structlog.get_logger("greenroom.flusher")

SLICE_S = 0.003  # how long sockets keep others from their turn
HOPS = 4  # passes of the scheduler between two slices: a command waits for one of them, and not at each of its hops
HOPS_S = 0.001  # others who took longer are many: to let them go on would only make the crowd wait
LOOK = 32  # sockets between two looks at the clock


class Flushed(Protocol):
    """A connection, as its flusher sees it."""

    peer: str
    flushed_at: float  # by perf_counter; the flusher's own

    def flush(self) -> None: ...

    def abort(self) -> None: ...


class TurnEnd:
    """Wakes one task once the tasks that are ready now have had their turn, however often it is asked for."""

    __slots__ = ("_task", "_woken")

    def __init__(self) -> None:
        self._task: trio.lowlevel.Task | None = None
        self._woken = False

    def wake(self) -> None:
        if not self._woken:
            self._woken = True
            if self._task is not None:
                trio.lowlevel.reschedule(self._task)
                self._task = None

    async def wait(self) -> None:
        """Return once woken; a checkpoint if that has been already. Whoever waits calls `clear` as it begins."""
        if not self._woken:
            self._task = trio.lowlevel.current_task()
            await trio.lowlevel.wait_task_rescheduled(self._abandon)
        else:
            await trio.lowlevel.checkpoint()

    def clear(self) -> None:
        self._woken = False

    def _abandon(self, _: object) -> trio.lowlevel.Abort:
        self._task = None
        return trio.lowlevel.Abort.SUCCEEDED


class Flusher:
    """The connections that have something to send, flushed together at the end of a turn."""

    def __init__(
        self,
        poller: Poller,
        turn_end: TurnEnd,
        before_flush: Callable[[], bool],
        *,
        rest_share: float = SHARE,
        delivered: Callable[[], int] = lambda: 0,
    ) -> None:
        """`before_flush`: the hub turns some of what it has collected into bytes; true when some is left.
        `rest_share`: see `Rests`. `delivered`: how many messages the hub has handed to connections so far."""
        self.poller = poller
        self.wake = turn_end.wake
        self.queued_bytes = 0  # over all connections that are blocked
        self.blocked: dict[Flushed, None] = {}  # those whose socket would take no more, oldest first
        self._turn_end = turn_end
        self._rests = Rests(rest_share)
        self._delivered = delivered
        self._began = 0.0  # the present flush, by perf_counter
        self._since_s: float | None = None  # how long before that one of its connections was flushed the last time
        self._before_flush = before_flush
        self._dirty: list[Flushed] = []
        self._served = 0  # connections in the present flush
        self._handing_out = False  # while the hub is asked: what it adds leaves in this flush
        self._more = False  # whether the hub had some left when it was asked
        self._left: list[Flushed] = []  # those whose turn is yet to come: most of them the hub has given something

    def add(self, connection: Flushed) -> None:
        self._dirty.append(connection)
        if not self._handing_out:
            self.wake()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Flush until cancelled."""
        task_status.started()
        while True:
            await self._turn_end.wait()
            self._begin()
            delivered = self._delivered()
            while self.flush_some():
                until = perf_counter() + HOPS_S
                for _ in range(HOPS):
                    await trio.lowlevel.checkpoint()
                    if perf_counter() >= until:
                        break
                    self._flush_fresh()
            if self._since_s is not None:
                messages, took_s = self._delivered() - delivered, perf_counter() - self._began
                await _rest(*self._rests.after(self._served, messages, self._since_s, took_s))

    def _begin(self) -> None:
        self._began, self._since_s, self._served = perf_counter(), None, 0

    def flush(self) -> None:
        """All that has piled up, in one stretch."""
        while self.flush_some():
            pass

    def flush_some(self) -> bool:
        """About SLICE_S of what the tasks of this turn have sent, and of what the hub has. True when some is left.

        A reply does not wait behind all who watch a long topic; among these a few more are served each time.
        """
        until = perf_counter() + SLICE_S
        fresh, self._dirty = self._dirty, []
        self._served += len(fresh)
        if not self._left:
            self._turn_end.clear()  # only here: amid the slices somebody may have woken us for the hub
            self._handing_out = True
            try:
                # Before a reply leaves: what the hub has for its connection goes along.
                self._more = self._before_flush()
            finally:
                self._handing_out = False
            self._left, self._dirty = self._dirty, []
            self._served += len(self._left)
        if self._since_s is None and (some := self._left or fresh):
            self._since_s = self._began - some[len(some) // 2].flushed_at
        late = self._flush_until(fresh, until)
        self._left = late + self._flush_until(self._left, until)
        return bool(self._left) or self._more

    def _flush_fresh(self) -> None:
        """What tasks have sent amid the slices: it does not wait for the next."""
        fresh, self._dirty = self._dirty, []
        self._served += len(fresh)
        self._left = self._flush_until(fresh, perf_counter() + SLICE_S) + self._left

    def _flush_until(self, connections: list[Flushed], until: float) -> list[Flushed]:
        """At least LOOK of them; those that are left."""
        for number, connection in enumerate(connections, 1):
            self._flush_one(connection)
            if not number % LOOK and perf_counter() >= until:
                return connections[number:]
        return []

    def _flush_one(self, connection: Flushed) -> None:
        connection.flushed_at = self._began
        try:
            connection.flush()
        except Exception:  # the edge, as in `Connection.on_ready`
            log.exception("connection_failed", peer=connection.peer)
            connection.abort()


async def _rest(rest_s: float, though_idle: bool) -> None:
    if not rest_s:
        return
    if though_idle:
        await trio.sleep(rest_s)
    else:
        with trio.move_on_after(rest_s):
            await wait_all_tasks_blocked()  # until a pass of the scheduler finds nothing to run or to read
