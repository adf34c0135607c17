"""Schedules: when a durable timer is due, and what becomes of the occurrences that nobody was awake for.

Times are Unix milliseconds. Cron expressions are read by cronsim, in a time zone of their own (daylight saving time
included, as Debian's cron does it).
"""

from datetime import UTC, datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError
from msgspec import Raw, Struct
from msgspec.json import encode

from greenroom.actors.model.message import Message

GRACE_MS = 5_000  # an occurrence that is later than this was missed
EVERY_MIN_MS = 100
FIRST_MS, LAST_MS = -2_208_988_800_000, 253_370_764_800_000  # the years 1900 to 9998: calendars end soon after
WhenMissed = Literal["last", "all", "skip"]


class BadSchedule(ValueError):
    """The schedule says when nothing ever is; the text names the argument."""


class Schedule(Struct, frozen=True, omit_defaults=True):
    """One-shot unless it repeats every `every_ms` or by `cron`."""

    every_ms: int = 0
    cron: str = ""
    timezone: str = "UTC"
    missed: WhenMissed = "last"

    def check(self) -> None:
        """Raises: BadSchedule."""
        if self.every_ms and self.cron:
            raise BadSchedule("`every` and `cron` exclude each other")
        if self.every_ms and self.every_ms < EVERY_MIN_MS:
            raise BadSchedule(f"`every` must be at least {EVERY_MIN_MS / 1000:g} seconds")
        if self.missed not in ("last", "all", "skip"):
            raise BadSchedule(f"`missed` must be 'last', 'all' or 'skip', not {self.missed!r}")
        if self.cron:
            try:
                next(self._from(0))
            except (CronSimError, StopIteration) as error:
                raise BadSchedule(f"`cron` {self.cron!r}: {error or 'never comes'}") from None
            except (KeyError, ValueError, OSError) as error:  # the last: a directory of the database of time zones
                raise BadSchedule(f"`timezone` {self.timezone!r}: {error}") from None

    def next_after(self, due_ms: int, after_ms: int) -> int | None:
        """The first occurrence later than `after_ms`, counted from the one at `due_ms`; None when that was the last."""
        if self.every_ms:
            return due_ms + ((after_ms - due_ms) // self.every_ms + 1) * self.every_ms
        if self.cron:
            # Where a clock is set back, an hour is twice on the wall: in the second one the time found may be past.
            return next((at_ms for found in self._from(after_ms) if (at_ms := _ms(found)) > after_ms), None)
        return None

    def latest(self, due_ms: int, now_ms: int) -> int:
        """The newest occurrence that is not later than `now_ms`, from the one at `due_ms` (<= now_ms) on."""
        if self.every_ms:
            return due_ms + (now_ms - due_ms) // self.every_ms * self.every_ms
        if self.cron:
            found = next(self._from(now_ms + 1, reverse=True), None)
            return due_ms if found is None else max(due_ms, _ms(found))
        return due_ms

    def fire(self, due_ms: int, now_ms: int) -> tuple[int | None, int | None]:
        """At `now_ms`, the occurrence at `due_ms` being due: the one to be told now, and the one that comes next."""
        now_ms = max(now_ms, due_ms)  # the clock may have been set back since it was found due
        fired = due_ms if self.missed == "all" else self.latest(due_ms, now_ms)
        following = self.next_after(due_ms, fired)
        if self.missed == "skip" and now_ms - fired > GRACE_MS:
            return None, following
        return fired, following

    def _from(self, at_ms: int, *, reverse: bool = False) -> CronSim:
        zone = UTC if self.timezone == "UTC" else ZoneInfo(self.timezone)
        return CronSim(self.cron, datetime.fromtimestamp(at_ms / 1000, zone), reverse)


ONE_SHOT = Schedule()


class DurableTimer(Struct, frozen=True, omit_defaults=True):
    """A timer as it is stored: the message to oneself, and when it comes again."""

    message: Raw
    schedule: Schedule = ONE_SHOT


class _Encodable(Struct, frozen=True, omit_defaults=True):
    message: Message
    schedule: Schedule = ONE_SHOT


def encode_timer(message: Message, schedule: Schedule) -> bytes:
    """What decodes as DurableTimer. Raises: whatever encoding the message raises."""
    return encode(_Encodable(message, schedule))


class Fired(Struct, frozen=True):
    """Which timer, and which of its occurrences, the present message is."""

    name: str
    due_s: float  # Unix s: when it should have come


def schedule_of(
    now_s: float,
    *,
    at: float | None,
    after: float | None,
    every: float | None,
    cron: str | None,
    timezone: str,
    missed: Any,
) -> tuple[int, Schedule]:
    """The first occurrence (Unix ms) and the schedule that `Actor.set_timer` was asked for. Raises: BadSchedule."""
    if at is not None and after is not None:
        raise BadSchedule("`at` and `after` exclude each other")
    if every is None and not cron and timezone == "UTC" and missed == "last":
        schedule = ONE_SHOT
    else:
        schedule = Schedule(0 if every is None else _every_ms(every), cron or "", timezone, missed)
        schedule.check()
    now_ms = int(now_s * 1000)
    first: int | None
    if at is not None:
        first = _bounded_ms("at", at * 1000)
    elif after is not None:
        first = _bounded_ms("after", now_ms + max(after, 0.0) * 1000)
    else:
        first = schedule.next_after(now_ms, now_ms)
    if first is None:
        raise BadSchedule("a timer needs `at`, `after`, `every` or `cron`")
    return first, schedule


def _every_ms(every: float) -> int:
    if not EVERY_MIN_MS <= every * 1000 <= LAST_MS:
        raise BadSchedule(f"`every` must be at least {EVERY_MIN_MS / 1000:g} seconds, and not endless")
    return round(every * 1000)


def _bounded_ms(name: str, at_ms: float) -> int:
    """What can be stored: one timer that can't would keep all others of its batch from becoming durable."""
    if not FIRST_MS <= at_ms <= LAST_MS:  # nor NaN
        raise BadSchedule(f"`{name}` is not within the years 1900 to 9998")
    return int(at_ms)


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
