"""The live connections: which protocol each speaks, and when the last of them has gone."""

import socket
from typing import Protocol

import trio

from greenroom.transports.sockets.admission import Admission
from greenroom.transports.sockets.connection import Connection


class LiveProtocol(Protocol):
    """What a live connection speaks; `tick` comes about once a second."""

    def received(self, data: bytes) -> None: ...

    def half_closed(self) -> None: ...

    def disconnected(self) -> None: ...

    def too_slow(self, why: str) -> None: ...

    def tick(self, now: float, queue_age_s: float) -> None: ...

    # The node stops, or is of no use for now: see goodbye.py.

    @property
    def busy(self) -> bool:
        """Is it about to be given an answer?"""

    def leave(self) -> None:
        """Watch nothing any more, behind all that was released. What it watches it will find elsewhere."""

    def shut_down(self, again_ms: int) -> None:
        """Say goodbye. Who can be told is to come again in so many milliseconds. A request over HTTP is answered all
        the same."""


class LiveConnections:
    """Every connection that the gate has let in and nobody has taken over, with its protocol."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self._protocols: dict[Connection, LiveProtocol] = {}
        self._emptied: trio.Event | None = None

    def __len__(self) -> int:
        return len(self._protocols)

    def all(self) -> list[Connection]:
        """As of now, for loops in which connections come and go. Without their protocols: a pair for each would be what
        the collector looks at amid the loop, some milliseconds for each thousand of them."""
        return list(self._protocols)

    def protocol(self, connection: Connection) -> LiveProtocol | None:
        """None once it has gone, or was given away."""
        return self._protocols.get(connection)

    def items(self) -> list[tuple[Connection, LiveProtocol]]:
        """As of now, for who looks at all of them once."""
        return list(self._protocols.items())

    def switch(self, connection: Connection, protocol: LiveProtocol) -> None:
        """From now on `connection` speaks `protocol`."""
        connection.protocol = protocol
        self._protocols[connection] = protocol

    def give_away(self, connection: Connection) -> socket.socket:
        """Take the connection's socket out of our hands. It counts until `Admission.leave` is called."""
        sock = connection.detach()
        self._forget(connection)
        return sock

    def gone(self, connection: Connection) -> None:
        """The connection has been closed."""
        self._forget(connection)
        self._admission.leave()

    def _forget(self, connection: Connection) -> None:
        self._protocols.pop(connection, None)
        if self._emptied is not None and not self._protocols:
            self._emptied.set()

    async def emptied(self) -> None:
        """Return when all have gone. Call once nothing is accepted any more."""
        self._emptied = trio.Event()
        if self._protocols:
            await self._emptied.wait()
