"""Passivation: who goes to sleep. Those that were idle for long, and the longest idle when too many are awake."""

from collections.abc import Callable, Mapping

import trio

from greenroom.actors.model.lifecycle import Passivate
from greenroom.config.limits import PassivationConfig
from greenroom.supervisors.kernel.cells.cell import Cell
from greenroom.supervisors.kernel.idle_line import IdleLine

FULL_SHARE = 0.9  # the part of `awake_max` beyond which the longest idle are asked to sleep
STEPS = 1000  # cells looked at between two chances for others


class Passivation:
    """Asks every `sweep_s` whoever is first in line; a cell that has something to do refuses."""

    def __init__(
        self, awake: Mapping[str, Cell], config: PassivationConfig, *, memory_bytes: Callable[[], int]
    ) -> None:
        self._awake = awake
        self._config = config
        self._memory_bytes = memory_bytes
        self._lines: dict[float, IdleLine[Cell]] = {}  # by how long one may be idle, which is the kind's choice
        self._steps = 0

    def woke(self, cell: Cell) -> None:
        """It is among the awake from now on."""
        idle_s = min(cell.kind.limits.idle_s, self._config.idle_s)
        line = self._lines.get(idle_s)
        if line is None:
            line = self._lines[idle_s] = IdleLine(self._awake)
        line.join(cell.entity, cell.last_active)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Until cancelled."""
        task_status.started()
        while True:
            await trio.sleep(self._config.sweep_s)
            await self._shed(trio.current_time())
            await self._sweep(trio.current_time())

    async def _shed(self, now: float) -> None:
        config = self._config
        over = len(self._awake) - int(config.awake_max * FULL_SHARE)
        if config.memory_bytes_max and self._memory_bytes() > config.memory_bytes_max:
            over = max(over, len(self._awake) // 10)
        while over > 0 and self._lines:
            line = min(self._lines.values(), key=_first)
            if line.first >= now:
                return
            cell = line.step(now)
            if cell is not None:
                _ask(cell)
                over -= 1
            await self._stepped()

    async def _sweep(self, now: float) -> None:
        for idle_s, line in list(self._lines.items()):
            while line.first < now - idle_s:
                cell = line.step(now)
                if cell is not None:
                    _ask(cell)
                await self._stepped()

    async def _stepped(self) -> None:
        self._steps += 1
        if self._steps >= STEPS:
            self._steps = 0
            await trio.lowlevel.checkpoint()


def _first(line: IdleLine[Cell]) -> float:
    return line.first


def _ask(cell: Cell) -> None:
    if not cell.mailbox.told:
        cell.mailbox.put_control(Passivate())
