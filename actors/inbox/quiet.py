"""Quiet hours: from when until when, on the wall clock of a user's time zone, nothing goes out.

A time that a clock passes twice, where it is set back, begins quiet hours the first time and ends them the second: who
sleeps is not woken in between. One that it skips is the moment at which it is set forward.
"""

from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Annotated
from zoneinfo import ZoneInfo

from msgspec import Meta, Struct

MINUTES = 24 * 60
Minute = Annotated[int, Meta(ge=0, lt=MINUTES)]  # of the day, on the wall clock
_DAY = timedelta(days=1)


class Quiet(Struct, frozen=True):
    """Every day from one minute until another; over midnight where that is the smaller one."""

    begins: Minute
    ends: Minute


def zone_named(name: str) -> ZoneInfo | None:
    """By its IANA name; None where there is none of that name."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # the last: a directory of the database of time zones
        return None


def quiet_until(now_s: float, quiet: Quiet | None, timezone: str) -> float | None:
    """When the quiet hours end that it is in now, Unix s; None outside of any. A zone that is gone counts as UTC."""
    if quiet is None or quiet.begins == quiet.ends:
        return None
    zone: tzinfo = zone_named(timezone) or UTC
    today = datetime.fromtimestamp(now_s, zone).date()
    for day in (today - _DAY, today, today + _DAY):
        last = day if quiet.ends > quiet.begins else day + _DAY
        begins_s, ends_s = _moments(day, quiet.begins, zone)[0], _moments(last, quiet.ends, zone)[1]
        if begins_s <= now_s < ends_s:
            return ends_s
    return None


def _moments(day: date, minute: int, zone: tzinfo) -> tuple[float, float]:
    """When the wall clock shows it, Unix s: the first time and the last, which are one but where it is set back."""
    wall = datetime.combine(day, time(minute // 60, minute % 60))
    first_s, last_s = (wall.replace(tzinfo=zone, fold=fold).timestamp() for fold in (0, 1))
    if first_s <= last_s:
        return first_s, last_s
    skipped_s = _set_forward(last_s, first_s, zone)
    return skipped_s, skipped_s


def _set_forward(before_s: float, after_s: float, zone: tzinfo) -> float:
    """The moment between the two at which the zone's offset changes."""
    offset = datetime.fromtimestamp(before_s, zone).utcoffset()
    low, high = int(before_s), int(after_s)
    while high - low > 1:
        middle = (low + high) // 2
        if datetime.fromtimestamp(middle, zone).utcoffset() == offset:
            low = middle
        else:
            high = middle
    return float(high)
