"""A report for people: one Markdown file with every figure beside its goal, plots, and the raw JSON beside it."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import machine
from bench.question import Answer, Question
from bench.reporting import plots
from bench.reporting.comparison import Compared, ratio
from bench.reporting.sweep import Sweep
from bench.reporting.tables import shown, who


@dataclass(frozen=True, slots=True)
class Chapter:
    """One benchmark: its result (None when it failed, and `failure` says why), the runs behind it, and its peers."""

    question: Question
    result: dict[str, Any] | None
    runs: tuple[Answer, ...]
    failure: str
    sides: tuple[Compared, ...] = ()  # ours first; empty without peers


def write(folder: Path, chapters: Sequence[Chapter]) -> Path:
    """Write `report.md`, `results.json` and the plots into `folder`; gives the path of the Markdown file."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = _head("Benchmarks")
    lines += ["| bench | figure | median | lowest – highest | goal | reached |", "|---|---|---:|---:|---:|---|"]
    for chapter in chapters:
        lines += _rows(chapter)
    if plots.goals(folder / "goals.png", dict(_goals(chapters))):
        lines += ["", "![Figures as a share of their goals](goals.png)"]
    for chapter in chapters:
        lines += ["", f"## {chapter.question.name}", "", chapter.question.asks, ""]
        if chapter.result is None:
            lines += ["It failed:", "", "```", chapter.failure, "```"]
            continue
        params = ", ".join(f"{name} {value}" for name, value in chapter.result["params"].items())
        lines += [f"Parameters: {params}.", "", *_figures(chapter, chapter.result)]
        if chapter.sides:
            lines += ["", *(f"- {line}" for line in who([compared.side for compared in chapter.sides]))]
        if plots.latencies(folder / f"{chapter.question.name}.png", list(_curves(chapter))):
            lines += ["", f"![Latencies of {chapter.question.name}]({chapter.question.name}.png)"]
        lines += _notes(list(dict.fromkeys(warning for run in chapter.runs for warning in run.warnings)))
        for peer in chapter.sides[1:]:
            lines += _notes([f"{peer.side.name}: {warning}" for warning in peer.warnings])
    path = folder / "report.md"
    path.write_text("\n".join(lines) + "\n")
    results = [chapter.result for chapter in chapters if chapter.result]
    (folder / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    return path


def write_sweep(folder: Path, swept: Sweep, result: dict[str, Any]) -> Path:
    """Write `NAME-sweep.md`, its drawing `.svg` and `.json` into `folder`; gives the path of the Markdown file."""
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{swept.question.name}-sweep"
    plots.over_load(folder / f"{name}.svg", swept)
    params = ", ".join(f"{name} {value}" for name, value in result["params"].items())
    heads = swept.heads()
    lines = _head(f"{swept.question.name} over load")
    lines += [swept.question.asks, "", f"Parameters: {params}.", ""]
    lines += [f"| {' | '.join(heads)} |", f"|{'---:|' * len(heads)}"]
    for point in swept.points:
        for row in swept.rows(point):
            lines.append(f"| {' | '.join(cell if isinstance(cell, str) else shown(cell) for cell in row)} |")
    lines += ["", *(f"- {line}" for line in who(swept.sides)), "", f"![Latency and CPU over load]({name}.svg)"]
    lines += _notes(swept.warnings())
    path = folder / f"{name}.md"
    path.write_text("\n".join(lines) + "\n")
    (folder / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n")
    return path


def _head(title: str) -> list[str]:
    where = ", ".join(f"{name}: {value}" for name, value in machine.describe().items())
    return [f"# {title}", "", f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", "", where, ""]


def _notes(warnings: Sequence[str]) -> list[str]:
    return ["", *(f"- Note: {warning}" for warning in warnings)] if warnings else []


def _figures(chapter: Chapter, result: dict[str, Any]) -> Iterator[str]:
    """Every result field, with its runs, and with what each peer reached."""
    peers = chapter.sides[1:]
    heads = ["field", "median", "each run", *(head for peer in peers for head in (peer.side.name, "ratio"))]
    yield f"| {' | '.join(heads)} | what it says |"
    yield f"|---|---:|---|{'---:|' * 2 * len(peers)}---|"
    for name, value in result["results"].items():
        figure = chapter.question.figures.get(name)
        cells = [
            f"`{name}`",
            shown(value),
            ", ".join(shown(run.results[name]) for run in chapter.runs if name in run.results),
        ]
        for peer in peers:
            theirs = peer.results.get(name)
            cells += ["", ""] if theirs is None else [shown(theirs), ratio(value, theirs)]
        yield f"| {' | '.join(cells)} | {figure.meaning if figure else ''} |"


def _curves(chapter: Chapter) -> Iterator[tuple[str, list[tuple[float, float]]]]:
    """A latency curve for each run: (its name, its points)."""
    named = [(f"{each.side.name}, ", each.runs) for each in chapter.sides] or [("", chapter.runs)]
    for side, runs in named:
        for number, run in enumerate(runs, 1):
            for name, points in run.curves.items():
                yield f"{side}{name}, run {number}", points


def _rows(chapter: Chapter) -> list[str]:
    name = chapter.question.name
    if chapter.result is None:
        return [f"| {name} | | failed | | | no |"]
    rows = []
    for field, figure in chapter.question.figures.items():
        value = chapter.result["results"].get(field)
        if value is None:
            continue
        each = [run.results[field] for run in chapter.runs if field in run.results]
        word = {None: "", True: "yes", False: "**no**"}[figure.reached(value)]
        spread = f"{shown(min(each))} – {shown(max(each))}"
        rows.append(f"| {name} | `{field}` | {shown(value)} | {spread} | {figure.goal()} | {word} |")
    return rows


def _goals(chapters: Sequence[Chapter]) -> Iterator[tuple[str, float]]:
    """How many times its goal each figure reached; goals of zero say nothing here."""
    for chapter in chapters:
        for field, figure in chapter.question.figures.items():
            value = chapter.result["results"].get(field) if chapter.result else None
            goal = figure.at_least or figure.at_most
            if value and goal:
                yield f"{chapter.question.name}: {field}", value / goal if figure.at_least else goal / value
