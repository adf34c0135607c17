"""The gate: one listener, one port. Hop 1 on the way of a message.

It accepts, reads HTTP heads, and keeps the live paths: WebSocket, `/events`, commands over HTTP. Every other path is
handed, socket and bytes, to the pages (`handover.py`). All live sockets are driven by one task, over the nested poller.
"""

import errno
import socket
from collections.abc import Callable
from functools import cached_property

import structlog
import trio

from greenroom.config.limits import ClientConfig, HubConfig
from greenroom.config.telemetry.instruments import Instruments
from greenroom.store.keep_alive import keep_alive
from greenroom.transports.sockets.admission import Admission
from greenroom.transports.sockets.connection import Connection
from greenroom.transports.sockets.flusher import Flusher
from greenroom.transports.sockets.live import LiveConnections, LiveProtocol
from greenroom.transports.sockets.poller import Poller
from greenroom.transports.sockets.turned_away import TurnedAway

log = structlog.get_logger("greenroom.gate")

SILENCE_S = 30.0  # a peer that confirms nothing for so long is gone, or for as long as one may take nothing
ACCEPTS_MAX = 256  # connections accepted in one turn of the loop
TICKS_MAX = 200  # connections ticked in one turn: half a millisecond, which a command may wait for at each of its hops


class PortTaken(Exception):
    """Somebody else listens there; the text names address, port and setting."""


class Listener(socket.socket):
    """`accept` asks for both of these each time, and to find members of an Enum by their values takes 3 µs."""

    @cached_property
    def family(self) -> socket.AddressFamily:
        return super().family

    @cached_property
    def type(self) -> socket.SocketKind:
        return super().type


def listen(host: str, port: int, *, backlog: int) -> Listener:
    """A listening socket. Raises: PortTaken; OSError with the address in its text."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = Listener(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # sockets that it accepts inherit it
        sock.bind((host, port))
        sock.listen(backlog)
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRINUSE:
            raise PortTaken(f"{host}:{port} is taken; choose another with GREENROOM_PORT or --port") from error
        raise OSError(error.errno, f"cannot listen on {host}:{port} (GREENROOM_HOST): {error.strerror}") from error
    sock.setblocking(False)
    return sock


class Gate:
    """Lets connections in, gives each its first protocol, and ticks all that are live about once a second."""

    def __init__(
        self,
        listener: socket.socket,
        poller: Poller,
        flusher: Flusher,
        admission: Admission,
        live: LiveConnections,
        open_protocol: Callable[[Connection, float], LiveProtocol],
        busy: Callable[[bytes], bytes],
        *,
        backlog: int,
        client: ClientConfig,
        hub: HubConfig,
        instruments: Instruments,
    ) -> None:
        """`listener` is bound, and may listen already. `open_protocol` gives what a connection speaks at first, HTTP,
        as of a time on the trio clock. `busy` is the answer to whoever is not let in, by the beginning of its request.
        """
        keep_alive(listener, max(SILENCE_S, client.queue_age_s))  # what it accepts inherits that
        self._listener: socket.socket | None = listener
        self._backlog = backlog
        self._poller = poller
        self._flusher = flusher
        self._admission = admission
        self._live = live
        self._open_protocol = open_protocol
        self._turned_away = TurnedAway(poller, busy)
        self._client = client
        self._hub = hub
        self._instruments = instruments
        self._resume_at: float | None = None  # trio clock: accepting rests, since descriptors have run out

    def on_ready(self, events: int) -> None:
        """The listener is ready: accept what waits."""
        now = trio.current_time()
        for _ in range(ACCEPTS_MAX):
            if self._listener is None:
                return
            try:
                sock, address = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                # Out of descriptors: the connection waits in the backlog, and so does the CPU for the next tick.
                log.error("accept_failed", error=str(error))
                self._poller.remove(self._listener.fileno())
                self._resume_at = now + 0.1
                return
            sock.setblocking(False)
            if not self._admission.admit(now):
                self._instruments.refused_connects += 1
                self._turned_away.take(sock)
                continue
            self._instruments.connects += 1
            connection = Connection(
                sock,
                self._flusher,
                self._live.gone,
                peer=str(address[0]),
                queue_bytes_max=self._client.queue_bytes_max,
                ring_max=self._hub.ephemeral_ring,
            )
            protocol = self._open_protocol(connection, now)
            self._live.switch(connection, protocol)
            connection.start(protocol)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Accept until cancelled. Ends by closing the connections; the listener stays, so that it can run again."""
        if self._listener is not None:
            self._listener.listen(self._backlog)  # of a port that nodes share, this one has its part from now on
            self._poller.add(self._listener.fileno(), self)
        try:
            task_status.started()
            while True:
                await trio.sleep(1.0 if self._resume_at is None else 0.1)
                if self._resume_at is not None and self._listener is not None:
                    self._resume_at = None
                    self._poller.add(self._listener.fileno(), self)
                now = trio.current_time()
                self._turned_away.sweep(now)
                for number, connection in enumerate(self._live.all()):
                    protocol = self._live.protocol(connection)
                    try:
                        if protocol is not None:
                            protocol.tick(now, self._client.queue_age_s)
                    except Exception:  # the edge: a mistake of ours ends this connection, not all of them
                        log.exception("connection_failed", peer=connection.peer)
                        connection.abort()
                    if not (number + 1) % TICKS_MAX:
                        await trio.lowlevel.checkpoint()
        finally:
            self._resume_at = None  # who runs us again listens from the start
            if self._listener is not None:
                self._poller.remove(self._listener.fileno())
            self._turned_away.close()
            for connection in self._live.all():
                connection.abort()

    def stop_accepting(self) -> None:
        """Let those in that have waited, for the kernel would reset them, and nobody after them."""
        for _ in range(0, self._backlog + 1, ACCEPTS_MAX):  # as many turns as a full backlog takes
            if self._resume_at is None:  # else descriptors have run out
                self.on_ready(0)
        if self._listener is not None:
            self._poller.remove(self._listener.fileno())
            self._listener.close()
            self._listener = None
