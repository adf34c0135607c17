from bisect import bisect_left

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.config.telemetry import instruments as module
from greenroom.config.telemetry.instruments import Histogram, Instruments, batch_sizes, durations, metrics_of


def test_a_value_on_a_bound_belongs_under_it() -> None:
    histogram = Histogram(first=1.0, buckets=3)
    assert histogram.bounds == (1.0, 2.0, 4.0)
    for value in (0.0, 1.0, 1.5, 2.0, 4.0, 4.1, 1e9):
        histogram.record(value)
    assert histogram.counts == [2, 2, 1, 2]
    assert histogram.count == 7 and histogram.sum == pytest.approx(1e9 + 12.6)


@given(st.lists(st.floats(min_value=0, max_value=20), min_size=1), st.floats(min_value=0.01, max_value=1))
def test_a_quantile_is_right_within_its_bucket(values: list[float], share: float) -> None:
    histogram = durations()
    for value in values:
        histogram.record(value)
    rank = next(rank for rank in range(1, len(values) + 1) if rank >= share * len(values))
    exact = sorted(values)[rank - 1]
    bucket = min(bisect_left(histogram.bounds, exact), len(histogram.bounds) - 1)
    assert histogram.quantile(share) == histogram.bounds[bucket]


def test_an_empty_histogram_has_no_quantile() -> None:
    assert batch_sizes().quantile(0.99) == 0.0


def test_commands_are_counted_by_kind_command_and_outcome_within_a_bound() -> None:
    instruments = Instruments(commands_max=2)
    instruments.count_command("room", "send", "ok")
    instruments.count_command("room", "send", "ok", 2)
    instruments.count_command("room", "send", "room.muted")
    for peer in range(1000):
        instruments.count_command("room", f"x{peer}", "ok")
    instruments.count_command("room", "send", "ok")
    assert instruments.commands == {
        ("room", "send", "ok"): 4,
        ("room", "send", "room.muted"): 1,
        ("other", "other", "other"): 1000,
    }


def test_the_modules_table_is_the_metrics_as_they_are() -> None:
    assert module.__doc__ is not None
    rows = [line for line in module.__doc__.splitlines() if line.startswith("| greenroom_")]
    metrics = metrics_of(Instruments())
    assert len(rows) == len(metrics)
    for row, metric in zip(rows, metrics, strict=True):
        name, kind, unit, _labels, what = (cell.strip() for cell in row.strip("|").split("|"))
        assert (name, kind, unit, what) == (metric.name, metric.kind, metric.unit, metric.description)


def test_every_number_of_the_node_is_in_some_metric() -> None:
    """Move each number by itself, and see that the reading of one metric moves."""

    def readings(instruments: Instruments) -> list[object]:
        return [m.read.counts[:] if isinstance(m.read, Histogram) else m.read() for m in metrics_of(instruments)]

    zero = readings(Instruments())
    for name, value in vars(Instruments()).items():
        if name.startswith("_"):
            continue
        moved = Instruments()
        if isinstance(value, Histogram):
            value_moved = getattr(moved, name)
            value_moved.record(1.0)
        elif isinstance(value, dict):
            moved.count_command("room", "send", "ok")
        else:
            setattr(moved, name, (lambda: 1) if callable(value) else 1)
        assert sum(a != b for a, b in zip(zero, readings(moved), strict=True)) == 1, name
