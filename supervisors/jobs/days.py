"""Days of finished jobs: made before they come, and dropped when they are old, or more than are to be kept. Every node
does it; the store sees to it that one does at a time, and twice is once."""

from collections.abc import Awaitable, Callable
from random import Random

import structlog
import trio

from greenroom.config.telemetry.shown import shown
from greenroom.store.errors import StoreUnavailable
from greenroom.store.jobs.kept import Kept

log = structlog.get_logger("greenroom.jobs")

EVERY_S = 3_600.0  # give or take a quarter, so that nodes that start together do not ask together
AGAIN_S = 30.0  # where the store was away
BEGIN_S = 10.0  # at the start: what is not dropped by then is dropped beside the work


class Days:
    """A supervised child: `run`; before queues begin, `begin`."""

    def __init__(self, keep: Callable[[Kept], Awaitable[int]], kept: Kept, *, rng: Random) -> None:
        """`keep`: see JobStore.keep_days."""
        self._keep = keep
        self._kept = kept
        self._rng = rng

    async def begin(self) -> None:
        """There is a day for what ends today, before any job does, else no day could come to be for it."""
        with trio.move_on_after(BEGIN_S):
            await self._keep_now()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Until cancelled."""
        task_status.started()
        while True:
            rest_s = EVERY_S if await self._keep_now() else AGAIN_S
            await trio.sleep(rest_s * self._rng.uniform(0.75, 1.25))

    async def _keep_now(self) -> bool:
        """False: the store was away."""
        try:
            dropped = await self._keep(self._kept)
        except StoreUnavailable as error:
            log.info("job_days_not_kept", error=shown(error))
            return False
        if dropped:
            log.info("job_days_dropped", days=dropped)
        return True
