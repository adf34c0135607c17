"""Grafana's dashboard, as data: `python dashboard.py > dashboard.json` writes it anew.

Each panel is a title, a unit and its queries; where it stands follows from its place in the list.
"""

import json
import sys
from typing import Any, NamedTuple

WIDTH = 24  # of Grafana's grid
PANEL_WIDTH, PANEL_HEIGHT = 8, 8
NODE = "{{instance}} {{node_number}}"  # the latter where several share an address
SOURCE = {"type": "prometheus", "uid": "prometheus"}


class Panel(NamedTuple):
    """`queries`: (PromQL, legend)."""

    title: str
    unit: str
    queries: tuple[tuple[str, str], ...]


def rate(metric: str, by: str = "instance, node_number", where: str = "") -> str:
    return f"sum by ({by}) (rate({metric}{where}[$__rate_interval]))"


def quantile(share: float, metric: str, by: str = "instance, node_number, le") -> str:
    return f"histogram_quantile({share:g}, {rate(metric + '_bucket', by)})"


ROWS: tuple[tuple[str, tuple[Panel, ...]], ...] = (
    (
        "What clients see",
        (
            Panel("Nodes that answer", "none", (('sum(up{job="greenroom"})', "nodes"),)),
            Panel("Connections", "none", (("greenroom_connections", NODE),)),
            Panel("Subscriptions", "none", (("greenroom_subscriptions", NODE),)),
            Panel("Commands", "ops", ((rate("greenroom_commands_total", "outcome"), "{{outcome}}"),)),
            Panel("Deliveries", "ops", ((rate("greenroom_deliveries_total"), NODE),)),
            Panel(
                "Connects: let in, refused, too slow",
                "ops",
                (
                    (rate("greenroom_connects_total", "job"), "let in"),
                    (rate("greenroom_refused_connects_total", "job"), "refused"),
                    (rate("greenroom_refused_pages_total", "job"), "pages refused"),
                    (rate("greenroom_slow_disconnects_total", "job"), "disconnected as slow"),
                ),
            ),
        ),
    ),
    (
        "Entities",
        (
            Panel("Actors awake", "none", (("greenroom_awake", NODE),)),
            Panel(
                "Woken, put to sleep",
                "ops",
                (
                    (rate("greenroom_activations_total", "job"), "woken"),
                    (rate("greenroom_passivations_total", "job"), "put to sleep"),
                ),
            ),
            Panel("Oldest message in a mailbox", "s", (("greenroom_mailbox_age_seconds", NODE),)),
            Panel("Messages in mailboxes", "none", (("greenroom_mailbox_depth", NODE),)),
            Panel(
                "Restarts and dead letters",
                "none",
                (
                    ("sum(increase(greenroom_restarts_total[$__rate_interval]))", "restarts"),
                    ("sum(increase(greenroom_dead_letters_total[$__rate_interval]))", "dead letters"),
                    ("max(greenroom_dead_letters_stored)", "dead letters stored"),
                ),
            ),
            Panel(
                "Between entities",
                "ops",
                (
                    (rate("greenroom_outbox_delivered_total", "job"), "delivered"),
                    (rate("greenroom_outbox_retries_total", "job"), "retries"),
                    ("sum(greenroom_outbox_waiting)", "waiting"),
                    ("sum(greenroom_timers_overdue)", "timers overdue"),
                ),
            ),
        ),
    ),
    (
        "Jobs",
        (
            Panel("Jobs that wait", "none", (("sum by (queue) (greenroom_jobs_waiting)", "{{queue}}"),)),
            Panel(
                "Under way, and whose time has not come",
                "none",
                (
                    ("sum(greenroom_jobs_active)", "under way"),
                    ("sum(greenroom_jobs_later)", "later"),
                    ("sum(greenroom_job_workers)", "workers"),
                ),
            ),
            Panel("Oldest job that waits", "s", (("max by (queue) (greenroom_job_oldest_seconds)", "{{queue}}"),)),
            Panel(
                "Jobs that ended",
                "ops",
                ((rate("greenroom_jobs_ended_total", "queue, outcome"), "{{queue}} {{outcome}}"),),
            ),
            Panel(
                "From when it was due until it was handed out, p95",
                "s",
                ((quantile(0.95, "greenroom_job_wait_seconds", "queue, le"), "{{queue}}"),),
            ),
            Panel(
                "From when it was handed out until it ended, p95",
                "s",
                ((quantile(0.95, "greenroom_job_run_seconds", "queue, le"), "{{queue}}"),),
            ),
            Panel(
                "Added, and not",
                "ops",
                (
                    (rate("greenroom_jobs_added_total", "job"), "added"),
                    (rate("greenroom_job_duplicates_total", "job"), "duplicates"),
                    (rate("greenroom_job_adds_refused_total", "job"), "refused"),
                ),
            ),
            Panel(
                "Attempts that failed, and what was lost",
                "none",
                (
                    ("sum(increase(greenroom_job_retries_total[$__rate_interval]))", "tried again"),
                    ("sum(increase(greenroom_job_workers_lost_total[$__rate_interval]))", "workers lost"),
                    ("sum(increase(greenroom_job_rescues_total[$__rate_interval]))", "jobs that they had"),
                ),
            ),
            Panel("Limits hit", "ops", ((rate("greenroom_job_limits_hit_total", "queue"), "{{queue}}"),)),
        ),
    ),
    (
        "Postgres",
        (
            Panel("Commit, p99", "s", ((quantile(0.99, "greenroom_commit_seconds"), NODE),)),
            Panel(
                "Events",
                "ops",
                ((rate("greenroom_commit_batch_events_sum"), NODE),),
            ),
            Panel(
                "Commits that failed, appends fenced",
                "none",
                (
                    ("sum(increase(greenroom_commit_failures_total[$__rate_interval]))", "failed"),
                    ("sum(increase(greenroom_fenced_appends_total[$__rate_interval]))", "fenced"),
                ),
            ),
        ),
    ),
    (
        "Between nodes",
        (
            Panel("Messages to other nodes", "ops", ((rate("greenroom_remote_messages_total"), NODE),)),
            Panel(
                "Sent to other nodes",
                "Bps",
                ((rate("greenroom_bus_sent_bytes_total"), NODE),),
            ),
            Panel(
                "Frames, and the entries that carry them",
                "ops",
                (
                    (rate("greenroom_bus_frames_sent_total", "job"), "frames"),
                    (rate("greenroom_bus_entries_sent_total", "job"), "entries"),
                ),
            ),
            Panel("Waits for other nodes", "bytes", (("greenroom_bus_queued_bytes", NODE),)),
            Panel(
                "Troubles",
                "none",
                (
                    ("sum(increase(greenroom_bus_parted_total[$__rate_interval]))", "links parted"),
                    ("sum(increase(greenroom_bus_entries_resent_total[$__rate_interval]))", "entries sent again"),
                    ("sum(increase(greenroom_bus_entries_refused_total[$__rate_interval]))", "entries refused"),
                    ("sum(increase(greenroom_remote_repeats_total[$__rate_interval]))", "messages sent again"),
                    ("sum(increase(greenroom_gaps_filled_total[$__rate_interval]))", "gaps filled"),
                ),
            ),
        ),
    ),
    (
        "Nodes",
        (
            Panel("Loop lag, p99", "s", ((quantile(0.99, "greenroom_loop_lag_seconds"), NODE),)),
            Panel("CPU", "percentunit", ((rate("process_cpu_seconds_total", where='{job="greenroom"}'), NODE),)),
            Panel("Memory", "bytes", (('process_resident_memory_bytes{job="greenroom"}', NODE),)),
            Panel(
                "What the memory is of",
                "bytes",
                (
                    ("sum(greenroom_queue_bytes)", "queues of slow clients"),
                    ("sum(greenroom_tails_bytes)", "tails of topics"),
                    ("sum(greenroom_replies_bytes)", "replies remembered"),
                    ("sum(greenroom_snapshots_waiting_bytes)", "snapshots waiting"),
                    ("sum(greenroom_outbox_waiting_bytes)", "messages between entities"),
                ),
            ),
            Panel(
                "Descriptors",
                "percentunit",
                (
                    (
                        'process_open_fds{job="greenroom"} / process_max_fds{job="greenroom"}',
                        NODE,
                    ),
                ),
            ),
            Panel("Lines of the log dropped", "ops", ((rate("greenroom_log_lines_dropped_total"), NODE),)),
        ),
    ),
)


def dashboard() -> dict[str, Any]:
    panels: list[dict[str, Any]] = []
    y = 0
    for name, row in ROWS:
        panels.append({"type": "row", "title": name, "id": len(panels) + 1, "gridPos": _place(0, y, WIDTH, 1)})
        y += 1
        a_line = WIDTH // PANEL_WIDTH
        for number, panel in enumerate(row):
            x, below = number % a_line * PANEL_WIDTH, number // a_line * PANEL_HEIGHT
            panels.append(_shown(panel, len(panels) + 1, _place(x, y + below, PANEL_WIDTH, PANEL_HEIGHT)))
        y += -(-len(row) // a_line) * PANEL_HEIGHT
    return {
        "uid": "greenroom",
        "title": "Greenroom",
        "tags": ["greenroom"],
        "schemaVersion": 41,
        "editable": False,
        "refresh": "15s",
        "time": {"from": "now-1h", "to": "now"},
        "panels": panels,
    }


def _shown(panel: Panel, number: int, place: dict[str, int]) -> dict[str, Any]:
    return {
        "type": "timeseries",
        "id": number,
        "title": panel.title,
        "datasource": SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "options": {"tooltip": {"mode": "multi", "sort": "desc"}, "legend": {"displayMode": "list"}},
        "targets": [
            {"refId": chr(ord("A") + at), "datasource": SOURCE, "expr": query, "legendFormat": legend}
            for at, (query, legend) in enumerate(panel.queries)
        ],
    }


def _place(x: int, y: int, width: int, height: int) -> dict[str, int]:
    return {"x": x, "y": y, "w": width, "h": height}


if __name__ == "__main__":
    json.dump(dashboard(), sys.stdout, indent=1)
    print()
