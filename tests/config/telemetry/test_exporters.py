import dataclasses
import gzip
import math
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from greenroom.config.limits import TraceConfig
from greenroom.config.telemetry.exporters import ExporterMissing, Telemetry
from greenroom.config.telemetry.instruments import Histogram, Instruments, Observed, rows_of
from greenroom.config.telemetry.job_instruments import JobInstruments


def scraped(telemetry: Telemetry) -> dict[str, Metric]:
    return {family.name: family for family in text_string_to_metric_families(telemetry.scrape().decode())}


def observed(**known: Callable[[], Any]) -> Observed:
    """Nothing, but for what is known."""
    return Observed(**{one.name: known.get(one.name, lambda: 0) for one in dataclasses.fields(Observed)})


def value(telemetry: Telemetry, name: str, **labels: str) -> float:
    """The one sample of that name and those labels."""
    (sample,) = [s for f in scraped(telemetry).values() for s in f.samples if (s.name, s.labels) == (name, labels)]
    return sample.value


def test_plain_ints_are_read_at_every_scrape() -> None:
    instruments = Instruments()
    telemetry = Telemetry(instruments=instruments)
    assert value(telemetry, "greenroom_activations_total") == 0
    instruments.activations += 2
    instruments.connections = 5
    telemetry.observe(observed(queue_bytes=lambda: 7, mailbox_age_s=lambda: 0.25))
    instruments.count_command("room", "send", "ok", 3)
    for _ in range(2):
        assert value(telemetry, "greenroom_activations_total") == 2
        assert value(telemetry, "greenroom_connections") == 5
        assert value(telemetry, "greenroom_queue_bytes") == 7
        assert value(telemetry, "greenroom_mailbox_age_seconds") == 0.25
        assert value(telemetry, "greenroom_commands_total", kind="room", command="send", outcome="ok") == 3


def test_everything_is_named_greenroom_and_described_and_every_metric_shows() -> None:
    instruments = Instruments()
    for row in rows_of(Instruments):
        if row.metric.labels:
            getattr(instruments, row.field)[row.metric.labels] = 1
    telemetry = Telemetry(instruments=instruments)
    for row in rows_of(JobInstruments):
        if row.metric.kind != "histogram" and row.metric.labels:
            getattr(telemetry.jobs, row.field)[row.metric.labels] = 1
    telemetry.observe(observed())
    families = scraped(telemetry)
    assert all(
        name.startswith(("greenroom_", "process_")) and family.documentation for name, family in families.items()
    )
    rows = [row for section in (Instruments, Observed, JobInstruments) for row in rows_of(section)]
    expected = {row.shown.removesuffix("_total"): row.metric.kind for row in rows}
    assert expected.items() <= {name: family.type for name, family in families.items()}.items()


def test_a_histogram_shows_cumulative_buckets_count_and_sum() -> None:
    telemetry, histogram = Telemetry(), Histogram(first=1.0, buckets=2)
    telemetry.histogram_of("greenroom_lane", histogram, "a lane", "s", labels={"lane": "0"})
    telemetry.histogram_of("greenroom_lane", Histogram(first=1.0, buckets=2), "a lane", "s", labels={"lane": "1"})
    for seconds in (0.5, 1.5, 9.0):
        histogram.record(seconds)
    buckets = [value(telemetry, "greenroom_lane_seconds_bucket", lane="0", le=le) for le in ("1.0", "2.0", "+Inf")]
    assert buckets == [1, 2, 3]
    assert value(telemetry, "greenroom_lane_seconds_count", lane="0") == 3
    assert value(telemetry, "greenroom_lane_seconds_sum", lane="0") == 11.0
    assert value(telemetry, "greenroom_lane_seconds_count", lane="1") == 0


def test_counters_and_gauges_of_ones_own_with_labels() -> None:
    telemetry = Telemetry()
    telemetry.counter_of("greenroom_x", lambda: [({"a": "1"}, 3), ({"a": "2"}, 4)], "x", labels={"node": "n"})
    telemetry.gauge_of("greenroom_y", lambda: 1.5, "y")
    assert value(telemetry, "greenroom_x_total", a="2", node="n") == 4
    assert value(telemetry, "greenroom_y") == 1.5


def test_a_reading_that_fails_costs_its_own_metric_only() -> None:
    telemetry = Telemetry()

    def broken() -> int:
        raise RuntimeError

    telemetry.gauge_of("greenroom_broken", broken, "broken")
    families = scraped(telemetry)
    assert "greenroom_awake" in families and "greenroom_broken" not in families


def test_nodes_in_one_process_do_not_mix() -> None:
    one, other = Telemetry(), Telemetry()
    one.instruments.awake = 3
    assert value(one, "greenroom_awake") == 3 and value(other, "greenroom_awake") == 0
    assert math.isfinite(value(one, "process_resident_memory_bytes"))


def test_close_is_the_end_and_harmless_twice() -> None:
    telemetry = Telemetry()
    telemetry.close()
    telemetry.close()


def test_spans_go_to_stderr_when_the_console_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    telemetry = Telemetry(TraceConfig(sample=1.0, exporter="console"))
    with telemetry.span("room.send"):
        pass
    output = capsys.readouterr()
    assert "room.send" in output.err and not output.out


def test_otlp_without_its_package_names_the_setting_and_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(ExporterMissing, match=r"GREENROOM_TRACE_EXPORTER.*opentelemetry-exporter-otlp-proto-http"):
        Telemetry(TraceConfig(exporter="otlp"))


def test_otlp_goes_to_the_collector_that_the_environment_names(monkeypatch: pytest.MonkeyPatch) -> None:
    got: list[tuple[str, bytes]] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append((self.path, gzip.decompress(body) if self.headers["Content-Encoding"] == "gzip" else body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """To nobody."""

    with HTTPServer(("127.0.0.1", 0), Collector) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
            telemetry = Telemetry(TraceConfig(sample=1.0, exporter="otlp"))
            with telemetry.span("room.send"):
                pass
            telemetry.close()
        finally:
            server.shutdown()
            thread.join()
    ((path, body),) = got
    assert path == "/v1/traces" and b"room.send" in body and b"greenroom" in body
