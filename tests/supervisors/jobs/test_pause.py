"""A job that asks for a pause: its queue rests, and it was no attempt."""

from msgspec import Raw

from greenroom import Job, Pause, Work
from greenroom.actors.jobs.installed import InstalledJob
from greenroom.actors.jobs.queue.messages import Finished, TakenJob
from greenroom.supervisors.jobs.attempt import Attempt
from tests.supervisors.jobs.attempt.stage import Told
from tests.supervisors.jobs.work_stage import means


class Throttled(Job, queue="calls", tag="job.throttled"):
    reason: str = ""

    async def run(self, work: Work) -> None:
        raise Pause(30.0, self.reason)


async def test_what_it_says_reaches_the_queue() -> None:
    for given, said in (("429", "429"), ("", "a job asked for it")):
        taken = TakenJob("0" * 32, "job.throttled", Raw(b'{"reason":"%s"}' % given.encode()), 1, 5)
        finished = await Attempt(taken, 7, InstalledJob(Throttled), means(), Told()).run()
        assert finished == Finished("0" * 32, 7, refund=True, pause_s=30.0, pause_reason=said)
