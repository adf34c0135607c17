"""Event-loop lag: how late the loop is for what it meant to do, the first thing to look at when all is slow."""

from typing import Protocol

import trio
from trio import TaskStatus


class LagRecorder(Protocol):
    """Takes the samples: a histogram."""

    def record(self, seconds: float, /) -> object: ...


async def measure_loop_lag(
    lag: LagRecorder, *, every_s: float = 0.1, task_status: TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    """Until cancelled: sleep `every_s`, record by how many seconds (>= 0) the waking came late."""
    task_status.started()
    while True:
        due_at = trio.current_time() + every_s  # anew each time: one long stall is one sample, not a row of them
        await trio.sleep_until(due_at)
        lag.record(max(0.0, trio.current_time() - due_at))
