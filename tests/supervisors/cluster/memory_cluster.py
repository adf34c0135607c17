"""Several nodes before one referee in memory, each of which can be cut off from it or killed. For virtual time."""

from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager

import trio

from greenroom.actors.model.kinds import OtherReleases
from greenroom.actors.schema.knowledge import digest_of
from greenroom.store.errors import StoreUnavailable
from greenroom.store.ownership.referee import Newcomer
from greenroom.store.ownership.referee_memory import MemoryReferee, MemoryShards
from greenroom.supervisors.cluster.membership import Membership
from greenroom.supervisors.cluster.releases import Releases

LEASE_S = 5.0


class Node:
    """One that is joined, and runs until it is killed."""

    def __init__(
        self,
        cluster: "Cluster",
        incarnation: int,
        *,
        capacity: int,
        is_alone: bool,
        knowledge: str = "",
        ahead_s: float = 0.0,
    ) -> None:
        self._cluster = cluster
        self.is_cut_off = False
        self.is_killed = False
        self.moved: list[Collection[int]] = []  # what it was told of shards that changed hands
        self.gone: list[int] = []  # and of nodes that are no more
        self.announced: list[tuple[int, Mapping[int, int]]] = []  # what it was to tell all others
        self.on_announce: Callable[[int, Mapping[int, int]], None] = lambda node, terms: None
        self.unreached: Collection[int] = ()  # whom it can't speak to
        self.linked: Collection[int] = ()  # to whom there are links
        self.asked = 0  # how often the referee was reached for
        self.scope = trio.CancelScope()
        self.referee = MemoryReferee(cluster.rows, incarnation=incarnation, reach=self._reach)
        self.others = OtherReleases()
        self.ahead_s = ahead_s  # of the referee's clock
        release = digest_of(knowledge) if knowledge else ""
        new = Newcomer(
            url=f"http://{incarnation}",
            version="1",
            host="here",
            process=str(incarnation),
            capacity=capacity,
            is_alone=is_alone,
            release=release,
            knowledge=knowledge,
        )
        self.membership = Membership(
            self.referee,
            new,
            shards=cluster.shards,
            lease_s=LEASE_S,
            releases=Releases(release, knowledge, self.others),
            clock=lambda: cluster.rows.now() + self.ahead_s,
            ended=cluster.ended,
            moved=self.moved.append,
            gone=self.gone.append,
            announce=self._announce,
            unreached=lambda: self.unreached,
            linked=lambda: self.linked,
        )

    def _announce(self, node: int, terms: Mapping[int, int]) -> None:
        self.announced.append((node, terms))
        self.on_announce(node, terms)

    def _reach(self) -> None:
        self.asked += 1
        if self.is_cut_off or self._cluster.is_away:
            raise StoreUnavailable("not reached")

    @property
    def owned(self) -> set[int]:
        """By what it knows itself."""
        shards = self.membership.shards()
        return set(range(self.membership.count)) if shards is None else set(shards)

    async def run(self) -> None:
        with self.scope:
            await self.membership.run()

    def kill(self) -> None:
        self.is_killed = True
        self.scope.cancel()


class Cluster:
    """`is_away`: nobody reaches the referee. `is_seen`: that a process has ended is seen by the others' hosts."""

    def __init__(self, nursery: trio.Nursery, shards: int) -> None:
        self.shards = shards
        self.rows = MemoryShards()
        self.is_away = False
        self.is_seen = False
        self.nodes: list[Node] = []
        self._nursery = nursery

    def ended(self, host: str, process: str) -> bool:
        return self.is_seen and any(one.is_killed for one in self.nodes if str(one.referee.incarnation) == process)

    def node(self, *, capacity: int = 100, is_alone: bool = False, knowledge: str = "", ahead_s: float = 0.0) -> Node:
        """`knowledge`: of its release, as JSON. `ahead_s`: of its clock."""
        number = len(self.nodes) + 1
        node = Node(self, number, capacity=capacity, is_alone=is_alone, knowledge=knowledge, ahead_s=ahead_s)
        self.nodes.append(node)
        return node

    async def start(self, node: Node | None = None) -> Node:
        """One that is up."""
        node = node or self.node()
        await node.membership.join()
        self._nursery.start_soon(node.run)
        await node.membership.open()
        return node

    def owners(self) -> list[int | None]:
        """By the rows."""
        return [self.rows.owner(shard) for shard in range(self.shards)]

    def dead(self) -> set[int]:
        return {incarnation for incarnation, node in self.rows.nodes.items() if node.is_dead}


@asynccontextmanager
async def cluster(shards: int = 64) -> AsyncIterator[Cluster]:
    async with trio.open_nursery() as nursery:
        yield Cluster(nursery, shards)
        nursery.cancel_scope.cancel()
