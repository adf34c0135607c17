"""Which pages are printed from the code, and from what."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from greenroom.config.reference.log_lines import lines_of
from greenroom.config.settings import settings_table
from greenroom.config.telemetry.instruments import Instruments, Observed, rows_of
from greenroom.config.telemetry.job_instruments import JobInstruments
from greenroom.config.telemetry.log_events import MEANINGS
from greenroom.config.telemetry.ranking_instruments import RankingInstruments

ROOT: Final = Path(__file__).parents[2]
FOLDER: Final = ROOT / "docs" / "reference"
_PRINTED: Final = "This page is printed from the code: `python -m greenroom.config.reference` writes it anew."


def settings_page() -> str:
    return _page(
        "Settings",
        "Set in the environment or in a `.env` file where the server starts; the environment wins. A bad value, or a\n"
        "`GREENROOM_` name that is not below, stops the start with a message that names it.",
        ("Setting", "Default", "Allowed", "Meaning"),
        (
            (f"`{name}`", f"`{default}`" if default else "unset", allowed, meaning)
            for name, default, allowed, meaning in settings_table()
        ),
    )


def metrics_page() -> str:
    rows = [row for section in (Instruments, Observed, JobInstruments, RankingInstruments) for row in rows_of(section)]
    return _page(
        "Metrics",
        "What `/metrics` shows, as Prometheus text. Counters end in `_total`, and the unit is in the name.\n"
        "Beside these are the `process_*` of every Prometheus client: CPU, memory, descriptors.",
        ("Metric", "Kind", "What", "Look when"),
        (
            (
                f"`{row.shown}" + (f"{{{','.join(row.metric.labels)}}}" if row.metric.labels else "") + "`",
                row.metric.kind,
                row.metric.what,
                row.metric.look,
            )
            for row in rows
        ),
    )


def log_events_page() -> str:
    return _page(
        "Log events",
        "Every line that our code logs, by its `event`: level, fields of its own, and where it comes from.\n"
        "Beside its own fields each has `event`, `level`, `at` and `source` (the part of the node, such as\n"
        "`greenroom.relay`), and inside a traced call `trace_id` and `span_id`;\n"
        "those of a node that `serve --nodes` has started have its `node_number`.\n"
        "What others log (hypercorn, asyncio) is not here.",
        ("Event", "Level", "Fields", "File", "What it means, and what to do"),
        (
            (
                f"`{event}`",
                ", ".join(line.levels) + (" + traceback" if line.traceback else ""),
                ", ".join(f"`{field}`" for field in line.fields),
                ", ".join(f"`{file}`" for file in line.files),
                MEANINGS.get(event, ""),
            )
            for event, line in sorted(lines_of(ROOT).items())
        ),
    )


PAGES: Final[dict[str, Callable[[], str]]] = {
    "settings.md": settings_page,
    "metrics.md": metrics_page,
    "log-events.md": log_events_page,
}


def _page(title: str, introduction: str, head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [f"# {title}", "", introduction, _PRINTED, "", _row(head), "|---" * len(head) + "|"]
    return "\n".join([*lines, *map(_row, rows), ""])


def _row(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
