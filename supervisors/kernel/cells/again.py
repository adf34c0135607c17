"""Again: messages that nobody sends again, and whose handlers could not reach the store. They rest, and come back.

They are the cell's, not its life's: what ends a life, as the outage itself may, loses none of them. All come back
together, in their order, before what waits by then; what came while they rested may have been handled before them. The
longer the store is away, the longer they rest.
"""

from math import inf

from greenroom.actors.model.envelope import Envelope

FIRST_S, LONGEST_S = 1.0, 30.0  # a rest, and one after many
CALM_S = 60.0  # without a new one for so long, the next rest is short again
RESTING_MAX = 64
BYTES_MAX = 1 << 20  # or one message


class Again:
    """Of one cell, made when it has the first. Times are trio's clock."""

    __slots__ = ("_back_at", "_bytes", "_rest_s", "_resting", "due")

    def __init__(self) -> None:
        self.due = inf  # when they come back
        self._back_at = -inf  # when the last ones did
        self._resting: list[Envelope] = []
        self._bytes = 0
        self._rest_s = FIRST_S

    def __len__(self) -> int:
        return len(self._resting)

    def put(self, envelope: Envelope, now: float) -> bool:
        """Have it rest. False when too many do."""
        if len(self) >= RESTING_MAX or (self._resting and self._bytes + envelope.size > BYTES_MAX):
            return False
        if not self._resting:
            if now - self._back_at > CALM_S:
                self._rest_s = FIRST_S
            self.due = now + self._rest_s
            self._rest_s = min(2 * self._rest_s, LONGEST_S)
        self._resting.append(envelope)
        self._bytes += envelope.size
        return True

    def take(self, now: float) -> list[Envelope]:
        """All of them, the first first."""
        resting, self._resting = self._resting, []
        self.due, self._bytes, self._back_at = inf, 0, now
        return resting
