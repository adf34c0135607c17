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
    """What is to be added, and where."""

    place: Place
    queue: str
    job: str
    in_flight: int = 1


def add(link: Link, _: None) -> None:
    """A generator, as `add` in bench/load/adding.py is."""
    with asyncio.Runner() as runner:
        adder = _Adder()
        link.say("ready")
        while True:
            how, amount, plan = link.wait("add")
            link.say("added", runner.run(adder.add(how, amount, plan)))


class _Adder:
    def __init__(self) -> None:
        self._connections: dict[Place, list[asyncpg.Connection]] = {}

    async def add(self, how: str, amount: float, plan: Adding) -> tuple[int, float, int]:
        """How many, in which seconds, and how many with those that do not count."""
        if how == "bulk":
            return await self._bulk(plan, int(amount))
        (first, *_) = connections = await self._connected(plan, min(plan.in_flight, PARALLEL_MAX))
        warm = await _one_by_one(first, plan, time.perf_counter() + WARM_S)
        begun = time.perf_counter()
        at_once = connections if how == "parallel" else [first]
        counts = await asyncio.gather(*(_one_by_one(one, plan, begun + amount) for one in at_once))
        return sum(counts), time.perf_counter() - begun, warm + sum(counts)

    async def _bulk(self, plan: Adding, jobs: int) -> tuple[int, float, int]:
        (connection,) = await self._connected(plan, 1)
        many = [b'{"number":%d}' % number for number in range(1_000)]
        begun = time.perf_counter()
        for _ in range(jobs // 1_000):
            await _insert(connection, plan, many)
        count = jobs // 1_000 * 1_000
        return count, time.perf_counter() - begun, count

    async def _connected(self, plan: Adding, count: int) -> list[asyncpg.Connection]:
        connections = self._connections.setdefault(plan.place, [])
        while len(connections) < count:
            connections.append(await plan.place.connect())
        return connections[:count]


async def _one_by_one(connection: asyncpg.Connection, plan: Adding, until: float) -> int:
    count = 0
    while time.perf_counter() < until:
        await _insert(connection, plan, [b'{"number":%d}' % count])
        count += 1
    return count


async def _insert(connection: asyncpg.Connection, plan: Adding, arguments: list[bytes]) -> None:
    ids = await connection.fetch(ADD, plan.queue, plan.job, arguments, int(time.time() * 1000))
    assert len(ids) == len(arguments)
