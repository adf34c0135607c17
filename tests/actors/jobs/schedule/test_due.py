"""Which ticks are taken, and which are passed over: late by seconds, by a night, and by a year."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenroom.actors.jobs.schedule.due import COUNTED_MAX, TAKEN_MAX, Due, Missed, due
from greenroom.actors.jobs.schedule.timing import Timing

MINUTE, DAY, YEAR = 60_000, 86_400_000, 366 * 86_400_000
MINUTELY = Timing(cron="* * * * *")
NIGHTLY = Timing(cron="0 3 * * *", tz="Europe/Berlin")
T = 1_750_000_020_000 // MINUTE * MINUTE


def look(timing: Timing, now_ms: int, missed: Missed, *, next_ms: int = T, catch_up_ms: int = DAY) -> Due:
    return due(timing, "nightly", next_ms, now_ms, missed, catch_up_ms)


def test_what_is_not_due_is_left() -> None:
    assert look(MINUTELY, T - 1, "all") == Due([], 0, 0, T)


def test_on_time_it_is_taken_whatever_becomes_of_those_that_are_missed() -> None:
    for missed in ("last", "all", "skip"):
        assert look(MINUTELY, T, missed) == Due([T], 0, T, T + MINUTE)
        assert look(MINUTELY, T + 5_000, missed) == Due([T], 0, T, T + MINUTE)


def test_after_three_minutes_of_silence() -> None:
    now_ms = T + 3 * MINUTE + 30_000  # four are late
    assert look(MINUTELY, now_ms, "skip") == Due([], 4, T + 3 * MINUTE, T + 4 * MINUTE)
    assert look(MINUTELY, now_ms, "last") == Due([T + 3 * MINUTE], 3, T + 3 * MINUTE, T + 4 * MINUTE)
    assert look(MINUTELY, now_ms, "all") == Due([T + n * MINUTE for n in range(4)], 0, T + 3 * MINUTE, T + 4 * MINUTE)


def test_one_that_is_on_time_goes_beside_the_last_of_those_that_are_not() -> None:
    assert look(MINUTELY, T + 2 * MINUTE, "last").ticks == [T + MINUTE, T + 2 * MINUTE]
    assert look(MINUTELY, T + 2 * MINUTE, "skip").ticks == [T + 2 * MINUTE]


def test_what_is_older_than_the_window_is_never_made_up_for() -> None:
    for missed in ("last", "all"):
        found = look(NIGHTLY, T + 3 * DAY, missed, next_ms=NIGHTLY.after(T) or 0, catch_up_ms=60_000)
        assert (found.ticks, found.missed) == ([], 3)


@pytest.mark.bound("ticks of a schedule that are looked at in one stretch")
def test_all_are_taken_some_at_a_time() -> None:
    now_ms, next_ms, taken = T + DAY, T, list[int]()
    while next_ms <= now_ms:
        found = look(MINUTELY, now_ms, "all", next_ms=next_ms)
        assert found.next_ms is not None
        assert len(found.ticks) <= TAKEN_MAX
        taken += found.ticks
        next_ms = found.next_ms
    assert taken == list(MINUTELY.between(T, now_ms))


def test_a_year_of_silence_costs_what_a_day_does() -> None:
    found = look(MINUTELY, T + YEAR + 30_000, "last", catch_up_ms=YEAR)
    assert (len(found.ticks), found.missed) == (1, COUNTED_MAX)
    found = look(MINUTELY, T + YEAR, "all", catch_up_ms=60 * MINUTE)
    assert found.ticks[0] >= T + YEAR - 60 * MINUTE


@given(
    st.sampled_from((
        Timing(every_s=7.0, jitter_s=6.0),
        Timing(every_s=60.0, jitter_s=60.0),
        MINUTELY,
        Timing(cron="*/7 1-4 * * *", tz="Europe/Berlin", jitter_s=100.0),
    )),
    st.sampled_from(("last", "all", "skip")),
    st.lists(st.integers(0, 20 * MINUTE), min_size=1, max_size=8),
    st.sampled_from((10_000, 5 * MINUTE, DAY)),
)  # fmt: skip
@settings(max_examples=150, deadline=None)
def test_each_tick_is_taken_once_or_missed(timing: Timing, missed: Missed, rests: list[int], window_ms: int) -> None:
    """In whatever steps one looks, and with a clock that stands still between some of them: in order, none twice, and
    with those that are missed, all."""
    next_ms = first_ms = timing.after(T) or 0
    now_ms, taken, passed = T, list[int](), 0
    for rest in rests:
        now_ms += rest
        while True:
            found = due(timing, "n", next_ms, now_ms, missed, window_ms)
            assert found.next_ms is not None
            assert found.next_ms >= next_ms
            assert all(timing.due_ms(tick, "n") <= now_ms for tick in found.ticks)
            taken += found.ticks
            passed += found.missed
            if found.next_ms == next_ms:
                break
            next_ms = found.next_ms
    assert taken == sorted(set(taken))
    looked_at = list(timing.between(first_ms, next_ms - 1))
    assert set(taken) <= set(looked_at)
    assert len(taken) + passed == len(looked_at) or passed >= COUNTED_MAX
    if missed == "all" and window_ms == DAY:
        assert taken == looked_at
