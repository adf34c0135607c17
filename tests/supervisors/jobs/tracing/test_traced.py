"""One trace: from whoever adds a job to each attempt at it, wherever that runs."""

from typing import Any

import msgspec
import pytest
import trio
from msgspec import Raw
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from trio.testing import MockClock

from greenroom import Discard, Job, Retry, Work
from greenroom.actors.jobs.installed import InstalledJob
from greenroom.actors.jobs.options import decode_options
from greenroom.actors.jobs.queue.messages import Add, Take, TakenJob
from greenroom.actors.jobs.work import ThreadWork
from greenroom.actors.life.turn import Turn
from greenroom.actors.model.envelope import Envelope, TaskSlot
from greenroom.config.telemetry.tracing import Tracing, traceparent
from greenroom.store.journal.journal_memory import MemoryRows
from greenroom.supervisors.jobs.attempt import Attempt, Means
from greenroom.supervisors.jobs.processes import Processes
from tests.supervisors.jobs.attempt.stage import Told
from tests.supervisors.jobs.work_stage import QUEUE, stage
from tests.supervisors.jobs.yard import Upload, yard

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{SPAN}-01"
ID = f"{3:032x}"


class Traces(Job, queue="q", tag="job.traces"):
    """Returns where it is."""

    retry = Retry(attempts=3, first_s=1.0)
    fails: bool = False

    async def run(self, work: Work) -> Any:
        if self.fails:
            raise Discard("no")
        return [work.traceparent, traceparent()]


class TracesInThread(Job, queue="q", tag="job.traces_in_thread"):
    """Likewise."""

    def run(self, work: ThreadWork) -> Any:
        return [work.traceparent, traceparent()]


class TracesInProcess(TracesInThread, queue="q", tag="job.traces_in_process"):
    """Likewise."""

    process = True


def traced() -> tuple[Tracing, InMemorySpanExporter]:
    provider, exporter = TracerProvider(shutdown_on_exit=False), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return Tracing(provider.get_tracer("test"), sample=0.0), exporter


async def attempted(
    job: type[Job], tracing: Tracing | None, parent: str = PARENT, arguments: bytes = b"{}"
) -> tuple[Any, Any]:
    """What the job returned, and what became of it."""
    async with trio.open_nursery() as nursery:
        processes = Processes(1)
        await nursery.start(processes.run)
        means = Means(Turn(), trio.CapacityLimiter(1), processes, tracing=tracing)
        taken = TakenJob(ID, str(job.__struct_config__.tag), Raw(arguments), 2, 3, traceparent=parent)
        finished = await Attempt(taken, 9, InstalledJob(job), means, Told()).run()
        nursery.cancel_scope.cancel()
    return msgspec.json.decode(finished.result), finished


@pytest.mark.parametrize("job", [Traces, TracesInThread, TracesInProcess])
async def test_an_attempt_is_a_span_below_the_one_that_added_it_and_the_jobs_own_code_is_below_that(
    job: type[Job],
) -> None:
    tracing, exporter = traced()
    found, _ = await attempted(job, tracing)
    (span,) = exporter.get_finished_spans()
    assert span.context is not None and span.parent is not None and span.attributes is not None
    assert (f"{span.context.trace_id:032x}", f"{span.parent.span_id:016x}") == (TRACE, SPAN)
    here = f"00-{TRACE}-{span.context.span_id:016x}-01"
    assert found == [here, here]
    assert (span.name, dict(span.attributes)) == (
        "job.run",
        {
            "greenroom.entity": f"job:{ID}",
            "greenroom.job": job.__struct_config__.tag,
            "greenroom.attempt": "2",
            "greenroom.outcome": "completed",
        },
    )


async def test_an_attempt_that_fails_says_so() -> None:
    tracing, exporter = traced()
    await attempted(Traces, tracing, arguments=b'{"fails":true}')
    (span,) = exporter.get_finished_spans()
    assert span.attributes is not None and span.attributes["greenroom.outcome"] == "failed"


async def test_where_no_trace_is_recorded_there_is_no_span() -> None:
    tracing, exporter = traced()
    assert (await attempted(Traces, tracing, ""))[0] == ["", None]
    assert (await attempted(Traces, tracing, f"00-{TRACE}-{SPAN}-00"))[0][1] == f"00-{TRACE}-{SPAN}-00"
    assert exporter.get_finished_spans() == ()


async def test_a_worker_without_an_exporter_leads_the_trace_through() -> None:
    assert (await attempted(Traces, None))[0] == [PARENT, PARENT]


async def ask(run: Any, message: Any, trace: str | None) -> Any:
    slot = TaskSlot()
    run.kernel.router.submit(QUEUE, Envelope(message=message, slot=slot, trace=trace))
    return await slot.wait()


async def test_a_job_remembers_who_has_added_it_where_that_is_recorded(autojump_clock: MockClock) -> None:
    async with stage(Traces) as run:
        added = await ask(run, Add(job="job.traces"), PARENT)
        other = await ask(run, Add(job="job.traces"), None)
        taken = (await run.ask(Take(worker="w", most=2))).jobs
        assert {job.id: job.traceparent for job in taken} == {added.id: PARENT, other.id: ""}
        assert run.row(other.id).options is None, "a job that is not traced has nothing more"


@pytest.mark.parametrize("later", [False, True], ids=["at once", "by an async handler"])
async def test_a_job_that_an_entity_starts_is_of_the_trace_of_its_message(later: bool) -> None:
    async with yard(MemoryRows()) as node:
        slot = TaskSlot()
        node.kernel.router.submit("film:a", Envelope(message=Upload(later=later), slot=slot, trace=PARENT))
        found = await node.find(str(await slot.wait()))
        assert found is not None
        options = decode_options(found.row.options)
        assert options is not None and options.trace == PARENT
