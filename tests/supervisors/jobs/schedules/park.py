"""Nodes with schedules and their queue, one after the other on the same rows in memory, in virtual time."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import count
from random import Random
from typing import Any, TypeVar

import msgspec
import trio
from structlog.testing import capture_logs

from greenroom.actors.jobs.queue import queue_of
from greenroom.actors.jobs.queue.messages import Finished, Take
from greenroom.actors.jobs.schedule import Book, schedule_of
from greenroom.actors.model.errors import ActorError
from greenroom.actors.model.kinds import Kinds
from greenroom.actors.model.message import Ask
from greenroom.config.telemetry.instruments import Instruments
from greenroom.store.jobs.jobs_memory import MemoryJobs
from greenroom.store.journal.consequences.jobs import JobTables
from greenroom.store.journal.dead_letters_memory import MemoryDeadLetters
from greenroom.store.journal.journal_memory import MemoryRows
from greenroom.store.journal.records import Append, Outcome
from greenroom.supervisors.jobs.finder import Finder
from greenroom.supervisors.kernel.kernel import Kernel
from greenroom.supervisors.supervision.backoff import Backoff
from tests.actors.jobs.schedule.stage import JOBS
from tests.store.journal.faulty_journal import FaultyJournal

BEGUN_S = 1_750_000_000.0
T = TypeVar("T")
incarnations = count(1)


class Mortal(FaultyJournal):
    """Its node dies at the call of that number, before or after it has its effect."""

    def __init__(self, rows: MemoryRows, dies_at: int | None, *, landed: bool) -> None:
        super().__init__(rows, incarnation=next(incarnations))
        self.died = trio.Event()
        self._dies_at = dies_at
        self._landed = landed
        self.outcomes: list[Outcome] = []  # of appends

    async def append(self, batch: Sequence[Append], *, lane: int = 0) -> list[Outcome]:
        outcomes = await super().append(batch, lane=lane)
        self.outcomes += outcomes
        return outcomes

    async def _with_faults(self, name: str, call: Callable[[], Awaitable[T]]) -> T:
        if len(self.calls) == self._dies_at:
            if self._landed:
                await call()
            self.died.set()
        if self.died.is_set():
            await trio.sleep_forever()
        return await super()._with_faults(name, call)


class Park:
    """What outlives nodes, and the node that there is."""

    def __init__(self) -> None:
        self.rows = MemoryRows()
        self.ahead_s = 0.0  # of the clock, where it jumps
        self.kernel: Kernel
        self.lines: Sequence[Mapping[str, Any]] = ()  # of the log of the newest node
        self.journal: Mortal

    def clock(self) -> float:
        return BEGUN_S + trio.current_time() + self.ahead_s

    async def live(
        self,
        act: Callable[[], Awaitable[None]],
        *,
        dies_at: int | None = None,
        landed: bool = False,
        works: bool = True,
    ) -> None:
        """A node, until it dies or `act` is done. `works`: it has a worker, too."""
        self.journal = Mortal(self.rows, dies_at, landed=landed)
        finder = Finder(
            MemoryJobs(lambda: self.rows.consequences, self.clock),
            tell=lambda entity, message: self.kernel.router.tell_here(entity, message),
            new_backoff=lambda: Backoff(random=Random(0), first_s=0.01, max_s=0.1),
        )
        self.kernel = Kernel(
            kinds=Kinds([schedule_of(JOBS), Book, queue_of(JOBS)]),
            journal=self.journal,
            dead_letters=MemoryDeadLetters(),
            instruments=Instruments(),
            clock=self.clock,
            jobs=finder,
        )
        with capture_logs() as self.lines:
            async with trio.open_nursery() as nursery:  # owner: this call
                nursery.start_soon(_end_with, self.journal, nursery.cancel_scope)
                await nursery.start(self.kernel.run)
                await nursery.start(finder.run)
                if works:
                    nursery.start_soon(self._work)
                await act()
                nursery.cancel_scope.cancel()

    async def ask(self, entity: str, message: Ask[Any]) -> Any:
        with trio.fail_after(20.0):
            return await self.kernel.router.ask(entity, message)

    async def _work(self) -> None:
        """Each job takes no time."""
        finished: list[Finished] = []
        while True:
            try:
                taken = await self.kernel.router.ask(
                    "queue:mail", Take(worker="w", most=10, wait_s=5.0, finished=finished)
                )
            except ActorError:
                await trio.sleep(0.1)
                continue
            finished = [Finished(job.id, taken.token) for job in taken.jobs]

    # What is left when all is done.

    def events(self, entity: str) -> list[dict[str, Any]]:
        head = self.rows.by_entity[entity]
        return [one for event in head.events for one in [msgspec.json.decode(event.payload)]]

    def fired(self, name: str) -> list[tuple[int, str]]:
        """Ticks, in seconds since the beginning, with their jobs."""
        return [
            (one["tick_ms"] // 1000 - int(BEGUN_S), one["job"])
            for one in self.events(f"schedule:{name}")
            if one["type"] == "schedule.fired"
        ]

    @property
    def jobs(self) -> list[str]:
        """Ids of all that there are, or were."""
        tables = self.rows.consequences.of(JobTables)
        return [*tables.jobs, *tables.done]


async def _end_with(journal: Mortal, scope: trio.CancelScope) -> None:
    await journal.died.wait()
    scope.cancel()
