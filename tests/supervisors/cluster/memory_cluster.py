"""Several nodes before one referee in memory, each of which can be cut off from it or killed. For virtual time."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

import trio

from greenroom.store.errors import StoreUnavailable
from greenroom.store.ownership.referee import Newcomer
from greenroom.store.ownership.referee_memory import MemoryReferee, MemoryShards
from greenroom.supervisors.cluster.membership import Membership

LEASE_S = 5.0


class Node:
    """One that is joined, and runs until it is killed."""

    def __init__(self, cluster: "Cluster", incarnation: int, *, capacity: int, is_alone: bool) -> None:
        self._cluster = cluster
        self.is_cut_off = False
        self.is_killed = False
        self.moved: list[Collection[int]] = []  # what it was told of shards that changed hands
        self.asked = 0  # how often the referee was reached for
        self.scope = trio.CancelScope()
        self.referee = MemoryReferee(cluster.rows, incarnation=incarnation, reach=self._reach)
        new = Newcomer(
            url=f"http://{incarnation}",
            version="1",
            host="here",
            process=str(incarnation),
            capacity=capacity,
            is_alone=is_alone,
        )
        self.membership = Membership(
            self.referee, new, shards=cluster.shards, lease_s=LEASE_S, ended=cluster.ended, moved=self.moved.append
        )

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

    def node(self, *, capacity: int = 100, is_alone: bool = False) -> Node:
        node = Node(self, len(self.nodes) + 1, capacity=capacity, is_alone=is_alone)
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
