"""Again: messages that nobody sends again, and whose handlers could not reach the store. They rest, and come back.

They are the cell's, not its life's: what ends a life, as the outage itself may, loses none of them. They come back in
their order, each before what waits by then; what came while they rested may have been handled before them. One is
tried, and while that still finds the store away the others rest with it: each may take as long as a handler may, and
together they would keep others waiting for minutes. The longer the store is away, the longer they rest.

Each has a number from its first rest on, by which it takes its place however often it comes back, and whenever: what
one has recorded may be refused when the next one is being tried already, and then both come back in turn.
"""

from bisect import insort
from math import inf
from typing import TypeGuard

from greenroom.actors.model.envelope import Envelope
from greenroom.actors.model.mailbox import Item

FIRST_S, LONGEST_S = 1.0, 30.0  # a rest, and one after many
CALM_S = 60.0  # without a new one for so long, the next rest is short again
RESTING_MAX = 64
BYTES_MAX = 1 << 20  # or one message


class Again:
    """Of one cell, made when it has the first. Times are trio's clock."""

    __slots__ = ("_back_at", "_bytes", "_last", "_rest_s", "_resting", "due")

    def __init__(self) -> None:
        self.due = inf  # when the next one comes back
        self._back_at = -inf  # when one came back last
        self._last = 0  # the number of the newest
        self._resting: list[Envelope] = []  # by their numbers
        self._bytes = 0
        self._rest_s = FIRST_S

    def __len__(self) -> int:
        return len(self._resting)

    def put(self, envelope: Envelope, now: float) -> bool:
        """Have it rest, in its place if it has rested before. False when too many do."""
        if len(self) >= RESTING_MAX or (self._resting and self._bytes + envelope.size > BYTES_MAX):
            return False
        if envelope.rested or not self._resting:
            self._rest(now)
        if not envelope.rested:
            self._last = envelope.rested = self._last + 1
        insort(self._resting, envelope, key=_number)
        self._bytes += envelope.size
        return True

    def _rest(self, now: float) -> None:
        if now - self._back_at > CALM_S:
            self._rest_s = FIRST_S
        self.due = now + self._rest_s
        self._rest_s = min(2 * self._rest_s, LONGEST_S)

    def take(self, now: float) -> Envelope:
        """The first, to be tried. The next one follows, unless this one rests again."""
        envelope = self._resting.pop(0)
        self._bytes -= envelope.size
        self.due, self._back_at = now if self._resting else inf, now
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
    return type(item) is Envelope and item.rested > 0
