"""Attempts alone: jobs that do what a test says, and what they tell of themselves."""

from collections.abc import Callable
from typing import Any, ClassVar

import trio
from msgspec import Raw

from greenroom import Job, JobLimits, Retry, Work
from greenroom.actors.jobs.installed import InstalledJob
from greenroom.actors.jobs.queue.flows.messages import Child as ChildKnown
from greenroom.actors.jobs.queue.flows.messages import SpawnJob
from greenroom.actors.jobs.queue.messages import Finished, TakenJob
from greenroom.actors.jobs.work import ThreadWork
from greenroom.supervisors.jobs.attempt import Attempt, Means
from tests.supervisors.jobs.work_stage import means

ID = f"{3:032x}"


class Told:
    """What an attempt says on its way."""

    def __init__(self) -> None:
        self.notes: list[tuple[float | None, str, str | None]] = []
        self.kept: dict[str, Raw] = {}
        self.asked = 0
        self.has_ended: list[ChildKnown] = []

    def note(self, attempt: Attempt, share: float | None, note: str, line: str | None) -> None:
        self.notes.append((share, note, line))

    async def steps(self, attempt: Attempt) -> dict[str, Raw]:
        await trio.lowlevel.checkpoint()
        self.asked += 1
        return dict(self.kept)

    async def keep_step(self, attempt: Attempt, name: str, result: Raw) -> None:
        await trio.lowlevel.checkpoint()
        self.kept[name] = result

    async def children(self, attempt: Attempt) -> list[ChildKnown]:
        await trio.lowlevel.checkpoint()
        return self.has_ended

    async def spawn(self, attempt: Attempt, group: str, jobs: list[SpawnJob]) -> list[str]:
        await trio.lowlevel.checkpoint()
        raise AssertionError("nobody has asked for that")


class Does(Job, queue="q", tag="job.does"):
    """What the test says."""

    limits = JobLimits(timeout_s=30.0, grace_s=5.0)
    retry = Retry(attempts=3, first_s=10.0)
    what: ClassVar[Callable[[Work], Any]]

    async def run(self, work: Work) -> Any:
        result = type(self).what(work)
        return await result if hasattr(result, "__await__") else result


class InThread(Job, queue="q", tag="job.in_thread"):
    """Likewise, in a thread."""

    limits = JobLimits(timeout_s=30.0, grace_s=5.0)
    what: ClassVar[Callable[[ThreadWork], Any]]

    def run(self, work: ThreadWork) -> Any:
        return type(self).what(work)


def attempt(
    job: type[Job] = Does,
    *,
    steps: bool = False,
    arguments: bytes = b"{}",
    told: Told | None = None,
    with_means: Means | None = None,
) -> Attempt:
    taken = TakenJob(ID, "job.x", Raw(arguments), 1, 3, steps)
    return Attempt(taken, 9, InstalledJob(job), with_means or means(), told or Told())


async def outcome(what: Callable[[Work], Any], **fields: Any) -> Finished:
    Does.what = staticmethod(what)
    return await attempt(**fields).run()


async def naps(work: Work) -> None:
    await trio.sleep(100)


def raises(error: BaseException) -> Callable[[Any], Any]:
    def raising(work: Any) -> Any:
        raise error

    return raising
