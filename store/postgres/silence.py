"""Silence: what the wires of one node tell about one another. Decides only.

A wire that has gone silent looks like a slow one, and only a statement's deadline tells them apart. What made it silent
(a host without power, a NAT that forgot) has as a rule silenced others too. So that each of those need not cost a
statement's whole deadline again, others become doubtful: those that have said nothing since the unanswered statement
was sent. An idle one is closed instead of used, and a statement under way on one has DOUBTED_S left.
"""

from math import inf

import trio

from greenroom.store.postgres.lapse import Lapse

DOUBTED_S = 2.0


class Silence:
    """Shared by the wires of one pool. Times are trio's clock."""

    def __init__(self) -> None:
        self._asked_at = -inf  # the time when the latest unanswered statement was sent
        self._under_way: dict[Lapse, float] = {}  # each with when its wire was heard last

    def doubts(self, heard_at: float) -> bool:
        """Is a wire that was heard last then to be closed rather than used?"""
        return heard_at <= self._asked_at

    def found(self, asked_at: float) -> None:
        """No answer came to a statement sent at `asked_at`, and its deadline has passed."""
        self._asked_at = max(self._asked_at, asked_at)
        until = trio.current_time() + DOUBTED_S
        for lapse, heard_at in self._under_way.items():
            if self.doubts(heard_at):
                lapse.shorten(until)

    def begun(self, until: float, heard_at: float) -> Lapse:
        """A statement that may take until then, or less when its wire becomes doubtful. Give it back to `ended`."""
        lapse = Lapse(until)
        self._under_way[lapse] = heard_at
        return lapse

    def ended(self, lapse: Lapse) -> None:
        del self._under_way[lapse]
