"""A simulated process of `greenroom work`: the real workers, which ask whichever node listens."""

from collections.abc import Callable, Mapping
from contextvars import Context, copy_context
from random import Random

import trio

from greenroom.actors.jobs.installed import Jobs
from greenroom.actors.life.turn import Turn
from greenroom.actors.model.kinds import Kinds
from greenroom.supervisors.jobs.reach.outside import Outside as OutsideReach
from greenroom.supervisors.jobs.workers import Workers
from greenroom.supervisors.simulation.faults import Faults
from greenroom.supervisors.simulation.jobs.outside import Outside
from greenroom.supervisors.simulation.node import HOST, SimulatedNode
from greenroom.supervisors.simulation.schedule import NODE
from greenroom.supervisors.simulation.timeline import Timeline
from greenroom.supervisors.supervision.backoff import Backoff

STOP_S = 4.0  # that jobs may take over their end when it is told to stop


class SimulatedCrew:
    """From its start to its death; a restart is another one with another name."""

    def __init__(
        self,
        name: str,
        *,
        work: Mapping[str, int],
        jobs: Jobs,
        kinds: Kinds,
        nodes: Callable[[], list[SimulatedNode]],
        draw: Random,
        faults: Callable[[], Faults],
        timeline: Timeline,
        crashed: Callable[[str, str], None],
        is_near: bool,
    ) -> None:
        """`is_near`: it runs on the nodes' host, and can be seen to have ended."""
        self.name = name
        self.stalled = False
        self.stopping = False
        self.ended = trio.Event()
        self.outside = Outside(nodes, Random(draw.getrandbits(64)), faults)
        self.process = f"{HOST}/{name}" if is_near else f"elsewhere/{name}"
        self._timeline = timeline
        self._crashed = crashed
        self._scope = trio.CancelScope()
        self._context: Context | None = None
        self._nursery: trio.Nursery | None = None
        rng = Random(draw.getrandbits(64))
        self._workers = Workers(
            work,
            jobs,
            name=name,
            ask=self.outside,
            turn=Turn(),
            new_backoff=lambda: Backoff(random=rng, first_s=0.1, max_s=3.0),
            process=self.process,
            reach=OutsideReach(kinds, self.outside),
        )

    @property
    def dead(self) -> bool:
        return self.outside.is_dead

    async def run(self) -> None:
        NODE.set(self.name)
        self._timeline.note("starts work")
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:  # owner: this call
                    self._context, self._nursery = copy_context(), nursery
                    nursery.start_soon(self._workers.run)
        except* Exception as errors:
            self._crashed(self.name, repr(errors.exceptions))
        finally:
            self.outside.is_dead = True
            self.ended.set()
            self._timeline.note("is gone")

    def kill(self) -> None:
        """As SIGKILL: nothing gets out any more."""
        if not self.dead:
            self._timeline.note("worker killed", who=self.name)
            self.outside.is_dead = True
            self._scope.cancel()

    def stop(self) -> None:
        """As SIGTERM: from now on it ends by itself."""
        context, nursery = self._context, self._nursery
        if context is None or nursery is None or self.dead or self.stopping:
            return
        self._timeline.note("worker stops", who=self.name)
        self.stopping = True
        context.run(nursery.start_soon, self._stop)

    async def _stop(self) -> None:
        await self._workers.stop(STOP_S)
        self._scope.cancel()
