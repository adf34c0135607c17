"""Quiet hours on the wall clock, where clocks are set forward and back too."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.actors.inbox.quiet import MINUTES, Quiet, quiet_until, zone_named

BERLIN = ZoneInfo("Europe/Berlin")
NIGHT = Quiet(22 * 60, 7 * 60)


def at(text: str, zone: ZoneInfo = BERLIN, *, fold: int = 0) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=zone, fold=fold).timestamp()


@pytest.mark.parametrize(
    ("now", "ends"),
    [
        ("2026-01-10 21:59:59", None),
        ("2026-01-10 22:00", "2026-01-11 07:00"),
        ("2026-01-11 00:00", "2026-01-11 07:00"),
        ("2026-01-11 06:59:59", "2026-01-11 07:00"),
        ("2026-01-11 07:00", None),
    ],
)
def test_over_midnight(now: str, ends: str | None) -> None:
    assert quiet_until(at(now), NIGHT, "Europe/Berlin") == (at(ends) if ends else None)


def test_within_a_day_and_never() -> None:
    noon = Quiet(12 * 60, 13 * 60)
    assert quiet_until(at("2026-01-10 12:30"), noon, "Europe/Berlin") == at("2026-01-10 13:00")
    assert quiet_until(at("2026-01-10 13:00"), noon, "Europe/Berlin") is None
    assert quiet_until(at("2026-01-10 12:30"), None, "Europe/Berlin") is None
    assert quiet_until(at("2026-01-10 12:30"), Quiet(60, 60), "Europe/Berlin") is None, "of no length, not of a day"


def test_a_night_is_an_hour_shorter_where_clocks_are_set_forward() -> None:
    begins = at("2026-03-28 22:00")
    ends = quiet_until(begins, NIGHT, "Europe/Berlin")
    assert ends == at("2026-03-29 07:00") and ends - begins == 8 * 3_600


def test_a_night_is_an_hour_longer_where_clocks_are_set_back() -> None:
    begins = at("2026-10-24 22:00")
    ends = quiet_until(begins, NIGHT, "Europe/Berlin")
    assert ends == at("2026-10-25 07:00") and ends - begins == 10 * 3_600


def test_an_end_that_the_clock_skips_is_when_it_is_set_forward() -> None:
    """At 02:00 it becomes 03:00: there is no 02:30, and 03:00 is the first moment behind it."""
    quiet = Quiet(0, 2 * 60 + 30)
    forward = datetime(2026, 3, 29, 1, 0, tzinfo=UTC).timestamp()
    assert quiet_until(forward - 1, quiet, "Europe/Berlin") == forward
    assert quiet_until(forward, quiet, "Europe/Berlin") is None


def test_a_begin_that_the_clock_skips_is_when_it_is_set_forward() -> None:
    quiet = Quiet(2 * 60 + 30, 5 * 60)
    forward = datetime(2026, 3, 29, 1, 0, tzinfo=UTC).timestamp()
    assert quiet_until(forward - 1, quiet, "Europe/Berlin") is None
    assert quiet_until(forward, quiet, "Europe/Berlin") == at("2026-03-29 05:00")


def test_an_end_that_the_clock_shows_twice_is_the_second() -> None:
    """Who sleeps until half past two is not woken an hour early."""
    quiet = Quiet(0, 2 * 60 + 30)
    first, second = at("2026-10-25 02:30"), at("2026-10-25 02:30", fold=1)
    assert second - first == 3_600
    for now in (first - 1, first, first + 1, second - 1):
        assert quiet_until(now, quiet, "Europe/Berlin") == second
    assert quiet_until(second, quiet, "Europe/Berlin") is None


def test_a_begin_that_the_clock_shows_twice_is_the_first() -> None:
    quiet = Quiet(2 * 60 + 30, 5 * 60)
    first = at("2026-10-25 02:30")
    assert quiet_until(first - 1, quiet, "Europe/Berlin") is None
    assert quiet_until(first, quiet, "Europe/Berlin") == at("2026-10-25 05:00")


def test_a_zone_that_sets_its_clock_by_half_an_hour() -> None:
    zone, quiet = ZoneInfo("Australia/Lord_Howe"), Quiet(22 * 60, 2 * 60 + 15)
    forward = datetime(2026, 10, 3, 15, 30, tzinfo=UTC).timestamp()  # 02:00 becomes 02:30
    assert datetime.fromtimestamp(forward, zone).strftime("%H:%M") == "02:30"
    assert quiet_until(forward - 1, quiet, "Australia/Lord_Howe") == forward


@pytest.mark.parametrize(
    "name", ["", "Nowhere/Else", "../../etc/passwd", "/etc/localtime", "Europe", "Europe/Berlin\0"]
)
def test_what_is_no_zone_counts_as_utc(name: str) -> None:
    assert zone_named(name) is None
    now = datetime(2026, 1, 10, 23, 0, tzinfo=UTC).timestamp()
    assert quiet_until(now, NIGHT, name) == datetime(2026, 1, 11, 7, 0, tzinfo=UTC).timestamp()


minutes = st.integers(0, MINUTES - 1)
zones = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"])


@given(now=st.integers(1_750_000_000, 1_850_000_000), begins=minutes, ends=minutes, zone=zones)
def test_every_quiet_moment_ends_within_a_day_and_ends_but_once(now: int, begins: int, ends: int, zone: str) -> None:
    quiet = Quiet(begins, ends)
    until = quiet_until(now, quiet, zone)
    wall = datetime.fromtimestamp(now, ZoneInfo(zone))
    minute = wall.hour * 60 + wall.minute
    is_within = begins <= minute < ends if begins <= ends else not ends <= minute < begins
    if until is None:
        assert not is_within
    else:
        assert now < until <= now + 26 * 3_600
        assert quiet_until(now, quiet, zone) == until
        assert quiet_until((now + until) / 2, quiet, zone) == until, "until then it is the same quiet"
