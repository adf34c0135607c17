"""Listing: jobs of a filter, the last added first, a page at a time.

There is no table of states, and no index of words: what there is of jobs are the rows that their queues write. So a
page is found by looking at rows in the order of their ids, so many at once, until it is full or time is up; then it
says how far it has come, and the next one goes on from there. A look is one statement, so it is of one moment: a job
that ends is not missed between two tables.
"""

from collections.abc import Awaitable, Callable
from typing import Protocol

from msgspec import Struct

from greenroom.store.jobs.filter import JobFilter
from greenroom.store.jobs.jobs import JobFound

LOOKED_FIRST, LOOKED_MAX = 1_000, 20_000  # rows that one look looks at
LONG_SHOWN = 2_048  # bytes of arguments and of an error from which on they are not in a list
NEWEST = "f" * 32  # before it are all


class ListedJob(Struct, kw_only=True, omit_defaults=True):
    """A job as lists show it."""

    id: str
    queue: str
    job: str
    state: str
    partition: str = ""
    priority: int
    attempts: int  # that have failed
    attempts_max: int
    lost: int = 0
    added_ms: int
    due_ms: int
    started_ms: int | None = None
    ended_ms: int | None = None
    worker: str = ""
    by: str = ""
    error: str = ""  # of its last attempt
    arguments: bytes | None = None  # JSON object; None: it is too long to be shown
    arguments_bytes: int = 0


class Looked(Struct):
    """What one look has found."""

    jobs: list[ListedJob]  # by falling id, at most as many as were wanted
    after: str | None  # all above this id were looked at, it included; None: all there are


class JobListing(Protocol):
    """Filters are such that mean something. All of it raises StoreUnavailable."""

    async def looked_at(self, asked: JobFilter, before: str, *, most: int, rows: int, now_ms: int) -> Looked:
        """Jobs with lesser ids than `before` that the filter means, at most `most`, among the next `rows` of each of
        the tables."""

    async def counted(self, asked: JobFilter, before: str, *, rows: int, now_ms: int) -> tuple[int, str | None]:
        """How many there are among those, and as `Looked.after`."""

    async def ended(self, ids: list[str]) -> list[JobFound]:
        """Those of these jobs that have ended, whole but for results and errors."""

    async def named(self, ids: list[str]) -> list[str]:
        """Those of these jobs that one which is not finished waits for, or has waited for."""

    async def queues(self, after: str, limit: int) -> list[str]:
        """Names of queues that there are, behind that one: by rising bytes, at most so many."""


class Page(Struct):
    """Some of the jobs of a filter."""

    jobs: list[ListedJob]
    after: str | None  # where to go on; None: these are the last


async def page_of(
    listing: JobListing, asked: JobFilter, before: str | None, *, most: int, now_ms: int, goes_on: Callable[[], bool]
) -> Page:
    """At most `most` jobs; fewer, with a place to go on from, where `goes_on` said no between two looks."""
    if asked.is_vain:
        return Page([], None)
    found: list[ListedJob] = []

    async def look(place: str, rows: int) -> str | None:
        looked = await listing.looked_at(asked, place, most=most + 1 - len(found), rows=rows, now_ms=now_ms)
        found.extend(looked.jobs)
        return looked.after

    after = await _look_on(look, before or NEWEST, most + 1, lambda: len(found) <= most and goes_on())
    if len(found) > most:
        return Page(found[:most], found[most - 1].id)
    return Page(found, after)


async def count_of(
    listing: JobListing, asked: JobFilter, before: str | None, *, now_ms: int, goes_on: Callable[[], bool]
) -> tuple[int, str | None]:
    """How many there are, as far as was looked, and where to go on; None: these are all."""
    if asked.is_vain:
        return 0, None
    count = 0

    async def look(place: str, rows: int) -> str | None:
        nonlocal count
        more, after = await listing.counted(asked, place, rows=rows, now_ms=now_ms)
        count += more
        return after

    after = await _look_on(look, before or NEWEST, LOOKED_MAX, goes_on)
    return count, after


async def _look_on(
    look: Callable[[str, int], Awaitable[str | None]], place: str, rows: int, goes_on: Callable[[], bool]
) -> str | None:
    """Look by look, each at more rows. What nearly all jobs fit is found with the first."""
    after = await look(place, rows)
    rows = max(rows, LOOKED_FIRST)
    while after is not None and goes_on():
        after = await look(after, rows)
        rows = min(4 * rows, LOOKED_MAX)
    return after
