"""The workers of a node: one for each queue that it is set to work on."""

from collections.abc import Mapping

import trio

from greenroom.actors.jobs.installed import Jobs
from greenroom.supervisors.jobs.worker import Worker
from greenroom.supervisors.kernel.router import Router
from greenroom.supervisors.supervision.backoff import NewBackoff, new_backoff
from greenroom.supervisors.supervision.strategy import ChildSpec, RestartIntensity, Strategy, SupervisorSpec
from greenroom.supervisors.supervision.supervise import supervise


class Workers:
    """A supervised child: `run`."""

    def __init__(
        self, work: Mapping[str, int], jobs: Jobs, *, node: str, router: Router, new_backoff: NewBackoff
    ) -> None:
        """`work`: queue -> jobs that run at once. `node` is random at each start."""
        self._children = tuple(
            ChildSpec(
                name=f"worker:{queue}",
                start=Worker(queue, slots, jobs, name=f"{node}/{queue}", ask=router.ask, new_backoff=new_backoff).run,
                shutdown_s=5.0,
            )
            for queue, slots in work.items()
        )

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Until cancelled."""
        spec = SupervisorSpec(
            name="workers",
            strategy=Strategy.ONE_FOR_ONE,
            intensity=RestartIntensity(restarts_max=10, window_s=60.0),
            children=self._children,
        )
        await supervise(spec, task_status=task_status, backoff=new_backoff)
