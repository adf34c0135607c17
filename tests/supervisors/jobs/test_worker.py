"""A worker and a real queue, under virtual time: taking, telling, cancelling, stopping, and what becomes of jobs when
it is out of reach."""

import json
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

import msgspec
import pytest
import trio
from trio.testing import MockClock

from greenroom import Job, JobLimits, Retry, Work
from greenroom.actors.jobs.queue.messages import Add, Finished, Take, TakenJob
from greenroom.actors.jobs.queue.single.steering import CancelJob
from greenroom.actors.jobs.queue.single.telling import Look
from greenroom.actors.model.errors import Refused, Unavailable
from tests.supervisors.jobs.work_stage import Stage, running, stage, until


class Nap(Job, queue="q", tag="job.nap"):
    """Sleeps."""

    seconds: float = 1.0
    begun: ClassVar[list[str]] = []

    async def run(self, work: Work) -> str:
        self.begun.append(work.id)
        await trio.sleep(self.seconds)
        return "rested"


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


async def begun(jobs: int) -> None:
    await until(lambda: len(Nap.begun) >= jobs)


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


class Unreachable:
    """The way to the queue, which may be lost."""

    def __init__(self, on: Stage) -> None:
        self._on = on
        self.is_away = False
        self.loses_answers = False

    async def __call__(self, entity: str, message: Any, /) -> Any:
        await trio.lowlevel.checkpoint()
        if self.is_away:
            raise Unavailable("away")
        reply = await self._on.kernel.router.ask(entity, message)
        if self.is_away or (self.loses_answers and isinstance(message, Take) and message.finished):
            self.loses_answers = False
            raise Unavailable("away")
        return reply


async def test_a_worker_whose_lease_has_ended_is_refused_and_the_job_ends_once(autojump_clock: MockClock) -> None:
    async with stage(Nap) as on:
        way = Unreachable(on)
        async with running(on.worker("w", ask=way)):
            job = await on.add(Nap(seconds=30))
            await begun(1)
            way.is_away = True
            async with running(on.worker("v")):
                await begun(2)
                assert 10 <= trio.current_time() < 15, "within 15 s"
                way.is_away = False
                assert await on.ended(job) == ["completed"]
                assert on.end(job).worker == "v"
                await trio.sleep(30)
                assert len(on.tables.done) == 1


async def test_an_answer_that_is_lost_costs_no_job(autojump_clock: MockClock) -> None:
    async with stage(Nap) as on:
        way = Unreachable(on)
        async with running(on.worker(ask=way, slots=1)):
            first = await on.add(Nap())
            way.loses_answers = True
            await on.ended(first)
            second = await on.add(Nap())
            assert await on.ended(second) == ["completed"]
            assert Nap.begun == [first, second]


class Big(Job, queue="q", tag="job.big"):
    """Its result has so many bytes."""

    size: int = 100_000
    retry = Retry(attempts=2, first_s=1.0)

    async def run(self, work: Work) -> str:
        work.log("x" * 1_000)
        await trio.sleep(5.0)  # so that many end at once
        return "x" * self.size


class Narrow:
    """A way to the queue that takes messages up to so many bytes, and nothing with one of these."""

    def __init__(
        self, on: Stage, bytes_max: int = 1 << 20, bad: Callable[[Finished], object] = lambda one: False
    ) -> None:
        self._on = on
        self._bytes_max = bytes_max
        self._bad = bad
        self.refused = 0
        self.silent = 0

    async def __call__(self, entity: str, message: Any, /) -> Any:
        await trio.lowlevel.checkpoint()
        size = len(msgspec.json.encode(message))
        if size > self._bytes_max or (isinstance(message, Take) and any(map(self._bad, message.finished))):
            self.refused += 1
            raise Refused("too_long", status=413 if size > self._bytes_max else 422)
        if self.silent and isinstance(message, Take) and message.finished:
            self.silent -= 1
            await trio.sleep_forever()
        return await self._on.kernel.router.ask(entity, message)


async def test_results_are_said_by_messages_that_a_server_takes(autojump_clock: MockClock) -> None:
    async with stage(Big) as on:
        way = Narrow(on)
        async with running(on.worker(ask=way, slots=40)):
            jobs = [await on.add(Big()) for _ in range(40)]
            assert await on.ended(*jobs) == ["completed"] * 40
        assert way.refused == 0


async def test_what_is_refused_for_its_bytes_is_said_in_parts_and_what_can_not_be_has_failed(
    autojump_clock: MockClock,
) -> None:
    async with stage(Big) as on:
        way = Narrow(on, bytes_max=150_000)  # a proxy's bound, say
        async with running(on.worker(ask=way, slots=20)):
            jobs = [await on.add(Big(size=60_000)) for _ in range(20)]
            large = await on.add(Big(size=200_000))
            assert await on.ended(*jobs, large) == ["completed"] * 20 + ["failed"]
            assert "refused" in json.loads(on.end(large).error or b"")["error"]
        assert way.refused > 0


async def test_one_that_the_server_refuses_however_it_is_said_takes_no_others_along(autojump_clock: MockClock) -> None:
    async with stage(Big) as on:
        bad: list[str] = []
        way = Narrow(on, bad=lambda one: one.id in bad)
        async with running(on.worker(ask=way, slots=20)):
            bad.append(await on.add(Big(size=1)))
            jobs = [await on.add(Big(size=1)) for _ in range(20)]
            assert await on.ended(*jobs) == ["completed"] * 20
            refused = way.refused
            await until(lambda: not on.row(bad[0]).let_go or way.refused > refused)
            bad.clear()
            assert (await on.ended(*on.tables.jobs)) == ["completed"] and refused < 60


async def test_a_worker_that_ends_says_all_its_results(autojump_clock: MockClock) -> None:
    async with stage(Big) as on:
        way = Narrow(on)
        way.silent = 2  # which the first ones are lost in
        worker = on.worker(ask=way, slots=40)
        for _ in range(40):
            await on.add(Big())
        async with running(worker):
            with trio.fail_after(8.0):
                await until(lambda: len(worker._finished) > 30)
            waiting = {one.id for one in worker._finished}
        assert len(on.tables.done) == 40 and on.tables.done.keys() >= waiting and way.refused == 0


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


async def test_results_that_nobody_answers_for_are_said_again(autojump_clock: MockClock) -> None:
    lost: list[Take] = []

    async with stage(Nap) as on:

        async def ask(entity: str, message: Any) -> Any:
            if isinstance(message, Take) and message.finished and not lost:
                lost.append(message)
                await trio.sleep_forever()  # it was never handled
            return await on.kernel.router.ask(entity, message)

        async with running(on.worker(slots=1, ask=ask)):
            first = await on.add(Nap())
            assert await on.ended(first) == ["completed"]
            assert lost
            assert await on.ended(await on.add(Nap())) == ["completed"], "and it goes on taking"


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


async def test_results_on_their_way_as_it_is_cancelled_are_said_as_it_leaves(autojump_clock: MockClock) -> None:
    on_the_way = trio.Event()
    async with stage(Nap) as on:

        async def ask(entity: str, message: Any) -> Any:
            if isinstance(message, Take) and message.finished and not on_the_way.is_set():
                on_the_way.set()
                await trio.sleep_forever()
            return await on.kernel.router.ask(entity, message)

        async with running(on.worker(slots=1, ask=ask)):
            job = await on.add(Nap())
            await on_the_way.wait()
        assert on.end(job).state == "completed" and Nap.begun == [job]


class Link:
    """Between a worker and its queue: while it stands still no such message is sent, and no answer to one arrives."""

    def __init__(self, on: Stage, messages: tuple[type, ...]) -> None:
        self._on = on
        self._messages = messages
        self._goes = trio.Event()
        self._goes.set()

    def stand_still(self) -> None:
        self._goes = trio.Event()

    def go_on(self) -> None:
        self._goes.set()

    async def ask(self, entity: str, message: Any, /) -> Any:
        stands = isinstance(message, self._messages)
        if stands:
            await self._goes.wait()
        reply: Any = await self._on.kernel.router.ask(entity, message)
        if stands:
            await self._goes.wait()
        return reply


@pytest.mark.parametrize("messages", [(Take,), (object,)], ids=["what it is given", "all"])
async def test_what_came_too_late_is_not_begun_for_another_may_have_done_it(
    autojump_clock: MockClock, messages: tuple[type, ...]
) -> None:
    """A worker is given a job, and hears of it when it has lost it: its lease is over, or its beats did not name it."""
    async with stage(Nap) as on:
        link = Link(on, messages)
        async with running(on.worker(slots=1, ask=link.ask)):
            await trio.sleep(1)  # its take waits at the queue
            link.stand_still()
            job = await on.add(Nap(seconds=0.5))
            await trio.sleep(1)
            async with running(on.worker("v", slots=1)):
                assert await on.ended(job) == ["completed"]
                assert Nap.begun == [job]
                link.go_on()
                await trio.sleep(30)
                assert Nap.begun == [job], "it was done long ago"
                assert await on.ended(await on.add(Nap(seconds=0.5)), await on.add(Nap(seconds=0.5))) == [
                    "completed",
                    "completed",
                ]


async def test_what_lies_behind_another_is_not_begun_after_its_lease(autojump_clock: MockClock) -> None:
    """The clock goes on while the process stands still: nothing of its own has told it."""
    async with stage(Nap) as on:
        worker = on.worker(slots=1)
        async with running(worker):
            job = await on.add(Nap(seconds=0.5))
            await begun(1)
            assert await on.ended(job) == ["completed"]
            given = await on.ask(Take(worker="w", most=0))
            assert given.jobs == []
            late = TakenJob(id="0" * 32, job="job.nap", arguments=msgspec.Raw(b"{}"), attempt=1, attempts_max=1)
            worker._heard_at = trio.current_time() - 10.5
            worker._tokens[77] = 1
            worker._todo.append((late, 77))
            worker._wake_runner()
            await trio.lowlevel.checkpoint()
            await trio.sleep(0.001)
            assert Nap.begun == [job]
