"""Jobs in processes of their own: real ones, one job at a time, and those that end with a job in hand."""

import contextlib
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
import trio
from msgspec import Raw

from greenroom import Discard, Job, JobLimits, Pause, Snooze
from greenroom.actors.jobs.installed import InstalledJob
from greenroom.actors.jobs.queue.flows.messages import Child
from greenroom.actors.jobs.queue.messages import Finished, TakenJob
from greenroom.actors.jobs.work import NoEntities, ThreadWork
from greenroom.actors.life.turn import Turn
from greenroom.supervisors.jobs import processes as processes_module
from greenroom.supervisors.jobs.attempt import Attempt, Ending, Means
from greenroom.supervisors.jobs.processes import Processes
from greenroom.supervisors.jobs.words import TEXT_MAX
from tests.supervisors.jobs.attempt.stage import ID, Told


class Apart(Job, queue="q", tag="job.apart"):
    """Does as it is told, in a process of its own."""

    process = True
    limits = JobLimits(timeout_s=60.0, grace_s=30.0)
    what: str = "return"

    def run(self, work: ThreadWork) -> Any:
        match self.what:
            case "return":
                work.progress(0.5, "half")
                work.log("a line")
                return {"pid": os.getpid(), "attempt": work.attempt}
            case "steps":
                return [work.step("a", lambda: 1), work.step("b", lambda: {"made": "b"})]
            case "children":
                return [[one.id, one.state, one.result] for one in work.children()]
            case "raise":
                raise ValueError("no good")
            case "snooze":
                raise Snooze(7.0)
            case "no time":
                raise Snooze("soon")  # type: ignore[arg-type]
            case "pause":
                raise Pause("30", "429 \ud83d")  # type: ignore[arg-type]
            case "half":
                work.log("a line\ud83d")
                raise ValueError("\ud83d" + "x" * 100_000)
            case "discard":
                return Discard("useless")
            case "object":
                return object()
            case "much":
                return "x" * 200_000
            case "exit":
                sys.exit(3)
            case "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            case "wait":
                work.log("begun")
                while True:
                    work.progress(0.1)
                    time.sleep(0.01)
            case "ask":
                anybody: Any = work
                for ask in (anybody.ask, anybody.query, anybody.query_pages, anybody.nudge):
                    with contextlib.suppress(NoEntities):
                        return ask("log:a", "", limit=1)
                anybody.ask("log:a", "")
            case "hang":
                work.log("begun")
                time.sleep(600)
        raise AssertionError(self.what)


class Hasty(Apart, queue="q", tag="job.hasty"):
    limits = JobLimits(timeout_s=60.0, grace_s=0.0)


class Brief(Apart, queue="q", tag="job.brief"):
    limits = JobLimits(timeout_s=0.1, grace_s=30.0)


@asynccontextmanager
async def processes(most: int = 1) -> AsyncIterator[Means]:
    async with trio.open_nursery() as nursery:
        found = Processes(most)
        await nursery.start(found.run)
        yield Means(Turn(), trio.CapacityLimiter(1), found)
        nursery.cancel_scope.cancel()


def attempt(
    means: Means, what: str, told: Told | None = None, job: type[Job] = Apart, *, steps: bool = False
) -> Attempt:
    arguments = Raw(b'{\n  "what": "%s"\n}' % what.encode())  # as somebody wrote it who likes lines
    return Attempt(TakenJob(ID, "job.apart", arguments, 2, 3, steps), 9, InstalledJob(job), means, told or Told())


async def test_it_returns_and_says_how_far_it_is_and_is_kept_for_the_next_job() -> None:
    told = Told()
    async with processes() as means:
        first, second = [msgspec.json.decode((await attempt(means, "return", told).run()).result) for _ in range(2)]
    assert first["pid"] != os.getpid() and first == second and first["attempt"] == 2
    assert told.notes[:2] == [(0.5, "half", None), (None, "", "a line")]


async def test_its_steps_are_those_of_the_job() -> None:
    told = Told()
    told.kept = {"a": Raw(b'{\n "kept": true}')}
    async with processes() as means:
        found = await attempt(means, "steps", told, steps=True).run()
    assert msgspec.json.decode(found.result) == [{"kept": True}, {"made": "b"}]
    assert told.kept["b"] == Raw(b'{"made":"b"}')


async def test_it_reads_its_children() -> None:
    told = Told()
    async with processes() as means:
        assert (await attempt(means, "children", told).run()).result == Raw(b"[]")
        told.has_ended = [Child("a", "completed", Raw(b'{\n "n": 1}')), Child("b", "failed")]
        found = await attempt(means, "children", told).run()
    assert msgspec.json.decode(found.result) == [["a", "completed", {"n": 1}], ["b", "failed", None]]


async def test_it_speaks_to_no_entities() -> None:
    async with processes() as means:
        found = await attempt(means, "ask").run()
    assert found.error is not None and "work.no_entities" in found.error and "`process = True`" in found.error


async def test_what_it_raises_and_how_it_goes_on_come_across() -> None:
    async with processes() as means:
        failed = await attempt(means, "raise").run()
        assert failed.error == "ValueError('no good')" and "in run" in failed.trace and not failed.final
        assert await attempt(means, "snooze").run() == Finished(ID, 9, retry_s=7.0, refund=True)
        assert await attempt(means, "pause").run() == Finished(ID, 9, refund=True, pause_s=30.0, pause_reason="429 ?")
        assert await attempt(means, "discard").run() == Finished(ID, 9, error="useless", final=True)
        bad = await attempt(means, "object").run()
        assert bad.final and bad.error is not None and "no JSON" in bad.error


async def test_what_it_raises_and_is_of_no_use_is_a_failed_attempt_of_a_process_that_goes_on() -> None:
    told = Told()
    async with processes() as means:
        first = await attempt(means, "return", told).run()
        found = await attempt(means, "no time").run()
        assert found.error is not None and "Snooze" in found.error and not found.lost and not found.refund
        half = await attempt(means, "half", told).run()
        assert half.error is not None and half.error.startswith("ValueError(") and not half.lost
        assert len(half.error) <= TEXT_MAX and told.notes[-1] == (None, "", "a line?")
        assert (await attempt(means, "return").run()).result == first.result, "the same process"


@pytest.mark.parametrize(("what", "how"), [("exit", "exit status 3"), ("kill", "SIGKILL")])
async def test_a_process_that_ends_has_lost_that_attempt_and_another_takes_its_place(what: str, how: str) -> None:
    async with processes() as means:
        found = await attempt(means, what).run()
        assert found.lost and not found.final and found.error == f"its process ended: {how}"
        assert (await attempt(means, "return").run()).error is None


async def begun(told: Told) -> None:
    while (None, "", "begun") not in told.notes:  # noqa: ASYNC110 - another process's
        await trio.sleep(0.01)


@pytest.mark.parametrize(("what", "job"), [("wait", Apart), ("hang", Hasty)], ids=["heard", "by force"])
async def test_told_to_stop_it_hears_it_or_is_killed(what: str, job: type[Job]) -> None:
    told = Told()
    async with processes() as means:
        one = attempt(means, what, told, job)
        async with trio.open_nursery() as nursery:

            async def stops() -> None:
                await begun(told)
                one.stop(Ending.CANCELLED)

            nursery.start_soon(stops)
            assert await one.run() == Finished(ID, 9, cancelled=True)
        assert one.is_given_up is (what == "hang")
        assert (await attempt(means, "return").run()).error is None


async def test_it_hears_that_its_time_is_over() -> None:
    async with processes() as means:
        one = attempt(means, "wait", job=Brief)
        found = await one.run()
    assert found.error == "it took longer than 0.1 s" and not one.is_given_up


@pytest.mark.bound("bytes of one message of such a process")
async def test_a_process_that_says_too_much_at_once_has_lost_its_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes_module, "LINE_BYTES_MAX", 10_000)
    async with processes() as means:
        found = await attempt(means, "much").run()
        assert found.lost and means.processes.pids == []


@pytest.mark.bound("processes of a node in which jobs are called")
async def test_there_are_no_more_than_so_many_and_none_is_left() -> None:
    told = Told()
    async with processes(1) as means:
        with trio.move_on_after(30) as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(attempt(means, "hang", told).run)
                await begun(told)
                waiting = attempt(means, "return")
                nursery.start_soon(waiting.run)
                await trio.testing.wait_all_tasks_blocked()
                (pid,) = means.processes.pids
                nursery.cancel_scope.cancel()
        assert not scope.cancelled_caught
        assert means.processes.pids == []
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
