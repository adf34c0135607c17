"""Listing in memory: the twin of listing_postgres.py, of what appends have landed."""

from collections.abc import Callable, Iterator

import msgspec
import trio

from greenroom.store.jobs.filter import JobFilter, fits, state_of
from greenroom.store.jobs.jobs import JobFound
from greenroom.store.jobs.jobs_memory import ended_of
from greenroom.store.jobs.listing import LONG_SHOWN, ListedJob, Looked
from greenroom.store.journal.consequences.consequence import Tables
from greenroom.store.journal.consequences.jobs import EndRow, JobRow, JobTables, TakeRow


class MemoryListing:
    """See JobListing."""

    def __init__(self, database: Callable[[], Tables]) -> None:
        self._database = database

    async def looked_at(self, asked: JobFilter, before: str, *, most: int, rows: int, now_ms: int) -> Looked:
        await trio.lowlevel.checkpoint()
        found, after = self._look(asked, before, rows, now_ms)
        return Looked(found[:most], after)

    async def counted(self, asked: JobFilter, before: str, *, rows: int, now_ms: int) -> tuple[int, str | None]:
        await trio.lowlevel.checkpoint()
        found, after = self._look(asked, before, rows, now_ms)
        return len(found), after

    async def ended(self, ids: list[str]) -> list[JobFound]:
        await trio.lowlevel.checkpoint()
        return ended_of(self._database().of(JobTables), ids)

    async def named(self, ids: list[str]) -> list[str]:
        await trio.lowlevel.checkpoint()
        rows = self._database().of(JobTables).jobs.values()
        options = [msgspec.json.decode(row.options) for row in rows if row.options is not None]
        found = {one[0] for some in options if "waits" in some for one in some["waits"]["jobs"]}
        return [one for one in ids if one in found]

    async def queues(self, after: str, limit: int) -> list[str]:
        await trio.lowlevel.checkpoint()
        tables = self._database().of(JobTables)
        names = {row.queue for row in tables.jobs.values()} | {row.queue for row, _ in tables.done.values()}
        return sorted(name for name in names if name > after)[:limit]

    def _look(self, asked: JobFilter, before: str, rows: int, now_ms: int) -> tuple[list[ListedJob], str | None]:
        tables = self._database().of(JobTables)
        looked = sorted((one for one in (*tables.jobs, *tables.done) if one < before), reverse=True)
        found = [job for one in looked[:rows] for job in _listed(tables, one, asked, now_ms)]
        return found, looked[rows - 1] if len(looked) >= rows else None


def _listed(tables: JobTables, job_id: str, asked: JobFilter, now_ms: int) -> Iterator[ListedJob]:
    row, end, take = tables.jobs.get(job_id), None, None
    if row is not None:
        take = _take_of(tables, row)
        state = state_of(row, now_ms, is_taken=take is not None)
    else:
        row, end = tables.done[job_id]
        state = end.state
    error = _error_of(end)
    if fits(asked, row, state, end.ended_ms if end else None, msgspec.json.encode([error] if error else [])):
        yield _shown(row, state, end, take, error)


def _shown(row: JobRow, state: str, end: EndRow | None, take: TakeRow | None, error: str) -> ListedJob:
    arguments = row.arguments or b""
    options = msgspec.json.decode(row.options) if row.options is not None else {}
    return ListedJob(
        id=row.id,
        queue=row.queue,
        job=row.job,
        state=state,
        partition=row.partition,
        priority=row.priority,
        attempts=row.attempts,
        attempts_max=row.attempts_max,
        lost=row.lost,
        added_ms=row.added_ms,
        due_ms=row.due_ms,
        started_ms=take.at_ms if take is not None else end.started_ms if end is not None else None,
        ended_ms=end.ended_ms if end is not None else None,
        worker=take.worker if take is not None else end.worker if end is not None else "",
        by=options.get("by", ""),
        error=error[:LONG_SHOWN],
        arguments=arguments if len(arguments) <= LONG_SHOWN else None,
        arguments_bytes=len(arguments),
    )


def _take_of(tables: JobTables, row: JobRow) -> TakeRow | None:
    """By which a worker has it."""
    takes = [
        one for one in tables.takes.values() if one.queue == row.queue and row.id in one.ids and one.token > row.let_go
    ]
    return max(takes, key=lambda one: one.token, default=None)


def _error_of(end: EndRow | None) -> str:
    """Memory keeps the last one, of jobs that have ended."""
    if end is None or end.error is None:
        return ""
    return str(msgspec.json.decode(end.error).get("error", ""))
