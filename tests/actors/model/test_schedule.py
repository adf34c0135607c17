"""When a durable timer is due, and what becomes of the occurrences that nobody was awake for."""

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.actors.model.schedule import EVERY_MIN_MS, GRACE_MS, BadSchedule, Schedule, schedule_of

BERLIN = ZoneInfo("Europe/Berlin")
CRONS = ["*/5 * * * *", "0 * * * *", "30 2 * * *", "0 0 1 * *", "15 10 * * 1-5", "0 12 29 2 *", "59 23 L * *"]
ZONES = ["UTC", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe"]


def ms(*when: int, zone: Any = UTC) -> int:
    return int(datetime(*when, tzinfo=zone).timestamp() * 1000)  # type: ignore[arg-type, misc]


def local(at_ms: int, zone: ZoneInfo = BERLIN) -> str:
    return datetime.fromtimestamp(at_ms / 1000, zone).strftime("%d %H:%M")


times_ms = st.integers(ms(2000, 1, 1), ms(2040, 1, 1))
waits_ms = st.one_of(st.integers(0, 10_000), st.integers(0, 90 * 86_400_000))
every = st.builds(Schedule, every_ms=st.integers(EVERY_MIN_MS, 86_400_000))
cron = st.builds(Schedule, cron=st.sampled_from(CRONS), timezone=st.sampled_from(ZONES))


def occurrences(schedule: Schedule, due_ms: int, until_ms: int) -> list[int]:
    """From the one at `due_ms` on, one by one."""
    found = [due_ms]
    while len(found) < 200:
        following = schedule.next_after(found[-1], found[-1])
        if following is None or following > until_ms:
            break
        found.append(following)
    return found


@given(every | cron, times_ms, waits_ms)
def test_the_next_one_is_later_and_none_lies_between(schedule: Schedule, due_ms: int, late_ms: int) -> None:
    now_ms = due_ms + late_ms
    following = schedule.next_after(due_ms, now_ms)
    assert following is not None and following > now_ms
    listed = occurrences(schedule, due_ms, now_ms)
    if len(listed) < 200:
        assert schedule.next_after(listed[-1], listed[-1]) == following, "as when nothing had been missed"


@given(every | cron, times_ms, waits_ms)
def test_the_latest_is_the_last_that_has_come(schedule: Schedule, due_ms: int, late_ms: int) -> None:
    first = schedule.next_after(due_ms, due_ms)
    assert first is not None
    listed = occurrences(schedule, first, first + late_ms)
    if len(listed) < 200:
        assert schedule.latest(first, first + late_ms) == listed[-1]


@given(every | cron, times_ms, waits_ms)
def test_all_comes_once_for_each_and_last_only_once(schedule: Schedule, begin_ms: int, late_ms: int) -> None:
    due_ms = schedule.next_after(begin_ms, begin_ms)
    assert due_ms is not None
    now_ms = due_ms + late_ms
    listed = occurrences(schedule, due_ms, now_ms)
    if len(listed) == 200:
        return
    fired: list[int] = []
    following: int | None = due_ms
    every_one = Schedule(schedule.every_ms, schedule.cron, schedule.timezone, "all")
    while following is not None and following <= now_ms:
        occurrence, following = every_one.fire(following, now_ms)
        assert occurrence is not None
        fired.append(occurrence)
    assert fired == listed
    assert schedule.fire(due_ms, now_ms) == (listed[-1], following), "the last alone, and then as always"


@given(every | cron, times_ms, waits_ms)
def test_skip_leaves_out_what_is_late(schedule: Schedule, begin_ms: int, late_ms: int) -> None:
    due_ms = schedule.next_after(begin_ms, begin_ms)
    assert due_ms is not None
    now_ms = due_ms + late_ms
    skipping = Schedule(schedule.every_ms, schedule.cron, schedule.timezone, "skip")
    occurrence, following = skipping.fire(due_ms, now_ms)
    assert following == schedule.next_after(due_ms, now_ms)
    latest = schedule.latest(due_ms, now_ms)
    assert occurrence == (latest if now_ms - latest <= GRACE_MS else None)


@pytest.mark.parametrize("missed", ["last", "all", "skip"])
def test_a_timer_that_does_not_repeat_comes_once(missed: Any) -> None:
    schedule = Schedule(missed=missed)
    assert schedule.fire(1_000_000, 1_000_000 + GRACE_MS) == (1_000_000, None)
    late = schedule.fire(1_000_000, 1_000_001 + GRACE_MS)
    assert late == ((None if missed == "skip" else 1_000_000), None)


@given(every, times_ms, st.integers(1, 10**9))
def test_a_clock_that_went_back_fires_nothing_that_has_fired_before(
    schedule: Schedule, due_ms: int, back_ms: int
) -> None:
    assert schedule.fire(due_ms, due_ms - back_ms) == (due_ms, due_ms + schedule.every_ms)


def test_every_keeps_its_beat_however_late_it_is() -> None:
    assert Schedule(every_ms=10_000).fire(7_000, 48_500) == (47_000, 57_000)


# Daylight saving time, as Debian's cron has it.


def test_what_falls_into_the_hour_that_is_left_out_in_spring_comes_right_after_it() -> None:
    schedule = Schedule(cron="30 2 * * *", timezone="Europe/Berlin")
    listed = occurrences(schedule, ms(2026, 3, 28, 2, 30, zone=BERLIN), ms(2026, 3, 30, 12))
    assert [local(at) for at in listed] == ["28 02:30", "29 03:00", "30 02:30"]


def test_what_falls_into_the_hour_that_comes_twice_in_autumn_comes_once() -> None:
    schedule = Schedule(cron="30 2 * * *", timezone="Europe/Berlin")
    listed = occurrences(schedule, ms(2026, 10, 24, 2, 30, zone=BERLIN), ms(2026, 10, 26, 12))
    assert [local(at) for at in listed] == ["24 02:30", "25 02:30", "26 02:30"]


def test_what_comes_every_half_hour_goes_on_through_both() -> None:
    schedule = Schedule(cron="*/30 * * * *", timezone="Europe/Berlin")
    for begin in (ms(2026, 3, 29, 0), ms(2026, 10, 25, 0)):
        listed = occurrences(schedule, begin, begin + 4 * 3_600_000)
        gaps = {later - earlier for earlier, later in itertools.pairwise(listed)}
        assert gaps == {30 * 60_000}


def test_a_day_of_the_zone_is_not_always_24_hours_long() -> None:
    schedule = Schedule(cron="0 12 * * *", timezone="Europe/Berlin")
    due_ms = ms(2026, 3, 28, 12, zone=BERLIN)
    assert schedule.next_after(due_ms, due_ms) == due_ms + int(timedelta(hours=23).total_seconds() * 1000)


# What an entity asks for.


def asked(now_s: float = 1000.0, **how: Any) -> tuple[int, Schedule]:
    defaults: dict[str, Any] = {"at": None, "after": None, "every": None, "cron": None}
    return schedule_of(now_s, **{**defaults, "timezone": "UTC", "missed": "last", **how})


def test_when_it_first_comes() -> None:
    assert asked(at=7.5) == (7500, Schedule())
    assert asked(after=2) == (1_002_000, Schedule())
    assert asked(after=-5) == (1_000_000, Schedule())
    assert asked(every=2) == (1_002_000, Schedule(every_ms=2000))
    assert asked(every=2, at=5) == (5000, Schedule(every_ms=2000))
    assert asked(cron="* * * * *") == (1_020_000, Schedule(cron="* * * * *"))
    assert asked(cron="* * * * *", after=1) == (1_001_000, Schedule(cron="* * * * *"))


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"at": 1, "after": 1},
        {"every": 1, "cron": "* * * * *"},
        {"every": 0},
        {"every": -1},
        {"every": 0.099},
        {"every": 0.0001, "at": 5},  # rounds to nothing, and would not repeat
        {"every": float("inf")},
        {"every": float("nan")},
        {"at": float("inf")},
        {"at": float("nan")},
        {"at": 1e18},  # no column holds it
        {"at": -1e18},
        {"after": float("nan")},
        {"after": 1e300},
        {"cron": "* * * *"},
        {"cron": "61 * * * *"},
        {"cron": "0 0 31 2 *"},
        {"cron": "@hourly"},
        {"cron": "* * * * *", "timezone": "Berlin"},
        {"cron": "* * * * *", "timezone": "Europe"},  # a directory
        {"cron": "* * * * *", "timezone": "../passwd"},
        {"cron": "* * * * *", "timezone": "x" * 1000},
        {"after": 1, "missed": "some"},
    ],
)
def test_what_never_comes_or_can_not_be_kept_is_refused(how: dict[str, Any]) -> None:
    with pytest.raises(BadSchedule):
        asked(**how)
