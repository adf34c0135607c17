"""`GET /events`: channels as plain server-sent events, for dashboards, `EventSource` and `curl -N`.

The first event of a channel is `view`: what the entity shows, as of the event's id; start over from it. Then come
its publications as ordinary messages, `{"channel", "data", "offset", "time"}`. The id is `epoch:offset` with one
channel, and with several one such position each, in the order of the request; `Last-Event-ID` (or `?since=`) resumes
from it. When the position can't be resumed, `view` comes again. Ephemeral publications carry no id. With `as=view`
nothing but `view` comes, again whenever the view has changed.

There is one answer for all channels of a stream, so nothing is sent before the last of them has been admitted. A
browser's EventSource gives up for good at any status but 200: what is temporary is answered with 200, too, and the end,
after which it comes again from its position.
"""

import uuid
from collections.abc import Callable
from functools import partial

import msgspec
import structlog
import trio

from greenroom.actors.model.entity import split_entity
from greenroom.actors.model.errors import ActorError, Overloaded, Refused, Unavailable
from greenroom.actors.model.principal import Principal
from greenroom.config.bounds import EVENT_CHANNELS_MAX
from greenroom.transports.auth.http_principal import http_identity
from greenroom.transports.codecs.http_error import HttpError
from greenroom.transports.codecs.http_head import Request, query_pairs
from greenroom.transports.codecs.http_response import response, stream_head
from greenroom.transports.errors import error_headers, http_error_body
from greenroom.transports.http.live import Headers
from greenroom.transports.http.own_session import OwnSession
from greenroom.transports.http.server_sent import (
    SharedSseEncoding,
    SharedSseViews,
    SseEncoding,
    SseViews,
    decode_positions,
    encode_positions,
    view_data,
)
from greenroom.transports.hub.encoding import Encoding
from greenroom.transports.hub.recovery import Missed
from greenroom.transports.hub.topic import Topic
from greenroom.transports.hub.watching import Position
from greenroom.transports.services import Services
from greenroom.transports.sockets.connection import Connection

log = structlog.get_logger("greenroom.events")
encode = msgspec.json.encode

KEEP_ALIVE_S = 15.0
EVENT_STREAM = b"text/event-stream; charset=utf-8"
RETRY_S = 1.0  # after what is temporary a browser comes again once this has passed, or up to RETRY_S_MAX
RETRY_S_MAX = 3.0


def refusal(error: ActorError, cors: Headers, chance: float, *, date: bytes) -> bytes:
    """The whole answer to a stream that can't begin. `chance`, 0 <= x < 1, keeps those refused together apart."""
    if error.temporary:
        retry_ms = int(1000 * (RETRY_S + chance * (RETRY_S_MAX - RETRY_S)))
        return stream_head(EVENT_STREAM, cors, date=date) + b": %b\nretry: %d\n\n" % (error.name.encode(), retry_ms)
    headers = (*error_headers(error), *cors)
    return response(error.status, http_error_body(error), headers=headers, date=date, keep_alive=False)


class _ChannelWatch:
    """One channel of one stream: first its watcher, then its subscriber."""

    __slots__ = ("_stream", "channel", "encoding", "position", "topic", "wanted")

    wants_joins = False
    granted = False
    as_view = False

    def __init__(self, stream: "EventStream", channel: str, wanted: Position | None, encoding: type[Encoding]) -> None:
        self._stream = stream
        self.channel = channel
        self.wanted = wanted  # where the client wants to resume
        self.position: Position | None = None
        self.topic: Topic | None = None
        self.encoding = encoding

    @property
    def principal(self) -> Principal:
        return self._stream.principal

    # A watcher.

    @property
    def gone(self) -> bool:
        return self._stream.closed

    def admitted(self, topic: Topic, view: bytes, missed: Missed | None) -> "_ChannelWatch | None":
        return self if self._stream.begin(self, topic, view, missed) else None

    def attached(self) -> None:
        pass

    def abandoned(self) -> None:
        pass

    def refused(self, error: ActorError) -> None:
        self._stream.refuse(error)

    def broken(self, error: Exception) -> None:
        self._stream.connection.abort()

    # A subscriber of the hub.

    def deliver(self, batch: bytes, last_offset: int) -> None:
        assert self.position is not None
        if self.encoding is SseEncoding:
            self.position.offset = last_offset
            self._stream.deliver(batch)
            return
        events = batch.split(b"\n\n")[:-1]  # JSON on one line holds no newline
        for event in events:
            offset, _, data = event.partition(b"\n")
            self.position.offset = int(offset)
            self._stream.deliver(b"id: %b\n%b\n\n" % (self._stream.cursor(), data))
        self.position.offset = last_offset

    def deliver_ephemeral(self, piece: bytes, key: str) -> None:
        if self._stream.headed and not self._stream.closed:  # else nobody is there to see it yet
            self._stream.connection.send_ephemeral(piece, key)

    def kicked(self, code: int, reason: str) -> None:
        self._stream.end()

    def epoch_changed(self) -> None:
        self._stream.end()  # the browser comes back with its position and gets the view


class _ViewWatch(_ChannelWatch):
    """One channel as its view."""

    __slots__ = ()

    as_view = True

    def deliver_view(self, piece: bytes, epoch: str, offset: int) -> None:
        self.position = Position(epoch, offset)
        if self.encoding is SharedSseViews:
            piece = b"event: view\nid: %b\n%b" % (self._stream.cursor(), piece)
        self._stream.deliver(piece)

    def epoch_changed(self) -> None:
        pass  # the view that comes for it says all there is to say


class EventStream:
    """One open response that streams one channel or several, from its request to its end."""

    __slots__ = (
        "_answering",
        "_awaited",
        "_cors",
        "_date",
        "_early",
        "_early_bytes",
        "_expires_at",
        "_keep_alive_at",
        "_own",
        "_services",
        "_watches",
        "closed",
        "connection",
        "principal",
    )

    def __init__(
        self,
        connection: Connection,
        request: Request,
        services: Services,
        date: Callable[[], bytes],
        cors: Headers = (),
    ) -> None:
        """Raises: HttpError for a bad request; ActorError when the client may not watch at all."""
        self.connection = connection
        self._services = services
        self._date = date
        pairs = query_pairs(request.query)
        channels = [value for name, value in pairs if name == "channel"]
        if not 1 <= len(channels) <= EVENT_CHANNELS_MAX or len(set(channels)) != len(channels):
            raise HttpError(
                400, f"channel: name 1 to {EVENT_CHANNELS_MAX} different channels, as in ?channel=room:lobby"
            )
        identity = http_identity(
            request.headers, services.tokens, anonymous=services.anonymous, watches=services.anonymous_watch
        )
        client = str(uuid.uuid4())  # present in the channels as a connection of its own
        self.principal = msgspec.structs.replace(
            identity.principal,
            client=client,
            info=encode({"user": identity.principal.user, "client": client}),
            connected_at=services.clock(),
        )
        self._expires_at = identity.expires_at
        self._cors = cors
        for channel in channels:
            services.kinds[split_entity(channel)[0]]
        since = request.headers.get(b"last-event-id", b"").decode("latin-1") or dict(pairs).get("since", "")
        wanted = decode_positions(since, len(channels))
        shown_as = dict(pairs).get("as", "events")
        if shown_as not in ("events", "view"):
            raise HttpError(400, "as: `view` or `events`")
        watch: type[_ChannelWatch] = _ChannelWatch
        encoding: type[Encoding] = SharedSseEncoding if len(channels) > 1 else SseEncoding
        if shown_as == "view":
            watch, encoding = _ViewWatch, SharedSseViews if len(channels) > 1 else SseViews
        self._own: OwnSession | None = None  # while the user has a session that may end
        self._watches = [watch(self, channel, at, encoding) for channel, at in zip(channels, wanted, strict=True)]
        self.closed = False
        self._awaited = len(channels)  # that have yet to be admitted
        self._early: list[bytes] | None = []  # what waits for them; None: the response has begun
        self._early_bytes = 0  # of what was published meanwhile; what was asked for is as long as it is
        self._answering = False
        self._keep_alive_at = trio.current_time() + KEEP_ALIVE_S

    def start(self) -> None:
        """Ask the entities; call once the connection speaks this protocol."""
        self._services.hub.connections.add(self.principal.user, self)
        session_kind, user = self._services.session_kind, self.principal.user
        if session_kind is None or not user or self.principal.system:
            self.signed_in()
        else:
            own = self._own = OwnSession(self)
            self._services.watching.watch(f"{session_kind}:{user}", own, None)

    def signed_in(self) -> None:
        """The user's token counts, and whatever becomes of that is heard from here on: ask for the channels."""
        for watch in self._watches:
            if self.closed:
                return
            self._services.watching.watch(watch.channel, watch, watch.wanted)

    def begin(self, watch: _ChannelWatch, topic: Topic, view: bytes, missed: Missed | None) -> bool:
        """A channel may be watched: say from where. False when this was the one piece too many."""
        watch.topic = topic
        watch.position = Position(topic.epoch, topic.offset)
        self._answering = True
        if missed is None or missed.publications is None:
            self.deliver(b"event: view\nid: %b\n%b" % (self.cursor(), view_data(watch.channel, topic.offset, view)))
        elif missed.publications:
            batch = watch.encoding.publications(watch.channel, topic.epoch, missed.publications)
            watch.deliver(batch, topic.offset)
        self._answering = False
        self._awaited -= 1
        if not self._awaited and not self.closed:
            self._services.instruments.connections += 1
            early, self._early = self._early, None
            # In one piece: it is one answer, and of its length alone nobody is slow.
            self.connection.send(b"".join((stream_head(EVENT_STREAM, self._cors, date=self._date()), *(early or ()))))
        return not self.closed

    @property
    def headed(self) -> bool:
        """Has the response begun? Then errors can no longer be its status."""
        return self._early is None

    def cursor(self) -> bytes:
        """Until a channel is attached, its place in the cursor is where the client wanted to resume."""
        return encode_positions([watch.position or watch.wanted for watch in self._watches]).encode()

    def deliver(self, batch: bytes) -> None:
        if self.closed:
            return
        self._keep_alive_at = trio.current_time() + KEEP_ALIVE_S
        if self._early is None:
            self.connection.send(batch)
            return
        self._early.append(batch)
        if self._answering:
            return
        self._early_bytes += len(batch)
        if self._early_bytes > self._services.client.queue_bytes_max:
            self.refuse(Overloaded("a channel says too much before another has answered"))

    def refuse(self, error: ActorError) -> None:
        """A channel can't be watched: the whole stream is refused, or ends when it has begun."""
        if not self.closed:
            self._refuse(error)
            self.leave()

    def _refuse(self, error: ActorError) -> None:
        self._end()
        self._say_refused(error)

    def _say_refused(self, error: ActorError) -> None:
        last = b"" if self.headed else refusal(error, self._cors, self._services.chance(), date=self._date())
        self.connection.close_with(last, drop_queued=self.headed)

    def end(self) -> None:
        """Close in good order: the client comes back by itself, from its position."""
        self.refuse(Unavailable("the stream has ended"))

    @property
    def busy(self) -> bool:
        return False

    def shut_down(self, again_ms: int) -> None:
        if self.headed and not self.closed:
            self._leave()
            self.connection.close_with(b"retry: %d\n\n" % again_ms, drop_queued=True)
        else:
            self.end()

    def kicked(self, code: int, reason: str) -> Callable[[], None]:
        """Every connection of the user ends. See hub/connected.py."""
        if self.closed:
            return self.leave
        self.closed = True
        return partial(self._say_kicked, Refused("kicked", reason))

    def _say_kicked(self, error: ActorError) -> None:
        self._end()
        self._say_refused(error)
        self.leave()

    def unwatch(self, code: int, reason: str) -> None:
        self.end()

    def leave(self) -> None:
        for watch in self._watches:
            if watch.topic is not None:
                self._services.watching.leave(watch.topic, watch)
        own, self._own = self._own, None
        if own is not None and own.topic is not None:
            self._services.watching.leave(own.topic, own)

    def _end(self) -> None:
        self.closed = True
        if self.headed:
            self._services.instruments.connections -= 1
        self._services.hub.connections.remove(self.principal.user, self)

    def _leave(self) -> None:
        self._end()
        self.leave()

    # From the connection.

    def received(self, data: bytes) -> None:
        pass  # nothing more is expected on this connection

    def half_closed(self) -> None:
        self.connection.abort()  # gone, as far as can be known: a stream has no end that it could wait for

    def disconnected(self) -> None:
        if not self.closed:
            self._end()
        self.leave()
        self._watches = []  # each holds this stream: none is left for the collector

    def too_slow(self, why: str) -> None:
        if not self.closed:
            self._services.instruments.slow_disconnects += 1
            self._leave()
        self.connection.abort()

    def tick(self, now: float, queue_age_s: float) -> None:
        if self.closed:
            self.connection.abort()
        elif self.connection.waited_s(now) > queue_age_s:
            self.too_slow("took nothing")
        elif self._expires_at is not None and self._services.clock() >= self._expires_at:
            self.end()
        elif now >= self._keep_alive_at and self.headed:
            self._keep_alive_at = now + KEEP_ALIVE_S
            self.connection.send(b":\n\n")
