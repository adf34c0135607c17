"""The workers of a node: one for each queue, stopped together."""

import trio
from trio.testing import MockClock

from greenroom import Job, Work
from greenroom.actors.life.turn import Turn
from greenroom.supervisors.jobs.workers import Workers
from tests.supervisors.jobs.work_stage import new_backoff, stage
from tests.supervisors.jobs.worker.naps import Nap


class Other(Job, queue="other", tag="job.other"):
    """Of another queue."""

    async def run(self, work: Work) -> None:
        await trio.sleep(1)


async def test_each_queue_has_its_worker_and_all_of_them_stop(autojump_clock: MockClock) -> None:
    async with stage(Nap, Other) as on:
        workers = Workers(
            {"q": 2, "other": 1},
            on.jobs,
            name="n",
            ask=on.kernel.router.ask,
            turn=Turn(),
            new_backoff=new_backoff,
            process="host/1 5",
        )
        async with trio.open_nursery() as nursery:
            await nursery.start(workers.run)
            first, second = await on.add(Nap(seconds=5)), await on.add(Nap(seconds=50))
            await trio.sleep(1)
            assert {take.process for take in on.tables.takes.values()} == {"host/1 5"}
            assert {take.worker for take in on.tables.takes.values()} == {"n/q"}
            await workers.stop(10.0)
            assert on.end(first).state == "completed" and on.row(second).attempts == 0
            assert not on.tables.takes
            later = await on.add(Nap(seconds=1))
            await trio.sleep(60)
            assert later in on.tables.jobs, "nobody takes it any more"
            nursery.cancel_scope.cancel()
