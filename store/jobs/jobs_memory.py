"""Jobs in memory: what appends have landed there. A snapshot is the number of commits so far: they come one by one."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import sha256

import msgspec
import trio
from msgspec.structs import replace

from greenroom.store.jobs.instead import follow, wanted
from greenroom.store.jobs.jobs import LONG, LOOK_ROWS, PAGE, Begun, JobFound, JobOutcome, Look, Seen
from greenroom.store.jobs.kept import Kept
from greenroom.store.journal.consequences.consequence import Tables
from greenroom.store.journal.consequences.jobs import SEALED, JobRow, JobTables

DAY_MS = 86_400_000


class MemoryJobs:
    """See JobStore."""

    def __init__(self, database: Callable[[], Tables], now: Callable[[], float]) -> None:
        self._database = database
        self._now = now

    async def begin(self, queue: str, now_ms: int) -> Begun:
        await trio.lowlevel.checkpoint()
        tables = self._tables
        return Begun(
            seen=Seen(str(tables.commits)),
            takes=[replace(take) for take in tables.takes.values() if take.queue == queue],
            windows=[one for one in tables.windows.values() if one.queue == queue and one.until_ms > now_ms],
        )

    async def page(self, queue: str, seen: Seen, after: str, *, arguments: bool) -> list[JobRow]:
        await trio.lowlevel.checkpoint()
        tables = self._tables
        rows = sorted(
            (
                row
                for row in tables.jobs.values()
                if row.queue == queue and row.id > after and tables.found_by.get(row.id, 0) <= int(seen.before)
            ),
            key=lambda row: row.id,
        )
        return [_read(tables, row, brings=arguments) for row in rows[:PAGE]]

    async def look(self, wanted: Mapping[str, Seen]) -> dict[str, Look]:
        await trio.lowlevel.checkpoint()
        tables = self._tables
        return {queue: look_at(tables, queue, seen) for queue, seen in wanted.items()}

    async def arguments(self, ids: Sequence[str]) -> dict[str, bytes]:
        await trio.lowlevel.checkpoint()
        jobs = self._tables.jobs
        return {one: jobs[one].arguments or b"" for one in ids if one in jobs}

    async def clear_arguments(self, ids: Sequence[str]) -> dict[str, bytes]:
        found = await self.arguments(ids)
        return {one: stored for one, stored in found.items() if not stored.startswith(SEALED)}

    async def find(self, job_id: str) -> JobFound | None:
        await trio.lowlevel.checkpoint()
        tables = self._tables
        row = tables.jobs.get(job_id)
        if row is not None:
            is_active = any(
                job_id in take.ids and take.token > row.let_go
                for take in tables.takes.values()
                if take.queue == row.queue
            )
            return JobFound(
                replace(row, is_of_others=job_id in tables.found_by), "active" if is_active else "unfinished"
            )
        if job_id not in tables.done:
            return None
        row, end = tables.done[job_id]
        errors = b"[" + end.error + b"]" if end.error else None
        return JobFound(replace(row), end.state, end.ended_ms, end.started_ms, end.worker, end.result, errors)

    async def outcomes(self, ids: Sequence[str], *, results: bool = False) -> dict[str, JobOutcome]:
        await trio.lowlevel.checkpoint()
        return outcomes_of(self._tables, ids, results=results)

    async def ended(self, ids: Sequence[str]) -> list[JobFound]:
        await trio.lowlevel.checkpoint()
        return ended_of(self._tables, ids)

    async def forgotten(self, queues: Sequence[str]) -> list[str]:
        await trio.lowlevel.checkpoint()
        return []

    async def with_steps(self, queue: str) -> list[str]:
        await trio.lowlevel.checkpoint()
        tables = self._tables
        return [job for job in tables.steps if job in tables.jobs and tables.jobs[job].queue == queue]

    async def steps(self, job_id: str) -> dict[str, bytes]:
        await trio.lowlevel.checkpoint()
        return dict(self._tables.steps.get(job_id, {}))

    async def step_names(self, job_id: str, most: int) -> list[str]:
        return sorted(await self.steps(job_id))[:most]

    async def version(self, job_id: str) -> str:
        await trio.lowlevel.checkpoint()
        tables = self._tables
        found = tables.jobs.get(job_id) or tables.done.get(job_id)
        return "" if found is None else sha256(repr(found).encode()).hexdigest()

    async def keep_days(self, kept: Kept) -> int:
        await trio.lowlevel.checkpoint()
        done = self._tables.done
        today = int(self._now() * 1000) // DAY_MS
        parts: dict[tuple[bool, bool, int, str], list[str]] = {}
        for job_id, (_, end) in done.items():
            day = end.ended_ms // DAY_MS
            is_kept = day >= today - kept.days_of(end.state)
            parts.setdefault((is_kept, end.state == "failed", day, end.state), []).append(job_id)
        gone = set()
        for (is_kept, _, day, _), ids in sorted(parts.items()):
            if is_kept and (kept.most is None or len(done) <= kept.most or day >= today):
                continue
            gone.add(day)
            for job_id in ids:
                del done[job_id]
        now_ms = self._now() * 1000
        windows = self._tables.windows
        for key in [key for key, one in windows.items() if one.until_ms < now_ms]:
            del windows[key]
        return len(gone)

    @property
    def _tables(self) -> JobTables:
        return self._database().of(JobTables)


def outcomes_of(tables: JobTables, ids: Sequence[str], *, results: bool) -> dict[str, JobOutcome]:
    """As Postgres: with results, of one in whose place another is done, what has come of that."""

    def read(some: Iterable[str]) -> dict[str, JobOutcome]:
        return {one: outcome_of(tables, one, results) for one in some if one in tables.jobs or one in tables.done}

    found = read(ids)
    while results and (more := wanted(found)):
        follow(found, read(more))
    return found


def ended_of(tables: JobTables, ids: Sequence[str]) -> list[JobFound]:
    done = tables.done
    return [JobFound(replace(done[one][0]), done[one][1].state, done[one][1].ended_ms) for one in ids if one in done]


def outcome_of(tables: JobTables, job_id: str, results: bool) -> JobOutcome:
    """Of one that there is."""
    if job_id in tables.jobs:
        row = tables.jobs[job_id]
        return JobOutcome(row.queue, "unfinished", is_cancelling=row.cancel is not None)
    row, end = tables.done[job_id]
    said = msgspec.json.decode(end.error) if end.error and end.state != "completed" else {}
    instead = said.get("instead", "") if end.state == "cancelled" else ""
    if not results:
        return JobOutcome(row.queue, end.state, ended_ms=end.ended_ms, instead=instead)
    return JobOutcome(row.queue, end.state, end.result, said.get("error", ""), end.ended_ms, instead)


def look_at(tables: JobTables, queue: str, seen: Seen) -> Look:
    """As Postgres: of the commits in between, by their numbers."""
    now = tables.commits if seen.now is None else int(seen.now)
    after = (int(seen.xid or 0), seen.id or "")
    found = sorted(_found(tables, queue, int(seen.before), now))
    rows = [tables.jobs[job_id] for xid, job_id in found if (xid, job_id) > after][:LOOK_ROWS]
    found_rows = [_read(tables, row, brings=True) for row in rows]
    if len(rows) < LOOK_ROWS:
        return Look(Seen(str(now)), found_rows)
    last = rows[-1].id
    return Look(Seen(seen.before, str(now), str(tables.found_by[last]), last), found_rows)


def _found(tables: JobTables, queue: str, before: int, now: int) -> Iterable[tuple[int, str]]:
    for job_id, number in tables.found_by.items():
        if before < number <= now and tables.jobs[job_id].queue == queue:
            yield number, job_id


def _read(tables: JobTables, row: JobRow, *, brings: bool) -> JobRow:
    is_left = not brings or len(row.arguments or b"") > LONG
    return replace(row, arguments=None if is_left else row.arguments, is_of_others=row.id in tables.found_by)
