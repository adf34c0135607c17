"""A node's kernel, hub, services and views on a real Postgres, without sockets: what is folded is read and watched."""

import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import count
from random import Random
from typing import Any, NamedTuple

import msgspec
import trio
from opentelemetry import trace
from structlog.testing import capture_logs

from greenroom.actors.life.turn import Turn
from greenroom.actors.model.kinds import Kinds
from greenroom.actors.model.message import Ask
from greenroom.actors.views.installed import Views
from greenroom.actors.views.view import View
from greenroom.config.limits import ClientConfig, HttpConfig, HubConfig
from greenroom.config.telemetry.instruments import Instruments
from greenroom.config.telemetry.tracing import Tracing
from greenroom.store.journal.dead_letters_postgres import PostgresDeadLetters
from greenroom.store.journal.journal_postgres import PostgresJournal
from greenroom.store.postgres.bridge import Bridge
from greenroom.store.postgres.pool import Pool
from greenroom.store.views.reading import Reading
from greenroom.store.views.store import Version
from greenroom.store.views.store_postgres import postgres_stores
from greenroom.supervisors.kernel.kernel import Kernel
from greenroom.supervisors.kernel.ownership import OwnsAll
from greenroom.supervisors.supervision.backoff import Backoff
from greenroom.supervisors.views.pages import Nobody
from greenroom.supervisors.views.runners import Runners
from greenroom.supervisors.views.shown import ShownViews, reader_of
from greenroom.transports.auth.tokens import TokenConfig, TokenVerifier
from greenroom.transports.codecs.http_head import parse_head
from greenroom.transports.edge import FanOut
from greenroom.transports.http.api import HttpApi
from greenroom.transports.http.live import Headers
from greenroom.transports.services import Services
from tests.actors.views.boards import Clap, Leave, Show
from tests.supervisors.views.watching import ANN, Watcher

UNTIL_S = 30.0
FLUSH_S = 0.005
incarnations = count(1_001)
Fetch = Callable[..., Any]


class Answer(NamedTuple):
    status: int
    body: bytes
    headers: dict[str, str]

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)

    @property
    def error(self) -> tuple[int, str, str]:
        error = self.json["error"]
        assert error["code"] == self.status
        return self.status, error["name"], error["message"]


class ShownStage:
    """One node."""

    def __init__(
        self, pool: Pool, views: Sequence[type[View]], *, hub: HubConfig, fetch: Fetch | None, secret: bytes
    ) -> None:
        number = next(incarnations)
        self.pool = pool
        self.kinds = Kinds((Show,))
        self.views = Views(self.kinds, views)
        self.reads = 0  # statements of the reader's

        async def counted(*arguments: Any) -> Any:
            self.reads += 1
            return await (fetch or pool.fetch)(*arguments)

        self.reader = reader_of(self.views, self.kinds, Reading(counted), connections=4)
        self.fan_out = FanOut(self.kinds, hub, Instruments())
        self.shown = ShownViews(
            self.reader, kernel=lambda: self.kernel, ownership=OwnsAll(), elsewhere=Nobody(), node=number
        )
        self.runners = Runners(
            self.views,
            postgres_stores(pool),
            kinds=self.kinds,
            owned=lambda: None,
            turn=Turn(),
            now=time.time,
            new_backoff=lambda: Backoff(random=Random(0), first_s=0.01, max_s=0.1),
            changed=lambda changes: self.shown.pages.changed(changes),
            unsure=lambda view: self.shown.pages.may_differ(view),
            learned=self.shown.learn,
            instruments=Instruments(),
        )
        self.journal = PostgresJournal(pool, incarnation=number)
        self.kernel = Kernel(
            kinds=self.kinds,
            journal=self.journal,
            dead_letters=PostgresDeadLetters(pool),
            audiences=self.fan_out.hub,
            instruments=Instruments(),
            clock=time.time,
            landed=self.runners.committed,
            inline=self.runners.inline,
            query=self.reader,
        )
        self.services = Services(
            kinds=self.kinds,
            submit=self.kernel.router.submit,
            journal=self.journal,
            hub=self.fan_out.hub,
            signed_in=self.fan_out.signed_in,
            tokens=TokenVerifier(TokenConfig(secret=secret), lambda: 0) if secret else None,
            anonymous=not secret,
            anonymous_watch=True,
            client=ClientConfig(),
            http=HttpConfig(),
            clock=time.time,
            instruments=Instruments(),
            tracing=Tracing(trace.get_tracer("test"), sample=0.0),
            version="0",
            views=self.reader,
        )

    async def run(self, *, task_status: trio.TaskStatus[None]) -> None:
        async with trio.open_nursery() as nursery:  # owner: the caller's nursery
            for part in (self.services.reads.run, self.services.deadlines.run, self.kernel.run, self.shown.pages.run):
                await nursery.start(part)
            await nursery.start(self.runners.run)
            nursery.start_soon(self._flush)
            task_status.started()

    async def _flush(self) -> None:
        turn_end = self.fan_out.turn_end
        while True:
            await turn_end.wait()
            await trio.sleep(FLUSH_S)
            turn_end.clear()
            self.fan_out.hub.flush_all()

    async def ask(self, show: str, message: Ask[Any]) -> Any:
        return await self.kernel.router.ask(f"show:{show}", message)

    async def clap(self, show: str, user: str, times: int = 1) -> int:
        """Returns the offset."""
        offset: int = await self.ask(show, Clap(user=user, times=times))
        return offset

    async def leave(self, show: str, user: str) -> int:
        offset: int = await self.ask(show, Leave(user=user))
        return offset

    def watch(self, entity: str, *key: str, user: str = "") -> Watcher:
        who = msgspec.structs.replace(ANN, user=user) if user else ANN
        return Watcher(self, entity, who, key=key or ("show", "user")).watch()

    async def get(self, path: str, *, method: str = "GET", **headers: str) -> "Answer":
        """Over HTTP, but for the sockets."""
        lines = [f"{method} {path} HTTP/1.1", "Host: test"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        request = parse_head("\r\n".join((*lines, "", "")).encode())
        answered = trio.Event()
        answers: list[Answer] = []

        def finish(status: int, body: bytes, more: Headers) -> None:
            answers.append(Answer(status, body, {name.decode().lower(): value.decode() for name, value in more}))
            answered.set()

        HttpApi(self.services).handle(request, finish)
        with trio.fail_after(UNTIL_S):
            await answered.wait()
        (answer,) = answers
        return answer

    def awake(self) -> set[str]:
        return {cell.entity for cell in self.kernel.system.awake()}

    async def versions(self, name: str) -> list[Version]:
        return [one for one in await self.runners.versions.all() if one.name == name]


@asynccontextmanager
async def shown_stage(
    database_url: str,
    *views: type[View],
    hub: HubConfig | None = None,
    fetch: Callable[[Pool], Fetch] | None = None,
    secret: bytes = b"",
) -> AsyncIterator[ShownStage]:
    """A node that runs. `fetch`: what its reader asks instead of the pool. `secret`: of tokens, without which one may
    only watch."""
    with capture_logs() as logs:
        async with Bridge() as bridge, Pool(bridge, database_url, incarnation=1) as pool:
            asks = fetch(pool) if fetch is not None else None
            made = ShownStage(pool, views, hub=hub or HubConfig(), fetch=asks, secret=secret)
            await made.runners.install()
            async with trio.open_nursery() as nursery:  # owner: this call
                await nursery.start(made.run)
                yield made
                nursery.cancel_scope.cancel()
    print(*logs[-20:], sep="\n")  # pytest shows it when the test has failed


async def until(is_so: Callable[[], bool], within_s: float = UNTIL_S) -> None:
    """Servers and clocks are real: what is waited for is looked at again and again, within a bound."""
    with trio.fail_after(within_s):
        while not is_so():  # noqa: ASYNC110
            await trio.sleep(0.01)
