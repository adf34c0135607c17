"""Silence: what the wires of one node tell about one another. Decides only.

A wire that has gone silent looks like a slow one, and only a statement's deadline tells them apart. What made it silent
(a host without power, a NAT that forgot) has as a rule silenced others too. So that each of those need not cost a
statement's whole deadline again, others become doubtful: those that have said nothing since the unanswered statement
was sent. An idle one is closed instead of used, and a statement under way on one has DOUBTED_S left.

Many statements are under way and few ever need all of their time, so that is a number and no cancel scope: to enter and
leave one takes as long as a whole pass of trio's scheduler.
"""

from collections.abc import Callable
from math import inf

import trio

DOUBTED_S = 2.0


class Lapsed(Exception):
    """The statement has had its time."""


class Lapse:
    """Until when a statement may take, on trio's clock; it can become less."""

    __slots__ = ("_less", "until")

    def __init__(self, until: float) -> None:
        self.until = until
        self._less: Callable[[float], None] | None = None  # is told by whoever waits

    def shorten(self, until: float) -> None:
        if until < self.until:
            self.until = until
            if self._less is not None:
                self._less(until)

    def watch(self, less: Callable[[float], None] | None) -> None:
        """Whoever waits keeps to `until`, and hears of it when it has become less; None: nobody does any more."""
        self._less = less

    def scope(self) -> trio.CancelScope:
        """Ends what is awaited in it then. Not to be used twice at once."""
        scope = trio.CancelScope(deadline=self.until)

        def less(until: float) -> None:
            scope.deadline = until

        self.watch(less)
        return scope


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
