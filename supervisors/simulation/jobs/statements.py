"""One simulated node's way to what is stored of jobs: each read a statement, which may be lost."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

import trio

from greenroom.store.jobs.jobs import Begun, JobFound, JobOutcome, Look, Seen
from greenroom.store.jobs.jobs_memory import MemoryJobs
from greenroom.store.jobs.kept import Kept
from greenroom.store.journal.consequences.jobs import JobRow
from greenroom.supervisors.simulation.database import Database, Port, Wire

T = TypeVar("T")


class SimulatedJobs:
    """See JobStore."""

    def __init__(self, database: Database, port: Port) -> None:
        self._database = database
        self._port = port
        self._wire = Wire()
        self._rows = MemoryJobs(lambda: database.rows.consequences, trio.current_time)

    async def _call(self, what: str, work: Callable[[], Awaitable[T]]) -> T:
        """Raises: StoreUnavailable."""
        return await self._database.call(what, self._port, self._wire, work, write=False)

    async def begin(self, queue: str, now_ms: int) -> Begun:
        return await self._call("jobs begin", lambda: self._rows.begin(queue, now_ms))

    async def page(self, queue: str, seen: Seen, after: str, *, arguments: bool) -> list[JobRow]:
        return await self._call("jobs page", lambda: self._rows.page(queue, seen, after, arguments=arguments))

    async def look(self, wanted: Mapping[str, Seen]) -> dict[str, Look]:
        return await self._call("jobs look", lambda: self._rows.look(wanted))

    async def arguments(self, ids: Sequence[str]) -> dict[str, bytes]:
        return await self._call("jobs arguments", lambda: self._rows.arguments(ids))

    async def clear_arguments(self, ids: Sequence[str]) -> dict[str, bytes]:
        return await self._call("jobs arguments", lambda: self._rows.clear_arguments(ids))

    async def find(self, job_id: str) -> JobFound | None:
        return await self._call("jobs find", lambda: self._rows.find(job_id))

    async def outcomes(self, ids: Sequence[str], *, results: bool = False) -> dict[str, JobOutcome]:
        return await self._call("jobs outcomes", lambda: self._rows.outcomes(ids, results=results))

    async def ended(self, ids: Sequence[str]) -> list[JobFound]:
        return await self._call("jobs ended", lambda: self._rows.ended(ids))

    async def forgotten(self, queues: Sequence[str]) -> list[str]:
        return await self._call("jobs forgotten", lambda: self._rows.forgotten(queues))

    async def with_steps(self, queue: str) -> list[str]:
        return await self._call("jobs steps", lambda: self._rows.with_steps(queue))

    async def step_names(self, job_id: str, most: int) -> list[str]:
        return await self._call("jobs steps", lambda: self._rows.step_names(job_id, most))

    async def version(self, job_id: str) -> str:
        return await self._call("jobs version", lambda: self._rows.version(job_id))

    async def steps(self, job_id: str) -> dict[str, bytes]:
        return await self._call("jobs steps", lambda: self._rows.steps(job_id))

    async def keep_days(self, kept: Kept) -> int:
        return await self._call("jobs days", lambda: self._rows.keep_days(kept))
