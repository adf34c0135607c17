"""Troubles of jobs: what happens to processes that work on them, and to the clocks of nodes."""

from collections.abc import Awaitable, Callable
from random import Random

import trio

from greenroom.supervisors.simulation.jobs.crew import SimulatedCrew
from greenroom.supervisors.simulation.world import World

JUMP_S = 3600.0  # the farthest that a clock is set


class JobTroubles:
    """Of one world. Each method of `all` goes on until cancelled."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._faults = world.faults
        self._draw = Random(world.draw_of_crews.getrandbits(64))

    @property
    def all(self) -> list[Callable[[], Awaitable[None]]]:
        return [self.kill, self.stall, self.stop, self.cut_off, self.set_clocks]

    async def _wait(self, every_s: float) -> None:
        if every_s <= 0:
            await trio.sleep_forever()
        await trio.sleep(self._draw.expovariate(1.0 / every_s))

    def _victim(self) -> SimulatedCrew | None:
        alive = [crew for crew in self._world.crews if not crew.dead and not crew.stalled]
        return self._draw.choice(alive) if alive else None

    async def kill(self) -> None:
        """A worker's process dies."""
        while True:
            await self._wait(self._faults.worker_kill_every_s)
            if (crew := self._victim()) is not None:
                crew.kill()

    async def stall(self) -> None:
        """One stands still, perhaps for longer than its lease."""
        while True:
            await self._wait(self._faults.worker_stall_every_s)
            if (crew := self._victim()) is not None:
                self._world.pause(crew)
                await trio.sleep(self._draw.uniform(0.0, self._faults.stall_s))
                self._world.resume(crew)

    async def stop(self) -> None:
        """One is told to stop."""
        while True:
            await self._wait(self._faults.worker_stop_every_s)
            if (crew := self._victim()) is not None:
                crew.stop()

    async def cut_off(self) -> None:
        """One reaches no node, or hears of none."""
        while True:
            await self._wait(self._faults.worker_cut_every_s)
            if (crew := self._victim()) is not None and crew.outside.reach.is_whole:
                speaks = self._draw.random() < 0.5
                self._world.timeline.note("worker cut off", f"{speaks=}", who=crew.name)
                crew.outside.reach.cut(speaks=speaks)
                await trio.sleep(self._draw.uniform(0.0, self._faults.cut_s))
                crew.outside.reach.mend()

    async def set_clocks(self) -> None:
        """A node's clock is set."""
        while True:
            await self._wait(self._faults.jump_every_s)
            nodes = [node for node in self._world.nodes if not node.dead]
            if nodes:
                self._draw.choice(nodes).jump(self._draw.uniform(-JUMP_S, JUMP_S))
