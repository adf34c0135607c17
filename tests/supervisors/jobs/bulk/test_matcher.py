"""Bulk commands on real queues: many jobs tried again, cancelled, changed and dropped, part by part."""

from collections.abc import AsyncIterator, Sequence

import pytest
import trio
from msgspec import Raw
from trio.testing import MockClock

from greenroom.actors.jobs.listing.where import Where
from greenroom.actors.jobs.queue.bulk.messages import Bulk, BulkDone, Matched
from greenroom.actors.jobs.queue.messages import AddMany, Finished, NewJob
from greenroom.actors.model.message import Message
from greenroom.store.errors import StoreUnavailable
from greenroom.store.jobs.filter import JobFilter, Match
from greenroom.store.jobs.jobs import JobFound
from greenroom.store.jobs.listing import ListedJob, Looked
from greenroom.store.journal.journal_memory import MemoryRows
from greenroom.supervisors.jobs.matcher import WAITING_MAX, WHOLE_BYTES, Matcher, within
from greenroom.supervisors.supervision.backoff import new_backoff
from tests.supervisors.jobs.yard import Yard, yard


@pytest.fixture(params=["memory", "postgres"])
def where(request: pytest.FixtureRequest) -> str | MemoryRows:
    return MemoryRows() if request.param == "memory" else str(request.getfixturevalue("database_url"))


@pytest.fixture
async def node(where: str | MemoryRows) -> AsyncIterator[Yard]:
    async with yard(where) as made:
        yield made


async def bulk(node: Yard, command: Bulk) -> BulkDone:
    done: BulkDone = await node.ask("queue:media", command)
    return done


async def states(node: Yard, ids: Sequence[str]) -> list[str]:
    found = [await node.find(one) for one in ids]
    return [one.state if one is not None else "gone" for one in found]


async def fail(node: Yard, count: int) -> None:
    """So many of those that wait."""
    taken = await node.take(count)
    finished = [Finished(job.id, taken.token, error="refused by the mailbox", final=True) for job in taken.jobs]
    assert (await node.take(0, finished=finished)).refused == []


async def test_what_has_failed_is_counted_tried_again_part_by_part_and_dropped(node: Yard) -> None:
    ids = await node.add(*(b'{"n":%d}' % number for number in range(5)))
    await fail(node, 4)
    failed = Bulk(act="retry", where=Where(search="mailbox"), most=3)
    assert await bulk(node, Bulk(act="retry", where=Where(search="mailbox"), dry_run=True)) == BulkDone(4, 0, None)
    assert await states(node, ids) == ["failed"] * 4 + ["unfinished"], "a dry run changes nothing"
    first = await bulk(node, failed)
    assert (first.found, first.changed) == (3, 3) and first.next is not None
    assert await states(node, ids) == ["failed"] + ["unfinished"] * 4
    second = await bulk(node, Bulk(act="retry", where=Where(search="mailbox"), most=3, after=first.next))
    assert (second.found, second.changed, second.next) == (1, 1, None)
    assert len((await node.take(9)).jobs) == 5

    await node.ask("queue:media", AddMany(jobs=[NewJob("job.other", Raw(b"{}"))]))
    await fail(node, 1)
    assert await bulk(node, Bulk(act="drop", where=Where(kind="job.transcode"))) == BulkDone(0, 0, None)
    assert (await bulk(node, Bulk(act="drop"))).changed == 1
    assert (await bulk(node, Bulk(act="drop"))).found == 0, "it is gone"


async def test_what_waits_is_changed_and_cancelled(node: Yard) -> None:
    ids = await node.add(b'{"n":1}', b'{"n":2}', partition="acme")
    others = await node.add(b'{"n":3}', partition="acme")
    assert (await bulk(node, Bulk(act="edit", where=Where(id=others), priority=0))).changed == 1
    taken = await node.take(1)
    assert [job.id for job in taken.jobs] == others, "it goes first now"
    assert (
        await bulk(node, Bulk(act="cancel", where=Where(state=["waiting"], key="acme"), reason="enough"))
    ).changed == 2
    assert await states(node, [*ids, *others]) == ["cancelled", "cancelled", "active"]


class Away:
    """A database that is away for the first two looks."""

    def __init__(self) -> None:
        self.looks = 0

    async def looked_at(self, asked: JobFilter, before: str, *, most: int, rows: int, now_ms: int) -> Looked:
        self.looks += 1
        if self.looks <= 2:
            raise StoreUnavailable("away")
        await trio.lowlevel.checkpoint()
        return Looked([], None)

    async def counted(self, asked: JobFilter, before: str, *, rows: int, now_ms: int) -> tuple[int, str | None]:
        raise NotImplementedError

    async def ended(self, ids: list[str]) -> list[JobFound]:
        raise NotImplementedError

    async def named(self, ids: list[str]) -> list[str]:
        raise NotImplementedError

    async def queues(self, after: str, limit: int) -> list[str]:
        raise NotImplementedError


async def test_while_the_database_is_away_it_is_asked_again(autojump_clock: MockClock) -> None:
    told, heard = list[Message](), trio.Event()

    def tell(entity: str, message: Message) -> bool:
        told.append(message)
        heard.set()
        return True

    matcher = Matcher(Away(), tell=tell, new_backoff=new_backoff, now=lambda: 5.0)
    async with trio.open_nursery() as nursery:
        await nursery.start(matcher.run)
        assert matcher.match("q", Match(7, JobFilter("q"), None, 1))
        await heard.wait()
        nursery.cancel_scope.cancel()
    assert told == [Matched(number=7, found=0, jobs=[], whole=[], after=None)]


@pytest.mark.bound("jobs that are looked for by bulk commands of a node")
def test_so_many_questions_wait_and_no_more() -> None:
    matcher = Matcher(Away(), tell=lambda entity, message: True, new_backoff=new_backoff, now=lambda: 5.0)
    match = Match(1, JobFilter("q"), None, 1)
    assert [matcher.match("q", match) for _ in range(WAITING_MAX + 1)] == [True] * WAITING_MAX + [False]


@pytest.mark.bound("bytes of arguments of jobs that one bulk command begins anew")
def test_so_many_bytes_are_read_at_once_and_one_job_at_least() -> None:
    def jobs(*sizes: int) -> list[ListedJob]:
        return [
            ListedJob(
                id=f"{number:032x}", queue="q", job="job.x", state="failed", priority=4, attempts=0, attempts_max=5,
                added_ms=0, due_ms=0, arguments_bytes=size,
            )
            for number, size in enumerate(sizes)
        ]  # fmt: skip

    assert len(within(jobs(WHOLE_BYTES + 1, 1))) == 1
    assert len(within(jobs(WHOLE_BYTES - 1, 1, 1))) == 2
    assert within([]) == []
