"""Gauges of queues: of those that are awake here, as they are when somebody asks."""

from typing import Any

from trio.testing import MockClock

from greenroom import Job, Work
from greenroom.actors.jobs.queue.messages import Add, Take
from greenroom.config.telemetry.job_instruments import JobInstruments
from greenroom.supervisors.admin.jobs.gauges import fill_in
from tests.supervisors.jobs.work_stage import stage

Q = ("q",)


class Idles(Job, queue="q", tag="job.idles"):
    """Nothing."""

    async def run(self, work: Work) -> None:
        pass


def filled_in(instruments: JobInstruments, run: Any) -> dict[str, Any]:
    fill_in(instruments, run.kernel.kernel.system)
    return {
        "waiting": instruments.jobs_waiting,
        "later": instruments.jobs_later,
        "active": instruments.jobs_active,
        "oldest": instruments.job_oldest_s,
        "workers": instruments.job_workers,
    }


async def test_a_queue_that_is_awake_is_shown_as_it_is_now(autojump_clock: MockClock) -> None:
    async with stage(Idles) as run:
        instruments = JobInstruments()
        instruments.of("q").has_jobs()
        instruments.of("elsewhere").has_jobs()
        assert filled_in(instruments, run)["waiting"] == {}, "it sleeps"
        for delay_s in (0.0, 0.0, 100.0):
            await run.ask(Add(job="job.idles", delay_s=delay_s))
        taken = await run.ask(Take(worker="w"))
        autojump_clock.jump(7.0)
        assert filled_in(instruments, run) == {
            "waiting": {Q: 1},
            "later": {Q: 1},
            "active": {Q: 1},
            "oldest": {Q: filled_in(instruments, run)["oldest"][Q]},
            "workers": {Q: 1},
        }
        assert 6.0 <= instruments.job_oldest_s[Q] <= 8.0
        autojump_clock.jump(100.0)
        assert filled_in(instruments, run)["waiting"] == {Q: 2}, "its time has come, and nobody has told the queue so"
        assert taken.jobs


async def test_the_others_are_shown_together(autojump_clock: MockClock) -> None:
    async with stage(Idles) as run:
        instruments = JobInstruments(queues_max=2, reserved=frozenset("t"))
        await run.kernel.ask("queue:t", Add(job="job.idles"))
        for queue in ("q", "r", "s"):
            instruments.of(queue).has_jobs()
            await run.kernel.ask(f"queue:{queue}", Add(job="job.idles"))
            autojump_clock.jump(7.0)
        shown = filled_in(instruments, run)
        assert shown["waiting"] == {Q: 1, ("t",): 1, ("other",): 2}
        assert 13.0 <= shown["oldest"][("other",)] <= 15.0, "the oldest of them"
