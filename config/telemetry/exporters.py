"""Telemetry: how a node's numbers and spans get out. `instruments.py` says what is counted, `tracing.py` how to trace.

Counters and gauges are observable OpenTelemetry instruments, whose callbacks read plain ints at scrape time; histograms
are our own, shown through a Prometheus collector on the same registry. So the hot paths never enter the SDK. Each
`Telemetry` has its own registry and providers and touches no global: several nodes can live in one process.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from importlib import import_module
from itertools import accumulate
from typing import Any, Final

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import AlwaysOffExemplarFilter, MeterProvider
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SimpleSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased
from opentelemetry.trace import Span
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from greenroom.config.limits import TraceConfig
from greenroom.config.telemetry.instruments import (
    PREFIX,
    Histogram,
    Instruments,
    Observed,
    Reading,
    reading_of,
    rows_of,
)
from greenroom.config.telemetry.job_instruments import JobInstruments
from greenroom.config.telemetry.logs import log_stream
from greenroom.config.telemetry.ranking_instruments import RANKING, RankingInstruments
from greenroom.config.telemetry.tracing import Tracing, traceparent

__all__ = ["SCRAPE_CONTENT_TYPE", "ExporterMissing", "Telemetry", "traceparent"]

SCRAPE_CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4  # the Content-Type of what `scrape()` gives

_OTLP: Final = "opentelemetry.exporter.otlp.proto.http.trace_exporter"
_SUFFIXES: Final = {"s": "_seconds", "By": "_bytes"}  # unit -> what the OpenTelemetry exporter appends for it


class ExporterMissing(Exception):
    """GREENROOM_TRACE_EXPORTER asks for an exporter that is not installed."""


class Telemetry:
    """The way out for one node's metrics and traces. Call it on the node's own thread.

    Raises: ExporterMissing when `config.exporter` is otlp and its package is not installed.
    """

    def __init__(
        self,
        config: TraceConfig | None = None,
        instruments: Instruments | None = None,
        *,
        spans: SpanProcessor | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> None:
        """`spans` is given every span that is recorded, beside the exporter. `labels` go on every sample."""
        config = config or TraceConfig()
        self.instruments = instruments or Instruments()
        self.jobs = JobInstruments()
        self._registry = CollectorRegistry()
        self._scraped: Collector = _Labelling(self._registry, labels) if labels else self._registry
        resource = Resource.create({"service.name": "greenroom"})
        self._meters = MeterProvider(
            metric_readers=[
                PrometheusMetricReader(disable_target_info=True, scope_info_enabled=False, registry=self._registry)
            ],
            resource=resource,
            exemplar_filter=AlwaysOffExemplarFilter(),
            shutdown_on_exit=False,
        )
        self._meter = self._meters.get_meter("greenroom")
        self._histograms = _Histograms()
        self._registry.register(self._histograms)
        ProcessCollector(registry=self._registry)  # process_*, as dashboards know them; Linux only
        # Always on: Tracing decides by ratio before the SDK is entered, and a parent's decision holds.
        self._tracers = TracerProvider(sampler=ParentBased(ALWAYS_ON), resource=resource, shutdown_on_exit=False)
        _add_exporter(self._tracers, config.exporter)
        if spans is not None:
            self._tracers.add_span_processor(spans)
        self.tracing = Tracing(self._tracers.get_tracer("greenroom"), sample=config.sample)
        self._show(self.instruments)
        self._show(self.jobs)
        self._show(RANKING)

    def observe(self, observed: Observed) -> None:
        """Show what the parts of the node know. Once, when the node is put together."""
        self._show(observed)

    def counter_of(
        self,
        name: str,
        read: Callable[[], Reading],
        description: str,
        unit: str = "",
        labels: Mapping[str, str] | None = None,
    ) -> None:
        """A counter, whose total `read` returns at scrape time: a number that only rises, or (labels, number) pairs.

        `name` begins with greenroom_; `unit` is s, By or nothing, and `labels` go on every value. Scrapes show it with
        `_total` at its end. A `read` that raises is logged, and its metric is missing from that scrape.
        """
        assert name.startswith(PREFIX)
        self._meter.create_observable_counter(name, [_observer(read, labels)], unit, description)

    def gauge_of(
        self,
        name: str,
        read: Callable[[], Reading],
        description: str,
        unit: str = "",
        labels: Mapping[str, str] | None = None,
    ) -> None:
        """A gauge, whose level `read` returns at scrape time; otherwise as `counter_of`."""
        assert name.startswith(PREFIX)
        self._meter.create_observable_gauge(name, [_observer(read, labels)], unit, description)

    def histogram_of(
        self,
        name: str,
        histogram: Histogram,
        description: str,
        unit: str = "",
        labels: Mapping[str, str] | None = None,
    ) -> None:
        """Show `histogram`. The same name may come again with other values for the same labels."""
        assert name.startswith(PREFIX)
        self._histograms.add(name + _SUFFIXES.get(unit, ""), description, dict(labels or {}), histogram)

    def _show(self, section: Instruments | Observed | JobInstruments | RankingInstruments) -> None:
        for row in rows_of(type(section)):
            reading = reading_of(section, row)
            if isinstance(reading, Histogram):
                self.histogram_of(row.name, reading, row.metric.what, row.unit)
            elif isinstance(reading, Mapping):
                name = row.name + _SUFFIXES.get(row.unit, "")
                self._histograms.add_labelled(name, row.metric.what, row.metric.labels, reading)
            elif row.metric.kind == "counter":
                self.counter_of(row.name, reading, row.metric.what, row.unit)
            else:
                self.gauge_of(row.name, reading, row.metric.what, row.unit)

    def scrape(self) -> bytes:
        """All metrics as Prometheus text (SCRAPE_CONTENT_TYPE). Takes milliseconds, mostly the SDK's."""
        self.jobs.look()
        return generate_latest(self._scraped)

    def span(self, name: str, parent: str | None = None) -> AbstractContextManager[Span]:
        """`Tracing.span`: for the edge. `with telemetry.span("command", envelope.traceparent): …`"""
        return self.tracing.span(name, parent)

    def child(self, name: str, parent: str | None = None) -> AbstractContextManager[Span]:
        """`Tracing.child`: for the hops within."""
        return self.tracing.child(name, parent)

    def close(self) -> None:
        """Send what spans are left and stop the exporter's thread. Blocks, for an exporter that can't reach its peer
        for seconds: call it in a worker thread, last of all."""
        self._tracers.shutdown()
        self._meters.shutdown()


def _observer(
    read: Callable[[], Reading], labels: Mapping[str, str] | None
) -> Callable[[CallbackOptions], Iterable[Observation]]:
    fixed = dict(labels or {})

    def observe(_options: CallbackOptions) -> list[Observation]:
        reading = read()
        if isinstance(reading, int | float):
            return [Observation(reading, fixed)]
        return [Observation(value, {**fixed, **own}) for own, value in reading]

    return observe


class _Labelling(Collector):
    """All that another one collects, with these labels besides."""

    def __init__(self, collector: Collector, labels: Mapping[str, str]) -> None:
        self._collector = collector
        self._labels = labels

    def collect(self) -> Iterable[Family]:
        for family in self._collector.collect():
            family.samples = [one._replace(labels={**one.labels, **self._labels}) for one in family.samples]
            yield family


class _Histograms(Collector):
    """Our histograms, as Prometheus asks for them."""

    def __init__(self) -> None:
        self._families: dict[str, tuple[str, list[tuple[dict[str, str], Histogram]]]] = {}
        self._labelled: list[tuple[str, str, tuple[str, ...], Mapping[tuple[str, ...], Histogram]]] = []

    def add(self, name: str, description: str, labels: dict[str, str], histogram: Histogram) -> None:
        members = self._families.setdefault(name, (description, []))[1]
        assert all(own.keys() == labels.keys() and own != labels for own, _ in members), f"{name}: labels clash"
        members.append((labels, histogram))

    def add_labelled(
        self, name: str, description: str, labels: tuple[str, ...], members: Mapping[tuple[str, ...], Histogram]
    ) -> None:
        """Those that there are when somebody asks, by the values of their labels."""
        self._labelled.append((name, description, labels, members))

    def collect(self) -> Iterable[HistogramMetricFamily]:
        for name, (description, members) in self._families.items():
            names = list(members[0][0])
            family = HistogramMetricFamily(name, description, labels=names)
            for labels, histogram in members:
                _add_to(family, [labels[label] for label in names], histogram)
            yield family
        for name, description, own, distributions in self._labelled:
            family = HistogramMetricFamily(name, description, labels=own)
            for values, histogram in distributions.items():
                _add_to(family, values, histogram)
            yield family


def _add_to(family: HistogramMetricFamily, values: Sequence[str], histogram: Histogram) -> None:
    limits = [*(str(float(f"{bound:.6g}")) for bound in histogram.bounds), "+Inf"]
    buckets = list(zip(limits, map(float, accumulate(histogram.counts)), strict=True))
    family.add_metric(values, buckets, histogram.sum)


def _add_exporter(tracers: TracerProvider, exporter: str) -> None:
    if exporter == "console":  # where the logs go, since stdout belongs to the command line
        tracers.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter(out=log_stream())))
    elif exporter == "otlp":
        try:
            module: Any = import_module(_OTLP)
        except ImportError as error:
            raise ExporterMissing(
                "GREENROOM_TRACE_EXPORTER: otlp needs the package opentelemetry-exporter-otlp-proto-http"
            ) from error
        otlp: SpanExporter = module.OTLPSpanExporter()  # where to: OTEL_EXPORTER_OTLP_ENDPOINT
        tracers.add_span_processor(BatchSpanProcessor(otlp))  # its queue is bounded, its thread its own
