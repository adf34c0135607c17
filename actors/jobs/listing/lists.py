"""Lists of jobs and of queues, for whoever may read them: read of rows, so nobody is woken and no queue is asked.

A list looks at rows for LOOK_S at most, and then says how far it has come. Few look at once on a node: whoever searches
long must not have all connections to the database.
"""

from collections.abc import Callable
from typing import Any

import trio
from msgspec import Raw, Struct

from greenroom.actors.jobs.ids import ID
from greenroom.actors.jobs.listing.where import cursors_of
from greenroom.actors.views.cursor import BadCursor
from greenroom.actors.views.turns import Turns
from greenroom.store.jobs.filter import JobFilter
from greenroom.store.jobs.listing import JobListing, ListedJob, page_of

LIMIT, LIMIT_MAX = 100, 1_000  # jobs of one answer, unless it is said, and at most
LOOK_S = 1.0
AT_ONCE, WAITING_MAX, WAITING_OF_ONE = 2, 64, 8  # lists that are read on a node, and those that wait for it


class JobShown(Struct, kw_only=True):
    """A job in a list. What is long is not in it: `GET /api/job/{id}` has all of one."""

    id: str
    queue: str
    job: str  # the tag of its class
    state: str
    partition: str
    priority: int
    attempts: int  # that have failed
    attempts_max: int
    lost: int  # workers that ended with it in hand
    added_ms: int
    due_ms: int
    started_ms: int | None
    ended_ms: int | None
    worker: str
    by: str
    error: str  # of its last attempt that has failed, the beginning
    arguments: Any  # None: longer than lists show
    arguments_bytes: int


class JobsPage(Struct, kw_only=True):
    """Jobs, the last added first. Fewer than were asked for, with `next`: time was up."""

    rows: list[JobShown]
    next: str | None
    previous: None = None
    epoch: str = "none"  # no channel has this list
    offset: int = 0


class QueueShown(Struct):
    """A queue by its name. `GET /api/queue/{name}` has how it stands."""

    queue: str


class QueuesPage(Struct, kw_only=True):
    """Queues by their names."""

    rows: list[QueueShown]
    next: str | None
    previous: None = None
    epoch: str = "none"
    offset: int = 0


class JobLists:
    """Of one node. All of it raises StoreUnavailable."""

    def __init__(self, listing: JobListing, now: Callable[[], float]) -> None:
        """`now`: Unix seconds."""
        self._listing = listing
        self._now = now
        self._turns = Turns("lists of jobs are asked for", at_once=AT_ONCE, most=WAITING_MAX, of_one=WAITING_OF_ONE)

    async def jobs(self, asked: JobFilter, after: str | None, limit: int, *, who: str = "") -> JobsPage:
        """Raises: BadCursor, Overloaded."""
        cursors = cursors_of(asked)
        before: str | None = None
        if after is not None:
            (before,) = cursors.decode(after)
            if ID.fullmatch(before) is None:
                raise BadCursor
        async with self._turns.turn(who):
            until = trio.current_time() + LOOK_S
            page = await page_of(
                self._listing,
                asked,
                before,
                most=limit,
                now_ms=int(self._now() * 1000),
                goes_on=lambda: trio.current_time() < until,
            )
        return JobsPage(
            rows=[_shown(job) for job in page.jobs], next=cursors.encode([page.after]) if page.after else None
        )

    async def queues(self, after: str, limit: int, *, who: str = "") -> QueuesPage:
        """Those behind that name. Raises: Overloaded."""
        async with self._turns.turn(who):
            names = await self._listing.queues(after, limit + 1)
        more = len(names) > limit
        return QueuesPage(rows=[QueueShown(name) for name in names[:limit]], next=names[limit - 1] if more else None)


def _shown(job: ListedJob) -> JobShown:
    return JobShown(
        id=job.id,
        queue=job.queue,
        job=job.job,
        state=job.state,
        partition=job.partition,
        priority=job.priority,
        attempts=job.attempts,
        attempts_max=job.attempts_max,
        lost=job.lost,
        added_ms=job.added_ms,
        due_ms=job.due_ms,
        started_ms=job.started_ms,
        ended_ms=job.ended_ms,
        worker=job.worker,
        by=job.by,
        error=job.error,
        arguments=Raw(job.arguments) if job.arguments is not None else None,
        arguments_bytes=job.arguments_bytes,
    )
