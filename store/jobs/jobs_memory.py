"""Jobs in memory: what appends have landed there."""

from collections.abc import Callable

import trio
from msgspec.structs import replace

from greenroom.store.journal.consequences.consequence import Tables
from greenroom.store.journal.consequences.jobs import JobRow, JobTables, TakeRow


class MemoryJobs:
    """See JobStore."""

    def __init__(self, database: Callable[[], Tables]) -> None:
        self._database = database

    async def load(self, queue: str) -> tuple[list[JobRow], list[TakeRow]]:
        await trio.lowlevel.checkpoint()
        tables = self._database().of(JobTables)
        jobs = sorted((row for row in tables.jobs.values() if row.queue == queue), key=lambda row: row.id)
        takes = [replace(take) for take in tables.takes.values() if take.queue == queue]
        return [replace(row) for row in jobs], takes
