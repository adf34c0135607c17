"""How long a job rests between two attempts."""

import pytest

from greenroom import Retry


@pytest.mark.parametrize(("failed", "rest_s"), [(1, 2.0), (2, 4.0), (5, 32.0), (9, 100.0), (5_000, 100.0)])
def test_it_doubles_up_to_its_most_give_or_take_a_tenth(failed: int, rest_s: float) -> None:
    retry = Retry(first_s=2.0, max_s=100.0)
    assert retry.rest_s(failed, 0.5) == pytest.approx(rest_s)
    assert (retry.rest_s(failed, 0.0), retry.rest_s(failed, 1.0)) == pytest.approx((0.9 * rest_s, 1.1 * rest_s))
