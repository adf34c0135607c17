"""The cycle collector, set for a process that holds millions of long-lived objects and makes many short-lived ones.

A collection holds the loop for as long as it takes to look at its objects, a millisecond for each thousand. So those of
the young, which come with the allocations, and those of what has outlived one, are as short as a pause may be. What
outlives both is looked at with everything, and that only when it is short, or when memory runs out: with 100,000
entities awake it takes over a second. None of our own objects is in a cycle when it ends (tests hold that), so what is
left for the collector is what applications and libraries make: mostly exceptions with their frames, which end young.
"""

import gc
import sys
import time
from collections.abc import Callable

import structlog
import trio

log = structlog.get_logger("greenroom.collector")

YOUNG_MAX = 5_000  # allocations (less deallocations) between two collections of the young, which take 5 ms then
MIDDLE_EVERY = 4  # of these between two of what has outlived one: 25,000 objects at most, 25 ms
FULL_EVERY = 200  # collections of the young that make a full one worth while
NEVER = 1 << 30
PAUSE_MAX_S = 0.03  # a full collection that would take longer waits
LOOK_S = 10.0
FORCED_EVERY_S = 600.0


class Collector:
    """Full collections: when they are short, and when memory is above its bound. A supervised child."""

    def __init__(
        self,
        *,
        memory_bytes: Callable[[], int],
        memory_bytes_max: int,
        timer: Callable[[], float] = time.perf_counter,
        blocks: Callable[[], int] = sys.getallocatedblocks,
    ) -> None:
        """`memory_bytes_max` 0 is no bound."""
        self._memory_bytes = memory_bytes
        self._memory_bytes_max = memory_bytes_max
        self._timer = timer
        self._blocks = blocks
        self._frozen = 0  # blocks of what is never looked at again
        self._s_per_block = 0.0  # as the last full collection had it
        self._forced_at = -FORCED_EVERY_S
        self._partial_at_full = 0  # collections of others at the last full one

    def settle(self) -> None:
        """Call once everything that lives as long as the process has been made."""
        self._collect()
        gc.freeze()  # never looked at again
        self._frozen = self._blocks()
        gc.set_threshold(YOUNG_MAX, MIDDLE_EVERY, NEVER)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Until cancelled."""
        task_status.started()
        while True:
            await trio.sleep(LOOK_S)
            self.look(trio.current_time())

    def look(self, now: float) -> None:
        """Collect everything if it is worth while and short; or if it is long and memory has run out."""
        expected_s = self._s_per_block * (self._blocks() - self._frozen)
        if expected_s <= PAUSE_MAX_S:
            if self._since_full() >= FULL_EVERY:
                self._collect()
        elif (
            0 < self._memory_bytes_max < self._memory_bytes()
            and now - self._forced_at >= FORCED_EVERY_S
            and self._since_full()
        ):
            self._forced_at = now
            before = self._memory_bytes()
            found, took_s = self._collect()
            log.warning(
                "memory_collected", objects=found, took_s=round(took_s, 3), bytes=max(0, before - self._memory_bytes())
            )

    def _collect(self) -> tuple[int, float]:
        """How many objects were found, and how many seconds it took."""
        blocks, began = self._blocks() - self._frozen, self._timer()
        found = gc.collect()
        took_s = self._timer() - began
        self._s_per_block = took_s / max(1, blocks)
        self._partial_at_full += self._since_full()
        return found, took_s

    def _since_full(self) -> int:
        """How many collections there were since the last full one."""
        partial: int = sum(generation["collections"] for generation in gc.get_stats()[:-1])
        return partial - self._partial_at_full
