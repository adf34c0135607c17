"""Many nodes in one process, in virtual time. How each joins, renews, looks, takes and hands over is the real code,
before a referee in memory that counts what it is asked. Their entities sleep, so there is nothing else of a node.
"""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from random import Random
from unittest.mock import patch

import trio

from greenroom.config.limits import MailboxConfig
from greenroom.store.ownership.referee import NOBODY_NEXT, Member, Newcomer, Owned, State
from greenroom.store.ownership.referee_memory import MemoryReferee, MemoryShards
from greenroom.store.ownership.sharding import shard_of
from greenroom.supervisors.cluster import placement
from greenroom.supervisors.cluster.membership import Membership
from greenroom.supervisors.cluster.moving import Moving
from greenroom.supervisors.cluster.placement import Placement
from greenroom.supervisors.kernel.departing import Departing

LEASE_S = 5.0
LOOK_S = 0.05  # between two looks at whether everything is where it is to be, and at who knows it
ASKS = 200  # of so many asks each time it is seen whether they would go to the right node


class _Ticking:
    """The referee's clock: as in a database, no two rows of one statement bear the same time."""

    def __init__(self) -> None:
        self._ticks = 0

    def __call__(self) -> float:
        self._ticks += 1
        return trio.current_time() + 1e-9 * self._ticks


@dataclass(slots=True)
class Counts:
    """What all nodes have asked and said. A row passed is one that Postgres reads to find those that it gives."""

    statements: int = 0
    rows_written: int = 0
    rows_read: int = 0
    rows_passed: int = 0
    messages: int = 0  # over the links between nodes

    def __sub__(self, before: "Counts") -> "Counts":
        return Counts(
            self.statements - before.statements,
            self.rows_written - before.rows_written,
            self.rows_read - before.rows_read,
            self.rows_passed - before.rows_passed,
            self.messages - before.messages,
        )


class CountingReferee(MemoryReferee):
    """See referee_postgres.py for the statements that are counted."""

    def __init__(self, rows: MemoryShards, counts: Counts, *, incarnation: int) -> None:
        super().__init__(rows, incarnation=incarnation)
        self._counts = counts

    def _count(self, *, written: int = 0, read: int = 0, passed: int = 0, statements: int = 1) -> None:
        counts = self._counts
        counts.statements += statements
        counts.rows_written += written
        counts.rows_read += read
        counts.rows_passed += passed

    async def agree(self, shards: int) -> None:
        """See Referee. Raises: ShardsDiffer."""
        await super().agree(shards)
        self._count(read=1, passed=shards)

    async def join(self, newcomer: Newcomer, *, lease_s: float) -> None:
        """See Referee."""
        await super().join(newcomer, lease_s=lease_s)
        self._count(written=1)

    async def renew(self, lease_s: float, *, unreached: Collection[int] = ()) -> bool:
        """See Referee."""
        self._count(written=1)
        return await super().renew(lease_s, unreached=unreached)

    async def enter(self, state: State) -> bool:
        """See Referee."""
        self._count(written=1)
        return await super().enter(state)

    async def members(self) -> list[Member]:
        """See Referee. Their shards are counted by going through all of them."""
        found = await super().members()
        self._count(read=len(found), passed=len(found) + len(self.rows.shards))
        return found

    async def owned(self, *, since: float | None = None) -> list[Owned]:
        """See Referee. Not by an index: there are few."""
        found = await super().owned(since=since)
        self._count(read=len(found), passed=len(self.rows.shards))
        return found

    async def bury(
        self, incarnation: int, *, is_proven: bool, why: str, nexts: Mapping[int, int] = NOBODY_NEXT
    ) -> list[Owned] | None:
        """See Referee."""
        rows = await super().bury(incarnation, is_proven=is_proven, why=why, nexts=nexts)
        changed = 0 if rows is None else len(rows)
        self._count(written=changed + (rows is not None), read=changed)
        return rows

    async def end_sessions(self, incarnation: int) -> None:
        """See Referee."""
        await super().end_sessions(incarnation)
        self._count()

    async def take(self, why: str, *, shards: Collection[int] | None = None) -> dict[int, int]:
        """See Referee."""
        taken = await super().take(why, shards=shards)
        self._count(written=len(taken), read=len(taken))
        return taken

    async def give(self, shards: Mapping[int, tuple[int, int]], why: str) -> dict[int, int]:
        """See Referee."""
        given = await super().give(shards, why)
        self._count(written=len(given), read=len(given))
        return given


class Asleep:
    """In the place of a node's system: nobody is awake, so a shard departs at once."""

    def __init__(self) -> None:
        self.departing = Departing(MailboxConfig())

    async def survey(self) -> None:
        """As System."""
        await trio.lowlevel.checkpoint()

    def forget_survey(self) -> None:
        """As System."""

    def awake_in(self, _shard: int) -> int:
        """As System."""
        return 0

    async def prepared(self) -> None:
        """As System."""
        await trio.lowlevel.checkpoint()

    async def prepare(self, _shards: Collection[int]) -> int:
        """As System."""
        await trio.lowlevel.checkpoint()
        return 0

    async def depart(self, shards: Collection[int]) -> None:
        """As System."""
        self.departing.begin(shards)
        await trio.lowlevel.checkpoint()

    async def end_in(self, shards: Collection[int]) -> None:
        """As System."""
        await trio.lowlevel.checkpoint()

    def departed(self, shards: Collection[int]) -> None:
        """As System."""
        for shard in shards:
            for _ in self.departing.end(shard):
                pass


@dataclass(slots=True)
class Settled:
    """How it came about that everything is where it is to be."""

    seconds: float
    counts: Counts
    shards: int  # that have changed hands
    wrong_share: float  # of asks that came meanwhile to a node that knew of no owner, or of another


class SimulatedNode:
    """One of them."""

    def __init__(self, cluster: "SimulatedCluster", incarnation: int) -> None:
        self._cluster = cluster
        self.incarnation = incarnation
        self.scope = trio.CancelScope()
        referee = CountingReferee(cluster.rows, cluster.counts, incarnation=incarnation)
        newcomer = Newcomer(url=f"http://{incarnation}", version="1", host="", process=str(incarnation), is_alone=False)
        self.membership = Membership(
            referee,
            newcomer,
            shards=cluster.shards,
            lease_s=LEASE_S,
            ended=lambda host, process: False,
            announce=self._announce,
        )
        self.moving = Moving(self.membership, Asleep())  # type: ignore[arg-type]

    def _announce(self, owner: int, terms: Mapping[int, int]) -> None:
        """One frame to each other node."""
        for node in list(self._cluster.nodes.values()):
            if node is not self:
                self._cluster.counts.messages += 1
                node.membership.hear(owner, terms)

    async def run(self) -> None:
        with self.scope:
            async with trio.open_nursery() as nursery:  # owner: the cluster's
                nursery.start_soon(self.membership.run)
                nursery.start_soon(self.moving.run)


@dataclass(slots=True)
class SimulatedCluster:
    """Nodes by incarnation, before one referee; `entities` sleep, spread over `shards` by their names."""

    shards: int
    entities: int
    nursery: trio.Nursery
    random: Random = field(default_factory=lambda: Random(1))
    rows: MemoryShards = field(default_factory=lambda: MemoryShards(now=_Ticking()))
    counts: Counts = field(default_factory=Counts)
    nodes: dict[int, SimulatedNode] = field(default_factory=dict)

    async def start(self) -> SimulatedNode:
        """One more, that is up."""
        incarnation = self.random.getrandbits(63)
        node = self.nodes[incarnation] = SimulatedNode(self, incarnation)
        await node.membership.join()
        self.nursery.start_soon(node.run)
        await trio.sleep(self.random.random())  # or all would look at the same moment
        await node.membership.open()
        return node

    def kill(self, node: SimulatedNode) -> None:
        """Its host is gone: nobody sees its end."""
        del self.nodes[node.incarnation]
        node.scope.cancel()

    async def drain(self, node: SimulatedNode) -> None:
        """It leaves, as on SIGTERM."""
        await node.moving.give_all()
        await node.membership.leave()
        del self.nodes[node.incarnation]
        node.scope.cancel()

    def so_far(self) -> Counts:
        return self.counts - Counts()

    async def settle(self, began: float, before: Counts, owners: list[int | None]) -> Settled:
        """Return when every shard is where it is to be and every node knows it. Since `began`, with these counts and
        owners."""
        wrong = asked = 0
        desired = self._desired()
        while True:
            now_owned = [shard.owner for shard in self.rows.shards]
            nodes = list(self.nodes.values())
            for _ in range(ASKS):
                entity = f"room:{self.random.randrange(self.entities)}"
                asked += 1
                wrong += self.random.choice(nodes).membership.owner(entity) != now_owned[shard_of(entity, self.shards)]
            if now_owned == desired and all(self._knows(node, now_owned) for node in nodes):
                changed = sum(one != other for one, other in zip(owners, now_owned, strict=True))
                return Settled(trio.current_time() - began, self.counts - before, changed, wrong / asked)
            await trio.sleep(LOOK_S)

    def _knows(self, node: SimulatedNode, owners: list[int | None]) -> bool:
        return all(node.membership.owner_of(shard) == owner for shard, owner in enumerate(owners))

    def _desired(self) -> list[int]:
        placed = Placement(self.shards)
        placed.place(dict.fromkeys(self.nodes, 100))
        return placed.desired


@contextmanager
def drawing_once() -> Iterator[None]:
    """Each node of a process of its own draws for all others, by the same rule: here one does so for all."""
    with patch.object(placement, "draws", cache(placement.draws)):
        yield
