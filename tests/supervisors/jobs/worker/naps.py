"""Jobs that take their time."""

from typing import ClassVar

import trio

from greenroom import Job, Work
from tests.supervisors.jobs.work_stage import until


class Nap(Job, queue="q", tag="job.nap"):
    """Sleeps."""

    seconds: float = 1.0
    begun: ClassVar[list[str]] = []

    async def run(self, work: Work) -> str:
        self.begun.append(work.id)
        await trio.sleep(self.seconds)
        return "rested"


async def begun(jobs: int) -> None:
    await until(lambda: len(Nap.begun) >= jobs)
