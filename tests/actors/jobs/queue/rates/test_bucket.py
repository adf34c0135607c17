"""A bucket by integers against one by fractions."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from greenroom.actors.jobs.limits import Rate
from greenroom.actors.jobs.queue.rates.meter import meter_of

rates = st.builds(Rate, st.integers(1, 1_000), st.sampled_from([0.001, 0.007, 1, 60, 3_600]), st.integers(1, 50))
steps = st.lists(st.tuples(st.integers(0, 5_000), st.integers(0, 20)), max_size=30)


@given(rates, steps)
def test_it_has_as_many_tokens_as_by_the_book(rate: Rate, doings: list[tuple[int, int]]) -> None:
    meter, bucket, now_ms = meter_of(rate), 0, 1_000
    book, burst = Fraction(rate.tokens), Fraction(rate.tokens)
    for wait_ms, want in doings:
        now_ms += wait_ms
        book = min(burst, book + Fraction(wait_ms * rate.n, round(rate.per_s * 1000)))
        assert meter.tokens(bucket, now_ms) == int(book)
        spends = min(want, int(book))
        bucket = meter.spend(bucket, now_ms, spends)
        book -= spends
        for some in (1, rate.tokens):
            when_ms = max(now_ms, meter.next_ms(bucket, some))
            assert meter.tokens(bucket, when_ms) >= some
            assert when_ms == now_ms or meter.tokens(bucket, when_ms - 1) < some


@given(rates, rates, st.integers(0, 50))
def test_another_rate_takes_over_what_is_spent(rate: Rate, other: Rate, spends: int) -> None:
    meter, after = meter_of(rate), meter_of(other)
    spends = min(spends, rate.tokens)
    bucket = after.with_used(meter.used(meter.spend(0, 1_000, spends), 1_000), 1_000)
    assert after.tokens(bucket, 1_000) == max(0, other.tokens - spends)


def test_a_bucket_of_former_times_is_empty_at_most() -> None:
    meter = meter_of(Rate(1, per_s=1.0, burst=3))
    assert meter.tokens(meter.as_of(10_000, 9_000), 9_000) == 2
    assert meter.tokens(meter.as_of(10_000, 1_000), 1_000) == 0
    assert meter.tokens(meter.as_of(10_000, 1_000), 2_000) == 1
    assert meter.tokens(meter.as_of(10_000, 20_000), 20_000) == 3


@given(rates, steps, st.integers(1, 20), steps)
def test_what_is_given_back_was_never_spent_or_is_lost(
    rate: Rate, before: list[tuple[int, int]], unbegun: int, after: list[tuple[int, int]]
) -> None:
    """By one from which it was not taken: there is never more."""
    meter, now_ms = meter_of(rate), 1_000
    bucket = without = 0

    def spend(wait_ms: int, want: int) -> int:
        nonlocal bucket, without, now_ms
        now_ms += wait_ms
        if spends := min(want, meter.tokens(bucket, now_ms)):
            bucket, without = meter.spend(bucket, now_ms, spends), meter.spend(without, now_ms, spends)
        return spends

    for wait_ms, want in before:
        spend(wait_ms, want)
    then_ms = last_ms = now_ms
    if not (unbegun := min(unbegun, meter.tokens(bucket, now_ms))):
        return
    bucket = meter.spend(bucket, then_ms, unbegun)
    for wait_ms, want in after:
        last_ms = now_ms if spend(wait_ms, want) else last_ms
    bucket = meter.give_back(bucket, then_ms, last_ms, unbegun)
    assert meter.tokens(bucket, now_ms) <= meter.tokens(without, now_ms)
    if last_ms == then_ms:
        assert meter.tokens(bucket, now_ms) == meter.tokens(without, now_ms)
