"""Adds jobs to its table: one at a time, over several connections at once, or by the thousand."""

import asyncio
import time
from dataclasses import dataclass

import asyncpg

from bench.load.adding import WARM_S
from bench.load.generators import Link
from bench.peers.skip_locked.table import ADD, Place

PARALLEL_MAX = 20  # connections: 200, as commands are on their way to us, would be of no use to Postgres


@dataclass(frozen=True)
class Adding:
    """What one generator does, for each word it hears: see bench/load/adding.py."""

    place: Place
    queue: str
    job: str
    in_flight: int


def add(link: Link, plan: Adding) -> None:
    """A generator, as `add` in bench/load/adding.py is."""
    with asyncio.Runner() as runner:
        adder = _Adder(plan)
        link.say("ready")
        while True:
            how, amount = link.wait("add")
            link.say("added", runner.run(adder.add(how, amount)))


class _Adder:
    def __init__(self, plan: Adding) -> None:
        self._plan = plan
        self._connections: list[asyncpg.Connection] = []

    async def add(self, how: str, amount: float) -> tuple[int, float, int]:
        """How many, in which seconds, and how many with those that do not count."""
        if how == "bulk":
            return await self._bulk(int(amount))
        (connection, *_) = connections = await self._connected(min(self._plan.in_flight, PARALLEL_MAX))
        warm = await self._one_by_one(connection, time.perf_counter() + WARM_S)
        begun = time.perf_counter()
        at_once = connections if how == "parallel" else [connection]
        counts = await asyncio.gather(*(self._one_by_one(one, begun + amount) for one in at_once))
        return sum(counts), time.perf_counter() - begun, warm + sum(counts)

    async def _connected(self, count: int) -> list[asyncpg.Connection]:
        while len(self._connections) < count:
            self._connections.append(await self._plan.place.connect())
        return self._connections[:count]

    async def _one_by_one(self, connection: asyncpg.Connection, until: float) -> int:
        count = 0
        while time.perf_counter() < until:
            await self._insert(connection, [b'{"number":%d}' % count])
            count += 1
        return count

    async def _bulk(self, jobs: int) -> tuple[int, float, int]:
        (connection,) = await self._connected(1)
        many = [b'{"number":%d}' % number for number in range(1_000)]
        begun = time.perf_counter()
        for _ in range(jobs // 1_000):
            await self._insert(connection, many)
        count = jobs // 1_000 * 1_000
        return count, time.perf_counter() - begun, count

    async def _insert(self, connection: asyncpg.Connection, arguments: list[bytes]) -> None:
        ids = await connection.fetch(ADD, self._plan.queue, self._plan.job, arguments, int(time.time() * 1000))
        assert len(ids) == len(arguments)
