"""One simulated node's way to the referee: each call a statement on a wire of the simulated database."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import TypeVar

from greenroom.store.ownership.referee import NOBODY_NEXT, Member, Newcomer, Owned, State
from greenroom.store.ownership.referee_memory import MemoryReferee
from greenroom.supervisors.simulation.database import Database, Port, Wire

T = TypeVar("T")


class SimulatedReferee:
    """See Referee. Renewals have a wire of their own."""

    def __init__(self, database: Database, port: Port, *, incarnation: int) -> None:
        self._database = database
        self._port = port
        self._rows = MemoryReferee(database.shards, incarnation=incarnation)
        self._lease, self._members = Wire(), Wire()
        self.incarnation = incarnation

    async def _call(self, what: str, work: Callable[[], Awaitable[T]], wire: Wire | None = None) -> T:
        return await self._database.call(what, self._port, wire or self._members, work, write=False)

    async def agree(self, shards: int) -> None:
        await self._call("agree", lambda: self._rows.agree(shards))

    async def cluster(self) -> str:
        return await self._call("cluster", self._rows.cluster)

    async def join(self, newcomer: Newcomer, *, lease_s: float) -> None:
        await self._call("join", lambda: self._rows.join(newcomer, lease_s=lease_s))

    async def renew(self, lease_s: float) -> bool:
        return await self._call("renew", lambda: self._rows.renew(lease_s), self._lease)

    async def enter(self, state: State) -> bool:
        return await self._call("enter", lambda: self._rows.enter(state))

    async def members(self) -> list[Member]:
        return await self._call("members", self._rows.members)

    async def releases(self, known: Collection[str]) -> dict[str, str | None]:
        return await self._call("releases", lambda: self._rows.releases(known))

    async def bury(
        self, incarnation: int, *, is_proven: bool, why: str, nexts: Mapping[int, int] = NOBODY_NEXT
    ) -> list[Owned] | None:
        return await self._call("bury", lambda: self._rows.bury(incarnation, is_proven=is_proven, why=why, nexts=nexts))

    async def end_sessions(self, incarnation: int) -> None:
        await self._call("end sessions", lambda: self._rows.end_sessions(incarnation))

    async def withdraw(self) -> None:
        await self._call("withdraw", self._rows.withdraw)

    async def owned(self, *, since: float | None = None) -> list[Owned]:
        return await self._call("owned", lambda: self._rows.owned(since=since))

    async def take(self, why: str, *, shards: Collection[int] | None = None) -> dict[int, int]:
        return await self._call("take", lambda: self._rows.take(why, shards=shards))

    async def give(self, shards: Mapping[int, tuple[int, int]], why: str) -> dict[int, int]:
        return await self._call("give", lambda: self._rows.give(shards, why))
