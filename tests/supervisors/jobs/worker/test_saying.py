"""Results on their way to the queue: in messages that a server takes, again where nobody answers, and all of them."""

import json
from collections.abc import Callable
from typing import Any

import msgspec
import trio
from trio.testing import MockClock

from greenroom import Job, Retry, Work
from greenroom.actors.jobs.queue.messages import Finished, Take
from greenroom.actors.model.errors import Refused
from tests.supervisors.jobs.work_stage import Stage, running, stage, until
from tests.supervisors.jobs.worker.naps import Nap


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
