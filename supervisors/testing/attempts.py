"""One attempt at a job in a test: the worker's own code, in virtual time, and without threads and processes."""

from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Protocol, TypeVar, cast

import msgspec
import trio
from msgspec import Raw, Struct

from greenroom.actors.jobs.installed import InstalledJob
from greenroom.actors.jobs.job import Job
from greenroom.actors.jobs.queue.flows.messages import Child as ChildKnown
from greenroom.actors.jobs.queue.flows.messages import SpawnJob
from greenroom.actors.jobs.queue.messages import Finished, TakenJob
from greenroom.actors.jobs.waits import OnFailure
from greenroom.actors.jobs.work import Child
from greenroom.actors.life.turn import Turn
from greenroom.actors.model.message import Ask, Reply, Tell
from greenroom.store.views.asked import Row, Rows
from greenroom.supervisors.jobs.attempt import Attempt, Means
from greenroom.supervisors.jobs.processes import Processes
from greenroom.supervisors.jobs.reach.reach import Reach

Result = TypeVar("Result")
MIDDLE = 0.5  # of the chance by which a rest is longer or shorter: none


class Said(Struct):
    """What a job has said in all its attempts."""

    begun: int = 0
    progress: list[tuple[float, str]] = msgspec.field(default_factory=list)
    log: list[str] = msgspec.field(default_factory=list)


class Asked(Protocol):
    """The queue that an attempt's job was taken from, which answers at once."""

    def known_steps(self, attempt: Attempt) -> dict[str, bytes]: ...

    def keep_step(self, attempt: Attempt, name: str, result: Raw) -> None: ...

    def known_children(self, attempt: Attempt) -> list[ChildKnown]: ...

    def spawn(self, attempt: Attempt, group: str, jobs: list[SpawnJob]) -> list[str]: ...


class Attempted:
    """Where an attempt says how far it is: see Telling."""

    def __init__(self, said: Said, queue: Asked) -> None:
        self._said = said
        self._queue = queue

    def note(self, attempt: Attempt, share: float | None, note: str, line: str | None) -> None:
        if share is not None:
            self._said.progress.append((share, note))
        if line is not None:
            self._said.log.append(line)

    async def steps(self, attempt: Attempt) -> dict[str, Raw]:
        return {name: Raw(result) for name, result in self._queue.known_steps(attempt).items()}

    async def children(self, attempt: Attempt) -> list[ChildKnown]:
        return self._queue.known_children(attempt)

    async def spawn(self, attempt: Attempt, group: str, jobs: list[SpawnJob]) -> list[str]:
        return self._queue.spawn(attempt, group, jobs)

    async def keep_step(self, attempt: Attempt, name: str, result: Raw) -> None:
        self._queue.keep_step(attempt, name, result)


async def attempt_at(
    job: TakenJob, token: int, of: type[Job], telling: Attempted, reach: Reach | None = None
) -> Finished:
    """What became of it. Rests between attempts are as the class says, without chance."""
    installed = InTest(of)
    means = Means(Turn(), trio.CapacityLimiter(1), Processes(1), reach=reach)  # neither of those is used
    finished = await Attempt(job, token, installed, means, telling).run()
    if finished.error is None or finished.retry_s is None:
        return finished
    return msgspec.structs.replace(finished, retry_s=of.retry.rest_s(job.attempt, MIDDLE))


class InTest(InstalledJob):
    """A `def run` is called where the test is: virtual time would not wait for a thread."""

    def __init__(self, job: type[Job]) -> None:
        super().__init__(job)
        self._is_called = not self.is_async
        self.is_async = True

    def decode(self, arguments: bytes | Raw, job_id: str = "") -> Job:
        job = super().decode(arguments, job_id)
        return cast(Job, _Called(job)) if self._is_called else job


class _Called:
    def __init__(self, job: Job) -> None:
        self._job = job

    async def run(self, attempt: Attempt) -> Any:
        return cast(Callable[[Any], Any], self._job.run)(_CalledWork(attempt))


class _CalledWork:
    """See ThreadWork."""

    def __init__(self, attempt: Attempt) -> None:
        self.id = attempt.id
        self.attempt = attempt.attempt
        self.attempts_max = attempt.attempts_max
        self._attempt = attempt

    def progress(self, share: float, note: str = "") -> None:
        self._attempt.note(share, note)

    def log(self, line: str) -> None:
        self._attempt.log(line)

    def step(self, name: str, do: Callable[[], Any]) -> Any:
        known = _at_once(self._attempt.step_known(name))
        if known is None:
            known = _at_once(self._attempt.keep_step(name, do()))
        return msgspec.json.decode(known)

    def spawn(self, group: str, jobs: Iterable[Job], *, on_failure: OnFailure = "fail") -> list[str]:
        return _at_once(self._attempt.spawn(group, jobs, on_failure=on_failure))

    def children(self) -> list[Child]:
        return _at_once(self._attempt.children())

    def ask(self, entity: str, message: Ask[Reply]) -> Reply:
        return _at_once(self._attempt.ask(entity, message))

    def query(self, row: type[Row], key: str, **asked: Any) -> Rows[Row]:
        return _at_once(self._attempt.query(row, key, **asked))

    def query_pages(self, row: type[Row], keys: Iterable[str], **asked: Any) -> dict[str, list[Row]]:
        return _at_once(self._attempt.query_pages(row, keys, **asked))

    def nudge(self, entities: Iterable[str], message: Tell) -> None:
        self._attempt.nudge(entities, message)


def _at_once(answering: Coroutine[Any, Any, Result]) -> Result:
    """What is returned by a coroutine that waits for nothing, as Attempted's do not."""
    try:
        answering.send(None)
    except StopIteration as stop:
        result: Result = stop.value
        return result
    raise AssertionError("it waits")
