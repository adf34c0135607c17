"""A seeded schedule: trio with its order of tasks, its clock and its chance decided by one number.

trio has no public way to that. What is private and relied upon here (a flag, a generator, the queue of runnable tasks)
is pinned by `tests/simulation/test_schedule.py`, which fails loudly when a new trio has changed it.
"""

import gc
import random
import struct
from collections import deque
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any, TypeVar
from zlib import crc32

import trio
from trio._core import _run
from trio.testing import MockClock

from greenroom.actors.jobs.ids import chance_of

T = TypeVar("T")

STEPS_MAX = 100_000  # steps in one moment; with more, tasks wake one another for ever

NODE: ContextVar[str] = ContextVar("node", default="")  # the simulated process that a task belongs to


class RunQueue(deque[trio.lowlevel.Task]):
    """trio's queue of runnable tasks, in which a stalled process's tasks stay behind."""

    def __init__(self, tasks: "deque[trio.lowlevel.Task]") -> None:
        super().__init__(tasks)
        self.held: dict[str, list[trio.lowlevel.Task]] = {}

    def append(self, task: trio.lowlevel.Task) -> None:
        if self.held:
            held = self.held.get(task.context.get(NODE, ""))
            if held is not None:
                held.append(task)
                return
        super().append(task)

    def hold(self, node: str) -> None:
        if node not in self.held:
            self.held[node] = [task for task in self if task.context.get(NODE, "") == node]
            others = [task for task in self if task.context.get(NODE, "") != node]
            self.clear()
            self.extend(others)

    def release(self, node: str) -> None:
        self.extend(self.held.pop(node, ()))


class Schedule(trio.abc.Instrument):
    """One run's order of steps: the seed decides it, the hash tells two of them apart."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.steps = 0
        self.trace = 0  # a running hash of (virtual time, task) at every step
        self.stuck: Callable[[], None] = lambda: None  # told once when time has ceased to go on
        self._moment = 0.0
        self._moment_began = 0  # the step at which the present moment began
        self._queue: RunQueue | None = None
        self._clock: Callable[[], float] = trio.current_time

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self.steps += 1
        now = self._clock()
        self.trace = crc32(task.name.encode(), crc32(struct.pack("d", now), self.trace))
        if now > self._moment:
            self._moment, self._moment_began = now, self.steps
        elif self.steps - self._moment_began == STEPS_MAX:
            self.stuck()

    def stall(self, node: str) -> None:
        """Hold out the node's tasks: time goes on, they don't. As SIGSTOP, or the pause of a virtual machine."""
        assert self._queue is not None
        self._queue.hold(node)

    def resume(self, node: str) -> None:
        assert self._queue is not None
        self._queue.release(node)

    def run(self, main: Callable[..., Awaitable[T]], *arguments: Any) -> T:
        """`trio.run(main, *arguments)` in this order. Whatever of ours is global is put back afterwards."""
        deterministic, tasks_state, chance_state = (
            _run._ALLOW_DETERMINISTIC_SCHEDULING,
            _run._r.getstate(),
            random.getstate(),
        )
        collecting = gc.isenabled()
        _run._ALLOW_DETERMINISTIC_SCHEDULING = True  # type: ignore[misc]
        _run._r.seed(self.seed)
        random.seed(self.seed)  # entities may take their chance from there
        gc.disable()  # collections would come at other moments, and with them what finalizers do
        clock = MockClock(autojump_threshold=0)
        self._clock = clock.current_time

        async def begin() -> T:
            runner = _run.GLOBAL_RUN_CONTEXT.runner
            runner.runq = self._queue = RunQueue(runner.runq)
            return await main(*arguments)

        try:
            with chance_of(random.randbytes):
                return trio.run(begin, clock=clock, instruments=[self])
        finally:
            _run._ALLOW_DETERMINISTIC_SCHEDULING = deterministic  # type: ignore[misc]
            _run._r.setstate(tasks_state)
            random.setstate(chance_state)
            if collecting:
                gc.enable()
