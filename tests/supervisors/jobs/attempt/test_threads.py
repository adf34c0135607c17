"""Attempts in threads: what they return, how they hear that they are to stop, and those that do not."""

import threading
from typing import Any

import msgspec
import pytest
import trio
from msgspec import Raw
from structlog.testing import capture_logs

from greenroom import Discard, JobLimits, Work
from greenroom.actors.jobs.queue.flows.messages import Child as ChildKnown
from greenroom.actors.jobs.queue.messages import Finished
from greenroom.actors.jobs.work import ThreadWork
from greenroom.supervisors.jobs.attempt import Ending
from tests.supervisors.jobs.attempt.stage import ID, InThread, Told, attempt, outcome, raises
from tests.supervisors.jobs.work_stage import means


async def test_a_thread_returns_and_raises_as_a_coroutine_does() -> None:
    told = Told()

    def runs(work: ThreadWork) -> Any:
        work.progress(0.5, "half")
        work.log("a line")
        return work.step("a", threading.current_thread)

    InThread.what = staticmethod(runs)
    found = await attempt(InThread, told=told).run()
    assert found.error is not None and "the step 'a' is no JSON" in found.error
    assert told.notes == [(0.5, "half", None), (None, "", "a line")]
    InThread.what = staticmethod(lambda work: [work.step("a", lambda: 7), work.step("a", lambda: 8)])
    assert (await attempt(InThread, told=told).run()).result == Raw(b"[7,7]")
    InThread.what = staticmethod(raises(Discard("useless")))
    assert (await attempt(InThread).run()).error == "useless"
    InThread.what = staticmethod(raises(SystemExit(3)))
    assert not (await attempt(InThread).run()).final


async def test_a_thread_hears_of_its_cancel_at_its_next_word() -> None:
    begun = trio.Event()
    token = trio.lowlevel.current_trio_token()

    def runs(work: ThreadWork) -> None:
        token.run_sync_soon(begun.set)
        while True:
            work.progress(0.5)

    InThread.what = staticmethod(runs)
    one = attempt(InThread)
    async with trio.open_nursery() as nursery:

        async def stops() -> None:
            await begun.wait()
            one.stop(Ending.INTERRUPTED)

        nursery.start_soon(stops)
        with capture_logs() as logs:
            assert await one.run() == Finished(ID, 9, refund=True)
    assert logs == [], "it was not abandoned"


async def test_a_thread_that_is_silent_hears_of_it_at_its_next_word() -> None:
    class Silent(InThread, queue="q", tag="job.silent"):
        limits = JobLimits(heartbeat_s=60.0)

    spoken, goes_on = trio.Event(), threading.Event()
    token = trio.lowlevel.current_trio_token()

    def runs(work: ThreadWork) -> None:
        work.log("a word")
        token.run_sync_soon(spoken.set)
        goes_on.wait(60)
        work.progress(0.5)

    Silent.what = staticmethod(runs)
    one = attempt(Silent)
    async with trio.open_nursery() as nursery:

        async def minds() -> None:
            await spoken.wait()
            one.mind(trio.current_time() + 59.0)
            assert one.ending is None
            one.mind(trio.current_time() + 61.0)
            goes_on.set()

        nursery.start_soon(minds)
        finished = await one.run()
    assert finished.error == "it said nothing for 60 s" and finished.retry_s is not None


async def test_a_thread_that_does_not_end_in_its_grace_is_left_alone_and_counts_until_it_does() -> None:
    goes_on = threading.Event()
    begun = trio.Event()
    token = trio.lowlevel.current_trio_token()

    class Short(InThread, queue="q", tag="job.short"):
        limits = JobLimits(grace_s=0.0)

    def runs(work: ThreadWork) -> None:
        token.run_sync_soon(begun.set)
        goes_on.wait(60)

    Short.what = staticmethod(runs)
    shared = means()
    one = attempt(Short, with_means=shared)
    async with trio.open_nursery() as nursery:

        async def stops() -> None:
            await begun.wait()
            one.stop(Ending.CANCELLED)

        nursery.start_soon(stops)
        with capture_logs() as logs:
            assert await one.run() == Finished(ID, 9, cancelled=True)
    assert [line["event"] for line in logs] == ["job_abandoned"]
    assert shared.threads.borrowed_tokens == 1
    goes_on.set()


@pytest.mark.bound("threads of a node in which jobs are called")
async def test_jobs_wait_for_a_thread_where_there_are_enough() -> None:
    goes_on = threading.Event()
    begun: list[int] = []

    def runs(work: ThreadWork) -> None:
        begun.append(work.attempt)
        goes_on.wait(60)

    InThread.what = staticmethod(runs)
    shared = means()
    shared.threads.total_tokens = 1
    async with trio.open_nursery() as nursery:
        for _ in range(2):
            nursery.start_soon(attempt(InThread, with_means=shared).run)
        await trio.testing.wait_all_tasks_blocked(0.05)
        assert (len(begun), shared.threads.statistics().tasks_waiting) == (1, 1)
        goes_on.set()
    assert len(begun) == 2


async def test_children_are_read_also_from_a_thread() -> None:
    told = Told()
    told.has_ended = [ChildKnown("a", "completed", Raw(b'{"n": 1}')), ChildKnown("b", "failed", error="no")]
    known = [["a", {"n": 1}, ""], ["b", None, "no"]]

    async def runs(work: Work) -> Any:
        return [[one.id, one.result, one.error] for one in await work.children()]

    assert msgspec.json.decode((await outcome(runs, told=told)).result) == known
    InThread.what = staticmethod(lambda work: [[one.id, one.result, one.error] for one in work.children()])
    assert msgspec.json.decode((await attempt(InThread, told=told).run()).result) == known
