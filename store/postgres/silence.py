"""Silence: what the wires of one node tell about one another. Decides only.

A wire that has gone silent looks like a slow one, and only a statement's deadline tells them apart. What made it silent
(a host without power, a NAT that forgot) has as a rule silenced others too. So that each of those need not cost a
statement's whole deadline again, others become doubtful: those that have said nothing since the unanswered statement
was sent. An idle one is closed instead of used, and a statement under way on one has DOUBTED_S left.
"""

from math import inf

import trio

DOUBTED_S = 2.0


class Silence:
    """Shared by the wires of one pool. Times are trio's clock."""

    def __init__(self) -> None:
        self._asked_at = -inf  # the time when the latest unanswered statement was sent
        self._under_way: dict[trio.CancelScope, float] = {}  # each with when its wire was heard last

    def doubts(self, heard_at: float) -> bool:
        """Is a wire that was heard last then to be closed rather than used?"""
        return heard_at <= self._asked_at

    def found(self, asked_at: float) -> None:
        """No answer came to a statement sent at `asked_at`, and its deadline has passed."""
        self._asked_at = max(self._asked_at, asked_at)
        until = trio.current_time() + DOUBTED_S
        for scope, heard_at in self._under_way.items():
            if self.doubts(heard_at):
                scope.deadline = min(scope.deadline, until)

    def scope(self, deadline: float, heard_at: float) -> trio.CancelScope:
        """For a statement: ends at `deadline`, or earlier when its wire becomes doubtful. Give it back to `ended`."""
        scope = trio.CancelScope(deadline=deadline)
        self._under_way[scope] = heard_at
        return scope

    def ended(self, scope: trio.CancelScope) -> None:
        del self._under_way[scope]
