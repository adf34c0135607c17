"""The workers of a node: one for each queue that it is set to work on."""

from collections.abc import Mapping

import trio

from greenroom.actors.jobs.installed import Jobs
from greenroom.actors.life.turn import Turn
from greenroom.config.telemetry.tracing import Tracing
from greenroom.supervisors.jobs.attempt import Means
from greenroom.supervisors.jobs.processes import Processes
from greenroom.supervisors.jobs.reach.reach import Asking, Reach
from greenroom.supervisors.jobs.worker import Worker
from greenroom.supervisors.supervision.backoff import NewBackoff, new_backoff
from greenroom.supervisors.supervision.strategy import ChildSpec, RestartIntensity, Strategy, SupervisorSpec
from greenroom.supervisors.supervision.supervise import supervise

THREADS_MAX = 200  # in which jobs are called at once, those that were left alone included


class Workers:
    """A supervised child: `run`."""

    def __init__(
        self,
        work: Mapping[str, int],
        jobs: Jobs,
        *,
        name: str,
        ask: Asking,
        turn: Turn,
        new_backoff: NewBackoff,
        process: str = "",
        reach: Reach | None = None,
        tracing: Tracing | None = None,
    ) -> None:
        """`work`: queue -> jobs that run at once. `name` is random at each start. `process`: see Worker. `reach`: what
        jobs ask; None: nobody."""
        self._processes = Processes()
        means = Means(turn, trio.CapacityLimiter(THREADS_MAX), self._processes, reach=reach, tracing=tracing)
        self._workers = [
            Worker(
                queue,
                slots,
                jobs,
                name=f"{name}/{queue}",
                ask=ask,
                new_backoff=new_backoff,
                means=means,
                process=process,
            )
            for queue, slots in work.items()
        ]

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Until cancelled."""
        workers = (ChildSpec(name=worker.name, start=worker.run, shutdown_s=5.0) for worker in self._workers)
        spec = SupervisorSpec(
            name="workers",
            strategy=Strategy.ONE_FOR_ONE,
            intensity=RestartIntensity(restarts_max=10, window_s=60.0),
            children=(ChildSpec(name="processes", start=self._processes.run, shutdown_s=5.0), *workers),
        )
        await supervise(spec, task_status=task_status, backoff=new_backoff)

    async def stop(self, grace_s: float) -> None:
        """Take nothing more. Returns when what runs has ended, or was given back after so long."""
        async with trio.open_nursery() as nursery:  # owner: this call
            for worker in self._workers:
                nursery.start_soon(worker.stop, grace_s)
