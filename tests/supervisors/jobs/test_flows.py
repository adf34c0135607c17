"""Flows on real nodes: jobs that wait for others, over queues, nodes that end, and workers that read what has come."""

import json
from typing import Any

import pytest
import trio
from msgspec import Raw
from msgspec.structs import replace
from trio.testing import MockClock

from greenroom import Job, Refused, WaitFor, Work
from greenroom.actors.jobs.listing.where import Where
from greenroom.actors.jobs.queue.bulk.messages import Bulk, BulkDone
from greenroom.actors.jobs.queue.control import Why
from greenroom.actors.jobs.queue.flows import flowing
from greenroom.actors.jobs.queue.flows.messages import AddFlow, Children, FlowJob, Spawn, SpawnJob
from greenroom.actors.jobs.queue.messages import Finished, Taken
from greenroom.actors.jobs.queue.single.steering import CancelJob, EditJob, RetryJob
from greenroom.actors.model.lifecycle import Inspect, Inspected
from greenroom.store.jobs.sealing import is_sealed, keys_for
from greenroom.store.journal.journal_memory import MemoryRows
from tests.supervisors.jobs.work_stage import running, stage, until
from tests.supervisors.jobs.yard import Publish, Upload, Yard, yard


@pytest.fixture(params=["memory", "postgres"])
def where(request: pytest.FixtureRequest) -> str | MemoryRows:
    return MemoryRows() if request.param == "memory" else str(request.getfixturevalue("database_url"))


def only(taken: Taken) -> str:
    (job,) = taken.jobs
    return job.id


async def test_jobs_that_an_entity_starts_wait_for_one_another_over_queues_and_nodes(where: str | MemoryRows) -> None:
    async with yard(where) as node:
        ids = await node.ask("film:alien", Publish())
        cut = await node.take(10, wait_s=20.0)
        assert only(cut) == ids["cut"]
        await node.take(0, finished=[Finished(ids["cut"], cut.token, Raw(b'"cut"'))])
        assert (await node.ask("queue:media", Why(id=ids["out"]))).why == f"it waits for 1 others: {ids['text']}"
    async with yard(where) as node:  # the next owner of both queues
        text = await node.take(10, wait_s=20.0, queue="text")
        assert only(text) == ids["text"]
        waiting = await node.take(10, worker="v")
        assert waiting.jobs == []
        await node.take(0, finished=[Finished(ids["text"], text.token, Raw(b'"text"'))], queue="text")
        out = await node.take(10, wait_s=20.0)
        assert only(out) == ids["out"]
        known = await node.ask("queue:media", Children(worker="w", id=ids["out"], token=out.token))
        assert [json.loads(bytes(one.result)) for one in known.children] == ["cut", "text"]
    async with yard(where) as node:
        await node.take(0, finished=[Finished(ids["out"], out.token, Raw(b"1"))])
        assert await node.heard("film:alien") == [(f"job:{ids['out']}", "out", "1")]


async def test_a_flow_is_added_whole_and_fails_as_a_whole(where: str | MemoryRows) -> None:
    jobs = [
        FlowJob(name="out", job="job.x", children=[WaitFor("in"), WaitFor("beside")]),
        FlowJob(name="in", job="job.x", queue="text"),
        FlowJob(name="beside", job="job.x", queue="text"),
        FlowJob(name="sorry", job="job.x", queue="mail", after=[WaitFor("out")], when="failure"),
    ]
    async with yard(where) as node:
        ids = (await node.ask("queue:media", AddFlow(jobs=jobs))).ids
        taken = await node.take(1, wait_s=20.0, queue="text")
        first = only(taken)
        await node.take(0, finished=[Finished(first, taken.token, error="no", final=True)], queue="text")
        sorry = await node.take(1, wait_s=20.0, queue="mail")
        assert only(sorry) == ids["sorry"]
        states: dict[str, str] = {}
        with trio.fail_after(20.0):
            while len(states) < 3:
                for name in ("out", "in", "beside"):
                    found = await node.find(ids[name])
                    if found is not None and found.state not in ("unfinished", "active"):
                        states[name] = found.state
                await trio.lowlevel.checkpoint()
        (other,) = {"in", "beside"} - {name for name, job_id in ids.items() if job_id == first}
        assert states["out"] == "failed" and states[other] == "cancelled"


class Part(Job, queue="q", tag="job.part"):
    number: int

    async def run(self, work: Work) -> int:
        return self.number


class Whole(Job, queue="q", tag="job.whole"):
    async def run(self, work: Work) -> list[object]:
        return [one.result for one in await work.children()]


@pytest.mark.bound("children whose results one statement reads")
async def test_a_worker_reads_what_has_come_of_many(autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flowing, "READ_AT_ONCE", 2)
    parts = [FlowJob(name=str(n), job="job.part", arguments=Raw(b'{"number":%d}' % n)) for n in range(5)]
    whole = FlowJob(name="whole", job="job.whole", children=[WaitFor(one.name) for one in parts])
    async with stage(Part, Whole) as on, running(on.worker()):
        ids = (await on.ask(AddFlow(jobs=[whole, *parts]))).ids
        assert await on.ended(ids["whole"]) == ["completed"]
        assert json.loads(on.end(ids["whole"]).result or b"") == list(range(5))


class Long(Job, queue="q", tag="job.long"):
    async def run(self, work: Work) -> None:
        await trio.sleep_forever()


async def test_a_child_that_is_under_way_is_stopped_as_its_parent_is_cancelled(autojump_clock: MockClock) -> None:
    async with stage(Long, Whole) as on, running(on.worker()):
        parent = FlowJob(name="whole", job="job.whole", children=[WaitFor("long")])
        ids = (await on.ask(AddFlow(jobs=[parent, FlowJob(name="long", job="job.long")]))).ids
        await until(lambda: on.tables.takes)
        inspected = await on.kernel.router.ask(f"job:{ids['whole']}", Inspect())
        assert isinstance(inspected, Inspected)
        shown = json.loads(inspected.view)
        assert (shown["state"], shown["waits_for"], shown["children"]) == ("blocked", [ids["long"]], [ids["long"]])
        assert (await on.ask(CancelJob(id=ids["whole"]))).state == "cancelled"
        assert await on.ended(ids["long"]) == ["cancelled"]
        with pytest.raises(Refused, match=r"there is none"):
            await on.ask(RetryJob(id="f" * 32))


async def test_one_that_is_tried_again_waits_again_for_what_is_tried_again(autojump_clock: MockClock) -> None:
    async with stage(Part, Whole) as on:
        parent = FlowJob(name="whole", job="job.whole", children=[WaitFor("part")])
        ids = (await on.ask(AddFlow(jobs=[parent, FlowJob(name="part", job="job.part")]))).ids
        with pytest.raises(Refused, match=r"queue\.blocked"):
            await on.ask(RetryJob(id=ids["whole"]))
        await on.ask(CancelJob(id=ids["part"]))
        assert await on.ended(ids["whole"]) == ["failed"]
        for name in ("part", "whole"):
            await on.ask(RetryJob(id=ids[name]))
        await on.ask(EditJob(id=ids["part"], arguments=Raw(b'{"number":7}')))
        async with running(on.worker()):
            assert await on.ended(*ids.values()) == ["completed", "completed"]
        assert on.end(ids["whole"]).result == b"[7]"


async def test_a_flow_that_has_failed_is_tried_again_by_its_last_job_over_queues(where: str | MemoryRows) -> None:
    parent = FlowJob(name="whole", job="job.x", children=[WaitFor("bad"), WaitFor("far")])
    jobs = [parent, FlowJob(name="bad", job="job.x"), FlowJob(name="far", job="job.x", queue="text")]
    async with yard(where) as node:
        ids = (await node.ask("queue:media", AddFlow(jobs=jobs))).ids
        far = await node.take(1, wait_s=20.0, queue="text")
        await node.take(0, finished=[Finished(ids["far"], far.token, error="no", final=True)], queue="text")
        await until_all(node, list(ids.values()), {"failed", "cancelled"})
        await node.ask("queue:media", RetryJob(id=ids["whole"]))
        for queue, name in (("text", "far"), ("media", "bad"), ("media", "whole")):
            taken = await node.take(1, wait_s=20.0, queue=queue)
            assert only(taken) == ids[name]
            await node.take(0, finished=[Finished(ids[name], taken.token, Raw(b"1"))], queue=queue)
        await until_all(node, list(ids.values()), {"completed"})


async def test_one_is_not_tried_again_while_a_child_of_it_is_being_cancelled(where: str | MemoryRows) -> None:
    jobs = [
        FlowJob(name="whole", job="job.x", children=[WaitFor("far")]),
        FlowJob(name="far", job="job.x", queue="text"),
    ]
    async with yard(where) as node:
        ids = (await node.ask("queue:media", AddFlow(jobs=jobs))).ids
        far = await node.take(1, wait_s=20.0, queue="text")
        await node.ask("queue:media", CancelJob(id=ids["whole"]))
        with trio.fail_after(20.0):
            while not (await node.jobs.outcomes([ids["far"]]))[ids["far"]].is_cancelling:
                await trio.lowlevel.checkpoint()
        with pytest.raises(Refused, match=r"queue\.children_end"):
            await node.ask("queue:media", RetryJob(id=ids["whole"]))
        bulk = Bulk(act="retry", where=Where(state=["cancelled"]))
        assert await node.ask("queue:media", bulk) == BulkDone(1, 0, None, 1)
        await node.take(0, finished=[Finished(ids["far"], far.token, error="stopped")], queue="text")
        await until_all(node, [ids["far"]], {"cancelled"})
        assert await node.ask("queue:media", bulk) == BulkDone(1, 1, None)
        assert only(await node.take(1, wait_s=20.0, queue="text")) == ids["far"]


async def test_one_is_not_tried_again_behind_the_back_of_who_has_started_a_child(where: str | MemoryRows) -> None:
    async with yard(where) as node:
        child = await node.ask("film:alien", Upload(about="hd"))
        first = await node.take(1, wait_s=20.0)
        assert only(first) == child
        flow = [FlowJob(name="whole", job="job.x", children=[WaitFor(child)])]
        whole = (await node.ask("queue:media", AddFlow(jobs=flow))).ids["whole"]
        await node.take(0, finished=[Finished(child, first.token, error="no", final=True)])
        await until_all(node, [child, whole], {"failed"})
        with pytest.raises(Refused, match=r"film:alien has started") as caught:
            await node.ask("queue:media", RetryJob(id=whole))
        assert caught.value.name == "queue.settled"
        assert await node.ask("queue:media", Bulk(act="retry")) == BulkDone(2, 0, None, 2)
        await node.ask("queue:media", RetryJob(id=whole, detached=True))
        for one in (child, whole):
            taken = await node.take(1, wait_s=20.0)
            assert only(taken) == one
            await node.take(0, finished=[Finished(one, taken.token)])


async def test_what_is_named_by_one_that_waits_is_not_dropped(where: str | MemoryRows) -> None:
    jobs = [
        FlowJob(name="whole", job="job.x", after=[WaitFor("done"), WaitFor("open")]),
        FlowJob(name="done", job="job.x"),
        FlowJob(name="open", job="job.x"),
    ]
    async with yard(where) as node:
        ids = (await node.ask("queue:media", AddFlow(jobs=jobs))).ids
        taken = await node.take(2)
        await node.take(0, finished=[Finished(ids["done"], taken.token)])
        await until_all(node, [ids["done"]], {"completed"})
        dropped = await node.ask("queue:media", Bulk(act="drop"))
        assert (dropped.found, dropped.changed) == (1, 0)
        await node.take(0, finished=[Finished(ids["open"], taken.token)])
        taken = await node.take(1, wait_s=20.0)
        await node.take(0, finished=[Finished(ids["whole"], taken.token)])
        assert (await node.ask("queue:media", Bulk(act="drop"))).changed == 3


async def until_all(node: Yard, ids: list[str], states: set[str]) -> None:
    with trio.fail_after(20.0):
        while True:
            found = [await node.find(one) for one in ids]
            if all(one is not None and one.state in states for one in found):
                return
            await trio.lowlevel.checkpoint()


async def test_a_job_that_has_added_children_rests_over_nodes_until_they_have_ended(where: str | MemoryRows) -> None:
    jobs = [SpawnJob(job="job.transcode"), SpawnJob(job="job.subtitle", queue="text", on_failure="ignore")]
    async with yard(where) as node:
        (parent,) = await node.add(b"{}")
        taken = await node.take(1, wait_s=20.0)
        spawn = Spawn(worker="w", id=parent, token=taken.token, group="all", jobs=jobs)
        ids = (await node.ask("queue:media", spawn)).ids
        await node.take(0, finished=[Finished(parent, taken.token, refund=True, rests=True)])
    async with yard(where) as node:  # the next owner of both queues
        states = await node.ask("queue:media", Bulk(act="cancel", where=Where(state=["blocked"]), dry_run=True))
        assert states.found == 1
        here = await node.take(10, wait_s=20.0)
        there = await node.take(10, wait_s=20.0, queue="text")
        assert [only(here), only(there)] == ids
        await node.take(0, finished=[Finished(ids[0], here.token, Raw(b"1"))])
        await node.take(0, finished=[Finished(ids[1], there.token, error="no", final=True)], queue="text")
        again = await node.take(10, wait_s=20.0)
        assert [(job.id, job.attempt) for job in again.jobs] == [(parent, 1)]
        known = await node.ask("queue:media", Children(worker="w", id=parent, token=again.token))
        assert [(one.id, one.state, bytes(one.result)) for one in known.children] == [
            (ids[0], "completed", b"1"),
            (ids[1], "failed", b"null"),
        ]
        assert (await node.ask("queue:media", replace(spawn, token=again.token))).ids == ids
        await node.take(0, finished=[Finished(parent, again.token, Raw(b"2"))])
        found = await node.find(parent)
        assert found is not None and found.state == "completed"


class Split(Job, queue="q", tag="job.split"):
    async def run(self, work: Work) -> list[object]:
        await work.spawn("parts", [Part(number=n) for n in range(3)])
        return [one.result for one in await work.children()]


class SplitThere(Job, queue="q", tag="job.split_there"):
    """In a thread."""

    def run(self, work: Any) -> list[object]:
        work.spawn("parts", [Part(number=n) for n in range(3)])
        return [one.result for one in work.children()]


class SplitApart(Job, queue="q", tag="job.split_apart"):
    """In a process of its own."""

    process = True

    def run(self, work: Any) -> list[object]:
        work.spawn("parts", [Part(number=n) for n in range(3)])
        return [one.result for one in work.children()]


class Sealed(Job, queue="q", tag="job.sealed_part", encrypted=True):
    number: int

    async def run(self, work: Work) -> int:
        return self.number


class SplitSealed(Job, queue="q", tag="job.split_sealed"):
    """In a process of its own, which has no keys."""

    process = True

    def run(self, work: Any) -> list[object]:
        work.spawn("parts", [Sealed(number=n) for n in range(3)])
        return [one.result for one in work.children()]


async def test_a_process_of_its_own_adds_children_that_are_encrypted() -> None:
    with keys_for(bytes(32)):
        async with stage(Sealed, SplitSealed) as on, running(on.worker()):
            job = await on.add(SplitSealed())
            with trio.fail_after(60.0):
                assert await on.ended(job) == ["completed"]
            assert json.loads(on.end(job).result or b"") == [0, 1, 2]
            assert all(is_sealed(row.arguments or b"") for row, _ in on.tables.done.values() if row.id != job)


@pytest.mark.parametrize("split", [Split, SplitThere, SplitApart])
async def test_a_worker_adds_children_and_reads_what_has_come_of_them(split: type[Job]) -> None:
    async with stage(Part, split) as on, running(on.worker()):
        job = await on.add(split())
        with trio.fail_after(60.0):
            assert await on.ended(job) == ["completed"]
        assert json.loads(on.end(job).result or b"") == [0, 1, 2]
        assert len(on.tables.done) == 4


async def test_of_a_chunk_none_adds_children(autojump_clock: MockClock) -> None:
    class Many(Job, queue="q", tag="job.many", chunk=2):
        @classmethod
        async def run_many(cls, jobs: Any, works: Any) -> None:
            await works[0].spawn("parts", [Part(number=1)])

    async with stage(Part, Many) as on, running(on.worker()):
        job = await on.add(Many(), attempts=1)
        assert await on.ended(job) == ["failed"] and len(on.tables.done) == 1
        assert b"add no others" in (on.end(job).error or b"")
