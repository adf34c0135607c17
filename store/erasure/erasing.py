"""Erasing: the way of one erasure, from the mark to the end. Ended at any point, it is gone through again.

marked       by `begin`, in one transaction: no node can append to it, save or claim it any more
heard        every node that is up has ended it, and has nothing of it in memory
removed      its rows, table by table; of a queue those of its jobs, again once whoever was adding some has ended
views        its rows in each table of a view; where they are not its alone, the view is made anew without it
ended        once nobody is left who may not have seen the mark, its head goes, and its name
"""

from collections.abc import Sequence
from typing import Any

import trio

from greenroom.store.erasure.erasures import QUEUE_KIND, Erasure, PostgresErasures
from greenroom.store.erasure.jobs import JOBS_AT_ONCE, NO_ID, OneJob, QueueRows
from greenroom.store.erasure.remaking import LOOK_S, Remaking, Told, Waits
from greenroom.store.erasure.removing import QUEUE_TABLES, ROWS_AT_ONCE, TABLES, Removing, count
from greenroom.store.erasure.views import ViewRows
from greenroom.store.postgres.pool import Pool

PATIENCE_S = 30.0  # for what others have to do: nodes, relays, whoever writes heads; and then it may be begun again


class Erasing:
    """One erasure that has begun. All of it raises StoreUnavailable."""

    def __init__(self, pool: Pool, erasure: Erasure, told: Told, *, patience_s: float = PATIENCE_S) -> None:
        self._pool = pool
        self._erasures = PostgresErasures(pool)
        self._removing = Removing(pool, erasure)
        self._views = ViewRows(pool, erasure)
        self._remaking = Remaking(pool, erasure.id)
        self._erasure = erasure
        self._told = told
        self._patience_s = patience_s
        kind, _, key = (erasure.name or "").partition(":")
        self._queue = QueueRows(pool, erasure, key) if kind == QUEUE_KIND else None

    async def run(self) -> None:
        """Return once it is done. Raises: Waits."""
        await heard(self._erasures, self._erasure, self._told, patience_s=self._patience_s)
        await self._rows()
        for made in await self._views.remove():
            await self._remaking.made_anew(made, self._told, patience_s=self._patience_s)
        await self._undelivered()
        if self._queue is not None:
            await self._seen("jobs")
        await self._rows()  # what a node that is gone has still written
        await self._seen("heads")
        await self._removing.end()

    async def _rows(self) -> None:
        erasure = self._erasure
        assert erasure.head_id is not None and erasure.name is not None
        left = await count(self._pool, erasure.head_id, erasure.name)
        total, done = sum(left.values()), 0
        for table in TABLES | (QUEUE_TABLES if self._queue is not None else {}):
            rows = ROWS_AT_ONCE
            while rows == ROWS_AT_ONCE:
                rows = await self._removing.step(table)
                done += rows
                self._told(f"removing from {table}", done, total)
        if self._queue is not None:
            await self._jobs(self._queue, done, total)

    async def _jobs(self, queue: QueueRows, done: int, total: int) -> None:
        rows = JOBS_AT_ONCE
        while rows == JOBS_AT_ONCE:
            rows = await queue.unfinished()
            done += rows
            self._told("removing from jobs", done, total)
        after: str | None = NO_ID
        while after is not None:
            rows, after = await queue.finished(after)
            done += rows
            self._told("removing from jobs_done", done, total)

    async def _undelivered(self) -> None:
        before = await self._removing.addressed()  # what comes later is refused as soon as it is sent
        with trio.move_on_after(self._patience_s):
            while before & await self._removing.addressed():
                self._told("waiting for messages to it to be given up", 0, 0)
                await trio.sleep(LOOK_S)
            return
        raise Waits(
            "messages of other entities to it are still on their way: a running server gives them up; is there one?"
        )

    async def _seen(self, table: str) -> None:
        before = await self._removing.writers(table)
        with trio.move_on_after(self._patience_s):
            while before & await self._removing.writers(table):
                self._told("waiting for transactions that began before", 0, 0)
                await trio.sleep(LOOK_S)
            return
        raise Waits(f"a transaction that began before it still writes {table}: see pg_stat_activity")


async def heard(erasures: PostgresErasures, erasure: Erasure, told: Told, *, patience_s: float) -> None:
    """Return once nodes that are up have ended it. Raises: StoreUnavailable, Waits."""
    deaf: Sequence[Any] = ()
    with trio.move_on_after(patience_s):
        while deaf := await erasures.deaf(erasure):
            told("waiting for nodes to end it", 0, 0)
            await trio.sleep(LOOK_S)
        return
    raise Waits(
        f"{', '.join(url or f'{incarnation:x}' for incarnation, url in deaf)} did not say that it has ended there: "
        "stop what does not answer, or is of an older release"
    )


async def erase_job(
    pool: Pool, job_id: str, told: Told, *, reason: str, asked_by: str, patience_s: float = PATIENCE_S
) -> Erasure | None:
    """One job: its rows go first, and then what nodes have of it. None where there is no such job.

    Raises: StoreUnavailable, Active, Waits.
    """
    erasures, job = PostgresErasures(pool), OneJob(pool, job_id)
    erasure = await erasures.find(job.name) or await job.remove(reason=reason, asked_by=asked_by)
    if erasure is not None and erasure.done_ms is None:
        await heard(erasures, erasure, told, patience_s=patience_s)
        await job.end(erasure)
        erasure = await erasures.find(job.name)
    return erasure
