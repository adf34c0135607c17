"""Reach: nodes that reach the database and not one another, and which of them are to own nothing meanwhile.

What carries messages between nodes may fail for one of them, or between two, while their leases are renewed all the
same. Nobody is dead then, but clients of the one can't speak to entities of the other. Each node says in its row whom
it can't reach, for longer than troubles take that pass: itself, where it reaches nobody. From these rows follows who is
left out until they reach one another again, as from all else of who there is. What the one owns goes to the others, so
that most clients have all there is.

Where those who are left would have less than half of the capacity nobody is left out: as where Redis is away for all.
"""

from collections import Counter
from collections.abc import Collection, Sequence

import structlog

from greenroom.store.ownership.referee import Member

log = structlog.get_logger("greenroom.membership")

LOST_S = 3.0  # so long somebody must have been out of reach before a node says so
SKEW_S = 2.5  # and a renewal longer the rows must have said the same: whoever is in the same trouble says so by then
BACK_S = 10.0  # so long those that were left out must have been within reach again


class Reach:
    """As one node knows it. All times are on one clock that goes on, in seconds."""

    def __init__(self, renewed_every_s: float) -> None:
        """`renewed_every_s`: so often each node says it anew."""
        self._agreed_s = renewed_every_s + SKEW_S
        self.said: tuple[int, ...] = ()  # whom this node can't reach, as its row has it
        self._lost: dict[int, float] = {}  # nodes out of reach, and since when
        self.left_out: frozenset[int] = frozenset()
        self._follows: frozenset[int] = frozenset()  # who is to be left out, by the rows as they were last
        self._since = 0.0  # and since when that is so
        self._out_at: dict[int, float] = {}  # of those that are left out, when that last followed

    def saw(self, unreached: Collection[int], now: float) -> tuple[int, ...]:
        """These can't be reached now. Gives what this node says of it."""
        self._lost = {node: self._lost.get(node, now) for node in unreached}
        said = tuple(sorted(node for node, since in self._lost.items() if now - since >= LOST_S))
        if said != self.said:
            self.said = said
            if said:
                log.warning("nodes_unreached", nodes=_named(said))
            else:
                log.info("nodes_reached")
        return said

    def heard(self, up: Sequence[Member], now: float) -> frozenset[int]:
        """The rows of those that are up. Gives who of them is left out."""
        follows = frozenset(parted_from_most(up))
        if follows != self._follows:
            self._follows, self._since = follows, now
        for node in follows:
            if node in self._out_at or now - self._since >= self._agreed_s:
                self._out_at[node] = now
        present = {one.incarnation for one in up}
        self._out_at = {node: at for node, at in self._out_at.items() if node in present and now - at < BACK_S}
        left_out = frozenset(self._out_at)
        if left_out != self.left_out:
            self.left_out = left_out
            if left_out:
                log.warning("nodes_left_out", nodes=_named(sorted(left_out)))
            else:
                log.info("nodes_taken_back")
        return left_out


def parted_from_most(up: Sequence[Member]) -> set[int]:
    """Who is to be left out, that those who are not reach one another: of these nodes, the oldest first.

    First those that reach nobody, then always whoever is in most of the pairs that do not reach each other; of several
    the one with the least capacity, and the youngest of these. Nobody, where the others had less than half of it all.
    """
    out = {one.incarnation for one in up if one.incarnation in one.unreached}
    left = [one for one in up if one.incarnation not in out]
    while True:
        names = {one.incarnation for one in left}
        pairs = {frozenset((one.incarnation, other)) for one in left for other in one.unreached if other in names}
        if not pairs:
            break
        count = Counter(node for pair in pairs for node in pair)
        worst = max(enumerate(left), key=lambda at: (count[at[1].incarnation], -at[1].capacity, at[0]))[1]
        out.add(worst.incarnation)
        left.remove(worst)
    enough = 2 * sum(one.capacity for one in left) >= sum(one.capacity for one in up)
    return out if left and enough else set()


def _named(nodes: Collection[int]) -> list[str]:
    return [f"{node:016x}" for node in nodes]
