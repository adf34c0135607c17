"""What is written down of windows."""

from collections.abc import Iterator, Mapping

import pytest

from greenroom.actors.jobs.limits import Rate
from greenroom.actors.jobs.queue.rates.meter import meter_of
from greenroom.actors.jobs.queue.rates.told import Told, still

METER = meter_of(Rate(100, per_s=10, window="fixed"))


def test_a_twentieth_ahead_and_no_more_often() -> None:
    told, spent, news = Told(), 0, list[tuple[int, int]]()
    for _ in range(100):
        spent = METER.spend(spent, 5_000, 1)
        assert told.spent("a", spent, METER, 5_000)
        news += told.take().values()
    assert news == [(10_000, used) for used in (6, 12, 18, 24, 30, 36, 42, 48, 54, 60, 66, 72, 78, 84, 90, 96, 100)]
    assert told.spent("a", METER.spend(spent, 12_000, 1), METER, 12_000) and told.take() == {"a": (20_000, 6)}


def test_nothing_spent_is_nothing_to_tell() -> None:
    told = Told()
    assert told.spent("a", 0, METER, 5) and told.take() == {}


@pytest.mark.bound("keys of which a queue writes down what is used of their windows")
def test_of_too_many_it_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("greenroom.actors.jobs.queue.rates.told.TOLD_MAX", 2)
    told = Told()
    told.begin({"a": (9_000, 1), "b": (10_000, 1)})
    spent = METER.spend(0, 5_000, 1)
    assert not told.spent("c", spent, METER, 5_000) and told.get("c") is None
    assert told.spent("c", spent, METER, 9_500) and told.get("a") is None


def test_where_all_of_too_many_count_yet_they_are_not_looked_through_for_each(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[int] = []

    def looked(known: Mapping[str, tuple[int, int]], now_ms: int) -> Iterator[tuple[str, tuple[int, int]]]:
        looks.append(now_ms)
        return still(known, now_ms)

    monkeypatch.setattr("greenroom.actors.jobs.queue.rates.told.TOLD_MAX", 2)
    monkeypatch.setattr("greenroom.actors.jobs.queue.rates.told.still", looked)
    told = Told()
    told.begin({"a": (9_000, 1), "b": (10_000, 1)})
    for now_ms in (5_000, 6_000, 8_999):
        assert not told.spent("c", METER.spend(0, now_ms, 1), METER, now_ms)
    assert looks == [5_000]
    assert told.spent("c", METER.spend(0, 9_000, 1), METER, 9_000) and told.get("a") is None
