"""A kernel with a real queue on a journal in memory, under virtual time, and workers of it."""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import msgspec
import trio

from greenroom import Actor, Job
from greenroom.actors.jobs.installed import Jobs
from greenroom.actors.jobs.queue import Queue
from greenroom.actors.jobs.queue.messages import Add, Take
from greenroom.actors.jobs.single import SingleJob
from greenroom.actors.life.turn import Turn
from greenroom.actors.model.errors import Unavailable
from greenroom.store.jobs.jobs_memory import MemoryJobs
from greenroom.store.journal.consequences.jobs import EndRow, JobRow, JobTables
from greenroom.store.journal.journal_memory import MemoryRows
from greenroom.supervisors.jobs.attempt import Means
from greenroom.supervisors.jobs.finder import Finder
from greenroom.supervisors.jobs.processes import Processes
from greenroom.supervisors.jobs.worker import Worker
from greenroom.supervisors.supervision.backoff import Backoff
from tests.supervisors.kernel.small_kernel import Kernel

QUEUE = "queue:q"


async def until(is_so: Callable[[], object]) -> None:
    """On the virtual clock, in steps that no test is to count on."""
    while not is_so():  # noqa: ASYNC110 - what it waits for is in a database
        await trio.sleep(0.01)


def means() -> Means:
    return Means(Turn(), trio.CapacityLimiter(10), Processes(2))


def new_backoff() -> Backoff:
    return Backoff(random=Random(1), first_s=0.1, max_s=1.0)


class Stage:
    """One node's kernel, and what its database has of jobs."""

    def __init__(self, jobs: Iterable[type[Job]], kinds: Iterable[type[Actor[Any]]] = ()) -> None:
        self.jobs = Jobs(jobs)
        self.rows = MemoryRows()
        self.gone: set[str] = set()  # processes that have ended
        self.finder = Finder(
            MemoryJobs(lambda: self.rows.consequences, trio.current_time),
            tell=lambda entity, message: self.kernel.router.tell_here(entity, message),
            new_backoff=new_backoff,
        )
        self.kernel = Kernel(
            rows=self.rows,
            kinds=(Queue, SingleJob, *kinds),
            jobs=self.finder,
            has_ended=lambda process: process in self.gone,
        )

    def worker(self, name: str = "w", slots: int = 2, *, ask: Any = None, process: str = "") -> Worker:
        return Worker(
            "q",
            slots,
            self.jobs,
            name=name,
            ask=ask or self.kernel.router.ask,
            new_backoff=new_backoff,
            means=means(),
            process=process,
        )

    async def add(self, job: Job, **fields: Any) -> str:
        tag = str(job.__struct_config__.tag)
        arguments = msgspec.Raw(msgspec.json.encode(job))
        return str((await self.ask(Add(job=tag, arguments=arguments, **fields))).id)

    async def ask(self, message: Any) -> Any:
        return await self.kernel.router.ask(QUEUE, message)

    @property
    def tables(self) -> JobTables:
        return self.rows.consequences.of(JobTables)

    def row(self, job: str) -> JobRow:
        return self.tables.jobs[job]

    def end(self, job: str) -> EndRow:
        return self.tables.done[job][1]

    async def ended(self, *jobs: str) -> list[str]:
        """Their states, once they all have."""
        await until(lambda: self.tables.done.keys() >= set(jobs))
        return [self.end(job).state for job in jobs]


@asynccontextmanager
async def stage(*jobs: type[Job], kinds: Iterable[type[Actor[Any]]] = ()) -> AsyncIterator[Stage]:
    found = Stage(jobs, kinds)
    async with found.kernel.running(), trio.open_nursery() as nursery:
        await nursery.start(found.finder.run)
        yield found
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def running(*workers: Worker) -> AsyncIterator[None]:
    async with trio.open_nursery() as nursery:
        for worker in workers:
            await nursery.start(worker.run)
        yield
        nursery.cancel_scope.cancel()


class Unreachable:
    """The way to the queue, which may be lost."""

    def __init__(self, on: Stage) -> None:
        self._on = on
        self.is_away = False
        self.loses_answers = False

    async def __call__(self, entity: str, message: Any, /) -> Any:
        await trio.lowlevel.checkpoint()
        if self.is_away:
            raise Unavailable("away")
        reply = await self._on.kernel.router.ask(entity, message)
        if self.is_away or (self.loses_answers and isinstance(message, Take) and message.finished):
            self.loses_answers = False
            raise Unavailable("away")
        return reply
