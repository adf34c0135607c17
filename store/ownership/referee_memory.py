"""The referee in memory: the same promises without a database, for tests and for whole clusters in one process.

Nodes that share `MemoryShards` share a referee. Every call waits once, before anything has changed, as over a wire.
"""

from collections.abc import Callable, Collection, Mapping

import trio
from msgspec import Struct, field
from msgspec.structs import replace

from greenroom.store.ownership.referee import NOBODY_NEXT, Member, Newcomer, Owned, ShardsDiffer, State

ORDER: tuple[State, ...] = ("joining", "up", "draining")


class MemoryNode(Struct):
    """A node's row."""

    newcomer: Newcomer
    state: State
    lease_until: float
    is_dead: bool = False
    why: str = ""
    unreached: tuple[int, ...] = ()


class MemoryShards(Struct):
    """The rows. `now` is the referee's clock, in seconds."""

    now: Callable[[], float] = trio.current_time
    nodes: dict[int, MemoryNode] = field(default_factory=dict)
    shards: list[Owned] = field(default_factory=list)
    releases: dict[str, str] = field(default_factory=dict)  # what each knows, by name
    causes: dict[int, str] = field(default_factory=dict)  # of each shard's last change
    floor: int = 0  # the highest term that a fence was granted under before there were shards

    def owner(self, shard: int) -> int | None:
        """Who owns it; None: nobody who lives."""
        owner = self.shards[shard].owner
        return owner if owner is not None and not self.nodes[owner].is_dead else None

    def change(self, shard: int, owner: int | None, why: str) -> int:
        """Its new term."""
        term = self.shards[shard].term + 1
        self.shards[shard] = Owned(shard, owner, term, self.now())
        self.causes[shard] = why
        return term

    def living(self, incarnation: int) -> MemoryNode | None:
        node = self.nodes.get(incarnation)
        return None if node is None or node.is_dead else node


class MemoryReferee:
    """Of one node. `reach` is the way there: it waits, and raises StoreUnavailable while there is none."""

    def __init__(self, rows: MemoryShards, *, incarnation: int, reach: Callable[[], None] = lambda: None) -> None:
        self.rows = rows
        self.incarnation = incarnation
        self._reach = reach

    async def _arrive(self) -> MemoryShards:
        await trio.lowlevel.checkpoint()
        self._reach()
        return self.rows

    async def agree(self, shards: int) -> None:
        """See Referee. Raises: ShardsDiffer."""
        rows = await self._arrive()
        if not rows.shards:
            rows.shards = [Owned(shard, None, rows.floor, rows.now()) for shard in range(shards)]
        if len(rows.shards) != shards:
            raise ShardsDiffer(
                f"must be {len(rows.shards)}, as this database was set up with, and is {shards}: it can't be changed"
            )

    async def cluster(self) -> str:
        """See Referee."""
        await self._arrive()
        return "memory"

    async def join(self, newcomer: Newcomer, *, lease_s: float) -> None:
        """See Referee."""
        rows = await self._arrive()
        state: State = "up" if newcomer.is_alone else "joining"
        if newcomer.release:
            rows.releases[newcomer.release] = newcomer.knowledge
        rows.nodes[self.incarnation] = MemoryNode(newcomer, state, rows.now() + lease_s)

    async def renew(self, lease_s: float, *, unreached: Collection[int] = ()) -> bool:
        """See Referee."""
        rows = await self._arrive()
        node = rows.living(self.incarnation)
        if node is None:
            return False
        node.lease_until = rows.now() + lease_s
        node.unreached = tuple(unreached)
        return True

    async def renew_beside(self, lease_s: float) -> bool | None:
        """See Referee. Here none is under way for long."""
        return await self.renew(lease_s)

    async def enter(self, state: State) -> bool:
        """See Referee."""
        rows = await self._arrive()
        node = rows.living(self.incarnation)
        if node is None:
            return False
        node.state = max(node.state, state, key=ORDER.index)
        return True

    async def members(self) -> list[Member]:
        """See Referee."""
        rows = await self._arrive()
        counts: dict[int | None, int] = {}
        for shard in rows.shards:
            counts[shard.owner] = counts.get(shard.owner, 0) + 1
        return [
            Member(
                incarnation=incarnation,
                url=node.newcomer.url,
                version=node.newcomer.version,
                host=node.newcomer.host,
                process=node.newcomer.process,
                state=node.state,
                capacity=node.newcomer.capacity,
                is_alone=node.newcomer.is_alone,
                left_s=node.lease_until - rows.now(),
                until=node.lease_until,
                shards=counts.get(incarnation, 0),
                release=node.newcomer.release,
                unreached=node.unreached,
            )
            for incarnation, node in rows.nodes.items()
            if not node.is_dead
        ]

    async def releases(self, known: Collection[str]) -> dict[str, str | None]:
        """See Referee. Here they are kept for ever, as the rows of nodes are."""
        rows = await self._arrive()
        return {name: None if name in known else knowledge for name, knowledge in rows.releases.items()}

    async def bury(
        self, incarnation: int, *, is_proven: bool, why: str, nexts: Mapping[int, int] = NOBODY_NEXT
    ) -> list[Owned] | None:
        """See Referee."""
        rows = await self._arrive()
        node = rows.living(incarnation)
        if node is None or not (is_proven or node.lease_until < rows.now()):
            return None
        node.is_dead = True
        node.why = why
        theirs = [shard.shard for shard in rows.shards if shard.owner == incarnation]
        for shard in theirs:
            following = nexts.get(shard)
            heir = rows.living(following) if following is not None else None
            rows.change(shard, following if heir is not None and heir.state == "up" else None, why)
        return [replace(rows.shards[shard]) for shard in theirs]

    async def end_sessions(self, incarnation: int) -> None:
        """See Referee."""
        await self._arrive()

    async def withdraw(self) -> None:
        """See Referee."""
        rows = await self._arrive()
        if all(shard.owner != self.incarnation for shard in rows.shards):
            rows.nodes.pop(self.incarnation, None)

    async def owned(self, *, since: float | None = None) -> list[Owned]:
        """See Referee."""
        rows = await self._arrive()
        return [replace(shard) for shard in rows.shards if since is None or shard.since >= since]

    async def take(self, why: str, *, shards: Collection[int] | None = None) -> dict[int, int]:
        """See Referee."""
        rows = await self._arrive()
        node = rows.living(self.incarnation)
        if node is None or node.state != "up":
            return {}
        wanted = range(len(rows.shards)) if shards is None else shards
        return {
            shard: rows.change(shard, self.incarnation, why) for shard in sorted(wanted) if rows.owner(shard) is None
        }

    async def give(self, shards: Mapping[int, tuple[int, int]], why: str) -> dict[int, int]:
        """See Referee."""
        rows = await self._arrive()
        given: dict[int, int] = {}
        for shard, (term, following) in shards.items():
            node = rows.living(following)
            row = rows.shards[shard]
            can_have = node is not None and (node.state == "up" or following == self.incarnation)
            if row.owner == self.incarnation and row.term == term and can_have:
                given[shard] = rows.change(shard, following, why)
        return given
