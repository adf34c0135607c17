"""HTTP on a live connection: decides by the path what the connection becomes, and answers commands itself.

Requests of one connection are answered in order, one at a time; what is pipelined behind waits, bounded.
"""

from collections.abc import Callable
from typing import Protocol

import msgspec
import structlog
import trio
from msgspec import Struct

from greenroom.config.limits import GateConfig
from greenroom.config.telemetry.instruments import Instruments
from greenroom.transports.codecs.handshake import BadHandshake, choose_subprotocol, handshake_response
from greenroom.transports.codecs.http_error import HttpError
from greenroom.transports.codecs.http_head import REPEATED_BYTES_MAX, Request
from greenroom.transports.codecs.http_requests import BrokenRequest, RequestDecoder
from greenroom.transports.codecs.http_response import CONTINUE, response
from greenroom.transports.errors import ErrorBody
from greenroom.transports.http.cors import VARY, cors_headers
from greenroom.transports.http.origins import KnownHosts, origin_allowed
from greenroom.transports.sockets.connection import Connection
from greenroom.transports.sockets.live import LiveProtocol

log = structlog.get_logger("greenroom.http")

PIPELINE_MAX = 64  # requests waiting behind one that is being answered; beyond them nothing more is read
HOP_BY_HOP = frozenset((b"upgrade", b"http2-settings"))  # what pages are not offered: they speak HTTP/1.1
CLOSE_WAIT_S = 5.0  # how long the peer may take to close after our last response
SUBPROTOCOLS = (b"centrifuge-json",)
ERROR_NAMES = {
    400: "bad_request",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    408: "timeout",
    413: "too_large",
    417: "expectation_failed",
    426: "upgrade_required",
    431: "head_too_large",
    501: "not_implemented",
    505: "version_not_supported",
}

Headers = tuple[tuple[bytes, bytes], ...]
ALLOW = ((b"Allow", b"GET, HEAD, POST, OPTIONS"),)  # of `OPTIONS *`: RFC 9110 section 9.3.7
Finish = Callable[[int, bytes, Headers], None]  # status, JSON body, more headers


class StartedProtocol(LiveProtocol, Protocol):
    """One that has something to say as soon as the connection speaks it."""

    def start(self) -> None:
        """Called once the connection speaks it."""


class LiveRoutes(Protocol):
    """What the live paths do."""

    streams: frozenset[bytes]  # the paths of those that are opened by `open_events`

    def keep(self, request: Request) -> bool:
        """Is this one of the live paths?"""

    def open_websocket(self, connection: Connection) -> LiveProtocol:
        """The protocol that the connection speaks after the handshake."""

    def open_events(self, connection: Connection, request: Request, cors: Headers) -> StartedProtocol:
        """The protocol that streams events. Raises: HttpError."""

    def command(self, request: Request, finish: Finish) -> None:
        """Answer an API request, now or later, by calling `finish` once. Raises: HttpError."""

    def hand_over(self, connection: Connection, request: Request, read_already: bytes) -> None:
        """Give the socket to the pages, with what was read from it: `request`, and what came behind it."""

    def switch(self, connection: Connection, protocol: LiveProtocol) -> None: ...


class HttpPolicy(Struct):
    """What is the same for all connections that speak HTTP."""

    routes: LiveRoutes
    config: GateConfig
    origins: tuple[str, ...]  # allowed `Origin`s; "*" allows all
    date: Callable[[], bytes]  # the Date header
    instruments: Instruments
    hosts: KnownHosts | None = None  # the only names that requests may have asked for; None: any
    leaving: bool = False  # the node stops: each answer is the last on its connection


class LiveHttp:
    """HTTP on one connection, until it is handed over, upgraded, or closed."""

    __slots__ = (
        "_asked",
        "_broken",
        "_busy",
        "_connection",
        "_cors",
        "_decoder",
        "_half_closed",
        "_judged",
        "_last_at",
        "_policy",
        "_pumping",
        "_waiting",
    )

    def __init__(self, connection: Connection, policy: HttpPolicy, now: float) -> None:
        self._connection = connection
        self._policy = policy
        config = policy.config
        self._decoder = RequestDecoder(
            policy.routes.keep, head_bytes_max=config.head_bytes_max, body_bytes_max=config.body_bytes_max
        )
        self._broken: HttpError | None = None  # what the peer sent can't be followed any further
        self._busy = False  # a request is being answered
        self._half_closed = False  # the peer sends nothing more
        self._pumping = False  # `_pump` is at work further up the stack
        self._waiting: list[Request] = []
        self._last_at = now  # when a request began or ended, or a response ended
        self._asked: Request | None = None  # the one that is being answered
        self._cors: Headers = VARY  # what its answer says of origins
        self._judged: dict[bytes, bytes] | None = None  # the headers of the last command that was let through

    def received(self, data: bytes) -> None:
        decoder = self._decoder
        has_begun = decoder.idle
        has_ended = self._decode(data)
        if self._busy or self._pump():
            if not self._waiting and decoder.idle and not decoder.finished:
                return  # as a rule
        elif has_begun or has_ended:  # else `_last_at` is when the answer has been given
            self._last_at = trio.current_time()
        if self._full and self._open:
            self._connection.pause()

    def half_closed(self) -> None:
        """What was asked is answered, then we close too. What came of an unfinished request is no request."""
        self._half_closed = True
        if not self._busy:
            self._pump()
            if self._connection.flushed:
                self._connection.abort()

    @property
    def _full(self) -> bool:
        """Does as much wait as may, so that nothing more is read for now?"""
        waiting, config, decoder = self._waiting, self._policy.config, self._decoder
        if decoder.held_bytes > config.head_bytes_max:
            return True
        return bool(waiting) and (  # once `finished`, no more can come to wait
            not decoder.finished
            and (len(waiting) >= PIPELINE_MAX or sum(len(one.body) for one in waiting) > config.body_bytes_max)
        )

    def _decode(self, data: bytes) -> bool:
        """Whether a request has come to its end."""
        try:
            requests = self._decoder.feed(data, most=PIPELINE_MAX + 1 - len(self._waiting))
        except BrokenRequest as error:
            requests = error.before
            self._broken = error
        if not self._waiting:
            self._waiting = requests
        else:
            self._waiting += requests
        return bool(requests)

    @property
    def _open(self) -> bool:
        """Is it still for us to answer on this connection?"""
        return self._connection.open and self._connection.protocol is self

    def _pump(self) -> bool:
        """Answer what waits, in order; then what could not be read, or one who asks before it sends its body. True when
        an answer is still to be given."""
        connection = self._connection
        self._pumping = True
        while not self._busy and connection.open and connection.protocol is self:
            waiting = self._waiting
            if not waiting:
                if self._broken is not None or self._decoder.idle:
                    break
                self._decode(b"")  # what was read and found no place
                waiting = self._waiting
                if not waiting:
                    break
            self._answer(waiting.pop(0))
        self._pumping = False
        if self._busy and not connection.paused:
            return True
        if connection.open and connection.protocol is self:
            if connection.paused and not self._half_closed and not self._full:
                connection.resume()
            if not self._busy:
                self._say_the_rest()
        return self._busy

    def _say_the_rest(self) -> None:
        """All that came is answered."""
        if self._broken is not None:
            self._refuse(self._broken, ())
            self._broken = None  # its traceback holds this object, which is not to be left for the collector
        elif self._half_closed:
            self._connection.close_when_sent()
        elif self._decoder.awaiting is not None and self._decoder.take_continue():
            self._connection.send(CONTINUE)

    def _answer(self, request: Request) -> None:
        policy = self._policy
        headers = request.headers
        try:
            if headers is not self._judged:  # else: as the one before
                self._judged, self._cors = None, VARY  # the two belong together
                if not self._is_command(request, headers):
                    return
                self._judged = headers if len(request.head) <= REPEATED_BYTES_MAX else None
            self._asked = request
            self._busy = True
            policy.routes.command(request, self._finish)
        except HttpError as error:
            self._busy = False
            self._refuse(error, self._cors, head_only=request.method == "HEAD")

    def _is_command(self, request: Request, headers: dict[bytes, bytes]) -> bool:
        """Let the request through, or answer it here, or have the connection become what it asks for. The head alone
        decides, so what is let through once is let through again. Raises: HttpError."""
        policy = self._policy
        host = headers.get(b"host", b"")
        if policy.hosts is not None and not policy.hosts.knows(host):
            raise HttpError(
                403, "with GREENROOM_ENV=local, not by this name (GREENROOM_HOST, GREENROOM_ALLOWED_ORIGINS)"
            )
        if not request.kept:
            self._hand_over(request)
            return False
        origin = headers.get(b"origin")
        if origin is not None:
            proto = headers.get(b"x-forwarded-proto")
            if not origin_allowed(origin, host, policy.origins, proto):
                raise HttpError(403, "origin not allowed (GREENROOM_ALLOWED_ORIGINS)")
            self._cors = cors_headers(origin, request)
        if request.path == b"/connection/websocket":
            self._upgrade(request)
            return False
        if request.upgrade:
            request.keep_alive = False  # the decoder has taken it for the last
        if request.path in policy.routes.streams and request.method == "GET":
            protocol = policy.routes.open_events(self._connection, request, self._cors)
            self._switch(protocol)
            if self._connection.open:
                protocol.start()
            return False
        if request.method == "OPTIONS":
            self._send(request, 204, b"", (*ALLOW, *self._cors) if request.path == b"*" else self._cors)
            return False
        return True

    def _finish(self, status: int, body: bytes, more: Headers) -> None:
        try:
            request, self._asked = self._asked, None
            assert request is not None
            self._busy = False
            self._last_at = trio.current_time()
            self._send(request, status, body, (*more, *self._cors) if more else self._cors)
            if not self._pumping and (
                self._waiting
                or self._half_closed
                or self._broken is not None
                or self._connection.paused
                or not self._decoder.idle
            ):
                self._pump()
        except Exception:  # the edge: called by an entity, which must not end by a mistake of ours
            log.exception("http_failed", peer=self._connection.peer)
            self._connection.abort()

    def _hand_over(self, request: Request) -> None:
        connection = self._connection
        connection.flush()  # answers to the requests before this one leave before its own
        if not connection.flushed:
            connection.abort()  # a peer that asks without reading
        elif self._open:
            raw = request.without(HOP_BY_HOP) if b"upgrade" in request.headers else request.raw
            self._policy.routes.hand_over(connection, request, raw + self._decoder.rest)

    def _upgrade(self, request: Request) -> None:
        try:
            subprotocol = choose_subprotocol(request.headers, SUBPROTOCOLS)
            head = handshake_response(
                request.method, request.headers, upgrades=request.upgrade, subprotocol=subprotocol
            )
            if not request.upgrade:
                raise BadHandshake(400, "a WebSocket opens with HTTP/1.1")
        except BadHandshake as error:
            self._policy.instruments.count_refused_request(error.status)
            self._connection.close_with(
                response(
                    error.status,
                    _error_body(error.status, "bad_handshake", error.reason),
                    headers=error.headers,
                    date=self._policy.date(),
                    keep_alive=False,
                    head_only=request.method == "HEAD",
                )
            )
            return
        self._connection.send(head)
        protocol = self._policy.routes.open_websocket(self._connection)
        self._switch(protocol)
        if self._decoder.rest:
            protocol.received(self._decoder.rest)

    def _switch(self, protocol: LiveProtocol) -> None:
        self._policy.routes.switch(self._connection, protocol)
        if self._half_closed:
            protocol.half_closed()
        else:
            self._connection.resume()

    def _send(self, request: Request, status: int, body: bytes, headers: Headers) -> None:
        keep_alive = request.keep_alive and not self._policy.leaving
        whole = response(
            status,
            body,
            headers=headers,
            date=self._policy.date(),
            keep_alive=keep_alive,
            head_only=request.method == "HEAD",
        )
        if keep_alive:
            self._connection.send(whole)
        else:
            self._connection.close_with(whole)

    def _refuse(self, error: HttpError, cors: Headers, *, head_only: bool = False) -> None:
        self._last_at = trio.current_time()
        self._policy.instruments.count_refused_request(error.status)
        self._connection.close_with(
            response(
                error.status,
                _error_body(error.status, ERROR_NAMES.get(error.status, "http"), error.reason),
                headers=(*error.headers, *cors),
                date=self._policy.date(),
                keep_alive=False,
                head_only=head_only,
            )
        )

    busy = False  # see HttpPolicy.leaving

    def leave(self) -> None:
        pass

    def shut_down(self, again_ms: int) -> None:
        if not self._busy:
            self._connection.close_with(b"")

    def disconnected(self) -> None:
        self._waiting = []
        self._broken = None

    def too_slow(self, why: str) -> None:
        self._connection.abort()

    def tick(self, now: float, queue_age_s: float) -> None:
        """Ends slow heads, idle connections, and peers that don't read their response or don't close after it."""
        connection = self._connection
        if connection.blocked:
            if connection.waited_s(now) > queue_age_s:
                connection.abort()
        elif not connection.open:
            if now - self._last_at > CLOSE_WAIT_S:
                connection.abort()
        elif self._busy:
            pass  # the command has a deadline
        elif self._decoder.idle:
            if now - self._last_at > self._policy.config.idle_http_s:
                connection.abort()
        elif now - self._last_at > self._policy.config.head_timeout_s:
            self._refuse(HttpError(408, "the request took too long"), ())


def _error_body(status: int, name: str, message: str) -> bytes:
    return msgspec.json.encode({"error": ErrorBody(status, name, message, temporary=False)})
