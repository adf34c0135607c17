"""Again: messages that nobody sends again, and whose handlers could not reach the store. They rest, and come back.

They are the cell's, not its life's: what ends a life, as the outage itself may, loses none of them. They come back in
their order, each before what waits by then; what came while they rested may have been handled before them. One is
tried, and while that still finds the store away the others rest with it: each may take as long as a handler may, and
together they would keep others waiting for minutes. The longer the store is away, the longer they rest.

What one message needs may be away for it alone, as where somebody holds a lock on a table. So when the first has found
it away for two minutes, another is tried beside it each time, in turn. Where that finds the store the first is tried
once more, for an outage may have ended between the two, and if it fails the others pass, until one of them does.

Each has a number from its first rest on, by which it takes its place however often it comes back, and whenever: what
one has recorded may be refused when the next one is being tried already, and then both come back in turn.
"""

from bisect import bisect_left, insort
from math import inf
from typing import TypeGuard

from greenroom.actors.model.envelope import Envelope
from greenroom.actors.model.mailbox import Item

FIRST_S, LONGEST_S = 1.0, 30.0  # a rest, and one after many
CALM_S = 60.0  # without a new one for so long, the next rest is short again
FIRST_TRIES = 8  # of the first, some two minutes, before others are tried too
RESTING_MAX = 64
BYTES_MAX = 1 << 20  # or one message


class Again:
    """Of one cell, made when it has the first. Times are trio's clock."""

    __slots__ = (
        "_back_at", "_beside", "_bytes", "_first", "_is_alone", "_last", "_next", "_rest_s", "_resting", "_tries",
        "due",
    )  # fmt: skip

    def __init__(self) -> None:
        self.due = inf  # when the next one comes back
        self._back_at = -inf  # when one came back last
        self._last = 0  # the number of the newest
        self._resting: list[Envelope] = []  # by their numbers
        self._bytes = 0
        self._rest_s = FIRST_S
        self._next = 0  # the first with this number or more is tried, or the first of all
        self._first = 0  # which was the first when it failed last
        self._tries = 0  # how often in a row it has
        self._beside = 0  # which was tried beside it last
        self._is_alone = False  # one that was has found the store since

    def __len__(self) -> int:
        return len(self._resting)

    def put(self, envelope: Envelope, now: float) -> bool:
        """Have it rest, in its place if it has rested before. False when too many do."""
        if len(self) >= RESTING_MAX or (self._resting and self._bytes + envelope.size > BYTES_MAX):
            return False
        if envelope.rested:
            insort(self._resting, envelope, key=_number)
            self._failed(envelope.rested, now)
        else:
            if not self._resting:
                self._rest(now)
            self._last = envelope.rested = self._last + 1
            self._resting.append(envelope)
        self._bytes += envelope.size
        return True

    def _failed(self, number: int, now: float) -> None:
        """That one has found the store away once more."""
        first, last = self._resting[0].rested, self._resting[-1].rested
        self._next = 0
        if number == first:
            self._tries = self._tries + 1 if number == self._first else 1
            self._first = number
            if self._tries >= FIRST_TRIES and last > first:
                self._next = 1 + (self._beside if first < self._beside < last else first)
                self.due = now + FIRST_S  # in between it is the turn of what waits: either may take long
                return
        self._is_alone = False
        self._rest(now)

    def _rest(self, now: float) -> None:
        if now - self._back_at > CALM_S:
            self._rest_s = FIRST_S
        self.due = now + self._rest_s
        self._rest_s = min(2 * self._rest_s, LONGEST_S)

    def take(self, now: float) -> Envelope:
        """One, to be tried. The next one follows, unless this one rests again."""
        place = bisect_left(self._resting, self._next, key=_number)
        if place == len(self._resting):
            place = 0
        envelope = self._resting.pop(place)
        self._bytes -= envelope.size
        self.due, self._back_at = now if self._resting else inf, now
        self._next = 0
        if place:
            self._beside = envelope.rested
            if not self._is_alone:
                self._is_alone = True
            elif place < len(self._resting):
                self._next = envelope.rested
            else:
                self.due = now + self._rest_s  # it was the last one that could pass
        return envelope

    def leave(self, waiting: list[Item]) -> tuple[list[Envelope], list[Item]]:
        """For good: all of them in their order, also those that have come back and are among what is still `waiting`;
        and what else waits."""
        leaving = sorted([*self._resting, *(item for item in waiting if has_rested(item))], key=_number)
        self._resting, self.due, self._bytes = [], inf, 0
        return leaving, [item for item in waiting if not has_rested(item)]


def _number(envelope: Envelope) -> int:
    return envelope.rested


def has_rested(item: Item) -> TypeGuard[Envelope]:
    """Has it come back, and is being tried?"""
    return type(item) is Envelope and item.rested > 0 and item.deadline > -inf  # that: it is done with
