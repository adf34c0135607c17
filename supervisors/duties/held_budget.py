"""The budget of what is held only to be quick: above it, replies are forgotten, then the tails of topics.

In this order, since a forgotten reply is asked of the journal only when a client repeats an old command, while a tail
is what every client resumes from. After them, where memory as a whole has a bound, entities sleep early
(`supervisors/kernel/passivation.py`).

When it is the process that has too much, what is held is the smaller part of that, and giving it up may not even show,
for the allocator keeps what is freed. So only a share of it goes, and then nothing while entities fall asleep: else
there would be no tail left to resume from, and Postgres would be asked by everybody, for as long as that takes.
"""

from collections.abc import Callable

import structlog
import trio

from greenroom.config.telemetry.held import Held, Holdings

log = structlog.get_logger("greenroom.memory")

LOOK_S = 1.0
STEP = 256  # holders that forget between two chances for others
SHED_TO = 0.9  # of the budget, so that not every look has something to do
SHARE = 1 / 8  # of what is held, the most that goes at once when the process has too much
REST_S = 10.0  # then, until more of it may: each second of them a tenth of the awake is asked to sleep


class HeldBudget:
    """A supervised child."""

    def __init__(self, held: Held, *, bytes_max: int, memory_bytes: Callable[[], int], memory_bytes_max: int) -> None:
        """`bytes_max`: of all that is held; `memory_bytes_max`: of the process, 0 is no bound."""
        self._held = held
        self._bytes_max = bytes_max
        self._memory_bytes = memory_bytes
        self._memory_bytes_max = memory_bytes_max
        self._rests_until = float("-inf")

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Until cancelled."""
        task_status.started()
        while True:
            await trio.sleep(LOOK_S)
            await self.look(trio.current_time())

    async def look(self, now: float) -> None:
        """Have as much forgotten as is too much; `now` on the trio clock."""
        held = self._held.replies.bytes + self._held.tails.bytes
        over = max(self._over_budget(held), self._over_memory(held, now))
        if over <= 0:
            return
        replies, tails = await _shed(self._held.replies, over), 0
        if replies < over:
            tails = await _shed(self._held.tails, over - replies)
        if replies or tails:
            log.info("memory_shed", replies_bytes=replies, tails_bytes=tails)

    def _over_budget(self, held: int) -> int:
        return held - round(SHED_TO * self._bytes_max) if held > self._bytes_max else 0

    def _over_memory(self, held: int, now: float) -> int:
        if not self._memory_bytes_max or now < self._rests_until:
            return 0
        over = self._memory_bytes() - self._memory_bytes_max
        if over <= 0:
            return 0
        self._rests_until = now + REST_S
        return min(over, round(SHARE * held))


async def _shed(holdings: Holdings, wanted: int) -> int:
    """About so many bytes, of each holder at most once. How many it was."""
    shed, left = 0, len(holdings)
    while shed < wanted and left > 0:
        shed += holdings.shed(min(STEP, left), wanted - shed)
        left -= STEP
        await trio.lowlevel.checkpoint()
    return shed
