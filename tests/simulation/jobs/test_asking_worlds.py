"""Jobs that ask entities, in a world whose workers and nodes are killed: each word of theirs takes effect once."""

from contextlib import suppress

import msgspec
import trio
from msgspec.structs import replace

from greenroom import Job, Retry, Work
from greenroom.actors.jobs.installed import Jobs
from greenroom.actors.jobs.queue import queue_of
from greenroom.actors.jobs.queue.messages import Add as AddJob
from greenroom.actors.jobs.single import SingleJob
from greenroom.actors.model.errors import ActorError
from greenroom.store.journal.consequences.jobs import JobTables
from greenroom.supervisors.simulation.world import World
from greenroom.testing import NO_FAULTS, Scenario, run_seed
from tests.simulation.ledger import Add, Count, Ledger, ledgers, mark

JOBS = 30


class Enter(Job, queue="tally", tag="job.enter"):
    """One that has been entered before is not entered again, whoever has begun it meanwhile."""

    token: str
    ledger: str
    retry = Retry(attempts=50, first_s=0.5, max_s=2.0)

    async def run(self, work: Work) -> int:
        await trio.sleep(0.5)
        offset = await work.ask(self.ledger, Add(token=self.token, idempotency_key=self.token))
        await trio.sleep(0.5)
        await work.ask(self.ledger, Count(token=self.token))
        return offset


def scenario() -> Scenario:
    return replace(
        ledgers(3, clients=2, pace_s=3.0),
        kinds=(Ledger, queue_of(Jobs((Enter,))), SingleJob),
        jobs=(Enter,),
        slots={"tally": 2},
        crews=0,  # who works beside the nodes speaks in another name, whose keys are others
        mark=lambda event: mark(event) if event["type"] == "ledger.added" else None,
    )


async def trouble(world: World) -> None:
    added = 0
    with trio.fail_after(300):
        while added < JOBS:
            node = next((one for one in world.nodes if one.listening and not one.dead), None)
            if node is not None:
                fields = msgspec.json.encode({"token": f"job-{added}", "ledger": f"ledger:{1 + added % 3}"})
                message = AddJob(job="job.enter", arguments=msgspec.Raw(fields), idempotency_key=f"{added}")
                with suppress(ActorError):
                    await node.kernel.router.ask("queue:tally", message)
                    added += 1
                    if added in (10, 20):
                        node.kill()
            await trio.sleep(0.3)
        tables = world.database.rows.consequences.of(JobTables)
        while len(tables.done) < JOBS:  # noqa: ASYNC110 - what it waits for is in a database
            await trio.sleep(1.0)
        assert {end.state for _, end in tables.done.values()} == {"completed"}


def test_what_a_job_asks_takes_effect_once_whoever_dies_meanwhile() -> None:
    """`mark` of the ledgers has the world fail where a token is recorded twice."""
    run = run_seed(
        scenario(), 5, minutes=2.0, faults=replace(NO_FAULTS, latency_s=0.01), swarm=False, nodes=2, trouble=trouble
    )
    assert not run.violations, f"{run.violations[0]}\n" + "\n".join(run.timeline.lines(40))
    assert {"killed", "log: job_worker_lost"} <= set(run.timeline.counts)
