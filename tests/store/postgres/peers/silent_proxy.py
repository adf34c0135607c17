"""A proxy before Postgres whose connections can go silent: open, and nothing passes any more, either way."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, urlsplit

import trio


class SilentProxy:
    """Listens on loopback. What it holds back when it goes silent is lost, as it is by a host without power."""

    def __init__(self, database_url: str) -> None:
        self._upstream = f"{parse_qs(urlsplit(database_url).query)['host'][0]}/.s.PGSQL.5432"
        self._user = urlsplit(database_url).username
        self._database = urlsplit(database_url).path
        self._wires: list[trio.Event] = []  # set: silent
        self._ended: list[trio.Event] = []
        self.answers_only = False
        self.port = 0

    @property
    def url(self) -> str:
        return f"postgresql://{self._user}@127.0.0.1:{self.port}{self._database}?sslmode=disable"

    @property
    def wires(self) -> int:
        return len(self._wires)

    def silence(self, *numbers: int, answers_only: bool = False) -> None:
        """Silence these of the connections made so far, from 0; all of them when none is named. New ones work."""
        self.answers_only = answers_only
        for number in numbers or range(len(self._wires)):
            self._wires[number].set()

    async def ended(self, number: int) -> None:
        """Return when either end has closed this connection."""
        await self._ended[number].wait()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        self.port = listeners[0].socket.getsockname()[1]
        task_status.started()
        await trio.serve_listeners(self._serve, listeners)

    async def _serve(self, client: trio.SocketStream) -> None:
        silent, ended = trio.Event(), trio.Event()
        self._wires.append(silent)
        self._ended.append(ended)
        server = await trio.open_unix_socket(self._upstream)
        async with client, server, trio.open_nursery() as nursery:  # owner: this connection; either end ends it
            nursery.start_soon(self._pass, client, server, silent, False, nursery.cancel_scope)
            await self._pass(server, client, silent, True, nursery.cancel_scope)
        ended.set()

    async def _pass(
        self,
        source: trio.SocketStream,
        target: trio.SocketStream,
        silent: trio.Event,
        is_answer: bool,
        wire: trio.CancelScope,
    ) -> None:
        try:
            async for data in source:
                if not silent.is_set() or (self.answers_only and not is_answer):
                    await target.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        wire.cancel()


@asynccontextmanager
async def silent_proxy(database_url: str) -> AsyncIterator[SilentProxy]:
    proxy = SilentProxy(database_url)
    async with trio.open_nursery() as nursery:
        await nursery.start(proxy.run)
        yield proxy
        nursery.cancel_scope.cancel()
