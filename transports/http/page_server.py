"""The pages' server: Hypercorn, given one connection after the other. Importing that takes 0.2 s: see handover.py."""

import contextlib
import logging
import socket
from math import inf

import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.trio.lifespan import Lifespan
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ASGIFramework

SENT_BYTES = 1 << 16  # at once, so that a peer that takes some of it is seen to
UNREAD_S = 20.0  # that a peer may take nothing of what is sent


class ReplayStream:
    """A socket stream that first gives back what was read from it before. Wraps, since trio's may not be subclassed.

    Hypercorn closes in the task of the page, which is cancelled as soon as its answer is complete; so ending is
    shielded here. Neither step waits for the peer. Sending does, and Hypercorn shields that without an end: it has its
    own here, or a peer that does not read would keep its place for ever.
    """

    def __init__(self, sock: socket.socket, read_already: bytes, *, until: float = inf) -> None:
        """`until`, on trio's clock, all is to be sent."""
        self._sock = sock
        self.socket = trio.socket.from_stdlib_socket(sock)
        self._stream = trio.SocketStream(self.socket)
        self._read_already = read_already
        self._until = until

    async def send_all(self, data: bytes) -> None:
        """Raises: BrokenResourceError where the peer is gone, or takes nothing, or too little by the end."""
        rest = memoryview(data)
        while rest:
            with trio.move_on_at(min(self._until, trio.current_time() + UNREAD_S)) as scope:
                try:
                    rest = rest[await self.socket.send(rest[:SENT_BYTES]) :]
                except OSError as error:
                    raise trio.BrokenResourceError from error
            if scope.cancelled_caught:
                with contextlib.suppress(OSError):  # nobody waits for what it might say, either
                    self._sock.shutdown(socket.SHUT_RDWR)
                raise trio.BrokenResourceError("the peer does not read")

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


class PageServer:
    """Answers one request a connection with `app`. Owned by whoever runs it."""

    def __init__(self, app: ASGIFramework, *, head_bytes_max: int) -> None:
        """`head_bytes_max`: what the gate lets a head be."""
        self._config = Config()
        self._config.keep_alive_max_requests = 1
        self._config.h11_max_incomplete_size = head_bytes_max
        self._config.include_server_header = False
        self._config.errorlog = logging.getLogger("hypercorn.error")
        self._config.accesslog = None
        self._app = ASGIWrapper(app)
        self._context = WorkerContext(None)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Tell the app that it starts, until cancelled."""
        lifespan = Lifespan(self._app, self._config, {})
        async with trio.open_nursery() as nursery:  # owner: this call
            await nursery.start(lifespan.handle_lifespan)
            await lifespan.wait_for_startup()
            task_status.started()

    async def serve(self, sock: socket.socket, read_already: bytes) -> None:
        """One request; closes the connection. Not bounded by itself: give it a deadline, by which all is sent as well.
        Raises: whatever Hypercorn raises on a mistake of its own or of ours."""
        stream = ReplayStream(sock, read_already, until=trio.current_effective_deadline())
        await TCPServer(self._app, self._config, self._context, {}, stream).run()  # type: ignore[arg-type]
