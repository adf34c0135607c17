"""A report for people: one Markdown file with every figure beside its goal, plots, and the raw JSON beside it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")  # no display

from matplotlib import pyplot

from bench.question import Answer, Question


@dataclass(frozen=True, slots=True)
class Chapter:
    """One benchmark: its result (None when it failed, and `failure` says why) and the runs behind it."""

    question: Question
    result: dict[str, Any] | None
    runs: tuple[Answer, ...]
    failure: str


def write(folder: Path, chapters: Sequence[Chapter]) -> Path:
    """Write `report.md`, `results.json` and the plots into `folder`; gives the path of the Markdown file."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["# Benchmarks", "", f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", ""]
    machine = next((chapter.result["machine"] for chapter in chapters if chapter.result), None)
    if machine:
        lines += [", ".join(f"{name}: {value}" for name, value in machine.items()), ""]
    lines += ["| bench | figure | median | lowest – highest | goal | reached |", "|---|---|---:|---:|---:|---|"]
    for chapter in chapters:
        lines += _rows(chapter)
    if _goals_plot(folder / "goals.png", chapters):
        lines += ["", "![Figures as a share of their goals](goals.png)"]
    for chapter in chapters:
        lines += ["", f"## {chapter.question.name}", "", chapter.question.asks, ""]
        if chapter.result is None:
            lines += ["It failed:", "", "```", chapter.failure, "```"]
            continue
        params = ", ".join(f"{name} {value}" for name, value in chapter.result["params"].items())
        lines += [f"Parameters: {params}.", "", "| field | median | each run | what it says |", "|---|---:|---|---|"]
        for name, value in chapter.result["results"].items():
            figure = chapter.question.figures.get(name)
            each = ", ".join(_number(run.results[name]) for run in chapter.runs if name in run.results)
            lines.append(f"| `{name}` | {_number(value)} | {each} | {figure.meaning if figure else ''} |")
        if _latency_plot(folder / f"{chapter.question.name}.png", chapter):
            lines += ["", f"![Latencies of {chapter.question.name}]({chapter.question.name}.png)"]
        warnings = dict.fromkeys(warning for run in chapter.runs for warning in run.warnings)
        lines += ["", *(f"- Note: {warning}" for warning in warnings)] if warnings else []
    path = folder / "report.md"
    path.write_text("\n".join(lines) + "\n")
    results = [chapter.result for chapter in chapters if chapter.result]
    (folder / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    return path


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
        spread = f"{_number(min(each))} – {_number(max(each))}"
        rows.append(f"| {name} | `{field}` | {_number(value)} | {spread} | {figure.goal()} | {word} |")
    return rows


def _goals_plot(path: Path, chapters: Sequence[Chapter]) -> bool:
    """How far from its goal each figure is: right of the line is better. Goals of zero are not shown."""
    names, ratios = [], []
    for chapter in chapters:
        for field, figure in chapter.question.figures.items():
            value = chapter.result["results"].get(field) if chapter.result else None
            goal = figure.at_least or figure.at_most
            if value and goal:
                names.append(f"{chapter.question.name}: {field}")
                ratios.append(value / goal if figure.at_least else goal / value)
    if not names:
        return False
    plot, axes = pyplot.subplots(figsize=(8, 0.6 + 0.35 * len(names)), layout="constrained")
    colours = ["#2a9d8f" if ratio >= 1 else "#e76f51" for ratio in ratios]
    axes.barh(names[::-1], ratios[::-1], color=colours[::-1])
    axes.axvline(1.0, color="black", linewidth=1)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("")
    axes.set_xlabel("times the goal (right of the line is better)")
    plot.savefig(path, dpi=110)
    pyplot.close(plot)
    return True


def _latency_plot(path: Path, chapter: Chapter) -> bool:
    """Latency over the share of samples, one line a run, with an axis that gives the tail its room."""
    if not any(run.curves for run in chapter.runs):
        return False
    plot, axes = pyplot.subplots(figsize=(7, 3.5), layout="constrained")
    for number, run in enumerate(chapter.runs, 1):
        for name, points in run.curves.items():
            inner = [(1 / (1 - share), value) for share, value in points if share < 1]
            axes.plot([x for x, _ in inner], [y for _, y in inner], marker=".", label=f"{name}, run {number}")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks([1, 2, 10, 100, 1_000, 10_000], ["0", "50 %", "90 %", "99 %", "99.9 %", "99.99 %"])
    axes.set_xlabel("share of samples")
    axes.minorticks_off()
    axes.yaxis.set_major_formatter("{x:g}")
    axes.set_ylabel("ms")
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    plot.savefig(path, dpi=110)
    pyplot.close(plot)
    return True


def _number(value: float | int) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.3f}".rstrip("0").rstrip(".")
