"""Joined: what a node has that shares its database with others. Links to them, and what goes over these.

A node that is alone has none of it.
"""

import random
from collections.abc import Callable, Collection, Mapping
from time import perf_counter

import trio

from greenroom.actors.model.kinds import Kinds
from greenroom.config.limits import BusConfig
from greenroom.config.telemetry.instruments import Instruments
from greenroom.store.ownership.referee import Referee
from greenroom.supervisors.cluster.membership import Membership
from greenroom.supervisors.correspondence.correspondence import Correspondence
from greenroom.supervisors.correspondence.questions import Answer
from greenroom.supervisors.kernel.kernel import Kernel
from greenroom.supervisors.supervision.backoff import new_backoff
from greenroom.supervisors.supervision.strategy import ChildSpec, RestartIntensity, Strategy, SupervisorSpec
from greenroom.supervisors.supervision.supervise import supervise
from greenroom.transports.bus.carried_links import CarriedLinks, LinkState
from greenroom.transports.bus.carrier import Carrier
from greenroom.transports.bus.links import Links
from greenroom.transports.hub.hub import Hub
from greenroom.transports.hub.reading import StoredEvents

FAREWELL_S = 0.5  # what others have to hear that this node has left


class Joined:
    """Of one node: `open` once it has joined, `run` before its kernel does."""

    def __init__(
        self,
        *,
        membership: Membership,
        referee: Referee,
        carrier: Callable[[str, int], Carrier],
        bus: BusConfig,
        kinds: Kinds,
        hub: Hub,
        journal: StoredEvents,
        kernel: Callable[[], Kernel],
        instruments: Instruments,
        answer: Answer,
        jitter: random.Random | None = None,
        stopwatch: Callable[[], float] = perf_counter,
    ) -> None:
        """`carrier` makes what carries the links, given the cluster's name and this node's incarnation; `answer`: to
        what operators ask on other nodes; `jitter` and `stopwatch`: see CarriedLinks."""
        self._membership = membership
        self._referee = referee
        self._carrier = carrier
        self._bus = bus
        self._jitter = jitter
        self._stopwatch = stopwatch
        self._instruments = instruments
        self._links: CarriedLinks | None = None
        self.correspondence = Correspondence(
            node=membership.incarnation,
            kinds=kinds,
            ownership=membership,
            hub=hub,
            journal=journal,
            kernel=kernel,
            links=self._opened,
            nodes=self._others,
            look=membership.look_soon,
            hear=membership.hear,
            instruments=instruments,
            answer=answer,
        )

    def _opened(self) -> Links:
        assert self._links is not None
        return self._links

    def _others(self) -> Collection[int]:
        me = self._membership.incarnation
        return [one.incarnation for one in self._membership.members() if one.incarnation != me]

    def shown(self) -> dict[str, object]:
        """What operators see of it: the nodes there are, as of the last look at their rows, and how the links are."""
        links = self._links
        states = links.states() if links is not None else {}
        me = self._membership.incarnation
        return {
            "shards_owned": self._membership.owned(),
            "links": "ok" if links is not None and links.healthy else "not carried",
            "nodes": [
                {
                    "node": f"{one.incarnation:016x}",
                    "url": one.url,
                    "version": one.version,
                    "state": one.state,
                    "capacity": one.capacity,
                    "shards": one.shards,
                    "lease_left_s": round(max(one.left_s, 0.0), 1),
                    **({} if one.incarnation == me else link_shown(states.get(one.incarnation))),
                }
                for one in self._membership.members()
            ],
        }

    def unreached(self) -> Collection[int]:
        """Nodes that can't be spoken to just now; this one, where there is no way to any."""
        links = self._links
        if links is None:
            return ()
        if not links.healthy:
            return (self._membership.incarnation,)
        return [node for node, state in links.states().items() if state.silent]

    def linked(self) -> Collection[int]:
        """Nodes to which there are links."""
        return list(self._links.states()) if self._links is not None else ()

    def links(self) -> dict[int, str]:
        """How the link to each other node is."""
        states = self._links.states() if self._links is not None else {}
        return {node: str(link_shown(states.get(node))["link"]) for node in self._others()}

    async def ask(self, node: int, question: bytes, within_s: float) -> bytes | None:
        """What another node says to an operator's question; None when it says nothing in time."""
        return await self.correspondence.questions.ask(node, question, within_s=within_s)

    async def open(self) -> None:
        """Have links. Raises: StoreUnavailable."""
        node = self._membership.incarnation
        self._links = CarriedLinks(
            node,
            self._carrier(await self._referee.cluster(), node),
            self.correspondence,
            self._bus,
            self._instruments,
            jitter=self._jitter,
            stopwatch=self._stopwatch,
        )

    def forget(self, node: int) -> None:
        """It is gone, and so is what was on its way to it."""
        self.correspondence.asking.gone(node)
        if self._links is not None:
            self._links.forget(node)
            self.correspondence.pages.parted(node)  # though nothing has ever been said between us

    def announce(self, owner: int, terms: Mapping[int, int]) -> None:
        """All other nodes are to hear that it owns these shards, under these terms."""
        if self._links is not None:
            self.correspondence.announce(owner, terms)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Until cancelled. Raises: RestartIntensityReached when its parts crash too often."""
        assert self._links is not None
        spec = SupervisorSpec(
            name="joined",
            strategy=Strategy.ONE_FOR_ONE,  # what one remembers the others keep
            intensity=RestartIntensity(restarts_max=10, window_s=10.0),
            children=(
                ChildSpec(name="links", start=self._links.run, shutdown_s=2.0),
                *self.correspondence.children,
            ),
        )
        await supervise(spec, task_status=task_status, backoff=new_backoff)

    async def drained(self) -> None:
        """Return once all that was said has arrived."""
        assert self._links is not None
        await self._links.drained()

    async def say_left(self) -> None:
        """After the last of it: others hear that what they send here now is for somebody else."""
        assert self._links is not None
        self.correspondence.say_left({*self._others(), *self.linked()})
        with trio.move_on_after(FAREWELL_S):
            await self._links.drained()


def link_shown(link: LinkState | None) -> dict[str, object]:
    """The link to one node; None where nothing has been said to it, nor has it said anything."""
    if link is None:
        return {"link": "none yet", "link_held_bytes": 0}
    return {"link": "no answer" if link.silent else "ok", "link_held_bytes": link.held_bytes}
