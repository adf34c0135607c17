"""When ticks are: over zones, gaps and overlaps none is lost, none comes twice, each is later than the one before."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenroom.actors.jobs.schedule.timing import Timing
from greenroom.actors.model.errors import Refused

DAY_MS = 86_400_000
ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",  # half an hour
    "America/Sao_Paulo",  # once at midnight
    "Asia/Kathmandu",  # a quarter of an hour away
    "Pacific/Apia",  # without 30 December 2011
    "Africa/Cairo",
)
CRONS = (
    "0 3 * * *", "30 2 * * *", "0,30 2 * * *", "15 1,2,3 * * *", "0 0 * * *", "59 23 * * 0", "*/15 * * * *",
    "5 * * * *",    "* 2 * * *", "0 */6 * * *", "0 12 1 * *", "0 9 * * MON#1", "30 0 30 * *", "*/20 0 2 * * *",
)  # fmt: skip


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def around_changes(zone: str) -> list[int]:
    """Days on which the clocks of that zone are changed, and some others."""
    days = []
    for year in (2011, 2018, 2026, 2027):
        noon = datetime(year, 1, 1, 12, tzinfo=ZoneInfo(zone))
        for number in range(365):
            day = noon + timedelta(days=number)
            if day.utcoffset() != (day - timedelta(days=1)).utcoffset():
                days.append(int(day.timestamp() * 1000))
    return days or [ms("2026-03-29T12:00:00+00:00")]


DAYS = {zone: around_changes(zone) for zone in ZONES}


@st.composite
def timings(draw: st.DrawFn) -> tuple[Timing, int]:
    """And a moment near which something may go wrong."""
    zone = draw(st.sampled_from(ZONES))
    near_ms = draw(st.sampled_from(DAYS[zone])) + draw(st.integers(-2 * DAY_MS, DAY_MS))
    return Timing(cron=draw(st.sampled_from(CRONS)), tz=zone), near_ms


@given(timings(), st.lists(st.integers(0, 3 * DAY_MS), min_size=1, max_size=6))
@settings(max_examples=150, deadline=None)
def test_no_tick_is_lost_or_comes_twice_wherever_one_looks_from(given: tuple[Timing, int], looks: list[int]) -> None:
    """Ticks as they follow from one another are those that are found from any moment between them."""
    timing, from_ms = given
    ticks = list(timing.between(from_ms, from_ms + 3 * DAY_MS))[:200]
    assert ticks == sorted(set(ticks))
    for look in looks:
        at_ms = from_ms + look
        found = timing.after(at_ms)
        assert found is not None and found > at_ms
        if ticks and at_ms < ticks[-1]:
            assert found == next(tick for tick in ticks if tick > at_ms)
        latest = timing.latest(at_ms, from_ms)
        if not ticks or at_ms <= ticks[-1]:
            assert latest == max((tick for tick in ticks if tick <= at_ms), default=None)


@given(timings().filter(lambda made: made[0].tz != "Pacific/Apia"))  # the tick of the day it left out comes on the next
@settings(max_examples=100, deadline=None)
def test_what_is_on_the_wall_once_a_day_comes_once_a_day(given: tuple[Timing, int]) -> None:
    """Whatever is done to clocks: each day that the zone has, has one tick at `30 2`."""
    zone = ZoneInfo(given[0].tz)
    timing = Timing(cron="30 2 * * *", tz=given[0].tz)
    ticks = list(timing.between(given[1] - 3 * DAY_MS, given[1] + 3 * DAY_MS))
    dates = [datetime.fromtimestamp(tick / 1000, zone).date() for tick in ticks]
    assert dates == sorted(set(dates))
    assert {(later - sooner).days for sooner, later in pairwise(dates)} == {1}


@pytest.mark.parametrize(
    ("cron", "day", "ticks"),
    [
        ("30 2 * * *", "2026-03-29", ["2026-03-29T03:00+02:00"]),  # there is no half past two
        ("0,30 2 * * *", "2026-03-29", ["2026-03-29T03:00+02:00"]),
        ("30 1 * * *", "2026-03-29", ["2026-03-29T01:30+01:00"]),
        ("30 2 * * *", "2026-10-25", ["2026-10-25T02:30+02:00"]),  # there are two
        ("30 * * * *", "2026-10-25", ["2026-10-25T01:30+02:00", "2026-10-25T02:30+02:00", "2026-10-25T02:30+01:00"]),
        ("30 * * * *", "2026-03-29", ["2026-03-29T01:30+01:00", "2026-03-29T03:30+02:00", "2026-03-29T04:30+02:00"]),
    ],
)
def test_in_the_gap_and_in_the_overlap(cron: str, day: str, ticks: list[str]) -> None:
    """From one o'clock on, for two hours and three quarters."""
    first = datetime.fromisoformat(f"{day}T01:00").replace(tzinfo=ZoneInfo("Europe/Berlin"))
    first_ms = int(first.timestamp() * 1000)
    found = Timing(cron=cron, tz="Europe/Berlin").between(first_ms, first_ms + 9_900_000)
    assert list(found) == [ms(tick) for tick in ticks]


def test_in_the_second_of_two_hours_the_first_is_past() -> None:
    """At 02:15, for the second time, `30 2` was 45 minutes ago."""
    timing = Timing(cron="30 2 * * *", tz="Europe/Berlin")
    now_ms = ms("2026-10-25T02:15+01:00")
    assert timing.after(now_ms) == ms("2026-10-26T02:30+01:00")
    assert timing.latest(now_ms, now_ms - 3 * DAY_MS) == ms("2026-10-25T02:30+02:00")


@given(st.floats(1, 100_000).map(lambda s: round(s, 3)), st.floats(0, 1), st.integers(0, 2**41), st.integers(0, 10**9))
def test_every_is_counted_from_1970(every_s: float, share: float, at_ms: int, back_ms: int) -> None:
    timing = Timing(every_s=every_s, offset_s=round(every_s * share * 0.99, 3))
    found = timing.after(at_ms)
    assert found is not None and 0 < found - at_ms <= round(every_s * 1000)
    assert (found - int(timing.offset_s * 1000)) % round(every_s * 1000) == 0
    assert timing.latest(found, found - back_ms) == found
    assert timing.latest(found - 1, found) is None


def test_once() -> None:
    timing = Timing(once_ms=5_000)
    assert (timing.after(4_999), timing.after(5_000)) == (5_000, None)
    assert (timing.latest(5_000, 0), timing.latest(4_999, 0), timing.latest(9_000, 5_001)) == (5_000, None, None)


@given(st.integers(0, 2**41), st.text(min_size=1, max_size=20))
def test_jitter_is_the_same_for_each_tick_whoever_asks(tick_ms: int, name: str) -> None:
    timing = Timing(every_s=60.0, jitter_s=30.0)
    due_ms = timing.due_ms(tick_ms, name)
    assert 0 <= due_ms - tick_ms <= 30_000
    assert timing.due_ms(tick_ms, name) == due_ms


def test_jitter_spreads() -> None:
    timing = Timing(every_s=60.0, jitter_s=30.0)
    late = {timing.due_ms(60_000, f"n{number}") - 60_000 for number in range(100)}
    assert len(late) > 90
    assert len({timing.due_ms(number * 60_000, "n") - number * 60_000 for number in range(100)}) > 90
    assert max(late) > 25_000
    assert min(late) < 5_000


@pytest.mark.parametrize(
    ("timing", "name"),
    [
        (Timing(), "schedule.when"),
        (Timing(cron="* * * * *", every_s=5.0), "schedule.when"),
        (Timing(every_s=0.5), "schedule.every_s"),
        (Timing(every_s=10.0, offset_s=10.0), "schedule.offset_s"),
        (Timing(once_ms=1, offset_s=10.0), "schedule.offset_s"),
        (Timing(every_s=10.0, tz="Europe/Berlin"), "schedule.tz"),
        (Timing(cron="0 3 * *"), "schedule.cron"),
        (Timing(cron="61 3 * * *"), "schedule.cron"),
        (Timing(cron="0 0 31 2 *"), "schedule.cron"),
        (Timing(cron="0 3 * * *", tz="Europe/Nowhere"), "schedule.tz"),
        (Timing(cron="0 3 * * *", tz="../../etc/passwd"), "schedule.tz"),
        (Timing(cron="0 3 * * *", tz=""), "schedule.tz"),
        (Timing(every_s=60.0, jitter_s=61.0), "schedule.jitter_s"),
        (Timing(cron="0 * * * *", jitter_s=3_601.0), "schedule.jitter_s"),
    ],
)
def test_what_is_wrong_is_named(timing: Timing, name: str) -> None:
    with pytest.raises(Refused) as caught:
        timing.check()
    assert (caught.value.name, caught.value.status) == (name, 422)


@pytest.mark.parametrize(
    "timing",
    [
        Timing(cron="0 3 * * *", tz="Europe/Berlin", jitter_s=3_600.0),
        Timing(cron="0 0 29 2 *"),
        Timing(every_s=1.0, jitter_s=1.0),
        Timing(once_ms=int(datetime(2027, 1, 1, tzinfo=UTC).timestamp() * 1000), jitter_s=60.0),
    ],
)
def test_what_is_right_is_not(timing: Timing) -> None:
    timing.check()
