"""The silent proxy in a thread of its own, for tests whose server is another process and that don't run trio."""

import contextlib
import threading
from collections.abc import Iterator

import trio

from tests.store.postgres.peers.silent_proxy import SilentProxy

START_S = 10.0


class ProxyThread:
    """A SilentProxy as seen from another thread."""

    def __init__(self, database_url: str) -> None:
        self._proxy = SilentProxy(database_url)
        self._token: trio.lowlevel.TrioToken | None = None
        self._ready = threading.Event()
        self._stop = trio.Event()
        self._thread = threading.Thread(target=trio.run, args=(self._run,))

    async def _run(self) -> None:
        async with trio.open_nursery() as nursery:  # owner: this thread, until `stop`
            await nursery.start(self._proxy.run)
            self._token = trio.lowlevel.current_trio_token()
            self._ready.set()
            await self._stop.wait()
            nursery.cancel_scope.cancel()

    def start(self) -> None:
        self._thread.start()
        assert self._ready.wait(START_S)

    def stop(self) -> None:
        trio.from_thread.run_sync(self._stop.set, trio_token=self._token)
        self._thread.join()

    @property
    def url(self) -> str:
        return self._proxy.url

    @property
    def wires(self) -> int:
        return self._proxy.wires

    def silence(self, *, answers_only: bool) -> None:
        """Silence all connections made so far. New ones work."""
        trio.from_thread.run_sync(lambda: self._proxy.silence(answers_only=answers_only), trio_token=self._token)


@contextlib.contextmanager
def proxy_thread(database_url: str) -> Iterator[ProxyThread]:
    proxy = ProxyThread(database_url)
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.stop()
