"""Jobs from anywhere: started by entities with their events, by SQL in anybody's transaction, and found once."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import pytest
import trio
from msgspec import Raw
from trio.testing import MockClock

from greenroom.actors.jobs.options import UniqueKey
from greenroom.actors.jobs.queue.found import ReadOutcomes
from greenroom.actors.jobs.queue.messages import Finished
from greenroom.actors.model.message import Message
from greenroom.store.errors import StoreUnavailable
from greenroom.store.jobs.jobs import LONG, LOOK_ROWS, LOOKS_MAX, JobOutcome, Look, Question, Seen
from greenroom.store.jobs.jobs_memory import MemoryJobs
from greenroom.store.journal.consequences.consequence import Tables
from greenroom.store.journal.consequences.jobs import JobTables
from greenroom.store.journal.journal_memory import MemoryRows
from greenroom.store.postgres.bridge import Bridge
from greenroom.supervisors.jobs.finder import ASKS_MAX, READS_MAX, Finder
from greenroom.supervisors.supervision.backoff import new_backoff
from tests.store.jobs.others import others
from tests.supervisors.jobs.yard import Upload, Yard, yard
from tests.supervisors.views.stage import until


@pytest.fixture(params=["memory", "postgres"])
def where(request: pytest.FixtureRequest) -> str | MemoryRows:
    return MemoryRows() if request.param == "memory" else str(request.getfixturevalue("database_url"))


async def test_a_job_that_an_entity_starts_is_taken_and_it_hears_of_the_result_once(where: str | MemoryRows) -> None:
    async with yard(where) as node:
        started = await node.ask("film:alien", Upload(about="hd"))
        taken = await node.take(wait_s=20.0)
        assert [(job.id, job.job, json.loads(bytes(job.arguments))) for job in taken.jobs] == [
            (started, "job.transcode", {"video": "alien", "height": 720})
        ]
        await node.take(0, finished=[Finished(started, taken.token, Raw(b'{"url":"x"}'))])
        assert await node.heard("film:alien") == [(f"job:{started}", "hd", '{"url":"x"}')]
        found = await node.find(started)
        assert found is not None and found.state == "completed"
    async with yard(where) as node:  # what is in its journal, and nothing more
        await node.ask("film:alien", Upload())
        assert len(await node.heard("film:alien")) == 1


async def test_it_hears_of_a_job_that_has_failed_for_good(where: str | MemoryRows) -> None:
    async with yard(where) as node:
        started = await node.ask("film:alien", Upload(about="hd"))
        taken = await node.take(wait_s=20.0)
        await node.take(0, finished=[Finished(started, taken.token, error="no codec", final=True)])
        assert await node.heard("film:alien") == [(f"job:{started}", "hd", "job.failed: no codec")]


async def test_nothing_is_started_by_a_handler_that_fails(where: str | MemoryRows) -> None:
    async with yard(where) as node:
        with pytest.raises(Exception, match="after it was named"):
            await node.ask("film:alien", Upload(fails=True))
        assert await node.add(b'{"n":1}')
        assert [bytes(job.arguments) for job in (await node.take(10)).jobs] == [b'{"n":1}']


async def test_the_next_owner_has_all_that_there_was_and_what_workers_have(where: str | MemoryRows) -> None:
    async with yard(where) as node:
        ids = await node.add(b'{"n":1}', b'{"n":2}', b'{"n":3}', b'{"n":4}')
        first = await node.take(2)
        await node.take(0, finished=[Finished(ids[0], first.token)])
    async with yard(where) as node:
        started = await node.ask("film:alien", Upload())
        rest = await node.take(10, worker="v", wait_s=20.0)
        assert sorted(job.id for job in rest.jobs) == sorted([ids[2], ids[3], started])
        again = await node.take(10, finished=[Finished(ids[1], first.token)])
        assert again.refused == [], "it has it still"


async def test_long_arguments_are_read_when_the_job_is_taken(where: str | MemoryRows) -> None:
    long = "x" * LONG
    async with yard(where) as node:
        started = await node.ask("film:alien", Upload(video=long))
        (job,) = (await node.take(wait_s=20.0)).jobs
        assert job.id == started and json.loads(bytes(job.arguments))["video"] == long
        short, other = await node.add(b'{"n":1}', json.dumps({"long": long}).encode())
    async with yard(where) as node:
        taken = await node.take(2, worker="v")
        assert [job.id for job in taken.jobs] == [short, other]
        assert json.loads(bytes(taken.jobs[1].arguments)) == {"long": long}


async def test_what_is_read_for_a_take_and_is_more_than_one_answer_goes_to_the_next_take(
    where: str | MemoryRows,
) -> None:
    long = json.dumps({"text": "x" * 200_000}).encode()
    async with yard(where) as node:
        ids = await node.add(*[long] * 40)
    async with yard(where) as node:
        takes = [await node.take(100, worker=name) for name in "vwx"]
        assert [len(taken.jobs) for taken in takes] == [21, 19, 0]
        jobs = [job for taken in takes for job in taken.jobs]
        assert [job.id for job in jobs] == ids and {job.attempt for job in jobs} == {1}
        finished = [Finished(job.id, takes[0].token) for job in takes[0].jobs]
        assert (await node.take(0, worker="v", finished=finished)).refused == []


async def test_of_jobs_with_one_key_one_is_done_whoever_adds_them(where: str | MemoryRows) -> None:
    async with yard(where) as node:
        first = await node.ask("film:alien", Upload(once="alien", about="a"))
        taken = await node.take(wait_s=20.0)
        second = await node.ask("film:alien", Upload(once="alien", about="b"))
        assert await node.heard("film:alien") == [
            (f"job:{second}", "b", f"job.duplicate: another is done in its place: {first}")
        ]
        found = await node.find(second)
        assert found is not None and found.state == "cancelled"
        await node.take(0, finished=[Finished(first, taken.token, Raw(b"1"))])
        third = await node.ask("film:alien", Upload(once="alien"))
        assert [job.id for job in (await node.take(10, wait_s=20.0)).jobs] == [third]


async def test_a_key_is_known_to_the_next_owner(where: str | MemoryRows) -> None:
    simple, late = UniqueKey("a"), UniqueKey("t", "throttle", 1_000.0)
    async with yard(where) as node:
        first = await node.add_one(unique=simple)
        throttled = await node.add_one(unique=late)
        taken = await node.take(10)
        finished = [Finished(throttled.id, taken.token)]
        await node.take(0, finished=finished)
    async with yard(where) as node:
        again = [await node.add_one(unique=one) for one in (simple, late)]
        assert [(one.id, one.duplicate) for one in again] == [(first.id, True), (throttled.id, True)]


async def test_what_others_add_by_sql_is_found_when_it_is_committed_and_not_before(database_url: str) -> None:
    async with yard(database_url) as node, Bridge() as bridge, others(bridge, database_url, 2) as (one, two):
        await one.do("BEGIN")
        slow = await one.add("media")
        quick = await two.add("media")
        assert [job.id for job in (await node.take(10, wait_s=20.0)).jobs] == [quick]
        assert (await node.take(10)).jobs == []
        await one.do("COMMIT")
        assert [job.id for job in (await node.take(10, wait_s=20.0)).jobs] == [slow]


async def test_many_of_one_transaction_come_page_by_page(database_url: str) -> None:
    many = 2 * LOOK_ROWS + 7
    async with yard(database_url) as node, Bridge() as bridge, others(bridge, database_url) as (one,):
        await node.add(b'{"n":1}')
        await one.do(f"SELECT count(add_job('media', 'job.x')) FROM generate_series(1, {many})")
        found: list[str] = []
        while len(found) < many + 1:
            found += [job.id for job in (await node.take(1_000, wait_s=20.0)).jobs]
        assert len(set(found)) == len(found) == many + 1


async def test_a_key_that_sql_has_committed_before_the_queue_wakes_is_one_with_what_it_has(database_url: str) -> None:
    """Both were committed while it slept: one of them by an open transaction that had not seen the other."""
    async with yard(database_url) as node, Bridge() as bridge, others(bridge, database_url, 2) as (one, two):
        await one.do("BEGIN")
        first, second = await one.add("media", unique_key="k"), await two.add("media", unique_key="k")
        await one.do("COMMIT")
        assert await two.add("media", unique_key="k") == first, "what is there already is what is answered"
        (job,) = (await node.take(10, wait_s=20.0)).jobs
        assert job.id == first
        found = await node.find(second)
        assert found is not None and found.state == "cancelled"


async def test_a_store_that_is_away_is_asked_again(where: str | MemoryRows) -> None:
    async with yard(where) as node:
        await node.add(b'{"n":1}')
        assert (await node.take()).jobs
        failures = [StoreUnavailable("away")] * 3
        look = node.jobs.look

        async def failing(wanted: object) -> object:
            await trio.lowlevel.checkpoint()
            if failures:
                raise failures.pop()
            return await look(wanted)  # type: ignore[arg-type]

        node.jobs.look = failing  # type: ignore[method-assign, assignment]
        started = await node.ask("film:alien", Upload())
        assert [job.id for job in (await node.take(wait_s=20.0)).jobs] == [started]
        assert not failures


class Asked:
    """A store that says what it was asked for."""

    def __init__(self, tells: int) -> None:
        self.looks: list[list[str]] = []
        self.reads: list[int] = []
        self.told: list[str] = []
        self.all_told = trio.Event()
        self._tells = tells

    async def look(self, wanted: Mapping[str, Seen]) -> dict[str, Look]:
        await trio.lowlevel.checkpoint()
        self.looks.append(sorted(wanted))
        return {queue: Look(Seen("2"), []) for queue in wanted}

    async def arguments(self, ids: Sequence[str]) -> dict[str, bytes]:
        await trio.lowlevel.checkpoint()
        self.reads.append(len(ids))
        return {}

    async def clear_arguments(self, ids: Sequence[str]) -> dict[str, bytes]:
        await trio.lowlevel.checkpoint()
        self.reads.append(len(ids))
        return {ids[0]: b"{}"}

    def tell(self, entity: str, message: Message) -> bool:
        self.told.append(entity)
        if len(self.told) == self._tells:
            self.all_told.set()
        return True


@asynccontextmanager
async def asking(tells: int) -> AsyncIterator[tuple[Finder, Asked]]:
    """What it was asked for before it runs has been told when this ends."""
    store = Asked(tells)
    finder = Finder(store, tell=store.tell, new_backoff=new_backoff)  # type: ignore[arg-type]
    yield finder, store
    async with trio.open_nursery() as nursery:  # owner: this call
        await nursery.start(finder.run)
        await store.all_told.wait()
        nursery.cancel_scope.cancel()


@pytest.mark.bound("queues that one look is for")
async def test_one_look_is_for_so_many_queues_and_the_next_for_the_others(autojump_clock: MockClock) -> None:
    names = [f"q{number}" for number in range(LOOKS_MAX + 1)]
    async with asking(len(names)) as (finder, store):
        for name in (*names, names[0]):
            finder.look(name, Seen("1"))
    assert [len(look) for look in store.looks] == [LOOKS_MAX, 1]
    assert sorted(name for look in store.looks for name in look) == sorted(names)
    assert sorted(store.told) == sorted(f"queue:{name}" for name in names)


@pytest.mark.bound("jobs whose arguments one statement reads")
async def test_one_statement_reads_so_many_arguments_and_the_next_the_others(autojump_clock: MockClock) -> None:
    ids = [f"{number}" for number in range(READS_MAX + 1)]
    async with asking(2) as (finder, store):
        finder.read("q", ids[:-1])
        finder.read("q", ids[-2:])
    assert store.reads == [READS_MAX, 1] and store.told == ["queue:q"] * 2


async def test_of_what_may_be_in_the_clear_it_reads_what_each_queue_has_asked_for_last(
    autojump_clock: MockClock,
) -> None:
    async with asking(2) as (finder, store):
        finder.read_clear("q", ["1", "2", "3"])
        finder.read_clear("q", ["4", "5"])
        finder.read_clear("other", ["6"])
    assert store.reads == [2, 1] and store.told == ["queue:q", "queue:other"]


async def test_what_is_asked_for_while_the_last_is_read_is_read_next(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with asking(2) as (finder, store):
        clear_arguments = store.clear_arguments

        async def asked_meanwhile(ids: Sequence[str]) -> dict[str, bytes]:
            if not store.reads:
                finder.read_clear("q", ["2", "3"])
            return await clear_arguments(ids)

        monkeypatch.setattr(store, "clear_arguments", asked_meanwhile)
        finder.read_clear("q", ["1"])
    assert store.reads == [1, 2]


async def test_a_queue_that_is_asleep_is_woken_by_a_job_that_an_entity_starts(where: str | MemoryRows) -> None:
    async with yard(where) as node:
        await node.ask("film:alien", Upload())
        await until(lambda: _has_job(node))


async def _has_job(node: Yard) -> bool:
    await trio.lowlevel.checkpoint()
    for cell in node.kernel.system.awake():
        if cell.entity == "queue:media" and cell.actor is not None:
            return len(cell.actor.desk.jobs) == 1  # type: ignore[attr-defined]
    return False


async def test_a_queue_begins_anew_where_the_database_has_become_another() -> None:
    """A standby that takes over gives the numbers of lost transactions once more: what was seen says nothing there."""
    rows = MemoryRows()
    async with yard(rows) as node:
        first = await node.ask("film:alien", Upload())
        assert [job.id for job in (await node.take(wait_s=20.0)).jobs] == [first]
        tables = rows.consequences.of(JobTables)
        standby = tables.commits
        second = await node.ask("film:alien", Upload())
        assert [job.id for job in (await node.take(wait_s=20.0)).jobs] == [second]
        del tables.jobs[second], tables.found_by[second]  # the standby had not heard of it
        tables.takes = {key: take for key, take in tables.takes.items() if second not in take.ids}
        tables.commits = standby
        rows.timeline += 1
        node.kernel.system.lineage_changed(rows.lineage)
        third = await node.ask("film:blade", Upload())
        assert tables.found_by[third] == standby + 1, "as the lost one had"
        assert [job.id for job in (await node.take(10, worker="v", wait_s=20.0)).jobs] == [third]


class Answering(MemoryJobs):
    """A store that is away for the first question."""

    def __init__(self) -> None:
        super().__init__(Tables, lambda: 0.0)
        self.asked: list[Sequence[str]] = []

    async def outcomes(self, ids: Sequence[str], *, results: bool = False) -> dict[str, JobOutcome]:
        await trio.lowlevel.checkpoint()
        self.asked.append(ids)
        if len(self.asked) == 1:
            raise StoreUnavailable("away")
        return {one: JobOutcome("q", "failed", b"1" if results else None) for one in ids}


@pytest.mark.bound("questions of a node's queues how jobs are")
async def test_questions_wait_while_the_store_is_away_and_not_more_than_so_many(autojump_clock: MockClock) -> None:
    store, told = Answering(), list[Message]()

    def tell(entity: str, message: Message) -> bool:
        told.append(message)
        return True

    finder = Finder(store, tell=tell, new_backoff=new_backoff)
    question = Question(7, ("a", "b"), results=True)
    assert [finder.ask("q", question) for _ in range(ASKS_MAX + 1)] == [True] * ASKS_MAX + [False]
    async with trio.open_nursery() as nursery:
        await nursery.start(finder.run)
        await until(lambda: _has_told(told))
        nursery.cancel_scope.cancel()
    outcomes = {one: JobOutcome("q", "failed", b"1") for one in ("a", "b")}
    assert told == [ReadOutcomes(number=7, outcomes=outcomes)] * ASKS_MAX
    assert finder.ask("q", question)


async def _has_told(told: list[Message]) -> bool:
    await trio.sleep(0.01)
    return len(told) == ASKS_MAX
