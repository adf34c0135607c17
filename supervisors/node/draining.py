"""Draining: how a node that is told to stop comes to its end, in a deadline, and who notices of that what.

It lets nobody in any more. What others are there for it hands over while it goes on; once nothing is its own, clients
are let go as fast as the others take them, and are served until then. What is left stops with the node: where nobody is
there to take it, or the deadline has come, clients are told at the same time, for each of them waits for the next node.
"""

import structlog
import trio

from greenroom.config.limits import DrainConfig
from greenroom.config.telemetry.instruments import Instruments
from greenroom.supervisors.cluster.membership import Membership
from greenroom.supervisors.cluster.moving import Moving
from greenroom.supervisors.kernel.kernel import Kernel
from greenroom.supervisors.node.joined import Joined
from greenroom.transports.edge import Edge
from greenroom.transports.sockets.goodbye import Pace, at_the_same_time

log = structlog.get_logger("greenroom.node")

HANDING_SHARE = 0.7  # of the time to drain, for handing entities to other nodes; those left over are stopped
LEAVING_SHARE = 0.9  # and by then all clients are to have been told, where there is time to do so one after the other
SPREAD_S = 0.1  # until nodes that hear from an entity's node who has left have heard it
HEARD_S = 1.0  # what nodes have to say that what was said to them has arrived
GOODBYE_S = 2.0  # what clients have to take their close frames when the node stops


class Draining:
    """Of one node."""

    def __init__(
        self,
        config: DrainConfig,
        *,
        edge: Edge,
        kernel: Kernel,
        membership: Membership,
        instruments: Instruments,
        joined: Joined | None = None,
        moving: Moving | None = None,
    ) -> None:
        """`joined` and `moving`: of a node that shares its database."""
        self._config = config
        self._edge = edge
        self._kernel = kernel
        self._membership = membership
        self._instruments = instruments
        self._joined = joined
        self._moving = moving

    async def run(self) -> None:
        """Return when nothing is left that could be finished in time."""
        deadline_s = self._config.deadline_s
        began = trio.current_time()
        self._edge.stop_accepting()
        with trio.move_on_after(deadline_s) as scope:
            if self._moving is not None:
                with trio.move_on_after(HANDING_SHARE * deadline_s):
                    await self._moving.give_all()
                await self._let_go(began + LEAVING_SHARE * deadline_s)
            await self._kernel.drain()
            await self._arrived()
        if scope.cancelled_caught:
            log.warning("drain_deadline", awake=self._instruments.awake)
        await self._edge.say_goodbye(at_the_same_time, self._heard)
        with trio.move_on_after(GOODBYE_S):
            await self._edge.live.emptied()
        log.info("drained")

    async def _let_go(self, until: float) -> None:
        """As long as this node serves them as others do: that is, while it has nothing of its own."""

        def pace() -> Pace:
            others = self._membership.others_up()
            return Pace(self._config.connects_per_s * others, until) if others else at_the_same_time()

        others, connections = self._membership.others_up(), len(self._edge.live)
        if others and connections and not self._membership.owned():
            log.info("clients_leave", connections=connections, nodes=others)
            await self._edge.say_goodbye(pace, self._heard)

    async def _heard(self) -> None:
        """Other nodes have heard what was said to them until now, or do not answer."""
        if self._joined is not None:
            with trio.move_on_after(HEARD_S):
                await self._arrived()
            await trio.sleep(SPREAD_S)

    async def _arrived(self) -> None:
        if self._joined is not None:
            await self._joined.drained()
