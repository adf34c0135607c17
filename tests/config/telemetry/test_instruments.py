import dataclasses
from bisect import bisect_left

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.config.telemetry.instruments import (
    Histogram,
    Instruments,
    Observed,
    batch_sizes,
    durations,
    reading_of,
    rows_of,
)
from greenroom.config.telemetry.job_instruments import JobInstruments
from greenroom.config.telemetry.ranking_instruments import RankingInstruments

SECTIONS = (Instruments, Observed, JobInstruments, RankingInstruments)


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


@pytest.mark.bound("outcomes of commands that metrics tell apart")
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


def test_the_unit_is_the_last_part_of_a_fields_name() -> None:
    rows = {row.field: row for section in SECTIONS for row in rows_of(section)}
    assert (rows["commit_s"].name, rows["commit_s"].unit) == ("greenroom_commit", "s")
    shown = {row.shown for row in rows.values()}
    assert {"greenroom_commit_seconds", "greenroom_queue_bytes", "greenroom_connects_total", "greenroom_awake"} <= shown
    assert len(shown) == len(rows)


def test_every_number_of_the_node_is_a_metric_that_reads_it() -> None:
    instruments = Instruments()
    numbers = {one.name for one in dataclasses.fields(Instruments)} - {"commands_max"}
    rows = {row.field: row for row in rows_of(Instruments)}
    assert rows.keys() == numbers
    instruments.count_command("room", "send", "ok")
    for name, row in rows.items():
        value = getattr(instruments, name)
        if isinstance(value, int):
            setattr(instruments, name, 7)
            reading = reading_of(instruments, row)
            assert callable(reading) and reading() == 7, name
        elif isinstance(value, Histogram):
            assert reading_of(instruments, row) is value
            assert row.metric.kind == "histogram"
    commands = reading_of(instruments, rows["commands"])
    assert callable(commands) and commands() == [({"kind": "room", "command": "send", "outcome": "ok"}, 1)]


def test_all_that_is_observed_is_a_metric() -> None:
    assert [row.field for row in rows_of(Observed)] == [one.name for one in dataclasses.fields(Observed)]
