"""Windows against a log of what was begun."""

from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.actors.jobs.limits import Rate
from greenroom.actors.jobs.queue.rates.meter import meter_of
from greenroom.actors.jobs.queue.rates.windows import SLICES

kinds = st.sampled_from(["fixed", "sliding"])
rates = st.builds(Rate, st.integers(1, 30), st.sampled_from([0.001, 0.007, 0.05, 0.13, 1, 60]), st.none(), kinds)
steps = st.lists(st.tuples(st.sampled_from([0, 1, 3, 20, 400, 30_000]), st.integers(0, 20)), max_size=30)


@given(rates, steps)
def test_no_more_begin_than_there_may_and_those_come_back_in_time(rate: Rate, doings: list[tuple[int, int]]) -> None:
    meter, spent, now_ms, per_ms = meter_of(rate), 0, 1_000_003, round(rate.per_s * 1000)
    log: list[tuple[int, int]] = []
    for wait_ms, want in doings:
        now_ms += wait_ms
        tokens = meter.tokens(spent, now_ms)
        since = now_ms // per_ms * per_ms if rate.window == "fixed" else now_ms - per_ms + 1
        begun = sum(count for at_ms, count in log if at_ms >= since)
        late = since if rate.window == "fixed" else since - -(-per_ms // SLICES) * 2
        assert rate.n - sum(count for at_ms, count in log if at_ms >= late) <= tokens <= rate.n - begun
        assert meter.used(spent, now_ms) == rate.n - tokens
        begins = min(want, tokens)
        spent = meter.spend(spent, now_ms, begins)
        log.append((now_ms, begins))
        for some in (1, rate.n):
            when_ms = max(now_ms, meter.next_ms(spent, some))
            assert meter.tokens(spent, when_ms) >= some
            assert when_ms == now_ms or meter.tokens(spent, when_ms - 1) < some
        full_ms = max(now_ms, meter.full_ms(spent))
        assert meter.tokens(spent, full_ms) == rate.n and (
            full_ms == now_ms or meter.tokens(spent, full_ms - 1) < rate.n
        )


@given(rates, st.integers(0, 40), st.integers(0, 70_000))
def test_a_life_that_knows_when_all_are_back_gives_none_back_before(rate: Rate, spends: int, wait_ms: int) -> None:
    meter, at_ms = meter_of(rate), 1_000_003
    spent = meter.spend(0, at_ms, spends)
    full_ms, used = meter.full_ms(spent), meter.used(spent, at_ms)
    for known in (used, None):
        later = meter.as_of(full_ms, at_ms, known)
        assert meter.tokens(later, at_ms) == rate.n - (used if known is not None or not used else rate.n)
        assert meter.tokens(later, at_ms + wait_ms) <= meter.tokens(spent, at_ms + wait_ms)
        assert meter.tokens(later, full_ms) == rate.n


@given(rates, steps, st.integers(1, 20), steps)
def test_what_is_given_back_was_never_spent(
    rate: Rate, before: list[tuple[int, int]], unbegun: int, after: list[tuple[int, int]]
) -> None:
    meter, now_ms = meter_of(rate), 1_000_003
    spent = without = then_ms = 0
    for number, (wait_ms, want) in enumerate([*before, (0, unbegun), *after]):
        now_ms += wait_ms
        spends = min(want, meter.tokens(spent, now_ms))
        spent = meter.spend(spent, now_ms, spends)
        if number == len(before):
            then_ms, unbegun = now_ms, spends
        else:
            without = meter.spend(without, now_ms, spends)
    spent = meter.give_back(spent, then_ms, now_ms, unbegun)
    for at_ms in (now_ms, now_ms + 1, now_ms + 40, now_ms + 40_000):
        assert meter.tokens(spent, at_ms) == meter.tokens(without, at_ms)
    assert meter.tokens(spent, meter.full_ms(spent)) == rate.n


@pytest.mark.parametrize("window", ["fixed", "sliding"])
def test_another_rate_takes_over_what_is_spent(window: Literal["fixed", "sliding"]) -> None:
    bucket, counted = meter_of(Rate(10, burst=10)), meter_of(Rate(8, window=window))
    assert counted.tokens(counted.with_used(bucket.used(bucket.spend(0, 50, 3), 50), 50), 50) == 5
    assert bucket.tokens(bucket.with_used(counted.used(counted.spend(0, 50, 3), 50), 50), 50) == 7


def test_one_that_is_heavier_than_the_window_has_all_of_it() -> None:
    for meter in (meter_of(Rate(3, window="fixed")), meter_of(Rate(3, window="sliding"))):
        assert meter.tokens(meter.spend(0, 50, 900), 50) == 0 and meter.burst == 3


def test_a_window_has_no_burst() -> None:
    with pytest.raises(ValueError, match="has no `burst`"):
        Rate(3, burst=2, window="fixed")
