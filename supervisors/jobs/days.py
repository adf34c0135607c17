"""Days of finished jobs: made before they come, and dropped when they are old. Every node does it; the store sees to it
that one does at a time, and twice is once."""

from collections.abc import Awaitable, Callable
from random import Random

import structlog
import trio

from greenroom.config.telemetry.shown import shown
from greenroom.store.errors import StoreUnavailable

log = structlog.get_logger("greenroom.jobs")

EVERY_S = 3_600.0  # give or take a quarter, so that nodes that start together do not ask together
AGAIN_S = 30.0  # where the store was away


class Days:
    """A supervised child: `run`."""

    def __init__(self, keep: Callable[[int], Awaitable[int]], days: int, *, rng: Random) -> None:
        """`keep`: see JobStore.keep_days."""
        self._keep = keep
        self._days = days
        self._rng = rng

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Until cancelled."""
        task_status.started()
        while True:
            rest_s = EVERY_S
            try:
                dropped = await self._keep(self._days)
                if dropped:
                    log.info("job_days_dropped", days=dropped)
            except StoreUnavailable as error:
                log.info("job_days_not_kept", error=shown(error))
                rest_s = AGAIN_S
            await trio.sleep(rest_s * self._rng.uniform(0.75, 1.25))
