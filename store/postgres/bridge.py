"""The bridge: an asyncio loop nested in trio, on the same thread. The one door to asyncpg.

trio waits on the inner loop's selector, as it waits on any descriptor; when that is readable, when a timer of the loop
is due, or when somebody calls, it runs one *turn* of the loop: until nothing in it is ready. A thread would be starved
by the GIL for seconds; docs/inside/decisions/0001-asyncio-nested-in-trio.md has the measurements. Most statements need
no turn: whoever asks them reads the socket himself, waits for it with `readable`, and is told when his time is over.

Code inside a turn runs in a trio task, so it may call trio functions that don't wait (`send_nowait`, `Event.set`), and
never ones that do. Private attributes of asyncio's loop are used: `_ready`, `_scheduled`, `_process_events` and
`_thread_id`; all are as they were in Python 3.4, and `tests/store/postgres/test_bridge.py` pins them.
"""

import asyncio
import contextvars
import selectors
import sys
import threading
from collections.abc import Callable, Coroutine
from math import inf
from types import TracebackType
from typing import Any, NoReturn, Self, TypeVar, TypeVarTuple

import sniffio
import structlog
import trio
from outcome import Error
from trio.lowlevel import Abort

from greenroom.store.postgres.silence import Lapse, Lapsed

log = structlog.get_logger("greenroom.bridge")

T = TypeVar("T")
Args = TypeVarTuple("Args")

TURN_POLLS_MAX = 64  # polls in one turn; then trio's other tasks go first, however busy the loop is


class BridgeCancelled(Exception):
    """The coroutine was cancelled on the asyncio side: the bridge is closing or closed, or a library gave up on it."""


class _UnblockingSelector(selectors.DefaultSelector):
    """Never blocks, since trio does the waiting; and tells when a poll found the loop with nothing left to do."""

    def __init__(self) -> None:
        super().__init__()
        self.polls = 0
        self.on_idle: Callable[[], None] = lambda: None

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        self.polls += 1
        # The loop asks for a timeout of 0 exactly when callbacks wait or a timer is due.
        if (not ready and timeout != 0) or self.polls >= TURN_POLLS_MAX:
            self.on_idle()
        return ready


class _NestedLoop(asyncio.SelectorEventLoop):
    """An asyncio loop on trio's clock, so that both sides agree on when a timer is due, on a virtual clock too."""

    _thread_id: int | None  # asyncio's: of the thread that runs it, while one does

    def time(self) -> float:
        return trio.current_time()

    def run_ready(self, readable: selectors.BaseSelector | None) -> None:
        """A turn while no timer is set, as `run_forever` would have it: what the selector has ready, if it is
        `readable`, then callbacks until there are none, for at most TURN_POLLS_MAX rounds.

        asyncio polls before each round, and once more to learn that there is none. Here the selector is asked once, and
        only when trio has said that it is readable, as trio says again of what comes meanwhile.
        """
        ready = self._ready  # type: ignore[attr-defined]
        hooks = sys.get_asyncgen_hooks()
        self._thread_id = threading.get_ident()
        sys.set_asyncgen_hooks(self._asyncgen_firstiter_hook, self._asyncgen_finalizer_hook)  # type: ignore[attr-defined]
        asyncio._set_running_loop(self)
        try:
            if readable is not None:
                self._process_events(readable.select(0))  # type: ignore[attr-defined]
            rounds = TURN_POLLS_MAX
            while ready and rounds:
                rounds -= 1
                for _ in range(len(ready)):
                    handle = ready.popleft()
                    if not handle._cancelled:
                        handle._run()
        finally:
            self._thread_id = None
            asyncio._set_running_loop(None)
            sys.set_asyncgen_hooks(*hooks)


class Bridge:
    """An asyncio loop for as long as `async with Bridge()` (or `serve`, in a nursery) lasts.

    Owner: the `async with`. On leaving it the loop's tasks are cancelled and have `shutdown_s` seconds to end; callers
    of those that don't get BridgeCancelled. Whoever uses the bridge should be stopped before it.
    """

    def __init__(self, *, shutdown_s: float = 5.0) -> None:
        self._shutdown_s = shutdown_s
        self._selector = _UnblockingSelector()
        self._loop = _NestedLoop(self._selector)
        self._selector.on_idle = self._loop.stop
        self._pumps: trio.CancelScope | None = None
        self._nap = trio.CancelScope()  # ends when the loop's earliest timer is due
        self._nap_until = inf  # its deadline: to set it costs more than all else in a turn that has little to do
        self._napping: trio.lowlevel.Task | None = None
        self._kicked = False
        self._closing = False
        self._broken = False
        self._callers: dict[asyncio.Task[Any], trio.lowlevel.Task] = {}
        self._read: dict[int, Lapse] = {}  # descriptors that somebody waits for in `readable`
        self._lapses = trio.CancelScope(shield=True)  # of the task that ends these; as the pumps'
        self._look = trio.CancelScope()  # ends when the first of them may have had its time
        self._look_at = inf  # its deadline

    async def __aenter__(self) -> Self:
        # Owner: this object, until __aexit__. A pump only crashes on a bug of ours or of asyncio's; that ends the
        # nursery and with it whatever holds the bridge.
        self._nursery_manager = trio.open_nursery()
        nursery = await self._nursery_manager.__aenter__()
        # Shielded: a cancelled caller waits for its asyncio task to end, and that needs the pumps. Closing ends them.
        self._pumps = trio.CancelScope(shield=True)
        nursery.start_soon(self._pump)
        nursery.start_soon(self._end_lapsed)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        self._closing = True
        for fd in self._read:
            trio.lowlevel.notify_closing(fd)  # they hear of it
        try:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + self._shutdown_s):
                await self._end_tasks()
        finally:
            assert self._pumps is not None
            self._pumps.cancel()
            self._lapses.cancel()
            result = await self._nursery_manager.__aexit__(kind, error, traceback)
            self._loop.close()
        return result

    async def serve(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> NoReturn:
        """The same lifetime as a supervised child: ready at once, closes when cancelled."""
        async with self:
            task_status.started()
            await trio.sleep_forever()
        raise AssertionError("unreachable")

    async def run(self, async_fn: Callable[[*Args], Coroutine[Any, Any, T]], *args: *Args) -> T:
        """Run `async_fn(*args)` on the asyncio loop; return or raise what it does. A checkpoint.

        Cancelling the caller cancels the asyncio task and waits until it has ended; when it finishes all the same, its
        result is returned. The caller's context variables are seen by the coroutine (a copy: what it sets stays there).
        Raises: BridgeCancelled, and whatever the coroutine raises, with its traceback.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        self.check_open()
        return await self._call(async_fn, *args)

    @property
    def is_open(self) -> bool:
        return not self._closing and self._pumps is not None

    def check_open(self) -> None:
        """Raises: BridgeCancelled."""
        if not self.is_open:
            raise BridgeCancelled("the bridge is not open")

    def call(self, function: Callable[[], object]) -> None:
        """Have it called within a turn, now: what it puts into the loop is done too. An error of it is logged."""
        self._loop.call_soon(function)
        self._turn()

    def finish_callbacks(self) -> None:
        """What was put into the loop from outside of a turn is done; nothing is as a rule."""
        if self._loop._ready:  # type: ignore[attr-defined]
            self._turn()

    async def readable(self, fd: int, lapse: Lapse) -> None:
        """Return when this descriptor is, which belongs to something of the loop's that does not read now; or when
        somebody calls `look_again`. A checkpoint. Raises: Lapsed; BridgeCancelled, also when the bridge closes
        meanwhile."""
        self.check_open()
        self._read[fd] = lapse
        lapse.watch(self._look_until)
        if lapse.until < self._look_at:
            self._look_until(lapse.until)
        try:
            await trio.lowlevel.wait_readable(fd)
        except trio.ClosedResourceError:
            if self._closing:
                raise BridgeCancelled("the bridge closed before the answer came") from None
            if lapse.until <= trio.current_time():
                raise Lapsed from None
        finally:
            lapse.watch(None)
            del self._read[fd]

    def look_again(self, fd: int, lapse: Lapse) -> None:
        """Wake whoever waits for it in `readable` with that lapse. For what closes it within a turn: the system does
        not say so to those who wait, and the number may be another's at once."""
        if self._read.get(fd) is lapse:
            trio.lowlevel.notify_closing(fd)

    def _look_until(self, until: float) -> None:
        if until < self._look_at:
            self._look_at = self._look.deadline = until

    async def _end_lapsed(self) -> None:
        """Who waits for a descriptor for longer than his time hears of it. One look for all, at the first time that any
        of them had: most have their answer long before, and nobody moves it."""
        with self._lapses:
            while True:
                with self._look:
                    await trio.sleep_forever()
                self._look, self._look_at = trio.CancelScope(), inf
                now = trio.current_time()
                for fd, lapse in list(self._read.items()):
                    if lapse.until <= now:
                        trio.lowlevel.notify_closing(fd)
                    else:
                        self._look_until(lapse.until)

    async def _call(self, async_fn: Callable[[*Args], Coroutine[Any, Any, T]], *args: *Args) -> T:
        raise_cancel: Callable[[], NoReturn] | None = None

        def abort(raise_cancelled: Callable[[], NoReturn]) -> Abort:
            nonlocal raise_cancel
            raise_cancel = raise_cancelled
            task.cancel()
            self._kick()
            return Abort.FAILED  # not yet: the task has to end first, and that wakes us

        task = self._loop.create_task(async_fn(*args), context=contextvars.copy_context())
        # At once, rather than by waking the task that waits for kicks: a pass through the scheduler less.
        self._turn()
        if task.done():
            await trio.lowlevel.cancel_shielded_checkpoint()
        else:
            self._callers[task] = trio.lowlevel.current_task()
            task.add_done_callback(self._wake_caller)
            await trio.lowlevel.wait_task_rescheduled(abort)
        if not task.cancelled():
            return task.result()
        if raise_cancel is not None:
            raise_cancel()
        raise BridgeCancelled("cancelled on the asyncio side")

    def _wake_caller(self, task: asyncio.Task[Any]) -> None:
        caller = self._callers.pop(task, None)
        if caller is not None:
            trio.lowlevel.reschedule(caller)

    async def _pump(self) -> None:
        assert self._pumps is not None
        # Owner: the bridge. Two tasks wait, for the selector and for the next timer or kick; either runs the turn.
        try:
            with self._pumps:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._pump_timers)
                    while True:
                        await trio.lowlevel.wait_readable(self._selector.fileno())
                        self._turn(self._selector)
        finally:
            self._closing = self._broken = True
            self._abandon_callers()  # without a pump nothing else would ever wake them

    async def _pump_timers(self) -> None:
        while True:
            if not self._kicked:
                with self._nap:
                    await self._wait_kicked()
                self._nap = trio.CancelScope()
                self._nap_until = inf
            else:
                await trio.lowlevel.checkpoint()
            self._kicked = False
            self._turn()

    async def _wait_kicked(self) -> None:
        def abort(_: Callable[[], NoReturn]) -> Abort:
            self._napping = None
            return Abort.SUCCEEDED

        self._napping = trio.lowlevel.current_task()
        await trio.lowlevel.wait_task_rescheduled(abort)

    def _kick(self) -> None:
        """Have a turn soon: work was put into the loop from outside of a turn."""
        if not self._kicked:
            self._kicked = True
            if self._napping is not None:
                trio.lowlevel.reschedule(self._napping)
                self._napping = None

    @trio.lowlevel.enable_ki_protection  # Ctrl-C must not break asyncio in the middle; trio delivers it elsewhere
    def _turn(self, readable: selectors.BaseSelector | None = None) -> None:
        """Run the loop until nothing in it is ready, or for TURN_POLLS_MAX rounds. `readable`: the selector, when trio
        has found it to be."""
        loop = self._loop
        timers = loop._scheduled  # type: ignore[attr-defined]
        library, sniffio.thread_local.name = sniffio.thread_local.name, "asyncio"
        self._selector.polls = 0
        try:
            if timers:
                loop.run_forever()
            else:
                loop.run_ready(readable)
        finally:
            sniffio.thread_local.name = library
        if loop._ready:  # type: ignore[attr-defined]
            self._kick()
        timers = loop._scheduled  # type: ignore[attr-defined]  # another list, perhaps
        until = timers[0].when() if timers else inf
        if until != self._nap_until:
            self._nap_until = self._nap.deadline = until

    async def _end_tasks(self) -> None:
        if self._broken:
            return
        while tasks := asyncio.all_tasks(self._loop):  # again and again: cleaning up may start tasks
            for task in tasks:
                task.cancel()
            await self._call(asyncio.wait, tasks)
        await self._call(self._loop.shutdown_asyncgens)

    def _abandon_callers(self) -> None:
        for task, caller in self._callers.items():
            log.warning("asyncio_task_abandoned", task=task.get_name(), coroutine=repr(task.get_coro()))
            trio.lowlevel.reschedule(caller, Error(BridgeCancelled("the bridge closed before the call ended")))
        self._callers.clear()
