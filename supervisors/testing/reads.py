"""What a test's queue reads of its jobs, in memory. What it asks for comes once it is through with its message."""

from collections.abc import Iterator, Sequence

from greenroom.actors.jobs.queue.found import FoundRows, ReadArguments, ReadClear, ReadOutcomes
from greenroom.actors.model.message import Message
from greenroom.actors.testing.world import KitJobs
from greenroom.store.jobs.jobs import Begun, JobFound, JobOutcome, Question, Seen
from greenroom.store.jobs.jobs_memory import MemoryJobs, look_at, outcomes_of
from greenroom.store.jobs.sealing import is_sealed
from greenroom.store.journal.consequences.consequence import Tables
from greenroom.store.journal.consequences.jobs import JobRow, JobTables


class KitReads(KitJobs):
    """See QueueReads."""

    def __init__(self, database: Tables) -> None:
        super().__init__()
        self._tables = database.of(JobTables)
        self._store = MemoryJobs(lambda: database, lambda: 0.0)
        self._looks: dict[str, Seen] = {}
        self._arguments: list[str] = []
        self._clear: list[str] = []
        self._questions: list[Question] = []

    async def begin(self, queue: str, now_ms: int) -> Begun:
        return await self._store.begin(queue, now_ms)

    async def page(self, queue: str, seen: Seen, after: str, *, arguments: bool) -> list[JobRow]:
        return await self._store.page(queue, seen, after, arguments=arguments)

    async def find(self, job_id: str) -> JobFound | None:
        return await self._store.find(job_id)

    async def outcomes(self, ids: Sequence[str], *, results: bool = False) -> dict[str, JobOutcome]:
        return await self._store.outcomes(ids, results=results)

    async def ended(self, ids: Sequence[str]) -> list[JobFound]:
        return await self._store.ended(ids)

    async def forgotten(self, queues: Sequence[str]) -> list[str]:
        return await self._store.forgotten(queues)

    async def with_steps(self, queue: str) -> list[str]:
        return await self._store.with_steps(queue)

    async def steps(self, job_id: str) -> dict[str, bytes]:
        return await self._store.steps(job_id)

    def look(self, queue: str, seen: Seen) -> None:
        self._looks[queue] = seen

    def read(self, queue: str, ids: Sequence[str]) -> None:
        self._arguments += ids

    def read_clear(self, queue: str, ids: Sequence[str]) -> None:
        self._clear = list(ids)

    def ask(self, queue: str, question: Question) -> bool:
        self._questions.append(question)
        return True

    def brought(self) -> Iterator[Message]:
        """What was asked for, as messages to the queue."""
        looks, self._looks = self._looks, {}
        for queue, seen in looks.items():
            yield FoundRows(since=seen, look=look_at(self._tables, queue, seen))
        ids, self._arguments = self._arguments, []
        if ids:
            found = {one: self._tables.jobs[one].arguments or b"" for one in ids if one in self._tables.jobs}
            yield ReadArguments(ids=ids, arguments=found)
        clear, self._clear = self._clear, []
        kept = {one: row.arguments for one in clear if (row := self._tables.jobs.get(one)) is not None}
        some = {one: stored for one, stored in kept.items() if stored is not None and not is_sealed(stored)}
        if clear:
            yield ReadClear(ids=clear, arguments=some)
        questions, self._questions = self._questions, []
        for one in questions:
            outcomes = outcomes_of(self._tables, one.ids, results=one.results)
            yield ReadOutcomes(number=one.number, outcomes=outcomes)
