"""The drawings of a report."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # no display

from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator

from bench.reporting.sides import OURS
from bench.reporting.sweep import Sweep

matplotlib.rcParams["svg.hashsalt"] = "bench"  # the same figures give the same file
matplotlib.rcParams["svg.fonttype"] = "none"  # text stays text
_COLOURS = ("#2a9d8f", "#e76f51", "#577590", "#f4a261", "#8d6a9f")


def goals(path: Path, ratios: Mapping[str, float]) -> bool:
    """How far from its goal each figure is: right of the line is better. False when there is nothing to draw."""
    if not ratios:
        return False
    names, values = list(ratios)[::-1], list(ratios.values())[::-1]
    plot, axes = pyplot.subplots(figsize=(8, 0.6 + 0.35 * len(names)), layout="constrained")
    axes.barh(names, values, color=["#2a9d8f" if value >= 1 else "#e76f51" for value in values])
    axes.axvline(1.0, color="black", linewidth=1)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("")
    axes.set_xlabel("times the goal (right of the line is better)")
    plot.savefig(path, dpi=110)
    pyplot.close(plot)
    return True


def latencies(path: Path, curves: Sequence[tuple[str, list[tuple[float, float]]]]) -> bool:
    """Latency over the share of samples, with an axis that gives the tail its room; `curves`: (name, points)."""
    if not curves:
        return False
    plot, axes = pyplot.subplots(figsize=(7, 3.5), layout="constrained")
    for name, points in curves:
        inner = [(1 / (1 - share), value) for share, value in points if share < 1]
        axes.plot([x for x, _ in inner], [y for _, y in inner], marker=".", label=name)
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


def over_load(path: Path, swept: Sweep) -> None:
    """Latency (p50 and p99) and CPU over the load, a colour for each side."""
    load = swept.load
    plot, (late, cost) = pyplot.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    for side, colour in zip(swept.sides, _COLOURS, strict=False):
        for field, name, style in ((load.p50, "p50", "-"), (load.p99, "p99", "--")):
            _draw(late, swept.line(side.name, field), style, colour, f"{side.name}, {name}")
        server, store = swept.line(side.name, "server_cpu_s"), swept.line(side.name, "store_cpu_s")
        whole = [(offered, value + more) for (offered, value), (_, more) in zip(server, store, strict=True)]
        if side.name == OURS:
            _draw(cost, server, "--", colour, f"{side.name}, without its store")
        _draw(cost, whole, "-", colour, f"{side.name}, with its store" if side.name == OURS else side.name)
    for axes, unit in ((late, "ms"), (cost, "CPU seconds")):
        axes.set_xscale("log")
        axes.set_yscale("log")
        ticks = [point.offered for point in swept.points]
        axes.set_xticks(ticks, [f"{tick:,g}" for tick in ticks])
        axes.minorticks_off()
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.set_xlabel(f"{load.unit} offered")
        axes.set_ylabel(unit)
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small")
    plot.savefig(path, format="svg", metadata={"Date": None})
    pyplot.close(plot)


def _draw(axes: Axes, line: list[tuple[float, float]], style: str, colour: str, label: str) -> None:
    axes.plot([x for x, _ in line], [y for _, y in line], style, color=colour, marker=".", label=label)
