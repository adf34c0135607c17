"""Handing a connection to the pages: socket, and the bytes that the gate has read already, go to Hypercorn.

One request a connection: the answer says `Connection: close`, so the client's next request meets the gate again. What
watches over the node has places of its own, which no page can take.
"""

import contextlib
import logging
import socket
from collections.abc import Callable

import structlog
import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.trio.lifespan import Lifespan
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ASGIFramework

from greenroom.config.telemetry.instruments import Instruments
from greenroom.transports.sockets.turned_away import refuse

log = structlog.get_logger("greenroom.pages")

CONNECTIONS_MAX = 256
PROBES_MAX = 64  # likewise, of what watches over the node
REQUEST_S = 30.0  # what one request of a page may take, its body included


class ReplayStream:
    """A socket stream that first gives back what was read from it before. Wraps, since trio's may not be subclassed.

    Hypercorn closes in the task of the page, which is cancelled as soon as its answer is complete; so ending is
    shielded here. Neither step waits for the peer.
    """

    def __init__(self, sock: socket.socket, read_already: bytes) -> None:
        self._sock = sock
        self.socket = trio.socket.from_stdlib_socket(sock)
        self._stream = trio.SocketStream(self.socket)
        self._read_already = read_already
        self.send_all = self._stream.send_all

    async def send_eof(self) -> None:
        with trio.CancelScope(shield=True):
            await self._stream.send_eof()

    async def aclose(self) -> None:
        with contextlib.suppress(OSError):  # what the peer has sent beyond its request would have closing reset it all
            self._sock.recv(65_536)
        with trio.CancelScope(shield=True):
            await self._stream.aclose()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        if self._read_already:
            await trio.lowlevel.checkpoint()
            size = len(self._read_already) if max_bytes is None else max_bytes
            data, self._read_already = self._read_already[:size], self._read_already[size:]
            return data
        return bytes(await self._stream.receive_some(max_bytes))


class Handover:
    """The pages' side of the gate."""

    def __init__(
        self,
        app: ASGIFramework,
        *,
        leave: Callable[[], None],
        instruments: Instruments | None = None,
        head_bytes_max: int = 16_384,
    ) -> None:
        """`leave` is called when a connection has ended. `head_bytes_max`: what the gate lets a head be."""
        self._config = Config()
        self._config.keep_alive_max_requests = 1
        self._config.h11_max_incomplete_size = head_bytes_max
        self._config.include_server_header = False
        self._config.errorlog = logging.getLogger("hypercorn.error")
        self._config.accesslog = None
        self._app = ASGIWrapper(app)
        self._leave = leave
        self._instruments = instruments or Instruments()
        self._nursery: trio.Nursery | None = None
        self._context = WorkerContext(None)
        self._open = {False: 0, True: 0}  # connections, and probes

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        lifespan = Lifespan(self._app, self._config, {})
        async with trio.open_nursery() as nursery:  # owner: this call; `_serve` keeps a request's crash to itself
            await nursery.start(lifespan.handle_lifespan)
            await lifespan.wait_for_startup()
            self._nursery = nursery
            try:
                task_status.started()
                await trio.sleep_forever()
            finally:
                self._nursery = None

    def take(self, sock: socket.socket, read_already: bytes, *, probe: bool = False) -> None:
        """Serve one request on `sock`. Refused with 503 when too many are under way or the pages are down. `probe`: it
        is of those that watch over the node, whom nobody else's requests keep out."""
        if self._nursery is None or self._open[probe] >= (PROBES_MAX if probe else CONNECTIONS_MAX):
            self._instruments.refused_pages += 1
            refuse(sock)
            self._leave()
            return
        self._open[probe] += 1
        self._nursery.start_soon(self._serve, sock, read_already, probe)

    async def _serve(self, sock: socket.socket, read_already: bytes, probe: bool) -> None:
        try:
            stream = ReplayStream(sock, read_already)
            with trio.move_on_after(REQUEST_S):
                server = TCPServer(self._app, self._config, self._context, {}, stream)  # type: ignore[arg-type]
                await server.run()
        except Exception:  # the edge: a page's failure has been answered by Quart; this is the connection's
            log.exception("page_connection_failed")
        finally:
            sock.close()
            self._open[probe] -= 1
            self._leave()
