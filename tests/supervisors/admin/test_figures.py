"""What two answers of a node say of the time between them."""

import pytest

from greenroom.supervisors.admin.figures import figures_between, quantile_between, total
from tests.supervisors.admin.telling import EMPTY, told


def counts(bucket: int, number: int) -> list[int]:
    found = list(EMPTY)
    found[bucket] = number
    return found


def test_rates_are_of_the_time_between_the_two_answers() -> None:
    before = told(at_s=10.0, counters={"commands": 100, "cpu_s": 1.0}, lag=counts(0, 500))
    after = told(at_s=12.0, counters={"commands": 300, "events": 50, "cpu_s": 2.0}, lag=counts(0, 500))
    figures = figures_between(before, after)
    assert figures is not None
    assert (figures.seconds, figures.cpu) == (2.0, 0.5)
    assert figures.rates == {"commands": 100.0, "events": 25.0}
    assert figures.lag_p99_s is None, "nothing was measured meanwhile"


@pytest.mark.parametrize(
    "before",
    [None, told(at_s=3.0), told(at_s=9.0), told(2, at_s=1.0), told(at_s=1.0, started_at_ms=5)],
    ids=["none", "the same moment", "another order", "another node", "another run"],
)
def test_of_two_that_are_not_comparable_there_are_none(before: None) -> None:
    assert figures_between(before, told(at_s=3.0)) is None


def test_a_counter_that_fell_is_no_negative_rate() -> None:
    figures = figures_between(told(counters={"commands": 9}), told(at_s=1.0, counters={"commands": 3}))
    assert figures is not None and figures.rates == {"commands": 0}


def test_a_quantile_is_of_what_was_recorded_in_between() -> None:
    slow = counts(0, 100)
    slow[10] += 1  # one of 1.6 % of the new ones
    assert quantile_between(counts(0, 40), slow, 0.99) == pytest.approx(0.0001 * 2**10)
    assert quantile_between(counts(0, 40), slow, 0.5) == pytest.approx(0.0001)
    assert quantile_between([1], [2], 0.5) is None, "of a release with other buckets"


def test_rates_of_all_are_summed() -> None:
    one = figures_between(told(counters={"commands": 0}), told(at_s=1.0, counters={"commands": 3, "events": 1}))
    assert total([one, None, one]) == {"commands": 6.0, "events": 2.0}
    assert total([]) == {}
