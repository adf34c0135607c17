"""Its queue, as the bench sees it: see Worked and Keyed in bench/jobs."""

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg

from bench.jobs.adders import READY_S, Adders
from bench.load.generators import Fleet, fleet
from bench.load.queueing import LEFT_S
from bench.peers.skip_locked.adding import Adding
from bench.peers.skip_locked.table import ADD, RING, Place
from bench.peers.skip_locked.worker import FOR_EVER, Working, work

LOOK_S = 0.02


class TheirQueue:
    """With a worker that rests until it is told to work."""

    def __init__(
        self, runner: asyncio.Runner, connection: asyncpg.Connection, plan: Adding, worker: Fleet, adders: Adders
    ) -> None:
        self._runner = runner
        self._connection = connection
        self._plan = plan
        self._worker = worker
        self._adders = adders
        self.small = 0  # jobs that no adder has added

    def rest(self) -> None:
        self._worker.tell("work", 0)

    def go(self) -> None:
        self._worker.tell("work", FOR_EVER)

    def unfinished(self) -> int:
        count: int = self._runner.run(
            self._connection.fetchval("SELECT count(*) FROM peer_jobs WHERE queue = $1", self._plan.queue)
        )
        return count

    def finish(self) -> None:
        until = time.monotonic() + LEFT_S
        while self.unfinished():
            assert time.monotonic() < until, f"jobs were not done within {LEFT_S:g} s"
            time.sleep(LOOK_S)
        self.rest()

    def fill(self, jobs: int) -> float:
        """Jobs added each second."""
        self.rest()
        return self._adders.add("bulk", jobs, self._plan)

    def work(self, jobs: int | None = None) -> float:
        """Jobs a second; `jobs` of them, or all that wait."""
        jobs = jobs or self.unfinished()
        self._worker.tell("work", jobs)
        (seconds,) = self._worker.wait("worked", within_s=LEFT_S * 10)
        return float(jobs / seconds)

    def fill_key(self, jobs: int) -> None:
        """It knows of no keys."""
        self.fill(jobs)
        self.go()

    def add_small(self, keys: list[str], file: Path) -> None:
        self.go()
        sent_ns = time.monotonic_ns()
        self.add([{"key": key, "sent_ns": sent_ns, "file": str(file)} for key in keys])

    def add(self, arguments: list[dict[str, object]]) -> None:
        """By one statement, and ring."""
        self.small += len(arguments)
        self._runner.run(self._add([json.dumps(one).encode() for one in arguments]))

    async def _add(self, arguments: list[bytes]) -> None:
        await self._connection.fetch(ADD, self._plan.queue, "job.waited", arguments, int(time.time() * 1000))
        await self._connection.execute(RING)


@contextmanager
def their_queue(runner: asyncio.Runner, place: Place, queue: str, adders: Adders) -> Iterator[TheirQueue]:
    """A queue of that name, with a worker in a process of its own."""
    connection = runner.run(place.connect())
    try:
        with fleet(work, [Working(place, queue)]) as worker:
            worker.wait("ready", within_s=READY_S)
            yield TheirQueue(runner, connection, Adding(place, queue, "job.nothing"), worker, adders)
    finally:
        runner.run(connection.close())


def pickups(queue: TheirQueue, lone: int, lone_per_s: float, file: Path) -> None:
    """Lone jobs, each of which appends to `file` how long ago it was sent."""
    queue.go()
    for _ in range(lone):
        begun = time.monotonic()
        queue.add([{"sent_ns": time.monotonic_ns(), "file": str(file)}])
        time.sleep(max(0.0, 1 / lone_per_s - (time.monotonic() - begun)))
