"""A worker whose queue is out of reach for a while: no job is lost by that, and none is done twice."""

from typing import Any, ClassVar

import msgspec
import pytest
import trio
from msgspec.structs import replace
from trio.testing import MockClock

from greenroom import Job, Retry, Work
from greenroom.actors.jobs.queue.messages import Take, TakenJob
from greenroom.actors.jobs.queue.single.telling import StepDone
from greenroom.actors.model.errors import OutcomeUnknown, StoreAway, Unavailable
from greenroom.supervisors.jobs.attempt import Attempt, Ending
from tests.supervisors.jobs.work_stage import Stage, Unreachable, means, running, stage
from tests.supervisors.jobs.worker.naps import Nap, begun


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


async def test_a_lease_does_not_lie_in_the_future_though_the_clock_of_the_queue_was_set_ahead(
    autojump_clock: MockClock,
) -> None:
    """It would never end for this worker, and others would do the same job."""
    async with stage(Nap) as on:

        async def ask(entity: str, message: Any) -> Any:
            reply = await on.kernel.router.ask(entity, message)
            return replace(reply, waited_s=3_600.0) if isinstance(message, Take) and reply.jobs else reply

        worker = on.worker(slots=1, ask=ask)
        async with running(worker):
            await on.ended(await on.add(Nap(seconds=0.5)))
            assert 0.0 <= worker._heard_at <= trio.current_time()


class Pays(Job, queue="q", tag="job.pays_once"):
    """Once."""

    retry = Retry(attempts=1)
    paid: ClassVar[list[str]] = []

    async def run(self, work: Work) -> Any:
        return await work.step("pay", self._pay)

    async def _pay(self) -> None:
        self.paid.append("now")
        await trio.lowlevel.checkpoint()


async def test_a_step_that_is_through_is_said_until_it_is_heard(autojump_clock: MockClock) -> None:
    refusals: list[Exception] = [Unavailable("away"), StoreAway("away"), OutcomeUnknown("lost")]
    async with stage(Pays) as on:

        async def ask(entity: str, message: Any) -> Any:
            if isinstance(message, StepDone) and refusals:
                raise refusals.pop()
            return await on.kernel.router.ask(entity, message)

        async with running(on.worker(ask=ask)):
            job = await on.add(Pays())
            assert await on.ended(job) == ["completed"] and len(Pays.paid) == 1 and not refusals


async def test_once_its_attempt_is_to_end_it_is_said_no_more(autojump_clock: MockClock) -> None:
    async with stage(Pays) as on:

        async def ask(entity: str, message: Any) -> Any:
            await trio.lowlevel.checkpoint()
            raise Unavailable("away")

        worker = on.worker(ask=ask)
        taken = TakenJob(id="0" * 32, job="job.pays_once", arguments=msgspec.Raw(b"{}"), attempt=1, attempts_max=1)
        one = Attempt(taken, 7, on.jobs.get("job.pays_once"), means(), worker)
        async with trio.open_nursery() as nursery:

            async def stops() -> None:
                await trio.sleep(5.0)
                one.stop(Ending.INTERRUPTED)

            nursery.start_soon(stops)
            with trio.fail_after(8.0), pytest.raises(Unavailable):
                await worker.keep_step(one, "a", msgspec.Raw(b"1"))
        assert trio.current_time() >= 5.0
