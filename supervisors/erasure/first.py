"""What comes first: jobs that are to be done before an entity is forgotten, as their classes say.

Forgetting works on rows, and what other entities have made of them, such as a number of followers, is not in them. So a
job has the entity take leave of the others while it can still speak. It needs a server that works on the job's queue.
"""

from hashlib import sha256

import msgspec
import trio

from greenroom.actors.jobs.installed import Jobs
from greenroom.actors.jobs.job import Job
from greenroom.store.erasure.erasing import PATIENCE_S
from greenroom.store.erasure.erasures import PostgresErasures
from greenroom.store.erasure.remaking import LOOK_S, Told, Waits
from greenroom.store.jobs.jobs_postgres import PostgresJobs
from greenroom.store.postgres.pool import Pool

ADD = "SELECT add_job(queue => $1, job => $2, arguments => $3::text::jsonb, unique_key => $4)"
THERE = "SELECT 1 FROM heads WHERE entity = $1"
UNFINISHED = "unfinished"


class First:
    """All of it raises StoreUnavailable."""

    def __init__(self, pool: Pool, jobs: Jobs, told: Told, *, patience_s: float = PATIENCE_S) -> None:
        """`patience_s`: until somebody has begun with a job; it may take as long as it takes."""
        self._pool = pool
        self._jobs = jobs
        self._told = told
        self._patience_s = patience_s

    async def run(self, entity: str) -> None:
        """Return once they are completed; at once where it has begun to be forgotten, or there is none.

        Raises: Waits.
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
        job_id, jobs = added.replace("-", ""), PostgresJobs(self._pool)
        waiting_s = 0.0
        while True:
            found = await jobs.find(job_id)
            if found is None or found.state not in (UNFINISHED, "active"):
                break
            if found.state == UNFINISHED and not found.row.attempts:
                waiting_s += LOOK_S
            if waiting_s > self._patience_s:
                raise Waits(f"nobody begins with {tag}: is a server running that works on the queue {job.queue}?")
            self._told(f"waiting for {tag}", 0, 0)
            await trio.sleep(LOOK_S)
        if found is None or found.state != "completed":
            state = found.state if found is not None else "gone"
            raise Waits(f"job:{job_id}, {tag}, is {state}, and comes first; what is wrong with it, it says")
