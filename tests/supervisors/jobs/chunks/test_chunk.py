"""Jobs that are worked on by one call, with what becomes of each."""

from collections.abc import Sequence
from typing import Any, ClassVar

import msgspec
import pytest
import trio

from greenroom import Discard, Job, JobLimits, Retry, Snooze, Work
from greenroom.actors.jobs.queue.messages import Add, Take
from greenroom.actors.jobs.queue.single.steering import CancelJob
from greenroom.testing import JobKit
from tests.supervisors.jobs.work_stage import running, stage, until


class Many(Job, queue="q", tag="job.many", chunk=4):
    number: int
    fate: str = ""
    takes_s: float = 0.0
    retry = Retry(attempts=2, first_s=1.0)
    limits = JobLimits(timeout_s=30.0, grace_s=3.0)
    calls: ClassVar[list[list[int]]] = []

    @classmethod
    async def run_many(cls, jobs: Sequence["Many"], works: Sequence[Work]) -> Any:
        cls.calls.append([job.number for job in jobs])
        await trio.sleep(max(job.takes_s for job in jobs))
        if any(job.fate == "raises" for job in jobs):
            raise ValueError("all of them")
        if any(job.fate == "forgets" for job in jobs):
            return []
        fates = {"fails": ValueError("this one"), "discards": Discard("no"), "snoozes": Snooze(5.0)}
        return [
            fates[job.fate] if job.fate in fates and work.attempt == 1 and len(cls.calls) == 1 else job.number
            for job, work in zip(jobs, works, strict=True)
        ]


@pytest.fixture(autouse=True)
def no_calls() -> None:
    Many.calls.clear()


async def test_as_many_as_there_are_by_one_call_and_each_has_its_own_result(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with stage(Many) as on:
        ids = [await on.add(Many(number=number)) for number in range(10)]
        async with running(on.worker(slots=1)):
            assert await on.ended(*ids) == ["completed"] * 10
        assert Many.calls == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
        assert [msgspec.json.decode(on.end(id).result or b"") for id in ids] == list(range(10))


async def test_what_becomes_of_each_is_its_own(autojump_clock: trio.testing.MockClock) -> None:
    async with stage(Many) as on:
        fates = ["", "fails", "discards", "snoozes"]
        ids = [await on.add(Many(number=number, fate=fate)) for number, fate in enumerate(fates)]
        async with running(on.worker(slots=1)):
            assert await on.ended(*ids) == ["completed", "completed", "failed", "completed"]
        assert Many.calls == [[0, 1, 2, 3], [1], [3]], "of the others each is tried again in its own time"
        assert b"this one" not in (on.end(ids[0]).error or b"")


@pytest.mark.parametrize(("fate", "why"), [("raises", b"all of them"), ("forgets", b"0 outcomes for 2 jobs")])
async def test_what_the_call_comes_to_as_a_whole_counts_for_each(
    autojump_clock: trio.testing.MockClock, fate: str, why: bytes
) -> None:
    async with stage(Many) as on:
        ids = [await on.add(Many(number=number, fate=fate), attempts=1) for number in range(2)]
        async with running(on.worker(slots=1)):
            assert await on.ended(*ids) == ["failed", "failed"]
        assert all(why in (on.end(id).error or b"") for id in ids)


async def test_they_have_the_time_of_one(autojump_clock: trio.testing.MockClock) -> None:
    async with stage(Many) as on:
        ids = [await on.add(Many(number=number, takes_s=40.0), attempts=1) for number in range(2)]
        async with running(on.worker(slots=1)):
            assert await on.ended(*ids) == ["failed", "failed"]
        assert all(b"longer than 30 s" in (on.end(id).error or b"") for id in ids)


async def test_one_that_is_cancelled_leaves_the_others_alone(autojump_clock: trio.testing.MockClock) -> None:
    async with stage(Many) as on:
        ids = [await on.add(Many(number=number, takes_s=10.0)) for number in range(2)]
        async with running(on.worker(slots=1)):
            await until(lambda: Many.calls)
            await on.ask(CancelJob(id=ids[0]))
            assert await on.ended(*ids) == ["cancelled", "completed"]


async def test_once_nobody_wants_any_of_them_the_call_ends(autojump_clock: trio.testing.MockClock) -> None:
    async with stage(Many) as on:
        ids = [await on.add(Many(number=number, takes_s=20.0)) for number in range(2)]
        async with running(on.worker(slots=1)):
            await until(lambda: Many.calls)
            before = trio.current_time()
            for id in ids:
                await on.ask(CancelJob(id=id))
            assert await on.ended(*ids) == ["cancelled", "cancelled"]
            assert trio.current_time() < before + 2.0


async def test_one_whose_arguments_are_wrong_neither_waits_for_the_others_nor_keeps_their_call(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with stage(Many) as on:
        wrong = (await on.ask(Add(job="job.many", arguments=msgspec.Raw(b'{"number": "x"}')))).id
        ids = [await on.add(Many(number=number, takes_s=20.0)) for number in range(2)]
        async with running(on.worker(slots=1)):
            await until(lambda: Many.calls)
            before = trio.current_time()
            assert await on.ended(wrong) == ["failed"] and trio.current_time() < before + 1.0
            for id in ids:
                await on.ask(CancelJob(id=id))
            assert await on.ended(*ids) == ["cancelled", "cancelled"]
            assert trio.current_time() < before + 3.0
        assert Many.calls == [[0, 1]]


async def test_of_which_none_can_be_begun_there_is_no_call(autojump_clock: trio.testing.MockClock) -> None:
    async with stage(Many) as on:
        wrong = [(await on.ask(Add(job="job.many"))).id for _ in range(2)]
        async with running(on.worker(slots=1)):
            assert await on.ended(*wrong) == ["failed", "failed"] and not Many.calls
            assert await on.ended(await on.add(Many(number=1))) == ["completed"]


async def test_a_worker_that_stops_gives_all_of_them_back(autojump_clock: trio.testing.MockClock) -> None:
    async with stage(Many) as on:
        ids = [await on.add(Many(number=number, takes_s=20.0)) for number in range(3)]
        worker = on.worker(slots=1)
        async with running(worker):
            await until(lambda: Many.calls)
            await worker.stop(1.0)
            taken = await on.ask(Take(worker="v", most=9))
            assert [(job.id, job.attempt) for job in taken.jobs] == [(id, 1) for id in ids]


def test_in_a_test_each_is_called_alone() -> None:
    assert JobKit(Many).run(Many(number=3)).result == 3 and Many.calls == [[3]]
