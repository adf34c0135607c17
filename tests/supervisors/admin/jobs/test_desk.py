"""The desk's part for queues, jobs and sagas, over a real queue on rows in memory."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from msgspec import Raw
from trio.testing import MockClock

from greenroom.actors.jobs.listing.lists import JobLists
from greenroom.actors.jobs.queue import Queue
from greenroom.actors.jobs.queue.control import Limit
from greenroom.actors.jobs.queue.messages import Add, Finished, Said, Take
from greenroom.actors.jobs.queue.single.telling import Progress
from greenroom.actors.model.errors import Refused, Unavailable
from greenroom.actors.model.kinds import Kinds
from greenroom.actors.model.message import Ask
from greenroom.actors.model.principal import SYSTEM, Principal
from greenroom.store.jobs.filter import JobFilter
from greenroom.store.jobs.jobs import JobFound
from greenroom.store.jobs.jobs_memory import MemoryJobs
from greenroom.store.jobs.listing_memory import MemoryListing
from greenroom.store.jobs.sealing import ARGUMENTS, Place, keys_for, seal
from greenroom.store.ownership.referee import Member
from greenroom.supervisors.admin.asked import Asked
from greenroom.supervisors.admin.jobs.desk import KEPT_MAX, NAMES_S, JobDesk
from greenroom.supervisors.admin.jobs.gauges import queue_told
from greenroom.supervisors.admin.local import Local
from greenroom.supervisors.admin.told import QueuesTold
from greenroom.transports.errors import BadRequest
from tests.supervisors.admin.jobs.studio import Cut, Hall, Open, Premiere
from tests.supervisors.jobs.work_stage import Stage, running, stage

QUEUE = "studio"
ANN = Principal(user="ann")


class Me(Local):
    """This node, with the queues that are awake in its kernel."""

    def __init__(self, run: Stage) -> None:
        self.node = 1
        self.run = run
        self.ended = 0

    async def of_queues(self) -> QueuesTold:
        await trio.lowlevel.checkpoint()
        self.ended += 10
        cells = self.run.kernel.kernel.system.awake()
        queues = [queue_told(cell.actor) for cell in cells if isinstance(cell.actor, Queue)]
        counts = {QUEUE: {"completed": self.ended}}
        return QueuesTold(node="1", at_s=float(self.ended), started_at_ms=0, queues=queues, ended=counts)


class Counting(MemoryJobs):
    """How often a job was read whole."""

    reads = 0

    async def find(self, job_id: str) -> JobFound | None:
        self.reads += 1
        return await super().find(job_id)


class Scene:
    def __init__(self, run: Stage) -> None:
        self.run = run
        self.is_silent = False
        store = self.store = Counting(lambda: run.rows.consequences, trio.current_time)
        lists = JobLists(MemoryListing(lambda: run.rows.consequences), trio.current_time)
        self.desk = JobDesk(
            store=store,
            lists=lists,
            jobs=run.jobs,
            kinds=Kinds([Queue, Premiere, Hall]),
            ask=self._ask,
            members=self,
            asked=Asked(Me(run)),
            clock=trio.current_time,
        )

    async def _ask(self, entity: str, message: Ask[Any], *, principal: Principal = SYSTEM) -> Any:
        if self.is_silent:
            await trio.sleep_forever()
        return await self.run.kernel.router.ask(entity, message, principal=principal)

    def members(self) -> Sequence[Member]:
        return []

    async def queue(self, message: Ask[Any]) -> Any:
        return await self.run.kernel.router.ask(f"queue:{QUEUE}", message)

    async def add(self, **fields: Any) -> str:
        more = {name: fields.pop(name) for name in ("delay_s", "by") if name in fields}
        arguments = Raw(json.dumps(fields).encode())
        return str((await self.queue(Add(job="job.cut", arguments=arguments, partition=fields["film"], **more))).id)

    async def job(self, job: str, *, full: bool = True) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(await self.desk.job(job, full=full))
        return found


@asynccontextmanager
async def scene() -> AsyncIterator[Scene]:
    async with stage(Cut, kinds=(Premiere, Hall)) as run:
        yield Scene(run)


async def test_all_queues_are_shown_and_none_is_woken(autojump_clock: MockClock) -> None:
    async with scene() as one:
        shown = json.loads(await one.desk.queues())
        assert [(line["queue"], line["awake"], line["in_code"]) for line in shown["queues"]] == [(QUEUE, False, True)]
        await one.add(film="a")
        await one.add(film="b", delay_s=50)
        await one.queue(Take(worker="w"))
        (line,) = json.loads(await one.desk.queues())["queues"]
        assert (line["waiting"], line["delayed"], line["active"], line["workers"]) == (0, 1, 1, 1)
        assert line["rates"] == {"completed": 1.0} and not line["limited"]


async def test_names_of_queues_are_read_now_and_then(autojump_clock: MockClock) -> None:
    async with scene() as one:
        await one.desk.queues()
        await one.run.kernel.router.ask("queue:other", Take(worker="w"))
        await one.run.kernel.router.ask("queue:other", Add(job="job.x"))
        autojump_clock.jump(NAMES_S)
        assert "other" in [line["queue"] for line in json.loads(await one.desk.queues())["queues"]]


async def test_a_queue_is_shown_with_its_limits_and_steered_by_whoever_asks(autojump_clock: MockClock) -> None:
    async with scene() as one:
        await one.desk.pause(QUEUE, None, "lunch", by="root")
        shown = json.loads(await one.desk.queue(QUEUE, full=True))
        assert (shown["paused"], shown["paused_reason"], shown["can"]) == (True, "lunch", ["resume", "limit"])
        assert (shown["classes"], shown["limits"]) == (["job.cut"], {})
        await one.desk.limit(QUEUE, Limit(per_key=2), by="root")
        await one.desk.resume(QUEUE, by="root")
        shown = json.loads(await one.desk.queue(QUEUE, full=False))
        assert (shown["paused"], shown["limits"]) == (False, {"per_key": 2})
        events = [json.loads(event.payload) for event in one.run.rows.by_entity[f"queue:{QUEUE}"].events]
        assert [event.get("by") for event in events if event["type"] != "actor.noted"] == ["root"] * 3


async def test_a_job_is_shown_as_its_queue_knows_it_and_watched_while_somebody_looks(
    autojump_clock: MockClock,
) -> None:
    async with scene() as one:
        job = await one.add(film="a", licence="L-1", by="ann")
        shown = await one.job(job)
        assert (shown["state"], shown["why"]) == ("waiting", "no worker is free for it")
        assert shown["arguments"] == {"film": "a", "licence": "[redacted]"}
        await one.queue(Take(worker="w"))
        told = await one.queue(Progress(worker="w", said=[Said(job, 0.5, "half", ["line"])]))
        assert told.again_s < 1, "somebody looks"
        shown = await one.job(job)
        assert (shown["state"], shown["share"], shown["log"]) == ("active", 0.5, ["line"])
        viewer = await one.job(job, full=False)
        assert viewer["share"] == 0.5 and "line" not in str(viewer) and "arguments" not in viewer


async def test_a_job_that_has_ended_is_its_row_and_one_that_is_not_is_refused(autojump_clock: MockClock) -> None:
    async with scene() as one:
        job = await one.add(film="a")
        async with running(one.run.worker("w")):
            pass
        taken = await one.queue(Take(worker="w"))
        await one.queue(Take(worker="w", most=0, finished=[Finished(job, taken.token, Raw(b'{"password":"x"}'))]))
        shown = await one.job(job)
        assert (shown["state"], shown["result"], shown["can"]) == (
            "completed",
            {"password": "[redacted]"},
            ["retry", "drop"],
        )
        for wrong in ("0" * 32, "nonsense", ""):
            with pytest.raises(Refused, match=r"job\.not_found"):
                await one.job(wrong)


async def test_where_a_queue_does_not_answer_the_row_is_shown_and_a_viewer_is_not_told_why(
    autojump_clock: MockClock,
) -> None:
    async with scene() as one:
        job = await one.add(film="a")
        one.is_silent = True
        shown = await one.job(job)
        assert shown["trouble"].startswith("its queue does not say: ") and shown["can"] == []
        assert (await one.job(job, full=False))["trouble"] == "its queue does not say"
        with pytest.raises(Unavailable):
            await one.desk.retry(job, by="root")


async def test_jobs_are_retried_and_cancelled(autojump_clock: MockClock) -> None:
    async with scene() as one:
        job = await one.add(film="a", delay_s=500)
        assert (await one.job(job))["state"] == "delayed"
        await one.desk.retry(job, by="root")
        assert (await one.job(job))["state"] == "waiting"
        assert json.loads(await one.desk.cancel(job, "no", by="root"))["state"] == "cancelled"
        assert (await one.job(job))["errors"][0]["error"] == "cancelled: no"


async def test_a_page_that_stays_open_reads_a_job_whole_where_it_has_changed(autojump_clock: MockClock) -> None:
    async with scene() as one:
        job = await one.add(film="a")
        for _ in range(3):
            assert (await one.job(job))["arguments"]["film"] == "a"
        assert one.store.reads == 1
        await one.desk.edit(job, {"film": "b"}, (await one.job(job))["arguments"], None, None, by="root")
        before = one.store.reads
        for _ in range(3):
            assert (await one.job(job))["arguments"] == {"film": "b"}
        assert one.store.reads == before + 1
        for film in "cdefghijk":
            await one.job(await one.add(film=film))
        assert len(one.desk._kept) == KEPT_MAX


async def test_what_is_edited_keeps_what_was_not_shown(autojump_clock: MockClock) -> None:
    async with scene() as one:
        job = await one.add(film="a", licence="L-1")
        shown = (await one.job(job))["arguments"]
        await one.desk.edit(job, shown | {"film": "b"}, shown, 1, None, by="root")
        assert json.loads(one.run.row(job).arguments or b"") == {"film": "b", "licence": "L-1"}
        assert (await one.job(job))["priority"] == 1
        present = (await one.job(job))["arguments"]
        with pytest.raises(Refused, match=r"`arguments\.film` has") as caught:
            await one.desk.edit(job, present | {"film": present["licence"]}, present, None, None, by="root")
        assert (caught.value.name, caught.value.status) == ("job.arguments", 422)
        with pytest.raises(Refused, match="have changed"):
            await one.desk.edit(job, shown | {"film": "c"}, shown, None, None, by="root")
        with pytest.raises(Exception, match=r"job\.cut: Expected `str`"):
            await one.desk.edit(job, {"film": 3}, (await one.job(job))["arguments"], None, None, by="root")
        await one.desk.edit(job, None, None, None, 60.0, by="root")
        assert (await one.job(job))["state"] == "delayed"


async def test_what_is_encrypted_is_left_alone_where_something_else_is_edited(autojump_clock: MockClock) -> None:
    async with scene() as one:
        job = await one.add(film="a")
        with keys_for(bytes(32)):
            sealed = one.run.row(job).arguments = seal(b'{"film":"a"}', Place("job.cut", job, ARGUMENTS))
        shown = (await one.job(job))["arguments"]
        await one.desk.edit(job, shown, shown, 1, None, by="root")
        assert one.run.row(job).arguments == sealed and (await one.job(job))["priority"] == 1
        with pytest.raises(Exception, match=r"sealed as job\.other"):
            await one.desk.edit(job, shown | {"of": "job.other"}, shown, 1, None, by="root")


async def test_lists_are_of_the_filter_and_a_viewer_can_ask_for_nothing_that_people_wrote(
    autojump_clock: MockClock,
) -> None:
    async with scene() as one:
        jobs = [await one.add(film=film) for film in "abc"]
        asked = JobFilter(queue=QUEUE)
        page = json.loads(await one.desk.jobs(asked, None, 2, who="root", full=True))
        assert [job["id"] for job in page["jobs"]] == [jobs[2], jobs[1]]
        rest = json.loads(await one.desk.jobs(asked, page["next"], 2, who="root", full=False))
        assert ([job["id"] for job in rest["jobs"]], rest["next"]) == ([jobs[0]], None)
        with pytest.raises(BadRequest):
            await one.desk.jobs(asked, "nonsense", 2, who="root", full=True)
        for telling in (JobFilter(words=("a",)), JobFilter(key="a")):
            assert json.loads(await one.desk.jobs(telling, None, 2, who="root", full=True))["jobs"]
            with pytest.raises(Refused, match="role admin"):
                await one.desk.jobs(telling, None, 2, who="vera", full=False)


async def test_a_saga_is_shown_by_its_view(autojump_clock: MockClock) -> None:
    async with scene() as one:
        await one.run.kernel.router.ask("premiere:a", Open(hall="big"), principal=ANN)
        await trio.sleep(5)
        shown = json.loads(await one.desk.saga("premiere:a", full=True))
        assert (shown["entity"], shown["view"]["status"], shown["view"]["by"]) == ("premiere:a", "undone", "ann")
        assert [step["name"] for step in shown["view"]["steps"]] == ["book", "party"]
        with pytest.raises(Refused, match="no saga"):
            await one.desk.saga("hall:big", full=True)


@pytest.mark.parametrize("what", ["queues", f"queue/{QUEUE}", "saga/premiere:a"])
async def test_what_is_watched_is_looked_up_for_those_who_are_there(autojump_clock: MockClock, what: str) -> None:
    async with scene() as one:
        full, none = await one.desk.looked(what, True, False)
        assert json.loads(full)["at_ms"] >= 0 and (none == b"" or what == "queues")
        _, viewer = await one.desk.looked(what, False, True)
        assert json.loads(viewer)
        with pytest.raises(BadRequest):
            await one.desk.looked("nothing/x", True, True)
