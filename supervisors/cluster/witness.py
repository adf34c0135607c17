"""The witness: what this node has seen of the others' leases, and which of them it may therefore declare dead.

That a lease has run out, the referee says, by its own clock. It is not enough: where the database was away everybody's
has. So an owner must have been silent before our eyes too, and nobody is declared dead by a node that has not itself
reached the referee, without a break, for the time of a lease: by then whoever lives has renewed.

Who was dead once stays so. A failover may forget it, and then that node renews its lease and goes on, while those who
knew speak to it no more, nor hear it: so it is declared dead once more, and starts again.
"""

from collections import OrderedDict
from collections.abc import Sequence

from greenroom.store.ownership.referee import Member

SILENCE = 0.6  # of a lease: so long a node must have been silent before us, that is two renewals
BREAK = 0.5  # of a lease: longer between two answers of the referee, and our access to it was interrupted
GONE_MAX = 4_096  # nodes; of more, the first is taken for alive where the database says so


class Witness:
    """All times are on one clock that goes on, in seconds."""

    def __init__(self, lease_s: float) -> None:
        self._lease_s = lease_s
        self._seen: dict[int, tuple[float, float]] = {}  # node -> the end of its lease, and when we saw that first
        self._since: float | None = None  # from when on the referee has answered without a break
        self._last = 0.0
        self._gone: OrderedDict[int, None] = OrderedDict()

    def saw(self, others: Sequence[Member], now: float) -> set[int]:
        """The referee has answered. Gives those that have renewed their leases since they were seen before."""
        if self._since is None or now - self._last > BREAK * self._lease_s:
            self._since = now
        self._last = now
        before = self._seen
        self._seen = {
            one.incarnation: known
            if (known := before.get(one.incarnation)) is not None and known[0] == one.until
            else (one.until, now)
            for one in others
        }
        return {node for node, (until, _) in self._seen.items() if node in before and before[node][0] != until}

    def lost_sight(self) -> None:
        """The referee has not answered."""
        self._since = None

    def gone(self, node: int) -> None:
        """It is no more, by the word of the referee."""
        self._gone[node] = None
        if len(self._gone) > GONE_MAX:
            self._gone.popitem(last=False)

    def is_gone(self, node: int) -> bool:
        """Was it no more, whatever the referee says by now?"""
        return node in self._gone

    def may_bury(self, member: Member, now: float) -> bool:
        """Is it dead, by all that we know, as of the last `saw`?"""
        if member.left_s > 0 or self._since is None or now - self._since < self._lease_s:
            return False
        return now - self._seen[member.incarnation][1] >= SILENCE * self._lease_s
