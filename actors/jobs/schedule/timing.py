"""Timing: when the ticks of a schedule are. Pure arithmetic over Unix milliseconds.

A tick is a moment that the timing names; jitter moves when it is acted upon, and not which tick it is. Every tick is
later than the one before it, whatever clocks are set to in its zone: `after` alone says what comes next.

Cron is read as Debian's cron reads it. What names hours is on the clock on the wall: a time that is skipped in spring
comes at the first minute after the gap, and one that comes twice in autumn counts the first time. What says `*` for
hours or minutes, or has seconds, goes by elapsed time: nothing is skipped, and each of both hours counts.
"""

from collections.abc import Iterator
from hashlib import sha256
from itertools import pairwise
from typing import Annotated

from msgspec import Meta, Struct

from greenroom.actors.jobs.texts import NAME_PATTERN
from greenroom.actors.model.errors import Refused
from greenroom.actors.model.schedule import FIRST_MS, LAST_MS, BadSchedule, Schedule

EVERY_MIN_S = 1.0
EVERY_MAX_S = 366 * 86_400.0
JITTER_MAX_S = 86_400.0
LOOKED_AT = 6  # ticks, for the shortest time between two
Cron = Annotated[str, Meta(max_length=255, pattern=NAME_PATTERN)]
Zone = Annotated[str, Meta(max_length=64, pattern=NAME_PATTERN)]
Moment = Annotated[int, Meta(ge=0, le=LAST_MS)]  # Unix ms


class Timing(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One of `cron`, `every_s` and `once_ms`."""

    cron: Cron = ""
    tz: Zone = "UTC"  # of the database of time zones, as Europe/Berlin: for `cron`
    every_s: Annotated[float, Meta(ge=0, le=EVERY_MAX_S)] = 0.0  # counted from 1970, not from when it was set
    offset_s: Annotated[float, Meta(ge=0, le=EVERY_MAX_S)] = 0.0  # so much later than that
    once_ms: Moment | None = None
    jitter_s: Annotated[float, Meta(ge=0, le=JITTER_MAX_S)] = 0.0  # each tick so much later, at most

    def check(self) -> None:
        """Raises: Refused, named by the field."""
        said = [name for name in ("cron", "every_s", "once_ms") if getattr(self, name)]
        if len(said) != 1:
            raise _refused("when", "say one of `cron`, `every_s` and `once_ms`")
        if self.every_s and self.every_s < EVERY_MIN_S:
            raise _refused("every_s", f"`every_s` must be at least {EVERY_MIN_S:g}")
        if self.offset_s and self.offset_s >= self.every_s:
            raise _refused("offset_s", "`offset_s` must be shorter than `every_s`, which it belongs to")
        if self.tz != "UTC" and not self.cron:
            raise _refused("tz", "`tz` belongs to `cron`")
        if self.cron:
            try:
                Schedule(cron=self.cron).check()
            except BadSchedule as error:
                raise _refused("cron", str(error)) from None
            try:
                self._schedule.check()
            except BadSchedule as error:
                raise _refused("tz", f"`tz` {self.tz!r}: no such time zone") from error
        if self.jitter_s and self.jitter_s > self._shortest_s():
            raise _refused("jitter_s", "`jitter_s` must not be longer than the time between two ticks")

    def after(self, at_ms: int) -> int | None:
        """The first tick later than `at_ms`; None: there is none."""
        if self.once_ms is not None:
            return self.once_ms if self.once_ms > at_ms else None
        if not FIRST_MS <= at_ms < LAST_MS:
            return None
        return self._schedule.next_after(int(self.offset_s * 1000), at_ms)

    def latest(self, until_ms: int, since_ms: int) -> int | None:
        """The newest tick in `since_ms` to `until_ms`, both included; None: there is none."""
        if until_ms < since_ms:
            return None
        if self.once_ms is not None:
            return self.once_ms if since_ms <= self.once_ms <= until_ms else None
        # Backwards, what is about where clocks change may be found too early, or moved: from there on, forwards.
        start_ms = since_ms if self.cron else int(self.offset_s * 1000)
        newest = self.after(min(self._schedule.latest(start_ms, until_ms), until_ms) - 1)
        found = since_ms - 1
        while newest is not None and newest <= until_ms:
            found, newest = newest, self.after(newest)
        return found if found >= since_ms else None

    def between(self, from_ms: int, until_ms: int) -> Iterator[int]:
        """Ticks in order, both ends included."""
        at_ms = self.after(from_ms - 1)
        while at_ms is not None and at_ms <= until_ms:
            yield at_ms
            at_ms = self.after(at_ms)

    def due_ms(self, tick_ms: int, name: str) -> int:
        """When that tick is acted upon: the same whoever asks, for the schedule of that name."""
        if not self.jitter_s:
            return tick_ms
        chance = int.from_bytes(sha256(f"{tick_ms} {name}".encode()).digest()[:8], "big")
        return tick_ms + chance % (int(self.jitter_s * 1000) + 1)

    @property
    def _schedule(self) -> Schedule:
        return Schedule(round(self.every_s * 1000), self.cron, self.tz)

    def _shortest_s(self) -> float:
        """Between two of the first ticks."""
        if self.every_s:
            return self.every_s
        ticks: list[int] = []
        at_ms = self.after(0)
        while at_ms is not None and len(ticks) < LOOKED_AT:
            ticks.append(at_ms)
            at_ms = self.after(at_ms)
        return min((later - sooner for sooner, later in pairwise(ticks)), default=LAST_MS) / 1000


def _refused(field: str, text: str) -> Refused:
    return Refused(f"schedule.{field}", text, status=422)
