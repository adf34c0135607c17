"""A week of entities that are used for an hour and never again: what is left of them, in rows and in memory.

The kernel, the journal in Postgres and retention, as in a node; only the wall clock is simulated. `test_week.py` has a
few entities an hour. `python -m tests.supervisors.duties.week --per-hour 1000` has many, and prints what they leave
behind day by day.
"""

import argparse
import gc
import json
import os
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import trio
from msgspec import Struct

from greenroom.actors.model.actor import Actor, KindLimits
from greenroom.actors.model.kinds import Kinds
from greenroom.actors.model.lifecycle import Inspect
from greenroom.actors.model.message import Ask, Event, Message, Tell
from greenroom.config.limits import PassivationConfig
from greenroom.config.telemetry.instruments import Instruments
from greenroom.store.journal.dead_letters_memory import MemoryDeadLetters
from greenroom.store.journal.journal_postgres import PostgresJournal
from greenroom.store.journal.keep import Keep
from greenroom.store.journal.retention import Retention
from greenroom.store.own.servers import OwnServers
from greenroom.store.postgres.bridge import Bridge
from greenroom.store.postgres.migrate import migrate
from greenroom.store.postgres.pool import Pool
from greenroom.supervisors.duties.folding import Folding
from greenroom.supervisors.kernel.kernel import Kernel

HOUR_S, DAY_S = 3_600.0, 86_400.0
START_S = 1_700_000_000.0
SWEEP_H = 6
EVENTS = 3  # of each entity
TABLES = ("heads", "journal", "snapshots", "kept_ids", "received", "outbox", "timers")


class Jotted(Event, tag="memo.jotted"):
    text: str


class Jot(Ask[int], tag="memo.jot"):
    text: str
    to: str = ""  # who is told of it


class Copy(Tell, tag="memo.copy"):
    text: str


class MemoState(Struct):
    count: int = 0


class Memo(Actor[MemoState]):
    kind = "memo"
    commands: ClassVar[tuple[type[Message], ...]] = (Jot,)
    internal: ClassVar[tuple[type[Message], ...]] = (Copy,)
    events: ClassVar[tuple[type[Event], ...]] = (Jotted,)
    limits: ClassVar[KindLimits] = KindLimits(history_s=DAY_S, command_ids_s=2 * DAY_S)

    def handle(self, message: Jot | Copy) -> Any:
        self.record(Jotted(text=message.text))
        if isinstance(message, Jot):
            if message.to:
                self.tell(message.to, Copy(text=message.text))
            return self.offset
        return None

    def apply(self, event: Jotted) -> None:
        self.state.count += 1

    def view(self) -> MemoState:
        return self.state


class Week:
    """New entities every hour, as many of each sort: written to, told of it by another, and only looked at."""

    def __init__(self, database_url: str, of_each_per_h: int) -> None:
        self._database_url = database_url
        self._of_each_per_h = of_each_per_h
        self._hours = 0

    def now(self) -> float:
        return START_S + self._hours * HOUR_S

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Week"]:
        kinds = Kinds((Memo,))
        async with Bridge() as bridge, Pool(bridge, self._database_url, incarnation=1, statement_s=60.0) as self._pool:
            journal = PostgresJournal(self._pool, incarnation=1, now=self.now)
            self.kernel = kernel = Kernel(
                kinds=kinds,
                journal=journal,
                dead_letters=MemoryDeadLetters(),
                instruments=Instruments(),
                clock=self.now,
                passivation=PassivationConfig(idle_s=0.01, sweep_s=0.02),
            )
            self._retention = Retention(
                journal,
                {"memo": Keep(seconds=DAY_S, command_ids_s=2 * DAY_S)},
                fold=Folding(kinds=kinds, journal=journal, world=kernel.world, turn=kernel.turn).fold,
                now=self.now,
                is_present=kernel.is_present,
                monotonic=lambda: 0.0,  # without rests
                trims_per_s=1e9,
            )
            async with trio.open_nursery() as nursery:
                await nursery.start(kernel.run)
                yield self
                nursery.cancel_scope.cancel()

    async def pass_hours(self, hours: int) -> None:
        for _ in range(hours):
            await self._use_new_ones()
            self._hours += 1
            async with self._pool.connection() as connection:  # of marks the database's clock counts
                await connection.fetch("UPDATE received SET at = at - interval '1 hour'")
            if self._hours % SWEEP_H == 0:
                await self._all_at_rest()
                await self._retention.sweep()

    async def _use_new_ones(self) -> None:
        async with trio.open_nursery() as nursery:
            for number in range(self._of_each_per_h):
                name = f"{self._hours}-{number}"
                nursery.start_soon(self._write, f"memo:writer-{name}", f"memo:reader-{name}")
                nursery.start_soon(self.kernel.router.ask, f"memo:never-{name}", Inspect())

    async def _write(self, writer: str, reader: str) -> None:
        for number in range(EVENTS):
            jot = Jot(text="x", to=reader if number == 0 else "", idempotency_key=f"key-{number}")
            await self.kernel.router.ask(writer, jot)

    async def _all_at_rest(self) -> None:
        with trio.fail_after(300):
            while self.kernel.system.awake() or await self._undelivered():  # noqa: ASYNC110 - in their own time
                await trio.sleep(0.01)

    async def _undelivered(self) -> bool:
        async with self._pool.connection() as connection:
            return bool(await connection.fetch("SELECT FROM outbox LIMIT 1"))

    async def rows(self) -> dict[str, int]:
        async with self._pool.connection() as connection:
            counts: Sequence[Any] = await connection.fetch(
                "SELECT " + ", ".join(f"(SELECT count(*) FROM {table}) AS {table}" for table in TABLES)
            )
        return dict(counts[0])

    async def stored_bytes(self) -> int:
        """What the database takes on disk."""
        async with self._pool.connection() as connection:
            ((size,),) = await connection.fetch("SELECT pg_database_size(current_database())")
        return int(size)


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def report(database_url: str, *, per_h: int, days: int) -> None:
    """Print a line of JSON for each day: rows of each table, and what memory and disk are taken at its end."""
    async with Bridge() as bridge:
        await migrate(bridge, database_url)
    async with Week(database_url, per_h // 3).running() as week:
        for day in range(days + 1):
            if day:
                await week.pass_hours(24)
            gc.collect()
            row = {
                "day": day,
                **await week.rows(),
                "resident_mb": _resident_bytes() >> 20,
                "objects": len(gc.get_objects()),
                "database_mb": await week.stored_bytes() >> 20,
                "cpu_s": round(time.process_time()),
            }
            print(json.dumps(row), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--per-hour", type=int, default=1000, help="new entities")
    parser.add_argument("--days", type=int, default=7)
    args = parser.parse_args()
    with TemporaryDirectory(prefix="greenroom-week-") as folder:
        servers = OwnServers(Path(folder))
        url, _ = servers.start()
        try:
            trio.run(lambda: report(url, per_h=args.per_hour, days=args.days))
        finally:
            servers.stop()
