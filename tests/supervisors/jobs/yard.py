"""A node's kernel with queues and what is read for them, on Postgres or in memory, without sockets."""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, nullcontext
from itertools import count
from random import Random
from typing import Any

import trio
from msgspec import Raw, Struct
from structlog.testing import capture_logs

from greenroom import Actor, Answered, Ask, Event, Job, Undelivered, Unique, Work
from greenroom.actors.jobs.queue import Queue
from greenroom.actors.jobs.queue.messages import Add, AddMany, Finished, NewJob, Take, Taken
from greenroom.actors.model.kinds import Kinds
from greenroom.actors.model.message import Message
from greenroom.config.telemetry.instruments import Instruments
from greenroom.store.jobs.jobs import JobFound, JobStore
from greenroom.store.jobs.jobs_memory import MemoryJobs
from greenroom.store.jobs.jobs_postgres import PostgresJobs
from greenroom.store.jobs.listing import JobListing
from greenroom.store.jobs.listing_memory import MemoryListing
from greenroom.store.jobs.listing_postgres import PostgresListing
from greenroom.store.journal.dead_letters_memory import MemoryDeadLetters
from greenroom.store.journal.journal import Journal
from greenroom.store.journal.journal_memory import MemoryJournal, MemoryRows
from greenroom.store.journal.journal_postgres import PostgresJournal
from greenroom.store.postgres.bridge import Bridge
from greenroom.store.postgres.pool import Pool
from greenroom.supervisors.jobs.finder import Finder
from greenroom.supervisors.jobs.matcher import Matcher
from greenroom.supervisors.kernel.kernel import Kernel
from greenroom.supervisors.supervision.backoff import Backoff
from tests.supervisors.views.stage import until

incarnations = count(1)
UNTIL_S = 20.0


class Transcode(Job, queue="media", tag="job.transcode"):
    video: str
    height: int = 720

    async def run(self, work: Work) -> str:
        return self.video


class Once(Job, queue="media", tag="job.once"):
    video: str
    note: str = ""
    unique = Unique("video")

    async def run(self, work: Work) -> str:
        return self.video


class Subtitle(Job, queue="text", tag="job.subtitle"):
    video: str

    async def run(self, work: Work) -> str:
        return self.video


class Uploaded(Event, tag="film.uploaded"):
    """It was."""


class Heard(Event, tag="film.heard"):
    """What became of a job."""

    entity: str
    about: str
    what: str


class Upload(Ask[str], tag="film.upload"):
    """Start a job."""

    about: str = ""
    fails: bool = False
    once: str = ""
    video: str = ""
    later: bool = False  # by an async handler


class Publish(Ask[dict[str, str]], tag="film.publish"):
    """Start jobs that wait for each other: one of another queue among them."""


class FilmState(Struct):
    """All of it."""

    heard: list[tuple[str, str, str]] = []


class Film(Actor[FilmState]):
    """Starts jobs, and hears of them."""

    kind = "film"
    commands = (Upload, Publish)
    events = (Uploaded, Heard)

    def handle(self, message: Any) -> Any:
        match message:
            case Upload() if message.later:
                return self._upload_later()
            case Upload():
                self.record(Uploaded())
                job = Once(video=message.once) if message.once else Transcode(video=message.video or self.key)
                started = self.start_job(job, about=message.about)
                if message.fails:
                    raise RuntimeError("after it was named")
                return started
            case Publish():
                self.record(Uploaded())
                cut = self.start_job(Transcode(video=self.key))
                text = self.start_job(Subtitle(video=self.key))
                out = self.start_job(Transcode(video="out"), children=[cut, text], about="out")
                return {"cut": cut, "text": text, "out": out}
            case Answered():
                self.record(Heard(entity=message.entity, about=message.about, what=bytes(message.reply).decode()))
            case Undelivered():
                what = f"{message.name}: {message.detail}"
                self.record(Heard(entity=message.entity, about=message.about, what=what))

    async def _upload_later(self) -> str:
        await trio.lowlevel.checkpoint()
        self.record(Uploaded())
        return self.start_job(Transcode(video=self.key))

    def apply(self, event: Any) -> None:
        if isinstance(event, Heard):
            self.state.heard.append((event.entity, event.about, event.what))

    def view(self) -> Any:
        return {}


class Yard:
    """One node. Another one on the same rows owns what this one did."""

    def __init__(self, journal: Journal, jobs: JobStore, listing: JobListing, *kinds: type[Actor[Any]]) -> None:
        def tell_here(entity: str, message: Message) -> bool:
            return self.kernel.router.tell_here(entity, message)

        def new_backoff() -> Backoff:
            return Backoff(random=Random(0), first_s=0.01, max_s=0.1)

        self.jobs = jobs
        self.matcher = Matcher(listing, tell=tell_here, new_backoff=new_backoff, now=time.time)
        self.finder = Finder(jobs, tell=tell_here, new_backoff=new_backoff, match=self.matcher.match)
        self.kernel = Kernel(
            kinds=Kinds([Film, Queue, *kinds]),
            journal=journal,
            dead_letters=MemoryDeadLetters(),
            instruments=Instruments(),
            clock=time.time,
            jobs=self.finder,
        )

    async def ask(self, entity: str, message: Ask[Any]) -> Any:
        with trio.fail_after(UNTIL_S):
            return await self.kernel.router.ask(entity, message)

    async def add(self, *arguments: bytes, **fields: Any) -> list[str]:
        jobs = [NewJob("job.transcode", Raw(one), **fields) for one in arguments]
        added: list[str] = (await self.ask("queue:media", AddMany(jobs=jobs))).ids
        return added

    async def add_one(self, arguments: bytes = b"{}", **fields: Any) -> Any:
        return await self.ask("queue:media", Add(job="job.once", arguments=Raw(arguments), **fields))

    async def take(
        self,
        most: int = 1,
        *,
        wait_s: float = 0.0,
        finished: Sequence[Finished] = (),
        worker: str = "w",
        queue: str = "media",
    ) -> Taken:
        taken: Taken = await self.ask(
            f"queue:{queue}", Take(worker=worker, most=most, wait_s=wait_s, finished=list(finished))
        )
        return taken

    async def heard(self, film: str, many: int = 1) -> list[tuple[str, str, str]]:
        """What it has heard, once it is as much."""
        found: list[tuple[str, str, str]] = []

        async def has_heard() -> bool:
            for cell in self.kernel.system.awake():
                if cell.entity == film and cell.actor is not None and cell.is_at_rest:
                    state: Any = cell.actor.state
                    found[:] = state.heard
            return len(found) >= many

        await until(has_heard)
        return found

    async def find(self, job_id: str) -> JobFound | None:
        return await self.jobs.find(job_id)


@asynccontextmanager
async def yard(where: str | MemoryRows, *kinds: type[Actor[Any]]) -> AsyncIterator[Yard]:
    """`where`: the database's URL, or rows in memory. `kinds`: beside its own."""
    number = next(incarnations)
    with capture_logs():
        async with Bridge() if isinstance(where, str) else nullcontext() as bridge:
            if isinstance(where, str):
                assert bridge is not None
                async with Pool(bridge, where, incarnation=number) as pool:
                    stores = PostgresJobs(pool), PostgresListing(pool)
                    made = Yard(PostgresJournal(pool, incarnation=number), *stores, *kinds)
                    async with _running(made):
                        yield made
            else:
                journal = MemoryJournal(where, incarnation=number)
                jobs = MemoryJobs(lambda: where.consequences, time.time)
                made = Yard(journal, jobs, MemoryListing(lambda: where.consequences), *kinds)
                async with _running(made):
                    yield made


@asynccontextmanager
async def _running(made: Yard) -> AsyncIterator[None]:
    async with trio.open_nursery() as nursery:  # owner: this call
        await nursery.start(made.kernel.run)
        await nursery.start(made.finder.run)
        await nursery.start(made.matcher.run)
        yield
        nursery.cancel_scope.cancel()
