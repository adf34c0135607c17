from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.supervisors.supervision.backoff import Backoff


def test_without_jitter_it_doubles_up_to_its_maximum() -> None:
    backoff = Backoff(random=Random(1), first_s=0.5, max_s=3.0, jitter=0.0)
    assert [backoff.next() for _ in range(5)] == [0.5, 1.0, 2.0, 3.0, 3.0]


def test_calm_as_long_as_the_maximum_begins_anew_and_less_does_not() -> None:
    backoff = Backoff(random=Random(1), first_s=1.0, max_s=8.0, jitter=0.0)
    assert [backoff.next(), backoff.next()] == [1.0, 2.0]
    backoff.reset(calm_s=7.9)
    assert backoff.next() == 4.0
    backoff.reset(calm_s=8.0)
    assert backoff.next() == 1.0
    backoff.reset()
    assert backoff.next() == 1.0


def test_one_seed_gives_one_row_of_waits() -> None:
    first, second, other = (Backoff(random=Random(seed)) for seed in (7, 7, 8))
    waits_s = [first.next() for _ in range(20)]
    assert waits_s == [second.next() for _ in range(20)]
    assert waits_s != [other.next() for _ in range(20)]


def test_full_jitter_spreads_over_the_whole_wait() -> None:
    backoff = Backoff(random=Random(3), first_s=1.0, max_s=1.0)
    waits_s = sorted(backoff.next() for _ in range(1_000))
    assert waits_s[0] < 0.02
    assert waits_s[-1] > 0.98
    assert 0.45 < sum(waits_s) / 1_000 < 0.55


@given(
    seed=st.integers(),
    first_s=st.floats(1e-3, 10.0),
    max_s=st.floats(10.0, 1e4),
    factor=st.floats(1.0, 1e6),
    jitter=st.floats(0.0, 1.0),
)
def test_every_wait_keeps_its_bounds(seed: int, first_s: float, max_s: float, factor: float, jitter: float) -> None:
    backoff = Backoff(random=Random(seed), first_s=first_s, max_s=max_s, factor=factor, jitter=jitter)
    ceiling_s = first_s
    for _ in range(400):  # enough that factor ** failures would overflow
        wait_s = backoff.next()
        assert ceiling_s * (1 - jitter) * (1 - 1e-9) <= wait_s <= ceiling_s
        ceiling_s = min(max_s, ceiling_s * factor)


@pytest.mark.parametrize(
    "wrong",
    [{"first_s": 0.0}, {"first_s": 11.0}, {"max_s": float("inf")}, {"factor": 0.9}, {"jitter": 1.1}, {"jitter": -0.1}],
)
def test_settings_without_meaning_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Backoff(random=Random(1), **wrong)
