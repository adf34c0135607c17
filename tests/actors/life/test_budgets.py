"""What each user may do so often an hour."""

import pytest

from greenroom.actors.life import budgets
from greenroom.actors.life.budgets import Budgets


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_bucket_is_full_at_first_and_fills_evenly() -> None:
    clock = Clock()
    spend = Budgets(clock).spend
    assert [spend("invite", "ann", 4) for _ in range(5)] == [0.0, 0.0, 0.0, 0.0, 900.0]
    assert spend("invite", "bob", 4) == spend("make", "ann", 4) == 0.0
    clock.now += 450
    assert spend("invite", "ann", 4) == 450.0
    clock.now += 450
    assert spend("invite", "ann", 4) == 0.0 and spend("invite", "ann", 4) == 900.0
    clock.now += 36_000
    assert [spend("invite", "ann", 4) for _ in range(5)] == [0.0, 0.0, 0.0, 0.0, 900.0]


def test_names_that_read_alike_together_are_kept_apart() -> None:
    spend = Budgets(Clock()).spend
    assert spend("a", "b c", 1) == spend("a b", "c", 1) == 0.0


@pytest.mark.bound("what users have left of what they may do so often an hour")
def test_there_are_so_many_buckets_and_the_full_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budgets, "BUCKETS_MAX", 10)
    clock = Clock()
    made = Budgets(clock)
    for number in range(100):
        made.spend("x", f"user{number}", 1)
    assert len(made._buckets) <= 11
    clock.now += 3600
    made.spend("x", "one", 1)
    assert list(made._buckets) == [("x", "one")]
