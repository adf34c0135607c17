"""A node's kernel and its views on a real Postgres, without sockets."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from itertools import count
from random import Random
from typing import Any

import msgspec
import trio
from structlog.testing import capture_logs

from greenroom import Event, Sink, View
from greenroom.actors.life.turn import Turn
from greenroom.actors.model.actor import Actor
from greenroom.actors.model.kinds import Kinds
from greenroom.actors.schema.knowledge import digest_of, knowledge_of, to_json
from greenroom.actors.sinks.installed import Sinks
from greenroom.actors.views.changes import Changes
from greenroom.actors.views.installed import Views
from greenroom.config.limits import SinkConfig
from greenroom.config.telemetry.instruments import Instruments
from greenroom.store.journal.dead_letters_postgres import PostgresDeadLetters
from greenroom.store.journal.journal_postgres import PostgresJournal
from greenroom.store.postgres.bridge import Bridge
from greenroom.store.postgres.pool import Pool
from greenroom.store.views.claims import PostgresClaims
from greenroom.store.views.store import Version
from greenroom.store.views.store_postgres import postgres_stores
from greenroom.supervisors.kernel.kernel import Kernel
from greenroom.supervisors.sinks.deliverer import delivering_to
from greenroom.supervisors.supervision.backoff import Backoff
from greenroom.supervisors.views.runners import Runners
from tests.actors.views.shows import Clap, Close, Rename, Show

UNTIL_S = 30.0
incarnations = count(1)
SINK_CONFIG = SinkConfig()


class Stage:
    """One node. `tables` are its runners; entities of `kinds` live on it."""

    def __init__(
        self, pool: Pool, views: Sequence[type[View] | type[Sink]], kinds: Sequence[type[Actor[Any]]], number: int
    ) -> None:
        self.pool = pool
        self.kinds = Kinds(kinds)
        self.owned: Collection[int] | None = None
        self.changes: list[Changes] = []
        self.instruments = Instruments()
        self.turn = Turn()
        self.views = Views(self.kinds, [one for one in views if issubclass(one, View)])
        self.sinks = Sinks(self.kinds, [one for one in views if issubclass(one, Sink)], self.views)
        self.runners = Runners(
            self.views,
            postgres_stores(pool),
            kinds=self.kinds,
            owned=lambda: self.owned,
            turn=self.turn,
            now=time.time,
            new_backoff=lambda: Backoff(random=Random(0), first_s=0.01, max_s=0.1),
            instruments=self.instruments,
            changed=self.changes.append,
            sinks=self.sinks,
            deliverer=delivering_to(
                self.sinks,
                PostgresClaims(pool, incarnation=number),
                config=SINK_CONFIG,
                instruments=self.instruments,
                new_backoff=lambda: Backoff(random=Random(0), first_s=0.01, max_s=0.1),
                rests=lambda: Backoff(random=Random(0), first_s=0.05, max_s=0.2),
                now=time.time,
            ),
        )
        self.runners_claims = PostgresClaims(pool, incarnation=number)
        self.journal = PostgresJournal(pool, incarnation=number)
        self.number = number
        self.kernel = Kernel(
            kinds=self.kinds,
            journal=self.journal,
            dead_letters=PostgresDeadLetters(pool),
            instruments=self.instruments,
            clock=time.time,
            landed=self.runners.committed if views else None,
            inline=self.runners.inline,
        )

    async def be_up(self) -> None:
        """As a node says it of itself."""
        knowledge = to_json(knowledge_of(list(self.kinds), list(self.views), list(self.sinks)))
        digest = digest_of(knowledge)
        await self.pool.fetch(
            "INSERT INTO releases (digest, knowledge) VALUES ($1, $2) ON CONFLICT DO NOTHING", digest, knowledge
        )
        await self.pool.fetch(
            """
            INSERT INTO nodes (incarnation, url, version, host, process, state, lease_until, release)
            VALUES ($1, '', '', '', '', 'up', now() + interval '1 hour', $2)
            """,
            self.number,
            digest,
        )

    # What happens.

    async def clap(self, show: str, user: str, times: int = 1) -> None:
        await self.kernel.router.ask(f"show:{show}", Clap(user=user, times=times))

    async def rename(self, show: str, title: str) -> None:
        await self.kernel.router.ask(f"show:{show}", Rename(title=title))

    async def close(self, show: str) -> None:
        await self.kernel.router.ask(f"show:{show}", Close())

    async def record(self, entity: str, *events: Event) -> None:
        """Into the journal, past the kernel: nobody here hears of it."""
        await record(self.pool, entity, *events)

    # What there is.

    async def rows(self, name: str) -> list[tuple[Any, ...]]:
        """Of the live table, by its stable name, in order."""
        return sorted(tuple(row) for row in await self.pool.fetch(f'SELECT * FROM views."{name}"'))

    async def rows_of(self, version: Version) -> list[tuple[Any, ...]]:
        table = version.table
        return sorted(tuple(row) for row in await self.pool.fetch(f"SELECT {table.columns} FROM {table.rows}"))

    async def version(self, name: str, number: int = 0) -> Version:
        """The live table of a view, or its newest of that version."""
        found = [one for one in await self.runners.versions.all() if one.name == name]
        if number:
            return max((one for one in found if one.version == number), key=lambda one: one.build)
        return next(one for one in found if one.state == "live")

    async def folded(self, name: str, number: int = 0) -> None:
        """Return once all that is recorded is folded, but for parked entities."""

        async def is_folded() -> bool:
            left = await self.runners.progress.left(await self.version(name, number), entities_max=1_000_000)
            return left.entities == 0

        await until(is_folded)

    async def parked(self, name: str) -> dict[str, str]:
        """Entity -> what was wrong."""
        found = await self.runners.progress.parked(await self.version(name), limit=1000)
        return {one.entity: one.why.error for one in found}


@asynccontextmanager
async def stage(
    database_url: str,
    *views: type[View] | type[Sink],
    kinds: Sequence[type[Actor[Any]]] = (Show,),
    is_running: bool = True,
    is_installed: bool = True,
) -> AsyncIterator[Stage]:
    """A node that runs; without its views when these are not to be running, or not installed yet."""
    number = next(incarnations)
    with capture_logs() as logs:
        async with Bridge() as bridge, Pool(bridge, database_url, incarnation=number) as pool:
            made = Stage(pool, views, kinds, number)
            if is_installed:
                await made.runners.install()
                await made.be_up()
            async with trio.open_nursery() as nursery:  # owner: this call
                await nursery.start(made.kernel.run)
                if is_running:
                    await nursery.start(made.runners.run)
                yield made
                nursery.cancel_scope.cancel()
            await pool.fetch("UPDATE nodes SET state = 'dead' WHERE incarnation = $1", number)
    print(*logs[-20:], sep="\n")  # pytest shows it when the test has failed


async def until(is_so: Callable[[], Awaitable[bool]], within_s: float = UNTIL_S) -> None:
    """Servers and clocks are real: what is waited for is looked at again and again, within a bound."""
    with trio.fail_after(within_s):
        while not await is_so():  # noqa: ASYNC110
            await trio.sleep(0.02)


RECORD = """
WITH head AS (
    INSERT INTO heads (entity, fence, incarnation, epoch, "offset", lineage) VALUES ($1, 1, 1, 'e', $2, lineage())
    ON CONFLICT (entity) DO UPDATE SET "offset" = heads."offset" + $2
    RETURNING id, "offset", fence
)
INSERT INTO journal (id, "offset", fence, at_ms, payload)
SELECT head.id, head."offset" - $2 + e.n, head.fence, $3::bigint, e.payload
FROM head, unnest($4::bytea[]) WITH ORDINALITY AS e (payload, n)
"""


async def record(pool: Pool, entity: str, *events: Event) -> None:
    """Append past any kernel."""
    payloads = [msgspec.json.encode(event) for event in events]
    await pool.fetch(RECORD, entity, len(events), int(time.time() * 1000), payloads)
