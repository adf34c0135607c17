"""Are jobs worked on more slowly, and do their tables grow, while a transaction is left open elsewhere?

As long as one is, Postgres keeps the rows that others remove: whoever looks for jobs in a table goes through them.
"""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import harmonic_mean
from typing import Protocol

import asyncpg

from bench.load.generators import Link, fleet
from bench.question import Results

START_S = 10.0
MINUTE_S = 60.0
BEFORE = 3  # rounds by which it is known what is usual; the first does not count


class Worked(Protocol):
    """A queue."""

    def fill(self, jobs: int) -> float:
        """Add so many while nobody works: jobs a second."""

    def work(self) -> float:
        """Have all of them worked on: jobs a second."""


def held(queue: Worked, minutes: float, jobs: int, run: Path, tables: tuple[str, ...]) -> Results:
    """Jobs a second in each minute, of rounds of so many that are added and then worked on.

    `run` is the folder of Postgres' socket, `tables` those of unfinished jobs.
    """
    usual_per_s = harmonic_mean([_round(queue, jobs) for _ in range(BEFORE)][1:])
    size = asyncio.run(_bytes(run, tables))
    found: Results = {"usual_per_s": round(usual_per_s, 1)}
    last = 0.0
    with _left_open(run):
        for number in range(max(1, round(minutes))):
            until = time.monotonic() + MINUTE_S * min(1.0, minutes)
            rates: list[float] = []
            while not rates or time.monotonic() < until:
                rates.append(_round(queue, jobs))
            last = harmonic_mean(rates)
            found[f"held_minute_{number + 1}_per_s"] = round(last, 1)
        grown = asyncio.run(_bytes(run, tables))
    return found | {
        "held_share": round(last / usual_per_s, 3),
        "held_before_mb": round(size / 1e6, 1),
        "held_after_mb": round(grown / 1e6, 1),
    }


def _round(queue: Worked, jobs: int) -> float:
    """Jobs a second."""
    queue.fill(jobs)
    return queue.work()


@contextmanager
def _left_open(run: Path) -> Iterator[None]:
    """It has read and written, and says nothing more."""
    with fleet(_leave_open, [run]) as others:
        others.wait("open", within_s=START_S)
        yield


def _leave_open(link: Link, run: Path) -> None:
    async def leave() -> None:
        connection = await _connect(run)
        await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        await connection.fetchval("SELECT pg_current_xact_id()::text")
        link.say("open")
        await asyncio.to_thread(link.wait, "stop")

    asyncio.run(leave())


async def _bytes(run: Path, tables: tuple[str, ...]) -> int:
    """With their indexes."""
    connection = await _connect(run)
    try:
        size: int = await connection.fetchval(
            "SELECT sum(pg_total_relation_size(one::regclass))::bigint FROM unnest($1::text[]) AS one", tables
        )
    finally:
        await connection.close()
    return size


async def _connect(run: Path) -> asyncpg.Connection:
    return await asyncpg.connect(host=str(run), user="greenroom", database="greenroom")
