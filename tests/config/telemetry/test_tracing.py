import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from greenroom.config.telemetry.tracing import Tracing, parse_traceparent, traceparent

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
RECORDED, UNRECORDED = f"00-{TRACE}-{SPAN}-01", f"00-{TRACE}-{SPAN}-00"


def traced(sample: float, chance: float = 0.5) -> tuple[Tracing, InMemorySpanExporter]:
    provider, exporter = TracerProvider(shutdown_on_exit=False), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return Tracing(provider.get_tracer("test"), sample=sample, chance=lambda: chance), exporter


def names(exporter: InMemorySpanExporter) -> list[str]:
    return [span.name for span in exporter.get_finished_spans()]


@pytest.mark.parametrize(("sample", "recorded"), [(0.0, False), (0.5, False), (0.51, True), (1.0, True)])
def test_a_new_trace_is_recorded_by_chance_and_its_hops_follow(sample: float, recorded: bool) -> None:
    tracing, exporter = traced(sample)
    with tracing.span("edge"):
        assert (traceparent() is not None) == recorded
        with tracing.child("hop"):
            pass
    assert names(exporter) == (["hop", "edge"] if recorded else [])
    assert traceparent() is None


def test_a_hop_never_begins_a_trace() -> None:
    tracing, exporter = traced(1.0)
    with tracing.child("hop"):
        assert traceparent() is None
    assert names(exporter) == []


def test_a_recorded_parent_is_continued_whatever_the_sample() -> None:
    tracing, exporter = traced(0.0)
    with tracing.child("hop", RECORDED):
        carried = traceparent()
        assert carried is not None and carried[:36] == f"00-{TRACE}-" and carried != RECORDED
    (span,) = exporter.get_finished_spans()
    assert span.parent is not None and f"{span.parent.span_id:016x}" == SPAN


def test_an_unrecorded_parent_is_carried_on_and_not_recorded() -> None:
    tracing, exporter = traced(1.0)
    with tracing.span("edge", UNRECORDED):
        assert traceparent() == UNRECORDED
        with tracing.child("hop"):
            assert traceparent() == UNRECORDED
    assert names(exporter) == []


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "00",
        RECORDED + "\n",
        RECORDED.upper(),
        "ff" + RECORDED[2:],
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
    ],
)
def test_a_malformed_parent_is_none(bad: str) -> None:
    tracing, exporter = traced(1.0)
    assert parse_traceparent(bad) is None
    with tracing.child("hop", bad):
        pass
    assert names(exporter) == []
    with tracing.span("edge", bad):
        pass
    assert names(exporter) == ["edge"]


@given(st.text() | st.from_regex(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}"))
def test_no_text_breaks_the_parser(text: str) -> None:
    context = parse_traceparent(text)
    assert context is None or context.is_valid


def test_an_exception_is_recorded_and_goes_on() -> None:
    tracing, exporter = traced(1.0)
    with pytest.raises(ValueError, match="boom"), tracing.span("edge"):
        raise ValueError("boom")
    (span,) = exporter.get_finished_spans()
    assert [event.name for event in span.events] == ["exception"]
    with pytest.raises(ValueError, match="boom"), tracing.span("edge", UNRECORDED):
        raise ValueError("boom")
    assert traceparent() is None


async def test_tasks_have_their_own_current_span_and_inherit_the_one_they_are_started_in() -> None:
    tracing, exporter = traced(1.0)
    seen: dict[str, str | None] = {}

    async def hop(name: str) -> None:
        with tracing.child(name):
            await trio.lowlevel.checkpoint()
            seen[name] = traceparent()

    async with trio.open_nursery() as nursery:
        with tracing.span("edge"):
            nursery.start_soon(hop, "inside")
        nursery.start_soon(hop, "outside")
    assert seen["inside"] is not None and seen["outside"] is None
    assert sorted(names(exporter)) == ["edge", "inside"]
