"""Jobs that are worked on inside a node ask its entities and views, as coroutines and from threads."""

import threading
from collections.abc import Callable
from typing import Any, ClassVar

import msgspec
import pytest
import trio
from trio.testing import MockClock

from greenroom import Job, JobLimits, Rows, Work
from greenroom.actors.jobs.installed import InstalledJob
from greenroom.actors.jobs.queue.messages import Finished, TakenJob
from greenroom.actors.jobs.work import ThreadWork
from greenroom.actors.life.turn import Turn
from greenroom.actors.model.message import Message
from greenroom.actors.views.query import BadQuery
from greenroom.supervisors.jobs.attempt import Attempt, Ending, Means
from greenroom.supervisors.jobs.processes import Processes
from greenroom.supervisors.jobs.reach.on_node import OnNode
from greenroom.supervisors.jobs.workers import Workers
from tests.actors.views.boards import Board
from tests.supervisors.jobs.attempt.stage import ID, Does, InThread, Told
from tests.supervisors.jobs.work_stage import new_backoff, stage
from tests.supervisors.kernel.small_kernel import Do, Kernel, Log, Note, Read, kernel, settled, texts_of
from tests.supervisors.kernel.whole.test_nudges import Poke, Poked
from tests.supervisors.views.shown_stage import shown_stage

A, B = "poked:a", "poked:b"


class Awhile(Log):
    """Answers after a while, or never."""

    kind = "awhile"
    base_tags = "log"

    async def handle(self, message: Message) -> Any:
        await trio.sleep_forever()


def means(run: Kernel) -> Means:
    reach = OnNode(lambda: run.kernel, run.router.ask)
    return Means(Turn(), trio.CapacityLimiter(10), Processes(1), reach=reach)


def attempt(job: type[Job], what: Callable[[Any], Any], with_means: Means) -> Attempt:
    job.what = staticmethod(what)  # type: ignore[attr-defined]
    taken = TakenJob(ID, "job.x", msgspec.Raw(b"{}"), 1, 3)
    return Attempt(taken, 9, InstalledJob(job), with_means, Told())


async def test_a_job_asks_an_entity_as_greenroom_itself(autojump_clock: MockClock) -> None:
    def who(actor: Log) -> Any:
        return [actor.principal.system, list(actor.chain)]

    async def asks(work: Work) -> Any:
        await work.ask(A, Note(text="one", times=2))
        return [await work.ask(A, Read()), await work.ask(A, Do(act=who))]

    async with kernel(kinds=(Poked,)) as run:
        found = await attempt(Does, asks, means(run)).run()
        assert msgspec.json.decode(found.result) == [["one", "one"], [True, []]]


async def test_an_ask_ends_with_its_attempt(autojump_clock: MockClock) -> None:
    async def asks(work: Work) -> Any:
        return await work.ask("awhile:a", Read())

    async with kernel(kinds=(Awhile,)) as run:
        found = await attempt(Does, asks, means(run)).run()
        assert found.error == "it took longer than 30 s" and trio.current_time() == pytest.approx(30.0)
        one = attempt(Does, asks, means(run))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_stop_soon, one)
            assert await one.run() == Finished(ID, 9, cancelled=True)


async def _stop_soon(one: Attempt) -> None:
    await trio.sleep(1)
    one.stop(Ending.CANCELLED)


async def test_what_it_is_refused_is_its_own_to_handle(autojump_clock: MockClock) -> None:
    async with kernel(kinds=(Poked,)) as run:
        found = await attempt(Does, lambda work: work.ask("none:a", Read()), means(run)).run()
        assert found.error is not None and "none" in found.error and not found.final


async def test_a_thread_asks_and_nudges(autojump_clock: MockClock) -> None:
    def asks(work: ThreadWork) -> Any:
        assert threading.current_thread() is not threading.main_thread()
        work.ask(A, Note(text="one"))
        work.nudge([A, B], Poke())
        with pytest.raises(TypeError, match="no Tell"):
            work.nudge([A], Note(text="a command"))  # type: ignore[arg-type]
        return work.ask(A, Read())

    async with kernel(kinds=(Poked,)) as run:
        found = await attempt(InThread, asks, means(run)).run()
        assert msgspec.json.decode(found.result) == ["one", "poked"] and run.awake() == {A}


class Brief(Job, queue="q", tag="job.brief_asker"):
    limits = JobLimits(timeout_s=0.05, grace_s=5.0)
    what: ClassVar[Callable[[ThreadWork], Any]]

    def run(self, work: ThreadWork) -> Any:
        return type(self).what(work)


@pytest.mark.parametrize("how", ["cancelled", "timed out"])
async def test_what_a_thread_waits_for_ends_with_its_attempt(how: str) -> None:
    """On the clock of the machine, which threads live by."""
    ended = threading.Event()

    def asks(work: ThreadWork) -> Any:
        try:
            return work.ask("awhile:a", Read())
        finally:
            ended.set()

    async with kernel(kinds=(Awhile,)) as run:
        one = attempt(Brief if how == "timed out" else InThread, asks, means(run))
        async with trio.open_nursery() as nursery:
            if how == "cancelled":
                nursery.start_soon(_stop_once_it_waits, one)
            found = await one.run()
        assert found.cancelled if how == "cancelled" else found.error == "it took longer than 0.05 s"
        assert ended.is_set() and not one.is_given_up, "it was not left alone"


async def _stop_once_it_waits(one: Attempt) -> None:
    while not one._reaching:  # noqa: ASYNC110 - a thread comes to it in its own time
        await trio.sleep(0.001)
    one.stop(Ending.CANCELLED)


async def test_a_job_nudges_who_is_awake(autojump_clock: MockClock) -> None:
    async def nudges(work: Work) -> None:
        work.nudge([A, B], Poke())

    async with kernel(kinds=(Poked,)) as run:
        await run.ask(A, Read())
        await attempt(Does, nudges, means(run)).run()
        await settled()
        assert texts_of(run, A) == ["poked"] and run.awake() == {A}


async def test_a_job_reads_views(database_url: str) -> None:
    async with shown_stage(database_url, Board) as node:
        for number, user in enumerate(("ann", "bob"), 1):
            offset = await node.clap("a", user, number)
        await node.reader.until_folded("board", "show:a", offset)

        async def reads(work: Work) -> Any:
            one: Rows[Board.Row] = await work.query(Board.Row, "a", limit=1)
            many = await work.query_pages(Board.Row, ["a", "b"], limit=2, where={"user": "ann"})
            with pytest.raises(BadQuery):
                await work.query(Board.Row, "a", where={"claps": 1})
            return [one.rows, many]

        def in_thread(work: ThreadWork) -> Any:
            many = work.query_pages(Board.Row, (key for key in "ab"), limit=2)
            return [[row.user for row in work.query(Board.Row, "a", where={"user": "bob"}).rows], list(many)]

        reach = OnNode(lambda: node.kernel, node.kernel.router.ask)
        shared = Means(Turn(), trio.CapacityLimiter(10), Processes(1), reach=reach)
        found = await attempt(Does, reads, shared).run()
        bob, ann = {"show": "a", "user": "bob", "claps": 2}, {"show": "a", "user": "ann", "claps": 1}
        assert msgspec.json.decode(found.result) == [[bob], {"a": [ann]}]
        found = await attempt(InThread, in_thread, shared).run()
        assert msgspec.json.decode(found.result) == [["bob"], ["a"]]


async def test_the_workers_of_a_node_are_given_its_reach(autojump_clock: MockClock) -> None:
    async with stage(Does, kinds=(Poked,)) as on:
        Does.what = staticmethod(lambda work: work.ask(A, Note(text="one")))
        workers = Workers(
            {"q": 1}, on.jobs, name="n", ask=on.kernel.router.ask, turn=Turn(), new_backoff=new_backoff,
            reach=OnNode(lambda: on.kernel.kernel, on.kernel.router.ask),
        )  # fmt: skip
        async with trio.open_nursery() as nursery:
            await nursery.start(workers.run)
            assert await on.ended(await on.add(Does())) == ["completed"]
            nursery.cancel_scope.cancel()
        assert texts_of(on.kernel, A) == ["one"]
