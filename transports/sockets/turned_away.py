"""Who is not let in: told so once it has said what it wants, or soon without.

What to answer depends on the request, which has mostly not come yet when a connection is accepted. So a bounded number
may wait a moment for it; whoever comes beyond them is told at once.
"""

import contextlib
import socket
from collections.abc import Callable

import trio

from greenroom.transports.sockets.poller import Poller

WAITING_MAX = 256
WAIT_S = 1.0
BUSY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 1\r\nConnection: close\r\n\r\n"


def refuse(sock: socket.socket, answer: Callable[[bytes], bytes] = lambda _: BUSY) -> None:
    """Answer what has been sent to us, and close. It is read before, else closing would take the answer back."""
    with contextlib.suppress(OSError):
        asked = b""
        with contextlib.suppress(BlockingIOError):
            asked = sock.recv(65_536)
        sock.send(answer(asked))
        sock.shutdown(socket.SHUT_WR)
    sock.close()


class TurnedAway:
    """The connections that are not let in, for as long as it takes to tell them."""

    def __init__(self, poller: Poller, answer: Callable[[bytes], bytes]) -> None:
        """`answer` to the beginning of a request, perhaps b"": a whole response, after which we close."""
        self._poller = poller
        self._answer = answer
        self._waiting: dict[_Waiting, None] = {}  # the oldest first

    def take(self, sock: socket.socket) -> None:
        """Answer on `sock` now or soon, then close it."""
        if len(self._waiting) >= WAITING_MAX:
            refuse(sock, self._answer)
            return
        waiting = _Waiting(self, sock)
        self._waiting[waiting] = None
        self._poller.add(sock.fileno(), waiting)

    def end(self, waiting: "_Waiting") -> None:
        if waiting in self._waiting:
            del self._waiting[waiting]
            self._poller.remove(waiting.sock.fileno())
            refuse(waiting.sock, self._answer)

    def sweep(self, now: float) -> None:
        """Those who have said nothing for WAIT_S go as well. `now` on the trio clock."""
        for waiting in list(self._waiting):
            if now - waiting.since < WAIT_S:
                return
            self.end(waiting)

    def close(self) -> None:
        for waiting in list(self._waiting):
            self.end(waiting)


class _Waiting:
    __slots__ = ("_turned_away", "since", "sock")

    def __init__(self, turned_away: TurnedAway, sock: socket.socket) -> None:
        self._turned_away = turned_away
        self.sock = sock
        self.since = trio.current_time()

    def on_ready(self, events: int) -> None:
        self._turned_away.end(self)
