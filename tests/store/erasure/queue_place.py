"""A node with queues that hears of erasures, and somebody else who adds jobs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import msgspec
import trio
from msgspec import Raw

from greenroom import Actor
from greenroom.actors.jobs.options import UniqueKey
from greenroom.actors.jobs.queue.messages import AddMany, Finished, NewJob, Take, Taken
from greenroom.actors.jobs.queue.single.telling import StepDone
from greenroom.store.erasure.erasing import Erasing
from greenroom.store.erasure.erasures import Erasure, PostgresErasures
from greenroom.store.postgres.bridge import Bridge
from greenroom.store.postgres.pool import Pool
from greenroom.supervisors.duties.forgetting import Forgetting
from tests.store.erasure.database import places_of
from tests.store.jobs.others import Other, others
from tests.supervisors.jobs.yard import Yard, yard

SECRET = "rumpelstiltskin"
NODE = 4711


class Place(NamedTuple):
    """A node that hears of erasures, and somebody else with a session."""

    yard: Yard
    pool: Pool
    other: Other

    async def add(self, queue: str, *jobs: NewJob) -> list[str]:
        ids: list[str] = (await self.yard.ask(f"queue:{queue}", AddMany(jobs=list(jobs)))).ids
        return ids

    async def take(self, queue: str, most: int, *finished: Finished) -> Taken:
        message = Take(worker=SECRET, most=most, finished=list(finished))
        taken: Taken = await self.yard.ask(f"queue:{queue}", message)
        return taken

    async def fill(self, queue: str) -> list[str]:
        """Something in each table of jobs: finished, taken with a step, waiting."""
        unique = UniqueKey(SECRET, "throttle", 1_000.0)
        jobs = [NewJob("job.x", Raw(msgspec.json.encode({"of": SECRET, "n": n}))) for n in range(5)]
        ids = await self.add(queue, *jobs, NewJob("job.x", unique=unique))
        taken = await self.take(queue, 2)
        await self.yard.ask(
            f"queue:{queue}",
            StepDone(worker=SECRET, id=ids[1], token=taken.token, name="s", result=Raw(b'"rumpelstiltskin"')),
        )
        await self.take(queue, 0, Finished(ids[0], taken.token, Raw(b'"rumpelstiltskin"')))
        return ids

    async def tables(self, value: str) -> set[str]:
        return {one.split(".")[1] for one in await places_of(self.pool, value)}

    async def erase(self, entity: str, **fields: Any) -> Erasure:
        erasure = await PostgresErasures(self.pool).begin(entity, reason="asked to", asked_by="ann")
        assert erasure is not None
        await Erasing(self.pool, erasure, lambda *_: None, **fields).run()
        done = await PostgresErasures(self.pool).find(entity)
        assert done is not None and done.done_ms is not None
        return done


@asynccontextmanager
async def place(url: str, *kinds: type[Actor[Any]]) -> AsyncIterator[Place]:
    async with (
        yard(url, *kinds) as node,
        Bridge() as bridge,
        Pool(bridge, url, incarnation=NODE) as pool,
        others(bridge, url) as (other,),
        trio.open_nursery() as nursery,
    ):
        await pool.fetch(
            """
            INSERT INTO nodes (incarnation, url, version, host, process, state, lease_until)
            VALUES ($1, '', '', '', '', 'up', now() + interval '1 hour')
            """,
            NODE,
        )
        erasures = PostgresErasures(pool)
        forgetting = Forgetting(erasures, node.kernel, incarnation=NODE, unwatch=lambda _: None)
        await nursery.start(forgetting.run)
        yield Place(node, pool, other)
        nursery.cancel_scope.cancel()
