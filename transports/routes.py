"""Which live path leads where. Everything else belongs to the pages."""

from collections.abc import Callable

from greenroom.actors.model.errors import ActorError, Overloaded
from greenroom.transports.admin.desk import Live
from greenroom.transports.admin.roles import Operators
from greenroom.transports.admin.stream import LIVE, AdminStream
from greenroom.transports.admin.stream import refusal as admin_refusal
from greenroom.transports.carriers.websocket import WebSocketClient
from greenroom.transports.codecs.http_error import HttpError
from greenroom.transports.codecs.http_head import Request, parse_head
from greenroom.transports.http.api import HttpApi
from greenroom.transports.http.cors import VARY, cors_headers
from greenroom.transports.http.event_stream import EventStream, refusal
from greenroom.transports.http.handover import Handover, Place, is_media
from greenroom.transports.http.live import Finish, Headers
from greenroom.transports.http.origins import origin_allowed
from greenroom.transports.http.prefix import without_prefix
from greenroom.transports.services import Services
from greenroom.transports.sockets.connection import Connection
from greenroom.transports.sockets.live import LiveConnections, LiveProtocol
from greenroom.transports.sockets.turned_away import BUSY

EVENTS = b"/events"
PROBES = frozenset((b"/health", b"/ready", b"/metrics"))  # what watches over the node: has places of its own


class Routes:
    """What becomes of a connection, by the path of its request."""

    streams = frozenset((EVENTS, LIVE))

    def __init__(
        self,
        services: Services,
        api: HttpApi,
        live: LiveConnections,
        handover: Handover,
        *,
        origins: tuple[str, ...],
        date: Callable[[], bytes],
        prefix: str = "",
        operators: Operators | None = None,
        admin: Live | None = None,
        has_media: bool = False,
    ) -> None:
        """`origins`: as in `HttpPolicy`. `date` gives the Date header. `prefix`: see prefix.py. `operators` may watch
        `admin`; None: nobody may. `has_media`: is anything served below /media?"""
        self._services = services
        self._api = api
        self._live = live
        self._handover = handover
        self._origins = origins
        self._date = date
        self._prefix = prefix.encode()
        self._operators = operators
        self._admin = admin
        self._has_media = has_media

    def busy(self, asked: bytes) -> bytes:
        """The answer to a connection that is not let in, which has sent `asked` so far: 503, or what has the browser of
        an event stream come again."""
        if not asked.startswith(b"GET %b/events?" % self._prefix):
            return BUSY
        try:
            request = parse_head(asked[: asked.find(b"\r\n\r\n") + 4])
        except HttpError:  # or it has not come whole
            return BUSY
        origin = request.headers.get(b"origin")
        cors: Headers = VARY
        if origin is not None:
            host, proto = request.headers.get(b"host", b""), request.headers.get(b"x-forwarded-proto")
            if not origin_allowed(origin, host, self._origins, proto):
                return BUSY
            cors = cors_headers(origin, request)
        return refusal(Overloaded("too many connections"), cors, self._services.chance(), date=self._date())

    def keep(self, request: Request) -> bool:
        path = request.path = without_prefix(request.path, self._prefix)
        return path.startswith((b"/api/", b"/connection/")) or path in (EVENTS, LIVE, b"*")

    def open_websocket(self, connection: Connection) -> WebSocketClient:
        return WebSocketClient(connection, self._services)

    def open_events(
        self, connection: Connection, request: Request, cors: Headers
    ) -> "EventStream | AdminStream | _Refused":
        """Raises: HttpError."""
        if request.path == LIVE:
            return self._open_admin(connection, request)
        try:
            return EventStream(connection, request, self._services, self._date, cors)
        except ActorError as error:
            return _Refused(connection, refusal(error, cors, self._services.chance(), date=self._date()))

    def _open_admin(self, connection: Connection, request: Request) -> "AdminStream | _Refused":
        """Raises: HttpError."""
        if self._operators is None or self._admin is None:
            raise HttpError(404, "no such address")
        try:
            return AdminStream(
                connection,
                request,
                live=self._admin,
                operators=self._operators,
                connections=self._services.hub.connections,
                clock=self._services.clock,
                date=self._date,
            )
        except ActorError as error:
            return _Refused(connection, admin_refusal(error, self._date()))

    def command(self, request: Request, finish: Finish) -> None:
        """Raises: HttpError."""
        if request.path.startswith(b"/api/"):
            self._api.handle(request, finish)
        elif request.path in self.streams:
            raise HttpError(405, "event streams are opened with GET", ((b"Allow", b"GET, OPTIONS"),))
        else:
            raise HttpError(404, "no such address")

    def hand_over(self, connection: Connection, request: Request, read_already: bytes) -> None:
        place = Place.PAGES
        if request.path in PROBES and not request.has_body:
            place = Place.PROBES
        elif self._has_media and is_media(request.path):
            place = Place.MEDIA
        self._handover.take(self._live.give_away(connection), read_already, place=place)

    def switch(self, connection: Connection, protocol: LiveProtocol) -> None:
        self._live.switch(connection, protocol)


class _Refused:
    """An event stream that was refused before it began."""

    def __init__(self, connection: Connection, answer: bytes) -> None:
        self._connection = connection
        self._answer = answer

    def start(self) -> None:
        self._connection.close_with(self._answer)

    def received(self, data: bytes) -> None:
        pass

    def half_closed(self) -> None:
        pass  # the answer is on its way already

    def disconnected(self) -> None:
        pass

    def too_slow(self, why: str) -> None:
        self._connection.abort()

    def tick(self, now: float, queue_age_s: float) -> None:
        self._connection.abort()

    busy = False

    def leave(self) -> None:
        pass

    def shut_down(self, again_ms: int) -> None:
        pass
