"""What comes first: jobs that are to be done before an entity is forgotten, as their classes say.

Forgetting works on rows, and what other entities have made of them, such as a number of followers, is not in them. So a
job has the entity take leave of the others while it can still speak. It needs a server that works on the job's queue.
"""

import math
import time
from hashlib import sha256

import msgspec
import trio

from greenroom.actors.jobs.installed import Jobs
from greenroom.actors.jobs.job import Job
from greenroom.store.erasure.erasing import PATIENCE_S
from greenroom.store.erasure.erasures import PostgresErasures
from greenroom.store.erasure.remaking import LOOK_S, Told, Waits
from greenroom.store.jobs.jobs import JobFound
from greenroom.store.jobs.jobs_postgres import PostgresJobs
from greenroom.store.postgres.pool import Pool

ADD = "SELECT add_job(queue => $1, job => $2, arguments => $3::text::jsonb, unique_key => $4, priority => 0)"
THERE = "SELECT 1 FROM heads WHERE entity = $1"
UP = "SELECT 1 FROM nodes WHERE state <> 'dead' AND lease_until > clock_timestamp() LIMIT 1"
UNFINISHED, ACTIVE = "unfinished", "active"


class NotFirst(Waits):
    """A job that comes first is not done: one may go on without it."""


class First:
    """All of it raises StoreUnavailable."""

    def __init__(self, pool: Pool, jobs: Jobs, told: Told, *, patience_s: float = PATIENCE_S) -> None:
        """`patience_s`: until somebody begins with a job that is due; it may take as long as it takes."""
        self._pool = pool
        self._jobs = jobs
        self._told = told
        self._patience_s = patience_s

    async def run(self, entity: str) -> None:
        """Return once they are completed; at once where it has begun to be forgotten, or there is none.

        Raises: NotFirst.
        """
        kind, _, key = entity.partition(":")
        wanted = [one.job for one in self._jobs if one.job.before_forgetting == kind]
        if not wanted or not await self._pool.fetch(THERE, entity):
            return
        if await PostgresErasures(self._pool).find(entity) is not None:
            return
        for job in wanted:
            await self._do(job, entity, key)

    async def _do(self, job: type[Job], entity: str, key: str) -> None:
        tag, arguments = str(job.__struct_config__.tag), msgspec.json.encode({"user": key}).decode()
        once = sha256(f"before forgetting {entity}".encode()).hexdigest()  # of no name that is to be forgotten
        ((added,),) = await self._pool.fetch(ADD, job.queue, tag, arguments, once)
        job_id = added.replace("-", "")
        found = await self._ended(job_id, tag)
        if found is not None and found.state in (UNFINISHED, ACTIVE):
            can_go = found.state == UNFINISHED  # what somebody has in hand, a server has to find lost first
            raise NotFirst(
                f"nobody goes on with {tag}: is a server running that works on the queue {job.queue}, and has it a "
                f"place free? job:{job_id} stays there, and is done once one has, unless you take it out: "
                f"`greenroom jobs cancel {job_id}`" + can_go * f", or `greenroom forget job:{job_id}` without a server"
            )
        if found is None or found.state != "completed":
            state = found.state if found is not None else "gone"
            raise NotFirst(f"job:{job_id}, {tag}, is {state}, and comes first; what is wrong with it, it says")

    async def _ended(self, job_id: str, tag: str) -> JobFound | None:
        """How it has ended; unfinished or active, where for too long nobody goes on with it. None: it is gone."""
        jobs, since_s, attempts = PostgresJobs(self._pool), math.inf, 0
        while (found := await jobs.find(job_id)) is not None and found.state in (UNFINISHED, ACTIVE):
            if not await self._is_left(found) or found.row.attempts != attempts:
                since_s, attempts = math.inf, found.row.attempts
            else:
                since_s = min(since_s, trio.current_time())
                if trio.current_time() - since_s > self._patience_s:
                    break
            self._told(f"waiting for {tag}", 0, 0)
            await trio.sleep(LOOK_S)
        return found

    async def _is_left(self, found: JobFound) -> bool:
        """Could somebody go on with it, and nobody does? Who has it has ended, where all nodes have."""
        if found.state == ACTIVE:
            return not await self._pool.fetch(UP)
        return found.row.due_ms <= time.time() * 1000
