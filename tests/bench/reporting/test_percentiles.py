from math import isnan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.reporting.percentiles import curve, medians, ms, percentile


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, 1), (0.01, 1), (0.5, 50), (0.501, 51), (0.99, 99), (0.991, 100), (1.0, 100)]
)
def test_of_one_to_a_hundred(share: float, expected: int) -> None:
    assert percentile(range(1, 101), share) == expected


@given(st.lists(st.integers(0, 1_000), min_size=1), st.floats(0.001, 1.0))
def test_is_the_smallest_value_that_enough_do_not_exceed(values: list[int], share: float) -> None:
    values.sort()
    found = percentile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values)
    assert sum(value < found for value in values) < share * len(values)


def test_of_nothing_is_not_a_number() -> None:
    assert isnan(percentile([], 0.5))
    assert curve([]) == []


def test_nanoseconds_become_milliseconds() -> None:
    assert ms([1_234_567], 0.5) == 1.235
    assert curve([1_000_000, 3_000_000])[-1] == (1.0, 3.0)


def test_medians_go_field_by_field_and_keep_whole_numbers_whole() -> None:
    found = medians([{"lost": 0, "p99": 5.0}, {"lost": 7, "p99": 1.0}, {"lost": 1, "p99": 3.0}])
    assert found == {"lost": 1, "p99": 3.0}
    assert type(found["lost"]) is int
