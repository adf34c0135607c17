"""Passivation: who goes to sleep. Those that were idle for long, and the longest idle when too many are awake."""

import heapq
from collections.abc import Callable, Mapping

import trio

from greenroom.actors.model.lifecycle import Passivate
from greenroom.config.limits import PassivationConfig
from greenroom.supervisors.kernel.cell import Cell

FULL_SHARE = 0.9  # the part of `awake_max` beyond which the longest idle are asked to sleep


class Passivation:
    """Looks at all cells every `sweep_s`, and asks; a cell that has something to do refuses."""

    def __init__(
        self, awake: Mapping[str, Cell], config: PassivationConfig, *, memory_bytes: Callable[[], int]
    ) -> None:
        self._awake = awake
        self._config = config
        self._memory_bytes = memory_bytes

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Until cancelled."""
        task_status.started()
        while True:
            await trio.sleep(self._config.sweep_s)
            self._shed()
            await self._sweep(trio.current_time())

    def _shed(self) -> None:
        config = self._config
        over = len(self._awake) - int(config.awake_max * FULL_SHARE)
        if config.memory_bytes_max and self._memory_bytes() > config.memory_bytes_max:
            over = max(over, len(self._awake) // 10)
        if over > 0:
            for cell in heapq.nsmallest(over, self._awake.values(), key=_last_active):
                _ask(cell)

    async def _sweep(self, now: float) -> None:
        for number, cell in enumerate(list(self._awake.values())):
            if now - cell.last_active > min(cell.kind.limits.idle_s, self._config.idle_s):
                _ask(cell)
            if number % 1000 == 999:
                await trio.lowlevel.checkpoint()


def _last_active(cell: Cell) -> float:
    return cell.last_active


def _ask(cell: Cell) -> None:
    if not cell.mailbox.told:
        cell.mailbox.put_control(Passivate())
