"""Alerts and dashboard: every metric asked for is one, Prometheus takes them, and each alert fires when it should."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from greenroom.config.telemetry.instruments import Instruments, Observed, rows_of
from greenroom.config.telemetry.job_instruments import JobInstruments
from greenroom.config.telemetry.ranking_instruments import RankingInstruments
from tests.e2e.conftest import need

MONITORING = Path(__file__).parents[2] / "deploy" / "monitoring"
DASHBOARD = MONITORING / "grafana" / "dashboard.json"
ALERTS = MONITORING / "alerts.yaml"
CASES = Path(__file__).parent / "alerts.test.yaml"
PROMTOOL = shutil.which("promtool")
METRIC = re.compile(r"\b(?:greenroom|process)_\w+|\bup\b")
# Of every Prometheus client, and of Prometheus itself.
OTHERS = {"up", "process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds", "process_max_fds"}

SECTIONS = (Instruments, Observed, JobInstruments, RankingInstruments)


def shown() -> dict[str, set[str]]:
    """Every series of ours, with its labels."""
    found: dict[str, set[str]] = {}
    for row in (row for section in SECTIONS for row in rows_of(section)):
        labels = set(row.metric.labels)
        if row.metric.kind == "histogram":
            found |= {f"{row.shown}_{part}": labels for part in ("sum", "count")}
            found[f"{row.shown}_bucket"] = labels | {"le"}
        else:
            found[row.shown] = labels
    return found


def alerts() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]
    rules: list[dict[str, Any]] = group["rules"]
    return rules


def queries() -> Iterator[tuple[str, str]]:
    """(where, PromQL) of all there are."""
    for rule in alerts():
        yield rule["alert"], rule["expr"]
    for panel in json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]


def test_every_metric_asked_for_is_one() -> None:
    known = shown()
    asked = set()
    for where, query in queries():
        named = set(METRIC.findall(query))
        assert named, where
        assert named <= known.keys() | OTHERS, f"{where}: {named - known.keys() - OTHERS}"
        labels = set(re.findall(r"[{,]\s*(\w+)\s*=", query)) | {
            label for group in re.findall(r"by \(([^)]*)\)", query) for label in re.split(r",\s*", group)
        }
        of_ours = set().union(*(known.get(name, set()) for name in named))
        assert labels <= of_ours | {"instance", "job", "node_number"}, f"{where}: {labels}"
        asked |= named
    assert len(asked) > 40


def test_every_metric_that_says_when_to_look_is_looked_at() -> None:
    asked = {name for _, query in queries() for name in METRIC.findall(query)}
    for row in (row for section in SECTIONS for row in rows_of(section)):
        if row.metric.look:
            assert asked & {row.shown, f"{row.shown}_bucket"}, f"{row.shown}: {row.metric.look}"


def test_the_dashboard_is_what_its_program_prints() -> None:
    program = DASHBOARD.with_suffix(".py")
    printed = subprocess.run([sys.executable, str(program)], capture_output=True, text=True, check=True).stdout
    assert DASHBOARD.read_text(encoding="utf-8") == printed, f"run: python {program.name} > {DASHBOARD.name}"


def test_panels_have_places_of_their_own() -> None:
    board = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    taken: dict[tuple[int, int], str] = {}
    for panel in board["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert (x, y) not in taken, f"{panel['title']} lies on {taken[x, y]}"
                taken[x, y] = panel["title"]
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    sources = yaml.safe_load((MONITORING / "grafana" / "datasources.yaml").read_text())["datasources"]
    assert {panel["datasource"]["uid"] for panel in board["panels"] if "datasource" in panel} <= {
        source["uid"] for source in sources
    }


def test_every_alert_has_a_severity_a_summary_and_a_case() -> None:
    cases = yaml.safe_load(CASES.read_text(encoding="utf-8"))["tests"]
    tried = {one["alertname"] for case in cases for one in case["alert_rule_test"] if one["exp_alerts"]}
    for rule in alerts():
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert rule["annotations"]["summary"]
    assert tried == {rule["alert"] for rule in alerts()}


def promtool(*arguments: str, folder: Path) -> None:
    need("promtool (Debian's prometheus)", PROMTOOL is not None)
    assert PROMTOOL is not None
    ran = subprocess.run([PROMTOOL, *arguments], cwd=folder, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_prometheus_takes_configuration_and_alerts() -> None:
    promtool("check", "config", "prometheus.yaml", folder=MONITORING)


def test_prometheus_takes_the_dashboards_queries(tmp_path: Path) -> None:
    rules = [
        {"record": f"panel:{number}", "expr": query.replace("$__rate_interval", "1m")}
        for number, (_, query) in enumerate(queries())
    ]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    promtool("check", "rules", "rules.yaml", folder=tmp_path)


def test_alerts_fire_when_they_should(tmp_path: Path) -> None:
    shutil.copy(ALERTS, tmp_path)
    shutil.copy(CASES, tmp_path)
    promtool("test", "rules", CASES.name, folder=tmp_path)
