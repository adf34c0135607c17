"""What is gathered into one call."""

from collections import deque
from collections.abc import Sequence
from typing import Any

import msgspec
import trio
from msgspec import Raw

from greenroom import Job, Work
from greenroom.actors.jobs.installed import InstalledJob
from greenroom.actors.jobs.limits import Rate
from greenroom.actors.jobs.queue.control import Limit
from greenroom.actors.jobs.queue.messages import Take, TakenJob
from greenroom.actors.jobs.queue.single.steering import CancelJob
from greenroom.supervisors.jobs.chunks.gathering import Gathering, Taken, wants_of
from tests.supervisors.jobs.work_stage import running, stage


class Mail(Job, queue="q", tag="job.mail", chunk=3, chunk_wait_s=5.0):
    to: str = ""
    partition = "to"

    @classmethod
    async def run_many(cls, jobs: Sequence[Any], works: Sequence[Work]) -> list[Any]:
        return [{"at": trio.current_time(), "with": len(jobs)} for _ in jobs]


class Lone(Job, queue="q", tag="job.lone"):
    async def run(self, work: Work) -> float:
        return trio.current_time()


def a_job(number: int, to: str = "", job: str = "job.mail", lost: int = 0) -> Taken:
    return TakenJob(f"{number:032x}", job, Raw(msgspec.json.encode({"to": to})), 1, 5, lost=lost), 7


async def test_those_of_one_class_and_key_up_to_as_many_as_a_call_takes(autojump_clock: trio.testing.MockClock) -> None:
    one = Gathering(a_job(0, "a"), InstalledJob(Mail))
    todo = deque(
        [a_job(1, "b"), a_job(2, "a"), a_job(3, "a", "job.other"), a_job(4, "a", lost=1), a_job(5, "a"), a_job(6, "a")]
    )
    assert one.wants == wants_of([one]) == 2 and one.left_s == 5.0
    one.pick(todo)
    assert [int(job.id, 16) for job, _ in one.jobs] == [0, 2, 5] and not one.left_s
    assert [int(job.id, 16) for job, _ in todo] == [1, 3, 4, 6]
    assert one.drop(lambda taken: taken[0].id.endswith("2"))[0][0].id.endswith("2") and len(one.jobs) == 2


async def test_one_that_may_have_ended_a_worker_is_called_alone(autojump_clock: trio.testing.MockClock) -> None:
    one = Gathering(a_job(0, "a", lost=1), InstalledJob(Mail))
    assert one.wants == 0 and one.left_s == 0.0


async def test_they_are_waited_for_from_the_first(autojump_clock: trio.testing.MockClock) -> None:
    async with stage(Mail) as on, running(on.worker(slots=2)):
        began = trio.current_time()
        first = await on.add(Mail())
        await trio.sleep(2.0)
        second, other = await on.add(Mail()), await on.add(Mail(to="bob"), partition="bob")
        await on.ended(first, second, other)
        results = [msgspec.json.decode(on.end(id).result or b"") for id in (first, second, other)]
        assert [one["with"] for one in results] == [2, 2, 1]
        assert 5.0 <= results[0]["at"] - began < 5.5 and 7.0 <= results[2]["at"] - began < 7.5
        ids = [await on.add(Mail()) for _ in range(3)]
        await on.ended(*ids)
        assert msgspec.json.decode(on.end(ids[0]).result or b"")["with"] == 3
        assert trio.current_time() - began < 9.0, "it is full, and begins"


async def test_jobs_of_other_classes_do_not_lie_behind_them(autojump_clock: trio.testing.MockClock) -> None:
    async with stage(Mail, Lone) as on, running(on.worker(slots=2)):
        await on.add(Mail())
        await trio.sleep(1.0)
        began = trio.current_time()
        ids = [await on.add(Lone()) for _ in range(5)]
        await on.ended(*ids)
        assert trio.current_time() - began < 2.0


async def test_what_is_gathered_is_given_back_by_a_worker_that_stops(autojump_clock: trio.testing.MockClock) -> None:
    async with stage(Mail) as on:
        worker = on.worker(slots=1)
        async with running(worker):
            await on.ask(Limit(rate=Rate(1, per_s=3_600.0)))
            await trio.sleep(1.0)
            id = await on.add(Mail())
            await trio.sleep(1.0)
            await worker.stop(3.0)
            assert on.row(id).attempts == 0 and not on.tables.takes
        assert [job.id for job in (await on.ask(Take(worker="v"))).jobs] == [id], "of its rate nothing was spent"


async def test_one_that_is_cancelled_meanwhile_is_not_waited_with(autojump_clock: trio.testing.MockClock) -> None:
    async with stage(Mail) as on, running(on.worker(slots=1)):
        began = trio.current_time()
        id = await on.add(Mail())
        await trio.sleep(1.0)
        await on.ask(CancelJob(id=id))
        assert await on.ended(id) == ["cancelled"] and trio.current_time() - began < 3.0


class Slow(Job, queue="q", tag="job.slow", chunk=3, chunk_wait_s=1.0):
    @classmethod
    async def run_many(cls, jobs: Sequence[Any], works: Sequence[Work]) -> None:
        await trio.sleep(20.0)


async def test_what_comes_while_all_slots_are_busy_is_left_to_others(autojump_clock: trio.testing.MockClock) -> None:
    async with stage(Slow) as on, running(on.worker(slots=1)):
        await on.add(Slow())
        await trio.sleep(1.0)
        await on.ask(Limit(rate=Rate(1, per_s=3_600.0)))
        await trio.sleep(1.0)  # more were asked for, and it has begun without
        later = await on.add(Slow())
        await trio.sleep(0.5)
        assert [job.id for job in (await on.ask(Take(worker="v"))).jobs] == [later], "nor has it spent its token"


class Post(Job, queue="q", tag="job.post", chunk=10, chunk_wait_s=10.0):
    to: str = ""
    partition = "to"

    @classmethod
    async def run_many(cls, jobs: Sequence[Any], works: Sequence[Work]) -> None:
        await trio.sleep(3.0)


async def test_what_fits_into_no_chunk_and_finds_no_slot_has_the_oldest_begin_and_is_left_to_others(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with stage(Post) as on, running(on.worker(slots=1)):
        began = trio.current_time()
        first = await on.add(Post(to="a"), partition="a")
        await trio.sleep(2.0)
        second = await on.add(Post(to="b"), partition="b")
        await trio.sleep(0.3)
        assert [job.id for job in (await on.ask(Take(worker="v"))).jobs] == [second]
        await on.ended(first)
        assert trio.current_time() - began < 5.5


async def test_nor_does_the_first_wait_for_more_where_others_lie_behind_it(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with stage(Post) as on:
        began = trio.current_time()
        first, second = [await on.add(Post(to=to), partition=to) for to in ("a", "b")]
        async with running(on.worker(slots=1)):
            await on.ended(first)
            assert trio.current_time() - began < 3.5
            await on.ended(second)
            assert trio.current_time() - began < 17.5


async def test_a_chunk_has_one_slot(autojump_clock: trio.testing.MockClock) -> None:
    async with stage(Slow) as on, running(on.worker(slots=2)):
        began = trio.current_time()
        for _ in range(3):
            await on.add(Slow())
        await trio.sleep(2.0)
        ids = [await on.add(Slow()) for _ in range(3)]
        await on.ended(*ids)
        assert trio.current_time() - began < 30.0
