"""A client of the client protocol over WebSocket: frames of its connection on one side, its session on the other."""

from collections.abc import Callable

import trio

from greenroom.transports.client.carrier import GONE
from greenroom.transports.client.codes import SHUTDOWN, SLOW
from greenroom.transports.client.session import ClientSession
from greenroom.transports.codecs.websocket import (
    NO_STATUS,
    NORMAL,
    Binary,
    Close,
    Event,
    FrameDecoder,
    Ping,
    WebSocketError,
    close_frame,
    pong_frame,
    text_frame,
)
from greenroom.transports.services import Services
from greenroom.transports.sockets.connection import Connection

CLOSE_WAIT_S = 5.0  # how long the peer's close frame is awaited; then the socket is dropped


class WebSocketClient:
    """A live connection that speaks WebSocket; the carrier of one session."""

    __slots__ = ("_closing_since", "_connection", "_decoder", "session")

    def __init__(self, connection: Connection, services: Services) -> None:
        self._connection = connection
        self._decoder = FrameDecoder(line_bytes_max=services.client.command_bytes_max)
        self._closing_since: float | None = None
        self.session = ClientSession(services, self)

    # From the connection.

    def received(self, data: bytes) -> None:
        try:
            events = self._decoder.feed(data)
        except WebSocketError as error:
            self._take(error.before)
            self.session.ended()
            self._close(error.code, error.reason)
            return
        self._take(events)

    def _take(self, events: list[Event]) -> None:
        for event in events:
            if type(event) is bytes:
                self.session.received(event)
            elif type(event) is Ping:
                self._connection.send(pong_frame(event.payload))
            elif type(event) is Close:
                self.session.ended()
                if self._closing_since is not None:
                    self._connection.abort()
                else:
                    self._close(NORMAL if event.code == NO_STATUS else event.code, "")
                return
            elif type(event) is Binary:
                self.session.ended()
                self._close(3506, "inappropriate protocol")
                return

    def half_closed(self) -> None:
        self._connection.abort()  # a WebSocket ends by a close frame; without one the peer is gone

    def disconnected(self) -> None:
        self.session.ended()
        self.session.carrier = GONE

    def too_slow(self, why: str) -> None:
        if not self.session.closed:
            self.session.services.instruments.slow_disconnects += 1
            self.session.disconnect(SLOW)

    @property
    def busy(self) -> bool:
        return self.session.in_flight > 0 and self._closing_since is None

    def leave(self) -> None:
        self.session.leave()

    def shut_down(self, again_ms: int) -> None:
        self.session.disconnect(SHUTDOWN)  # without `again_ms`: SDKs choose for themselves when to come again

    # From the session.

    def send_json(self, reply: bytes) -> None:
        self._connection.send(text_frame(reply))

    def send_pushes(self, frame: bytes) -> None:
        self._connection.send(frame)

    def send_ephemeral(self, frame: bytes, key: str) -> None:
        self._connection.send_ephemeral(frame, key)

    def disconnect(self, code: int, reason: str) -> None:
        # An entity may have chosen them. Only 3000 and above may be, an empty reason would have SDKs reconnect whatever
        # the code, and one that is a JSON object would override it.
        if not 3000 <= code <= 4999:
            code, reason = 3503, "force disconnect"
        if not reason or reason.lstrip().startswith("{"):
            reason = "disconnected"
        self._close(code, reason)

    @property
    def blocked(self) -> bool:
        return self._connection.blocked

    def when_taken(self, call: Callable[[], None]) -> None:
        self._connection.taken = call

    def pause(self) -> None:
        self._connection.pause()

    def resume(self) -> None:
        self._connection.resume()

    def _close(self, code: int, reason: str) -> None:
        if self._closing_since is None:
            self._closing_since = trio.current_time()
            self._connection.close_with(close_frame(code, reason), drop_queued=True)

    def tick(self, now: float, queue_age_s: float) -> None:
        """Once a second: pings, expiries, and an end to peers that don't read or don't say goodbye."""
        if self._closing_since is not None:
            if now - self._closing_since > CLOSE_WAIT_S:
                self._connection.abort()
            return
        waited_s = self._connection.waited_s(now)
        if waited_s > queue_age_s:
            self.too_slow(f"took nothing for {waited_s:.0f} s")
            return
        self.session.tick(now, behind=self._connection.blocked)
