"""The kernel alone in this process: actors, committer and a journal, with no gate in front and nobody watching."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio

from greenroom.actors.model.actor import Actor
from greenroom.actors.model.kinds import Kinds
from greenroom.config.limits import LogConfig, PassivationConfig
from greenroom.config.telemetry.held import Held
from greenroom.config.telemetry.instruments import Instruments
from greenroom.config.telemetry.logs import configure_logs
from greenroom.store.journal.dead_letters_memory import MemoryDeadLetters
from greenroom.store.journal.journal import Journal
from greenroom.store.journal.journal_memory import MemoryJournal
from greenroom.store.journal.journal_postgres import PostgresJournal
from greenroom.store.own.servers import OwnServers
from greenroom.store.postgres.bridge import Bridge
from greenroom.store.postgres.migrate import migrate
from greenroom.store.postgres.pool import Pool
from greenroom.supervisors.duties.collector import Collector
from greenroom.supervisors.kernel.kernel import Kernel

INCARNATION = 4711
DEFAULT = PassivationConfig()


@asynccontextmanager
async def in_memory(*kinds: type[Actor[Any]], held: Held | None = None) -> AsyncIterator[Kernel]:
    """A kernel whose journal is memory."""
    async with _running(MemoryJournal(), kinds, DEFAULT, held) as kernel:
        yield kernel


@asynccontextmanager
async def in_postgres(
    data_dir: Path, *kinds: type[Actor[Any]], passivation: PassivationConfig = DEFAULT, held: Held | None = None
) -> AsyncIterator[Kernel]:
    """A kernel on a Postgres of its own in `data_dir`, set as `greenroom serve` sets it: fsync is on."""
    configure_logs(LogConfig(level="warning"))
    servers = OwnServers(data_dir)
    database_url, _ = servers.start()
    try:
        async with Bridge() as bridge:
            await migrate(bridge, database_url)
            async with (
                Pool(bridge, database_url, incarnation=INCARNATION) as pool,
                _running(PostgresJournal(pool, incarnation=INCARNATION), kinds, passivation, held) as kernel,
            ):
                yield kernel
    finally:
        servers.stop()


@asynccontextmanager
async def _running(
    journal: Journal, kinds: tuple[type[Actor[Any]], ...], passivation: PassivationConfig, held: Held | None
) -> AsyncIterator[Kernel]:
    kernel = Kernel(
        kinds=Kinds(kinds),
        journal=journal,
        dead_letters=MemoryDeadLetters(),
        instruments=Instruments(),
        clock=time.time,
        passivation=passivation,
        held=held,
    )
    async with trio.open_nursery() as nursery:  # owner: this context; leaving it cancels what has been drained
        await nursery.start(kernel.run)
        Collector(memory_bytes=lambda: 0, memory_bytes_max=0).settle()  # as the server does it
        yield kernel
        await kernel.drain()
        nursery.cancel_scope.cancel()
