"""`GET /events`: channels as plain server-sent events, for dashboards, `EventSource` and `curl -N`.

The first event of a channel is `view`: what the entity shows, as of the event's id; start over from it. Then come
its publications as ordinary messages, `{"channel", "data", "offset", "time"}`. The id is `epoch:offset` with one
channel, and with several one such position each, in the order of the request; `Last-Event-ID` (or `?since=`) resumes
from it. When the position can't be resumed, `view` comes again. Ephemeral publications carry no id.
"""

import uuid
from collections.abc import Awaitable, Callable

import msgspec
import structlog
import trio
from msgspec import Struct

from greenroom.actors.model.entity import split_entity
from greenroom.actors.model.envelope import Envelope
from greenroom.actors.model.errors import ActorError, DeadlineExceeded, Unavailable
from greenroom.actors.model.kinds import Kinds
from greenroom.actors.model.lifecycle import Inspect, Inspected
from greenroom.actors.model.principal import Principal
from greenroom.config.limits import ClientConfig
from greenroom.config.telemetry.instruments import Instruments
from greenroom.store.errors import StoreUnavailable
from greenroom.store.journal.journal import Journal
from greenroom.transports.auth.http_principal import http_identity
from greenroom.transports.auth.sign_outs import SessionChecks
from greenroom.transports.auth.tokens import TokenVerifier
from greenroom.transports.codecs.http_error import HttpError
from greenroom.transports.codecs.http_head import Request, query_pairs
from greenroom.transports.codecs.http_response import response, stream_head
from greenroom.transports.deadlines import Deadlines
from greenroom.transports.errors import error_headers, http_error_body
from greenroom.transports.hub.hub import Encoding, Hub, Publication, Topic
from greenroom.transports.hub.publication import one_line
from greenroom.transports.hub.recovery import Missed, from_journal, from_tail
from greenroom.transports.sockets.connection import Connection

log = structlog.get_logger("greenroom.events")
encode = msgspec.json.encode

CHANNELS_MAX = 32  # of one stream
KEEP_ALIVE_S = 15.0
POSITION_BYTES_MAX = 4096
INSPECT = Inspect()


class EventsServices(Struct):
    kinds: Kinds
    submit: Callable[[str, Envelope], None]
    hub: Hub
    journal: Journal
    tokens: TokenVerifier | None
    anonymous: bool
    config: ClientConfig
    deadlines: Deadlines
    sessions: SessionChecks
    spawn: Callable[[Callable[[], Awaitable[None]]], None]
    clock: Callable[[], float]  # Unix s
    instruments: Instruments
    date: Callable[[], bytes]


class Position(Struct):
    epoch: str
    offset: int


def encode_positions(positions: list[Position | None]) -> str:
    """`epoch:offset`, comma-separated; `-` for a channel whose position is not known yet."""
    return ",".join(f"{one.epoch}:{one.offset}" if one is not None else "-" for one in positions)


def decode_positions(text: str, channels: int) -> list[Position | None]:
    """The reverse, from a client: anything that doesn't fit is a position not known, so that the view is sent."""
    parts = text.split(",") if len(text) <= POSITION_BYTES_MAX else []
    if len(parts) != channels:
        return [None] * channels
    found: list[Position | None] = []
    for part in parts:
        epoch, _, offset = part.rpartition(":")
        known = epoch and offset.isascii() and offset.isdigit() and len(offset) <= 16
        found.append(Position(epoch, int(offset)) if known else None)
    return found


class SseEncoding:
    """One channel alone on a stream: its id is the channel's own position, so all such streams share the bytes."""

    @staticmethod
    def publications(channel: str, epoch: str, batch: list[Publication]) -> bytes:
        prefix = b'{"channel":%b,' % encode(channel)
        name = epoch.encode()
        return b"".join([b"id: %b:%d\ndata: %b%b\n\n" % (name, one.offset, prefix, one.json[1:]) for one in batch])

    @staticmethod
    def ephemeral(channel: str, data: bytes) -> bytes:
        return b'data: {"channel":%b,"data":%b}\n\n' % (encode(channel), data)

    @staticmethod
    def presence(channel: str, kind: str, info: bytes) -> bytes:
        return b""


class SharedSseEncoding(SseEncoding):
    """Several channels on one stream: the stream puts the id, which is its own, before each event."""

    @staticmethod
    def publications(channel: str, epoch: str, batch: list[Publication]) -> bytes:
        prefix = b'{"channel":%b,' % encode(channel)
        return b"".join([b"data: %b%b\n\n" % (prefix, one.json[1:]) for one in batch])


class _Watch:
    """One channel of one stream."""

    __slots__ = ("_stream", "channel", "done", "encoding", "position", "topic", "wanted")

    wants_joins = False

    def __init__(self, stream: "EventStream", channel: str, wanted: Position | None, encoding: type[Encoding]) -> None:
        self._stream = stream
        self.channel = channel
        self.wanted = wanted  # where the client wants to resume
        self.position: Position | None = None
        self.topic: Topic | None = None
        self.encoding = encoding
        self.done = False  # inspected, or given up

    @property
    def principal(self) -> Principal:
        return self._stream.principal

    # A subscriber of the hub.

    def deliver(self, batch: bytes, last_offset: int) -> None:
        assert self.position is not None
        if self.encoding is SseEncoding:
            self.position.offset = last_offset
            self._stream.deliver(batch)
            return
        events = batch.split(b"\n\n")[:-1]  # JSON on one line holds no newline
        self.position.offset = last_offset - len(events)
        for event in events:
            self.position.offset += 1
            self._stream.deliver(b"id: %b\n%b\n\n" % (self._stream.cursor(), event))

    def deliver_ephemeral(self, piece: bytes, key: str) -> None:
        self._stream.connection.send_ephemeral(piece, key)

    def kicked(self, code: int, reason: str) -> None:
        self._stream.end()

    def epoch_changed(self) -> None:
        self._stream.end()  # the browser comes back with its position and gets the view

    # A reply slot.

    def resolve(self, reply: object, encoded: bytes | None) -> None:
        if not self.done:
            self.done = True
            assert isinstance(reply, Inspected)
            try:
                self._stream.inspected(self, reply)
            except Exception:  # the edge: a mistake of ours ends this stream, not the entity that answers it
                log.exception("events_failed", channel=self.channel)
                self._stream.connection.abort()

    def reject(self, error: ActorError) -> None:
        if not self.done:
            self.done = True
            self._stream.refuse(error)

    def expire(self) -> None:
        self.reject(DeadlineExceeded())


class EventStream:
    __slots__ = (
        "_closed",
        "_cors",
        "_expires_at",
        "_has_token",
        "_headed",
        "_keep_alive_at",
        "_services",
        "_watches",
        "connection",
        "principal",
    )

    def __init__(
        self,
        connection: Connection,
        request: Request,
        services: EventsServices,
        cors: tuple[tuple[bytes, bytes], ...] = (),
    ) -> None:
        """Raises: HttpError for a bad request; ActorError when the client may not watch at all."""
        self.connection = connection
        self._services = services
        pairs = query_pairs(request.query)
        channels = [value for name, value in pairs if name == "channel"]
        if not 1 <= len(channels) <= CHANNELS_MAX or len(set(channels)) != len(channels):
            raise HttpError(400, f"channel: name 1 to {CHANNELS_MAX} different channels, as in ?channel=room:lobby")
        identity = http_identity(request.headers, services.tokens, anonymous=services.anonymous)
        client = str(uuid.uuid4())  # present in the channels as a connection of its own
        self.principal = msgspec.structs.replace(
            identity.principal,
            client=client,
            info=encode({"user": identity.principal.user, "client": client}),
            connected_at=services.clock(),
        )
        self._expires_at = identity.expires_at
        self._has_token = b"authorization" in request.headers
        self._cors = cors
        for channel in channels:
            services.kinds[split_entity(channel)[0]]
        since = request.headers.get(b"last-event-id", b"").decode("latin-1") or dict(pairs).get("since", "")
        wanted = decode_positions(since, len(channels))
        encoding: type[Encoding] = SharedSseEncoding if len(channels) > 1 else SseEncoding
        self._watches = [_Watch(self, channel, at, encoding) for channel, at in zip(channels, wanted, strict=True)]
        self._closed = False
        self._headed = False  # the response has begun, so errors can no longer be a status
        self._keep_alive_at = trio.current_time() + KEEP_ALIVE_S

    def start(self) -> None:
        """Ask the entities; call once the connection speaks this protocol."""
        deadline = trio.current_time() + self._services.config.command_deadline_s
        if not self._has_token:
            self._ask_all()
            return
        for watch in self._watches:
            self._services.deadlines.add(deadline, watch)
        try:
            self._services.sessions.check(self.principal, deadline, self._ask_all, self.refuse)
        except ActorError as error:
            self.refuse(error)

    def _ask_all(self) -> None:
        for watch in self._watches:
            if self._closed:
                return
            self._ask(watch)

    def _ask(self, watch: _Watch) -> None:
        now = trio.current_time()
        deadline = now + self._services.config.command_deadline_s
        self._services.deadlines.add(deadline, watch)
        try:
            self._services.submit(
                watch.channel,
                Envelope(message=INSPECT, principal=self.principal, slot=watch, deadline=deadline, queued_at=now),
            )
        except ActorError as error:
            watch.reject(error)

    def inspected(self, watch: _Watch, seen: Inspected) -> None:
        if self._closed:
            return
        services = self._services
        topic = services.hub.topic(watch.channel, seen.epoch, seen.offset)
        wanted = watch.wanted
        if wanted is None:
            self._attach(watch, topic, seen, None)
            return
        most = services.config.recovery_max
        missed = from_tail(topic, epoch=wanted.epoch, offset=wanted.offset, most=most)
        if missed is not None:
            self._attach(watch, topic, seen, missed)
            return

        async def read() -> None:
            try:
                try:
                    found = await from_journal(
                        services.journal,
                        topic,
                        epoch=wanted.epoch,
                        offset=wanted.offset,
                        most=most,
                        bytes_max=services.config.queue_bytes_max // 2,
                    )
                finally:
                    topic.held -= 1
                if self._closed:
                    pass
                elif found.publications is None:  # the view must be of the moment that its offset is of
                    watch.wanted = None
                    watch.done = False
                    self._ask(watch)
                else:
                    self._attach(watch, topic, seen, found)
            except StoreUnavailable:
                self.refuse(Unavailable("the store is not reachable"))
            except Exception:  # the edge: whoever waits for this must hear something
                log.exception("events_failed", channel=watch.channel)
                self.connection.abort()

        topic.held += 1  # from now on: a topic that is forgotten meanwhile would reach nobody
        try:
            services.spawn(read)
        except ActorError as error:
            topic.held -= 1
            self.refuse(error)

    def _attach(self, watch: _Watch, topic: Topic, seen: Inspected, missed: Missed | None) -> None:
        if not self._headed:
            self._headed = True
            self.connection.send(
                stream_head(b"text/event-stream; charset=utf-8", self._cors, date=self._services.date())
            )
        watch.topic = topic
        if missed is None or missed.publications is None:
            watch.position = Position(topic.epoch, topic.offset)
            self.connection.send(
                b'event: view\nid: %b\ndata: {"channel":%b,"offset":%d,"data":%b}\n\n'
                % (self.cursor(), encode(watch.channel), topic.offset, one_line(seen.view))
            )
        else:
            watch.position = Position(topic.epoch, topic.offset)
            if missed.publications:
                batch = watch.encoding.publications(watch.channel, topic.epoch, missed.publications)
                watch.deliver(batch, topic.offset)
        if not self._closed:  # what was just sent may be the one piece too many
            self._services.hub.attach(topic, watch)

    def cursor(self) -> bytes:
        """Until a channel is attached, its place in the cursor is where the client wanted to resume."""
        return encode_positions([watch.position or watch.wanted for watch in self._watches]).encode()

    def deliver(self, batch: bytes) -> None:
        self._keep_alive_at = trio.current_time() + KEEP_ALIVE_S
        self.connection.send(batch)

    def refuse(self, error: ActorError) -> None:
        """A channel can't be watched: the whole stream is refused, or ends when it has begun."""
        if self._closed:
            return
        if self._headed:
            self.end()
            return
        self._leave()
        # 204 tells an EventSource to stop trying; anything else that is not 200 does so too.
        body, headers = http_error_body(error), (*error_headers(error), *self._cors)
        self.connection.close_with(
            response(error.status, body, headers=headers, date=self._services.date(), keep_alive=False)
        )

    def end(self) -> None:
        """Close in good order: the client comes back by itself, from its position."""
        if not self._closed:
            self._leave()
            self.connection.close_with(b"")

    def _leave(self) -> None:
        self._closed = True
        for watch in self._watches:
            watch.done = True
            if watch.topic is not None:
                self._services.hub.detach(watch.topic, watch)

    # From the connection.

    def received(self, data: bytes) -> None:
        pass  # nothing more is expected on this connection

    def disconnected(self) -> None:
        if not self._closed:
            self._leave()

    def too_slow(self, why: str) -> None:
        if not self._closed:
            self._services.instruments.slow_disconnects += 1
            self._leave()
        self.connection.abort()

    def tick(self, now: float, queue_age_s: float) -> None:
        blocked_at = self.connection.blocked_at
        if self._closed:
            self.connection.abort()
        elif blocked_at is not None and now - blocked_at > queue_age_s:
            self.too_slow("blocked")
        elif self._expires_at is not None and self._services.clock() >= self._expires_at:
            self.end()
        elif now >= self._keep_alive_at and self._headed:
            self._keep_alive_at = now + KEEP_ALIVE_S
            self.connection.send(b":\n\n")
