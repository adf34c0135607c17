"""The budget of what is held only to be quick: above it, replies are forgotten, then the tails of topics.

In this order, since a forgotten reply is asked of the journal only when a client repeats an old command, while a tail
is what every client resumes from. After them, where memory as a whole has a bound, entities sleep early
(`supervisors/kernel/passivation.py`).
"""

from collections.abc import Callable

import structlog
import trio

from greenroom.config.telemetry.held import Held, Holdings

log = structlog.get_logger("greenroom.memory")

LOOK_S = 1.0
STEP = 256  # holders that forget between two chances for others
SHED_TO = 0.9  # of the budget, so that not every look has something to do


class HeldBudget:
    """A supervised child."""

    def __init__(self, held: Held, *, bytes_max: int, memory_bytes: Callable[[], int], memory_bytes_max: int) -> None:
        """`bytes_max`: of all that is held; `memory_bytes_max`: of the process, 0 is no bound."""
        self._held = held
        self._bytes_max = bytes_max
        self._memory_bytes = memory_bytes
        self._memory_bytes_max = memory_bytes_max

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Until cancelled."""
        task_status.started()
        while True:
            await trio.sleep(LOOK_S)
            await self.look()

    async def look(self) -> None:
        """Have as much forgotten as is too much."""
        over = self._over()
        if over <= 0:
            return
        replies, tails = await _shed(self._held.replies, over), 0
        if replies < over:
            tails = await _shed(self._held.tails, over - replies)
        if replies or tails:
            log.info("memory_shed", replies_bytes=replies, tails_bytes=tails)

    def _over(self) -> int:
        held = self._held.replies.bytes + self._held.tails.bytes
        over = held - round(SHED_TO * self._bytes_max) if held > self._bytes_max else 0
        if self._memory_bytes_max:
            over = max(over, self._memory_bytes() - self._memory_bytes_max)
        return over


async def _shed(holdings: Holdings, wanted: int) -> int:
    """About so many bytes, of each holder at most once. How many it was."""
    shed, left = 0, len(holdings)
    while shed < wanted and left > 0:
        shed += holdings.shed(min(STEP, left))
        left -= STEP
        await trio.lowlevel.checkpoint()
    return shed
