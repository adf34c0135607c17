"""Figures: what two answers of one node say of the time between them: rates, lag, load."""

from collections.abc import Sequence

from msgspec import Struct

from greenroom.config.telemetry.instruments import durations
from greenroom.supervisors.admin.told import NodeTold


class Figures(Struct, frozen=True):
    """Of one node, or of all of them."""

    seconds: float  # that they are of
    rates: dict[str, float]  # a second
    cpu: float  # cores that were busy
    lag_p99_s: float | None  # None: nothing was measured
    commit_p99_s: float | None


def figures_between(before: NodeTold | None, after: NodeTold) -> Figures | None:
    """None where the two are not of one run of the node, or of one moment."""
    if before is None or before.started_at_ms != after.started_at_ms or before.node != after.node:
        return None
    seconds = after.at_s - before.at_s
    if seconds <= 0:
        return None
    rates = {
        name: round(max(count - before.counters.get(name, 0), 0) / seconds, 2)
        for name, count in after.counters.items()
        if name != "cpu_s"
    }
    cpu = max(after.counters.get("cpu_s", 0.0) - before.counters.get("cpu_s", 0.0), 0.0) / seconds
    lag = quantile_between(before.lag, after.lag, 0.99)
    return Figures(round(seconds, 2), rates, round(cpu, 3), lag, quantile_between(before.commits, after.commits, 0.99))


def quantile_between(before: Sequence[int], after: Sequence[int], share: float) -> float | None:
    """Under which `share` of what was recorded between the two lies, right within one bucket; None of nothing."""
    histogram = durations()
    if len(before) != len(after) or len(after) != len(histogram.counts):
        return None
    histogram.counts = [max(later - earlier, 0) for earlier, later in zip(before, after, strict=True)]
    return histogram.quantile(share) if histogram.count else None


def total(figures: Sequence[Figures | None]) -> dict[str, float]:
    """The rates of all together."""
    found: dict[str, float] = {}
    for one in figures:
        for name, rate in one.rates.items() if one is not None else ():
            found[name] = round(found.get(name, 0.0) + rate, 2)
    return found
