"""Left out: a node that reaches the database and not the others sends its clients to these, once they own all there is.

It is not ready meanwhile, so whoever stands in front of the nodes brings nobody to it. Who is connected would stay, and
reach nothing. Who finds no other node, for want of another address, is served as before, and sent away once more after
a while.
"""

from math import inf

import structlog
import trio

from greenroom.supervisors.cluster.membership import Membership
from greenroom.transports.edge import Edge
from greenroom.transports.sockets.goodbye import Pace

log = structlog.get_logger("greenroom.node")

LOOK_S = 1.0  # between two looks, as often as the rows are read
NOTICED_S = 7.0  # until whoever stands in front knows that this node is not ready: two probes of three seconds
AGAIN_S = 15.0  # between two rounds: who comes back to the same node has been refused by it for as long


class LeftOut:
    """A duty of a node that shares its database."""

    def __init__(self, edge: Edge, membership: Membership, *, connects_per_s: float) -> None:
        """`connects_per_s`: how many each of the others takes."""
        self._edge = edge
        self._membership = membership
        self._connects_per_s = connects_per_s

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Until cancelled."""
        task_status.started()
        since = trio.current_time()
        while True:
            await trio.sleep(LOOK_S)
            if not self._membership.is_left_out:
                since = trio.current_time()
            elif trio.current_time() - since >= NOTICED_S and self._edge.live and (pace := self._pace()) is not None:
                log.warning("clients_sent_elsewhere", connections=len(self._edge.live), pace=pace.per_s)
                await self._edge.send_elsewhere(self._pace)
                await trio.sleep(AGAIN_S)

    def _pace(self) -> Pace | None:
        """None while this node is of use to its clients, or nobody else is."""
        others = self._membership.others_up()
        if not self._membership.is_left_out or self._membership.owned() or not others:
            return None
        return Pace(self._connects_per_s * others, inf)
