"""Handing a connection to the pages: socket, and the bytes that the gate has read already, go to Hypercorn.

One request a connection: the answer says `Connection: close`, so the client's next request meets the gate again. What
watches over the node has places of its own, which no page can take; so have uploads and files. Hypercorn is imported
when somebody first asks for a page, in a thread, as the pages' own app is (pages/on_demand.py).
"""

import contextlib
import socket
from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING

import structlog
import trio

from greenroom.config.telemetry.instruments import Instruments
from greenroom.transports.sockets.turned_away import refuse

if TYPE_CHECKING:
    from hypercorn.typing import ASGIFramework

    from greenroom.transports.http.page_server import PageServer

log = structlog.get_logger("greenroom.pages")

CONNECTIONS_MAX = 256
PROBES_MAX = 64  # likewise, of what watches over the node
MEDIA_MAX = 64  # likewise, of uploads and of files, which take their time
REQUEST_S = 30.0  # what one request of a page may take, its body included


class Place(Enum):
    """Where a request is counted: none keeps out those of another place."""

    PAGES = "pages"
    PROBES = "probes"
    MEDIA = "media"


def most(place: Place) -> int:
    """Requests at once."""
    return {Place.PAGES: CONNECTIONS_MAX, Place.PROBES: PROBES_MAX, Place.MEDIA: MEDIA_MAX}[place]


def is_media(path: bytes) -> bool:
    """Of a request: is it for an upload, or for a file?"""
    return path == b"/media" or path.startswith(b"/media/")


class Handover:
    """The pages' side of the gate."""

    def __init__(
        self,
        app: "ASGIFramework",
        *,
        leave: Callable[[], None],
        instruments: Instruments | None = None,
        head_bytes_max: int = 16_384,
        media_s: float = REQUEST_S,
    ) -> None:
        """`leave` is called when a connection has ended. `head_bytes_max`: what the gate lets a head be. `media_s`:
        what a request for media may take."""
        self._app = app
        self._head_bytes_max = head_bytes_max
        self._leave = leave
        self._instruments = instruments or Instruments()
        self._nursery: trio.Nursery | None = None
        self._server: PageServer | None = None
        self._starting = trio.Lock()
        self._open = dict.fromkeys(Place, 0)
        self._socks: set[socket.socket] = set()
        self._seconds = {Place.PAGES: REQUEST_S, Place.PROBES: REQUEST_S, Place.MEDIA: media_s}

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        self._server = None
        async with trio.open_nursery() as nursery:  # owner: this call; `_serve` keeps a request's crash to itself
            self._nursery = nursery
            try:
                task_status.started()
                await trio.sleep_forever()
            finally:
                self._nursery = None
                for sock in self._socks:  # Hypercorn shields what it sends: so nothing waits for who does not read
                    with contextlib.suppress(OSError):
                        sock.shutdown(socket.SHUT_RDWR)

    def take(self, sock: socket.socket, read_already: bytes, *, place: Place = Place.PAGES) -> None:
        """Serve one request on `sock`. Refused with 503 when too many are under way or the pages are down."""
        if self._nursery is None or self._open[place] >= most(place):
            self._instruments.refused_pages += 1
            refuse(sock)
            self._leave()
            return
        self._open[place] += 1
        self._nursery.start_soon(self._serve, sock, read_already, place, self._nursery)

    async def _serve(self, sock: socket.socket, read_already: bytes, place: Place, nursery: trio.Nursery) -> None:
        self._socks.add(sock)
        try:
            with trio.move_on_after(self._seconds[place]):
                server = self._server or await self._started(nursery)
                await server.serve(sock, read_already)
        except Exception:  # the edge: a page's failure has been answered by Quart; this is the connection's
            log.exception("page_connection_failed")
        finally:
            self._socks.discard(sock)
            sock.close()
            self._open[place] -= 1
            self._leave()

    async def _started(self, nursery: trio.Nursery) -> "PageServer":
        async with self._starting:  # others wait for the first
            if self._server is None:
                server = await trio.to_thread.run_sync(self._make_server, limiter=trio.CapacityLimiter(1))
                await nursery.start(server.run)
                self._server = server
        return self._server

    def _make_server(self) -> "PageServer":
        from greenroom.transports.http.page_server import PageServer

        return PageServer(self._app, head_bytes_max=self._head_bytes_max)
