"""A port that several processes of one host share: who listens has a part of the connections, who has ended has none.

By SO_REUSEPORT: each process has a socket of its own, and the kernel deals new connections out to those that listen, by
a hash of their addresses. On Linux, that is; elsewhere the parts are as the system makes them.
"""

import contextlib
import socket
from types import TracebackType
from typing import Any, Self

from greenroom.transports.sockets.gate import PortTaken, listen


class SharedPort:
    """`with SharedPort(host, port) as shared:` keeps the port from everybody but those who have a socket of `bound`.

    Itself it listens to nothing. Raises: as `listen`.
    """

    def __init__(self, host: str, port: int) -> None:
        self._wanted = (host, port)
        self._family: int
        self._address: Any  # as the family has it
        self._kept = contextlib.ExitStack()

    def __enter__(self) -> Self:
        # First as one who does not share, and so is refused where anybody listens, or keeps a port to share it. The
        # place is never empty on the way from this socket to the other.
        with listen(*self._wanted, backlog=1) as alone:
            self._family, self._address = alone.family, alone.getsockname()
            alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            kept = self._kept.enter_context(self.bound())
        # It is not to be passed by who would not share, as one may pass an address that nobody listens to.
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._kept.close()

    @property
    def port(self) -> int:
        """The real one, where 0 was wanted."""
        port: int = self._address[1]
        return port

    def bound(self) -> socket.socket:
        """A socket for one process, which is to have it alone: its connections begin when it listens, and end with it.

        Raises: PortTaken, OSError.
        """
        sock = socket.socket(self._family, socket.SOCK_STREAM)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as `listen` has it
            sock.setblocking(False)
            sock.bind(self._address)
        except OSError as error:
            sock.close()
            raise PortTaken(f"port {self.port} can't be shared: {error.strerror}") from error
        return sock
