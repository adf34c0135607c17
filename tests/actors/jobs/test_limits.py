"""Limits: what one says over another, and what a bucket holds."""

import pytest

from greenroom import Rate
from greenroom.actors.jobs.limits import QueueLimits


def test_what_is_said_goes_over_what_is_declared() -> None:
    declared = QueueLimits(concurrency=2, per_key=1, tiers={"a": 1, "b": 2}, on_retry="block")
    said = QueueLimits(concurrency=5, tiers={"b": 3}, rate=Rate(1))
    assert declared.under(said) == QueueLimits(
        concurrency=5, per_key=1, tiers={"a": 1, "b": 3}, rate=Rate(1), on_retry="block"
    )


@pytest.mark.parametrize(("rate", "tokens"), [(Rate(10), 1), (Rate(1_000), 50), (Rate(30, 60.0, 7), 7)], ids=str)
def test_a_bucket_holds_what_comes_in_50_ms_unless_it_says_otherwise(rate: Rate, tokens: int) -> None:
    assert rate.tokens == tokens
