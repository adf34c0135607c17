"""HTTP on a live connection: decides by the path what the connection becomes, and answers commands itself.

Requests of one connection are answered in order, one at a time; what is pipelined behind waits, bounded.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import structlog
import trio
from msgspec import Struct

from config.limits import GateConfig
from transports.connection import Connection
from transports.cors import cors_headers, origin_allowed
from transports.http_error import HttpError
from transports.http_head import Request, RequestDecoder
from transports.http_response import http_date, response
from transports.websocket import BadHandshake, handshake_response

log = structlog.get_logger("greenroom.http")

PIPELINE_MAX = 64  # requests waiting behind one that is being answered

Finish = Callable[[int, bytes, tuple[tuple[bytes, bytes], ...]], None]  # status, JSON body, more headers


class LiveRoutes(Protocol):
    """What the live paths do."""

    def keep(self, request: Request) -> bool:
        """Is this one of the live paths?"""

    def open_websocket(self, connection: Connection) -> Any:
        """The protocol that the connection speaks after the handshake."""

    def open_events(self, connection: Connection, request: Request) -> Any:
        """The protocol that streams events. Raises: HttpError."""

    def command(self, request: Request, finish: Finish) -> None:
        """Answer an API request, now or later, by calling `finish` once. Raises: HttpError."""

    def hand_over(self, connection: Connection, request: Request) -> None:
        """Give the socket to the pages."""

    def switch(self, connection: Connection, protocol: Any) -> None: ...


class HttpServices(Struct):
    routes: LiveRoutes
    config: GateConfig
    origins: tuple[str, ...]  # allowed `Origin`s; "*" allows all
    clock: Callable[[], float]


class HttpDate:
    """The Date header, made once a second."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._second = -1
        self._value = b""

    def value(self) -> bytes:
        now = self._clock()
        if int(now) != self._second:
            self._second = int(now)
            self._value = http_date(now)
        return self._value


class LiveHttp:
    __slots__ = ("_broken", "_busy", "_connection", "_date", "_decoder", "_last_at", "_services", "_waiting")

    def __init__(self, connection: Connection, services: HttpServices, date: HttpDate) -> None:
        self._connection = connection
        self._services = services
        self._date = date
        config = services.config
        self._decoder = RequestDecoder(
            services.routes.keep, head_bytes_max=config.head_bytes_max, body_bytes_max=config.body_bytes_max
        )
        self._broken: HttpError | None = None  # what the peer sent can't be followed any further
        self._busy = False  # a request is being answered
        self._waiting: list[Request] | None = None
        self._last_at = trio.current_time()  # of the last whole request or response

    def received(self, data: bytes) -> None:
        requests: Sequence[Request]
        try:
            requests = self._decoder.feed(data)
        except HttpError as error:  # those in front of the broken one have a right to their answers
            requests = error.before
            self._broken = error
        if requests:
            self._last_at = trio.current_time()
            for request in requests:
                if self._busy:
                    if self._waiting is None:
                        self._waiting = []
                    if len(self._waiting) >= PIPELINE_MAX:
                        self._connection.abort()
                        return
                    self._waiting.append(request)
                else:
                    self._answer(request)
        elif self._decoder.awaiting is not None and self._decoder.take_continue():
            self._connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        if self._broken is not None and not self._busy:
            self._refuse(self._broken)

    def _answer(self, request: Request) -> None:
        services = self._services
        if not request.kept:
            services.routes.hand_over(self._connection, request)
            return
        try:
            origin = request.headers.get(b"origin")
            if origin is not None and not origin_allowed(origin, request.headers.get(b"host", b""), services.origins):
                raise HttpError(403, "origin not allowed (GREENROOM_ALLOWED_ORIGINS)")
            if request.path == b"/connection/websocket":
                self._upgrade(request)
                return
            if request.path == b"/events" and request.method == "GET":
                protocol = services.routes.open_events(self._connection, request)
                services.routes.switch(self._connection, protocol)
                protocol.start()
                return
            cors = cors_headers(origin, request)
            if request.method == "OPTIONS":
                self._send(request, 204, b"", cors)
                return
            self._busy = True

            def finish(status: int, body: bytes, more: tuple[tuple[bytes, bytes], ...]) -> None:
                self._finish(request, status, body, (*more, *cors))

            services.routes.command(request, finish)
        except HttpError as error:
            self._busy = False
            self._refuse(error, close=False)

    def _upgrade(self, request: Request) -> None:
        try:
            head = handshake_response(request.method, request.headers)
        except BadHandshake as error:
            body = b'{"error":{"code":%d,"name":"bad_handshake","message":"%b","temporary":false}}' % (
                error.status,
                error.reason.encode(),
            )
            self._connection.close_with(
                response(error.status, body, headers=error.headers, date=self._date.value(), keep_alive=False)
            )
            return
        self._connection.send(head)
        protocol = self._services.routes.open_websocket(self._connection)
        self._services.routes.switch(self._connection, protocol)
        if self._decoder.rest:
            protocol.received(self._decoder.rest)

    def _finish(self, request: Request, status: int, body: bytes, headers: tuple[tuple[bytes, bytes], ...]) -> None:
        self._busy = False
        self._last_at = trio.current_time()
        self._send(request, status, body, headers)
        while self._waiting and not self._busy and self._connection.open:
            self._answer(self._waiting.pop(0))
        if self._broken is not None and not self._busy:
            self._refuse(self._broken)

    def _send(self, request: Request, status: int, body: bytes, headers: tuple[tuple[bytes, bytes], ...]) -> None:
        whole = response(status, body, headers=headers, date=self._date.value(), keep_alive=request.keep_alive)
        if request.keep_alive:
            self._connection.send(whole)
        else:
            self._connection.close_with(whole)

    def _refuse(self, error: HttpError, *, close: bool = True) -> None:
        body = b'{"error":{"code":%d,"name":"http","message":"%b","temporary":false}}' % (
            error.status,
            error.reason.replace('"', "'").encode(),
        )
        whole = response(error.status, body, date=self._date.value(), keep_alive=False)
        self._connection.close_with(whole)

    def disconnected(self) -> None:
        pass

    def too_slow(self, why: str) -> None:
        self._connection.abort()

    def tick(self, now: float, queue_age_s: float) -> None:
        """Ends slow heads, idle connections, and peers that don't read their response."""
        blocked_at = self._connection.blocked_at
        if blocked_at is not None and now - blocked_at > queue_age_s:
            self._connection.abort()
            return
        if self._busy:
            return
        limit = self._services.config.idle_http_s if self._decoder.idle else self._services.config.head_timeout_s
        if now - self._last_at > limit:
            if self._decoder.idle or not self._connection.open:
                self._connection.abort()
            else:
                self._refuse(HttpError(408, "the request took too long"))
                self._last_at = now
