"""Again: messages that nobody sends again, and whose handlers could not reach the store. They rest, and come back.

They are the cell's, not its life's: what ends a life, as the outage itself may, loses none of them. They come back in
their order, each before what waits by then; what came while they rested may have been handled before them. One is
tried, and while that still finds the store away the others rest with it: each may take as long as a handler may, and
together they would keep others waiting for minutes. The longer the store is away, the longer they rest.
"""

from math import inf

from greenroom.actors.model.envelope import Envelope

FIRST_S, LONGEST_S = 1.0, 30.0  # a rest, and one after many
CALM_S = 60.0  # without a new one for so long, the next rest is short again
RESTING_MAX = 64
BYTES_MAX = 1 << 20  # or one message


class Again:
    """Of one cell, made when it has the first. Times are trio's clock."""

    __slots__ = ("_back_at", "_bytes", "_rest_s", "_resting", "due", "tried")

    def __init__(self) -> None:
        self.due = inf  # when the next one comes back
        self.tried: Envelope | None = None  # the one that came back last
        self._back_at = -inf  # when that was
        self._resting: list[Envelope] = []
        self._bytes = 0
        self._rest_s = FIRST_S

    def __len__(self) -> int:
        return len(self._resting)

    def put(self, envelope: Envelope, now: float, *, former: Envelope | None = None) -> bool:
        """Have it rest, in the place of `former` that it was handled as. False when too many do."""
        is_tried = former is not None and former is self.tried
        if len(self) >= RESTING_MAX or (self._resting and self._bytes + envelope.size > BYTES_MAX):
            return False
        if is_tried or not self._resting:
            if now - self._back_at > CALM_S:
                self._rest_s = FIRST_S
            self.due = now + self._rest_s
            self._rest_s = min(2 * self._rest_s, LONGEST_S)
        self._resting.insert(0 if is_tried else len(self), envelope)
        self.tried = None if is_tried else self.tried
        self._bytes += envelope.size
        return True

    def take(self, now: float) -> Envelope:
        """The first, to be tried. The next one follows, unless this one rests again."""
        self.tried = envelope = self._resting.pop(0)
        self._bytes -= envelope.size
        self.due, self._back_at = now if self._resting else inf, now
        return envelope

    def take_all(self) -> list[Envelope]:
        """For good: nothing is handled here any more."""
        resting, self._resting = self._resting, []
        self.due, self._bytes, self.tried = inf, 0, None
        return resting
