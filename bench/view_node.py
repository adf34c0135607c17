"""A kernel with views on a Postgres of its own, in this process: folded, read and watched as in a node, no sockets."""

import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import trio
from opentelemetry import trace

from greenroom.actors.life.turn import Turn
from greenroom.actors.model.actor import Actor
from greenroom.actors.model.kinds import Kinds
from greenroom.actors.model.principal import SYSTEM
from greenroom.actors.views.changes import Changes
from greenroom.actors.views.installed import Views
from greenroom.actors.views.view import View
from greenroom.config.limits import ClientConfig, HttpConfig, HubConfig, LogConfig
from greenroom.config.telemetry.instruments import Instruments
from greenroom.config.telemetry.logs import configure_logs
from greenroom.config.telemetry.tracing import Tracing
from greenroom.store.journal.dead_letters_memory import MemoryDeadLetters
from greenroom.store.journal.journal_postgres import PostgresJournal
from greenroom.store.own.servers import OwnServers
from greenroom.store.postgres.bridge import Bridge
from greenroom.store.postgres.migrate import migrate
from greenroom.store.postgres.pool import Pool
from greenroom.store.views.reading import Reading
from greenroom.store.views.store import Version
from greenroom.store.views.store_postgres import postgres_stores
from greenroom.supervisors.duties.collector import Collector
from greenroom.supervisors.kernel.kernel import Kernel
from greenroom.supervisors.kernel.ownership import OwnsAll
from greenroom.supervisors.supervision.backoff import Backoff
from greenroom.supervisors.views.pages import Nobody
from greenroom.supervisors.views.runners import Runners
from greenroom.supervisors.views.shown import ShownViews, reader_of
from greenroom.transports.edge import FanOut
from greenroom.transports.hub.encoding import Encoding
from greenroom.transports.hub.publication import Publication
from greenroom.transports.hub.recovery import Missed
from greenroom.transports.hub.topic import Topic
from greenroom.transports.services import Services

UNTIL_S = 300.0
FLUSH_S = 0.001  # about how long a turn of a busy server is


class ViewNode:
    """`begin` starts the views; what was recorded before is caught up with then."""

    def __init__(self, pool: Pool, kinds: tuple[type[Actor[object]], ...], views: tuple[type[View], ...]) -> None:
        self.pool = pool
        self.kinds = Kinds(kinds)
        installed = Views(self.kinds, views)
        self.instruments = instruments = Instruments()
        reader = reader_of(installed, self.kinds, Reading(pool.fetch), connections=8)
        self._fan_out = FanOut(self.kinds, HubConfig(), instruments)
        self._shown = ShownViews(reader, kernel=lambda: self.kernel, ownership=OwnsAll(), elsewhere=Nobody(), node=1)
        self.heard: Callable[[Changes], None] = lambda changes: None  # hears of rows as soon as they can be read
        self.runners = Runners(
            installed,
            postgres_stores(pool),
            kinds=self.kinds,
            owned=lambda: None,
            turn=Turn(),
            now=time.time,
            new_backoff=lambda: Backoff(random=random.Random(0), first_s=0.01, max_s=1.0),
            changed=self._changed,
            unsure=self._shown.pages.may_differ,
            learned=self._shown.learn,
            instruments=instruments,
        )
        self._journal = journal = PostgresJournal(pool, incarnation=1)
        self.kernel = Kernel(
            kinds=self.kinds,
            journal=journal,
            dead_letters=MemoryDeadLetters(),
            audiences=self._fan_out.hub,
            instruments=instruments,
            clock=time.time,
            landed=self.runners.committed if views else None,
            inline=self.runners.inline,
        )
        self._services = Services(
            kinds=self.kinds,
            submit=self.kernel.router.submit,
            journal=journal,
            hub=self._fan_out.hub,
            signed_in=self._fan_out.signed_in,
            tokens=None,
            anonymous=True,
            client=ClientConfig(command_deadline_s=60.0),
            http=HttpConfig(),
            clock=time.time,
            instruments=instruments,
            tracing=Tracing(trace.get_tracer("bench"), sample=0.0),
            version="0",
            views=reader,
        )
        self._nursery: trio.Nursery | None = None

    def _changed(self, changes: Changes) -> None:
        self.heard(changes)
        self._shown.pages.changed(changes)

    async def run(self, *, task_status: trio.TaskStatus[None]) -> None:
        """All but the views, until cancelled."""
        async with trio.open_nursery() as nursery:  # owner: the caller's nursery
            self._nursery = nursery
            for part in (self.kernel.run, self._services.reads.run, self._services.deadlines.run):
                await nursery.start(part)
            nursery.start_soon(self._flush)
            self.kernel.system.lineage_changed(await self._journal.lineage())  # as the first that a node asks
            Collector(memory_bytes=lambda: 0, memory_bytes_max=0).settle()  # as the server does it
            task_status.started()

    async def begin(self) -> None:
        """Raises: StoreUnavailable, ViewRefused."""
        assert self._nursery is not None
        await self.runners.install()
        await self._nursery.start(self._shown.pages.run)
        await self._nursery.start(self.runners.run)

    async def _flush(self) -> None:
        hub = self._fan_out.hub
        while True:
            if not hub.flush():
                await trio.sleep(FLUSH_S)
            else:
                await trio.lowlevel.checkpoint()

    def watch(self, entity: str, said: Callable[[bytes], None]) -> "Watcher":
        """`said` hears each publication's JSON."""
        watcher = Watcher(said)
        self._services.watching.watch(entity, watcher, None)
        return watcher

    async def live(self, name: str) -> Version:
        return next(one for one in await self.runners.versions.all() if one.name == name and one.state == "live")

    async def folded(self, name: str) -> None:
        """Return once all that is recorded is folded into the live table."""
        await self.folded_into(await self.live(name))

    async def folded_into(self, version: Version) -> None:
        """As `folded`, of any table."""

        async def is_folded() -> bool:
            return (await self.runners.progress.left(version, entities_max=1_000_000)).entities == 0

        await until(is_folded)


class AsPublished:
    """What is published, a line each."""

    @staticmethod
    def publications(channel: str, epoch: str, batch: list[Publication]) -> bytes:
        return b"\n".join(one.json for one in batch)

    @staticmethod
    def ephemeral(channel: str, data: bytes) -> bytes:
        return b""

    @staticmethod
    def presence(channel: str, kind: str, info: bytes) -> bytes:
        return b""


class Watcher:
    """Of one page, for as long as the node runs."""

    encoding: type[Encoding] = AsPublished
    principal = SYSTEM
    wants_joins = granted = as_view = gone = False

    def __init__(self, said: Callable[[bytes], None]) -> None:
        self._said = said
        self.rows: list[object] | None = None  # of the page, as it came
        self.failure = ""

    def admitted(self, topic: Topic, view: bytes, missed: Missed | None) -> "Watcher":
        self.rows = msgspec.json.decode(view)["rows"]
        return self

    def attached(self) -> None:
        pass

    def abandoned(self) -> None:
        raise AssertionError

    def refused(self, error: Exception) -> None:
        self.failure = repr(error)

    broken = refused

    def deliver(self, batch: bytes, last_offset: int) -> None:
        for line in batch.split(b"\n"):
            self._said(line)

    def deliver_ephemeral(self, piece: bytes, key: str) -> None:
        pass

    def kicked(self, code: int, reason: str) -> None:
        self.failure = reason

    def epoch_changed(self) -> None:
        self.failure = "started over"


@asynccontextmanager
async def postgres(data_dir: Path) -> AsyncIterator[Pool]:
    """Of one's own in `data_dir`, set as `greenroom serve` sets it: fsync is on."""
    configure_logs(LogConfig(level="error"))
    servers = OwnServers(data_dir)
    database_url, _ = servers.start()
    try:
        async with Bridge() as bridge:
            await migrate(bridge, database_url)
            async with Pool(bridge, database_url, incarnation=1) as pool:
                yield pool
    finally:
        servers.stop()


@asynccontextmanager
async def view_node(
    pool: Pool, kinds: tuple[type[Actor[object]], ...], views: tuple[type[View], ...]
) -> AsyncIterator[ViewNode]:
    node = ViewNode(pool, kinds, views)
    async with trio.open_nursery() as nursery:  # owner: this context
        await nursery.start(node.run)
        yield node
        nursery.cancel_scope.cancel()


async def until(is_so: Callable[[], Awaitable[bool]], *, within_s: float = UNTIL_S, look_s: float = 0.02) -> None:
    """Raises: trio.TooSlowError."""
    with trio.fail_after(within_s):
        while not await is_so():  # noqa: ASYNC110
            await trio.sleep(look_s)
