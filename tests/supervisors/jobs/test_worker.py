"""A worker and a real queue, under virtual time: taking, telling, cancelling, stopping, and what becomes of jobs when
it is out of reach."""

import json
from functools import partial
from typing import Any, ClassVar

import pytest
import trio
from trio.testing import MockClock

from greenroom import Job, JobLimits, Retry, Work
from greenroom.actors.jobs.queue.messages import Add, Take
from greenroom.actors.jobs.queue.single.steering import CancelJob
from greenroom.actors.jobs.queue.single.telling import Look, StepDone
from tests.supervisors.jobs.work_stage import Unreachable, running, stage, until
from tests.supervisors.jobs.worker.naps import Nap, begun


class Stubborn(Job, queue="q", tag="job.stubborn"):
    """Can't be cancelled."""

    seconds: float = 100.0
    limits = JobLimits(timeout_s=1_000, grace_s=5.0)

    async def run(self, work: Work) -> None:
        with trio.CancelScope(shield=True):
            await trio.sleep(self.seconds)


class Steps(Job, queue="q", tag="job.steps"):
    """Three steps, of which the last fails at first."""

    retry = Retry(attempts=3, first_s=1.0)
    done: ClassVar[list[str]] = []

    async def run(self, work: Work) -> list[Any]:
        return [await work.step(name, partial(self.do, name, work)) for name in "abc"]

    async def do(self, name: str, work: Work) -> dict[str, int]:
        await trio.sleep(10.0)
        if name == "c" and work.attempt == 1:
            raise ValueError("not yet")
        self.done.append(name)
        return {name: work.attempt}


class Telling(Job, queue="q", tag="job.telling"):
    """Says how far it is."""

    async def run(self, work: Work) -> None:
        for number in range(100):
            work.log(f"line {number}")
            await work.progress(number / 100, "at it")
            await trio.sleep(0.1)


@pytest.fixture(autouse=True)
def nothing_begun() -> None:
    Nap.begun.clear()
    Steps.done.clear()


async def test_jobs_are_taken_as_slots_are_free_and_their_results_kept(autojump_clock: MockClock) -> None:
    async with stage(Nap) as on, running(on.worker(slots=2)):
        ids = [await on.add(Nap(seconds=10)) for _ in range(3)]
        await begun(2)
        await trio.sleep(5)
        assert Nap.begun == ids[:2]
        assert await on.ended(*ids) == ["completed"] * 3
        assert on.end(ids[0]).result == b'"rested"'
        assert trio.current_time() < 25


async def test_a_job_that_is_under_way_is_cancelled_at_once(autojump_clock: MockClock) -> None:
    async with stage(Nap) as on, running(on.worker()):
        job = await on.add(Nap(seconds=1_000), attempts=5)
        await begun(1)
        await trio.sleep(7.3)
        at = trio.current_time()
        await on.ask(CancelJob(id=job, reason="enough"))
        assert await on.ended(job) == ["cancelled"]
        assert trio.current_time() - at < 0.2, "not at the next beat"
        assert json.loads(on.end(job).error or b"")["error"] == "cancelled: enough"


async def test_what_does_not_end_in_its_grace_is_given_up_and_keeps_its_slot(autojump_clock: MockClock) -> None:
    async with stage(Stubborn, Nap) as on, running(on.worker(slots=1)):
        job, later = await on.add(Stubborn()), await on.add(Nap())
        await trio.sleep(1)
        at = trio.current_time()
        await on.ask(CancelJob(id=job))
        assert await on.ended(job) == ["cancelled"]
        assert 5 <= trio.current_time() - at < 7
        assert later in on.tables.jobs, "the slot is not free yet"
        assert await on.ended(later) == ["completed"]
        assert trio.current_time() >= 100


class Quiet(Job, queue="q", tag="job.quiet"):
    """Says something every two seconds, in its own way, and then nothing more."""

    way: str
    retry = Retry(attempts=1)
    limits = JobLimits(heartbeat_s=3.0)

    async def run(self, work: Work) -> None:
        for number in range(5):
            match self.way:
                case "progress":
                    await work.progress(number / 5)
                case "line":
                    work.log("at it")
                case "step":
                    await work.step(f"step {number}", self.nothing)
            await trio.sleep(2.0)
        await trio.sleep_forever()

    async def nothing(self) -> None:
        await trio.lowlevel.checkpoint()


@pytest.mark.parametrize("way", ["progress", "line", "step"])
async def test_one_that_says_nothing_for_longer_than_its_heartbeat_has_failed(
    way: str, autojump_clock: MockClock
) -> None:
    async with stage(Quiet) as on, running(on.worker()):
        job = await on.add(Quiet(way=way), attempts=1)
        assert await on.ended(job) == ["failed"]
        assert 8 + 3 <= trio.current_time() < 8 + 3 + 2, "not before, as long as it spoke"
        assert json.loads(on.end(job).error or b"")["error"] == "it said nothing for 3 s"


async def test_whoever_waits_for_an_answer_of_ours_is_not_silent(autojump_clock: MockClock) -> None:
    """Its queue can't be asked, or can't write, as long as Postgres is away."""
    async with stage(Quiet) as on:

        async def ask(entity: str, message: Any, /) -> Any:
            if isinstance(message, StepDone):
                await trio.sleep(60.0)
            return await on.kernel.router.ask(entity, message)

        async with running(on.worker(ask=ask)):
            job = await on.add(Quiet(way="step"), attempts=1)
            assert await on.ended(job) == ["failed"]
            assert 5 * 60 + 8 + 3 <= trio.current_time() < 5 * 60 + 8 + 3 + 2, "and then it was"


async def test_while_the_node_stands_still_nobody_is_silent(autojump_clock: MockClock) -> None:
    class Stands(Job, queue="q", tag="job.stands"):
        limits = JobLimits(heartbeat_s=3.0)

        async def run(self, work: Work) -> None:
            await trio.sleep(1.0)
            autojump_clock.jump(8.0)  # its lease is longer
            await trio.sleep(0.9)
            await work.progress(1.0)

    async with stage(Stands) as on, running(on.worker()):
        job = await on.add(Stands(), attempts=1)
        assert await on.ended(job) == ["completed"]


async def test_a_worker_that_stops_ends_what_runs_and_takes_nothing_more(autojump_clock: MockClock) -> None:
    async with stage(Nap) as on:
        worker = on.worker(slots=1)
        async with running(worker):
            first, second = await on.add(Nap(seconds=5)), await on.add(Nap(seconds=5))
            await begun(1)
            await worker.stop(20.0)
            assert on.end(first).state == "completed" and trio.current_time() < 6
            row = on.row(second)
            assert (row.attempts, row.lost) == (0, 0) and Nap.begun == [first]
            await trio.sleep(60)
            assert Nap.begun == [first] and not on.kernel.awake() - {"queue:q"}


async def test_a_worker_that_stops_is_given_nothing_by_the_message_that_waits_at_its_queue(
    autojump_clock: MockClock,
) -> None:
    given: list[str] = []

    async with stage(Nap) as on:

        async def ask(entity: str, message: Any, /) -> Any:
            reply = await on.kernel.router.ask(entity, message)
            if isinstance(message, Take):
                given.extend(job.id for job in reply.jobs)
            return reply

        worker = on.worker(ask=ask, slots=2)
        async with running(worker), trio.open_nursery() as nursery:
            first = await on.add(Nap(seconds=5))
            await begun(1)
            nursery.start_soon(worker.stop, 20.0)
            await trio.sleep(1)
            await on.add(Nap())
            await on.ended(first)
    assert given == [first]


async def test_what_does_not_end_in_time_is_given_back_and_was_no_attempt(autojump_clock: MockClock) -> None:
    async with stage(Nap, Stubborn) as on:
        worker = on.worker(slots=2)
        async with running(worker):
            jobs = [await on.add(Nap(seconds=1_000)), await on.add(Stubborn(seconds=60.0))]
            await begun(1)
            at = trio.current_time()
            await worker.stop(5.0)
            assert 5 <= trio.current_time() - at < 10
            assert [(on.row(job).attempts, on.row(job).lost) for job in jobs] == [(0, 0)] * 2
            assert not on.tables.takes, "also what does not let itself be cancelled goes to others"


async def test_a_queue_without_workers_may_sleep_and_so_the_kernel_drains(autojump_clock: MockClock) -> None:
    async with stage(Nap) as on:
        worker = on.worker()
        async with running(worker):
            await on.ended(await on.add(Nap()))
            await worker.stop(5.0)
            with trio.fail_after(1.0):
                await on.kernel.kernel.drain()


async def test_steps_that_are_through_are_not_done_again(autojump_clock: MockClock) -> None:
    async with stage(Steps) as on, running(on.worker()):
        job = await on.add(Steps())
        assert await on.ended(job) == ["completed"]
        assert Steps.done == ["a", "b", "c"]
        assert json.loads(on.end(job).result or b"") == [{"a": 1}, {"b": 1}, {"c": 2}]
        assert not on.tables.steps, "nobody needs them any more"


async def test_a_worker_that_is_lost_between_two_steps_has_not_done_the_first_in_vain(
    autojump_clock: MockClock,
) -> None:
    async with stage(Steps) as on:
        dead, heir = Unreachable(on), on.worker("v")
        async with running(on.worker("w", ask=dead, process="host/1 5")):
            job = await on.add(Steps())
            await until(lambda: on.tables.steps.get(job))
            dead.is_away = True  # as if it were killed: nothing that it does is heard
            on.gone.add("host/1 5")
            done, Steps.done[:] = list(Steps.done), []
            async with running(heir):
                assert await on.ended(job) == ["completed"]
        assert done == ["a"] and on.end(job).worker == "v"
        assert json.loads(on.end(job).result or b"")[0] == {"a": 1}


async def test_a_worker_on_this_host_that_has_ended_loses_its_jobs_within_a_second(autojump_clock: MockClock) -> None:
    async with stage(Nap) as on:
        way = Unreachable(on)
        async with running(on.worker("w", ask=way, process="host/1 5"), on.worker("v", slots=1)):
            jobs = [await on.add(Nap(seconds=100)) for _ in range(2)]
            await begun(2)
            way.is_away = True
            on.gone.add("host/1 5")
            at = trio.current_time()
            await until(lambda: any(on.row(job).lost for job in jobs))
            assert trio.current_time() - at <= 1.0
            assert await on.ended(*jobs) == ["completed"] * 2


async def test_what_a_job_says_reaches_its_queue_soon_where_somebody_looks(autojump_clock: MockClock) -> None:
    async with stage(Telling) as on, running(on.worker()):
        job = await on.add(Telling())
        await trio.sleep(4.25)
        await on.ask(Look(id=job))
        await trio.sleep(0.45)
        standing = (await on.ask(Look(id=job))).standing
        assert standing.share >= 0.43 and standing.note == "at it"
        assert standing.lines[0] == "line 0" and len(standing.lines) >= 43


async def test_a_job_of_which_nobody_here_has_the_code_is_left_to_others(autojump_clock: MockClock) -> None:
    async with stage(Nap) as on, running(on.worker()):
        await on.ask(Add(job="job.other"))
        job = await on.add(Nap())
        await on.ended(job)
        assert len(on.tables.jobs) == 1


async def test_what_was_taken_ahead_goes_back_when_those_before_it_take_their_time(autojump_clock: MockClock) -> None:
    async with stage(Nap) as on:
        worker = on.worker(slots=1)
        worker._run_s, worker._answer_s = 0.001, 0.01  # as after many that took no time
        async with running(worker):
            long = await on.add(Nap(seconds=1_000))
            others = [await on.add(Nap(seconds=1)) for _ in range(3)]
            await until(lambda: worker._todo)
            async with running(on.worker("v", slots=1)):
                assert await on.ended(*others) == ["completed"] * 3
            assert long in on.tables.jobs and trio.current_time() < 60


async def test_a_workers_second_life_has_nothing_of_the_first(autojump_clock: MockClock) -> None:
    async with stage(Nap) as on:
        worker = on.worker(slots=1)
        async with running(worker):
            job = await on.add(Nap(seconds=100))
            await begun(1)
        async with running(worker):
            assert await on.ended(job) == ["completed"]
            assert Nap.begun == [job, job] and not worker._todo and len(worker._tokens) == 0


async def test_jobs_that_a_stop_interrupts_keep_their_place(autojump_clock: MockClock) -> None:
    async with stage(Nap) as on:
        worker = on.worker(slots=1)
        async with running(worker):
            first = await on.add(Nap(seconds=100))
            second = await on.add(Nap(seconds=1))
            await begun(1)
            await trio.sleep(5)
            await worker.stop(1.0)
        async with running(on.worker("v", slots=1)):
            await on.ended(second)
        assert Nap.begun == [first, first, second]
