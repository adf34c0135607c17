"""Percentiles, by nearest rank: the reported value is always one that was measured."""

from collections.abc import Sequence
from math import ceil
from statistics import median

CURVE = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 0.9999, 1.0)


def percentile(ascending: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` (0..1) of the values do not exceed; nan when there are none."""
    if not ascending:
        return float("nan")
    return ascending[max(0, ceil(share * len(ascending)) - 1)]


def ms(ascending_ns: Sequence[float], share: float) -> float:
    """A percentile of nanoseconds, in milliseconds to the microsecond."""
    return round(percentile(ascending_ns, share) / 1e6, 3)


def curve(ascending_ns: Sequence[float]) -> list[tuple[float, float]]:
    """(share, milliseconds) at the points that a latency plot needs; [] when nothing was measured."""
    return [(share, ms(ascending_ns, share)) for share in CURVE] if ascending_ns else []


def medians(runs: Sequence[dict[str, float | int]]) -> dict[str, float | int]:
    """Field by field over several runs; a field keeps its type."""
    first = runs[0]
    return {
        name: type(first[name])(median(run[name] for run in runs if name in run))
        for name in first
        if all(name in run for run in runs)
    }
