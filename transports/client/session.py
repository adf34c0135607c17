"""One client's session: the client protocol on one connection. Hop 2 on the way of a message.

Decides and keeps state; the bytes come from and go to the WebSocket that carries it. Commands of a frame are handled
in order. Whatever arrives before the connect is answered waits for that, and nothing more is read meanwhile. Who
connects is decided in `connect.py`,
what is watched in `subscriptions.py`; what an entity answers comes back through `answers.py`.
"""

from collections.abc import Callable, Mapping
from functools import partial

import msgspec
import structlog
import trio
from msgspec import Raw

from greenroom.actors.model.entity import split_entity
from greenroom.actors.model.envelope import Envelope
from greenroom.actors.model.errors import ActorError, Refused, UnknownCommand
from greenroom.actors.model.kinds import Command as EntityCommand
from greenroom.config.telemetry.tracing import ENTITY, traceparent_of
from greenroom.transports.client.answers import Answer, PublishAnswer, RpcAnswer
from greenroom.transports.client.carrier import GONE, Carrier
from greenroom.transports.client.codes import (
    BAD_COMMAND,
    BAD_REQUEST,
    CONNECTION_EXPIRED,
    INSUFFICIENT_STATE,
    METHOD_NOT_FOUND,
    NO_PONG,
    NOT_AVAILABLE,
    NOT_PERMITTED,
    PERMISSION_DENIED,
    SEND_NOT_AVAILABLE,
    STALE,
    TOO_MANY_REQUESTS,
    ErrorCode,
    said,
)
from greenroom.transports.client.connect import EarlyCarrier, ServerSide, admit, readmit
from greenroom.transports.client.errors import ClientError, Disconnect, error_code
from greenroom.transports.client.messages import PING, Command, ConnectRequest, decode_command
from greenroom.transports.client.reading import READS, history, presence, presence_stats
from greenroom.transports.client.refused import count_refused
from greenroom.transports.client.subscriptions import Subscriptions
from greenroom.transports.hub.publication import LF
from greenroom.transports.services import Services

log = structlog.get_logger("greenroom.client")
encode = msgspec.json.encode

REFUSED_S = 5.0  # how long a client whose connect was refused may stay


class ClientSession(Subscriptions):
    """From the first byte to the end of one connection: waits for the connect, then handles commands until it closes.

    Sans-I/O: `received` takes frames, `tick` the time, and what is said goes to the carrier.
    """

    __slots__ = (
        "_connecting",
        "_expires_at",
        "_held",
        "_ping_at",
        "_pong_due",
        "_refused",
        "_stale_at",
        "_token_channels",
    )

    def __init__(self, services: Services, carrier: Carrier) -> None:
        super().__init__(services, carrier)
        self._connecting = False
        self._refused = False  # the connect was answered with an error
        self._held: list[bytes] | None = None  # commands that wait for the connect, as they came
        self._token_channels: Mapping[str, object] | None = None  # server-side subscriptions that the token names
        self._expires_at: int | None = None  # Unix s
        self._stale_at = self.due_at = trio.current_time() + services.client.stale_s
        self._ping_at = 0.0
        self._pong_due: float | None = None

    # In.

    def received(self, frame: bytes) -> None:
        """One command or several, a line each: a WebSocket message, or lines of a long one. What is none ends the
        connection."""
        if self.closed:
            return
        try:
            if LF in frame:
                lines = [line for line in frame.split(b"\n") if line.strip()]
                if not lines:
                    raise Disconnect(BAD_COMMAND)
                for line in lines:
                    self._receive(line)  # drops what follows an end
            else:
                self._receive(frame)
        except Disconnect as end:
            self.disconnect(end.code)

    def _receive(self, line: bytes) -> None:
        command = self._decode(line)
        if self.connected:
            self._handle(command)
        else:
            self._before_connected(command, line)

    def _decode(self, line: bytes) -> Command:
        try:
            return decode_command(line)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            log.info("bad_command", client=self.client, error=str(error))
            raise Disconnect(said(BAD_COMMAND, error)) from None

    def _before_connected(self, command: Command, line: bytes) -> None:
        if self.closed or self._refused:
            return
        if not self._connecting:
            if command.connect is None:
                raise Disconnect(BAD_COMMAND)
            self._connect(self._need_id(command), command.connect)
            return
        if command.connect is not None:
            raise Disconnect(BAD_COMMAND)
        if self._held is None:
            self._held = []
            self.carrier.pause()  # however much there is to come: what has been read already is all that waits here
        self._held.append(line)

    def _take_held(self, carrier: Carrier) -> list[bytes]:
        held, self._held = self._held, None
        if held is not None:
            carrier.resume()
        return held or []

    def _handle(self, command: Command) -> None:
        if self.closed:
            return
        try:
            self._dispatch(command)
        except (ClientError, ActorError) as error:
            count_refused(self.services, command, error)
            self.reply_error(command.id, error.code if isinstance(error, ClientError) else error_code(error))

    def _dispatch(self, command: Command) -> None:
        """Of several requests in one command the first in the order of the schema counts; the frequent are looked at
        first."""
        rpc, publish = command.rpc, command.publish
        if rpc is not None and _is_first(command):
            self._rpc(self._need_id(command), rpc.method, rpc.data)
        elif command.id == 0 and command.send is None:
            self._pong(command)
        elif command.connect is not None:
            raise Disconnect(BAD_COMMAND)
        elif command.subscribe is not None:
            subscribe = command.subscribe
            self.subscribe(self._need_id(command), self._need_channel(subscribe.channel), subscribe)
        elif command.unsubscribe is not None:
            self.unsubscribe(self._need_id(command), self._need_channel(command.unsubscribe.channel))
        elif publish is not None:
            self._publish(self._need_id(command), publish.channel, publish.data)
        elif command.presence is not None:
            presence(self, self._need_id(command), self._need_channel(command.presence.channel))
        elif command.presence_stats is not None:
            presence_stats(self, self._need_id(command), self._need_channel(command.presence_stats.channel))
        elif command.history is not None:
            asked = command.history
            history(self, self._need_id(command), self._need_channel(asked.channel), asked)
        elif command.ping is not None:
            raise ClientError(NOT_AVAILABLE)
        elif command.send is not None:
            raise Disconnect(SEND_NOT_AVAILABLE)
        elif command.refresh is not None:
            self._refresh(self._need_id(command), command.refresh.token)
        elif command.sub_refresh is not None:
            self.refresh(self._need_id(command), command.sub_refresh)
        else:
            raise Disconnect(BAD_COMMAND)

    def _need_id(self, command: Command) -> int:
        if command.id == 0:
            raise Disconnect(BAD_COMMAND)
        return command.id

    def _need_channel(self, channel: str) -> str:
        if not channel:
            raise Disconnect(BAD_COMMAND)
        if len(channel) > self.services.client.channel_bytes_max:
            raise ClientError(BAD_REQUEST)
        return channel

    # Connecting.

    def _connect(self, command_id: int, request: ConnectRequest) -> None:
        try:
            admitted = admit(self.services, self.client, request)
        except ClientError as error:
            self.fail_connect(command_id, error.code)
            return
        self._connecting = True
        self.principal = admitted.principal
        self.services.hub.connections.add(self.principal.user, self)
        if admitted.token is not None:
            self.token_user = admitted.token.user
            self._token_channels = admitted.token.subs or None
            self._expires_at = admitted.token.expires_at
        if len(admitted.channels) > 1:
            self.carrier = EarlyCarrier(self)
        ServerSide(self, command_id, admitted.channels, request.subs).begin()

    def fail_connect(self, command_id: int, error: ErrorCode) -> None:
        """The reply ends it: whatever follows is ignored, and the stale timer closes what does not close itself."""
        self._refused = True
        self._take_held(self.carrier)
        self.leave()
        self.reply_error(command_id, error)
        self._stale_at = self.due_at = trio.current_time() + REFUSED_S
        if error == PERMISSION_DENIED:
            self.disconnect(NOT_PERMITTED)

    def answer_connect(self, command_id: int, results: dict[str, Raw]) -> None:
        services = self.services
        config = services.client
        about = b""
        if self._expires_at is not None:
            about = b',"expires":true,"ttl":%d' % self.ttl_s(self._expires_at)
        if results:
            about += b',"subs":%b' % encode(results)
        self.connected = True
        self._connecting = False
        services.instruments.connections += 1
        self.carrier.send_json(
            b'{"id":%d,"connect":{"client":%b,"version":%b,"ping":%d,"pong":true%b}}'
            % (command_id, encode(self.client), encode(services.version), config.ping_s, about)
        )
        self._ping_at = trio.current_time() + config.ping_s * (0.5 + services.chance() / 2)
        self.due_at = self._ping_at if self._expires_at is None else 0.0

    def after_connected(self) -> None:
        """What had to wait for the answer to the connect: pushes, then commands."""
        early = self.carrier
        if isinstance(early, EarlyCarrier):
            self.carrier = early.release()
        try:
            for line in self._take_held(self.carrier):
                self._handle(self._decode(line))
        except Disconnect as end:
            self.disconnect(end.code)

    def _refresh(self, command_id: int, token: str) -> None:
        """A newer token for the connection."""
        if not token or self.token_user is None or self.services.tokens is None:
            raise Disconnect(BAD_COMMAND)
        verified = readmit(self.services, self.client, self.token_user, token)
        # A role that is gone may be what let them watch: on its way back in, each channel is asked.
        if verified.subs.keys() != (self._token_channels or {}).keys() or self.principal.roles - verified.roles:
            raise Disconnect(INSUFFICIENT_STATE)
        self._expires_at = verified.expires_at
        self.principal = msgspec.structs.replace(self.principal, roles=verified.roles, issued_at=verified.issued_at)
        self.due_at = 0.0
        result: dict[str, object] = {"client": self.client, "version": self.services.version}
        if verified.expires_at is not None:
            result |= {"expires": True, "ttl": self.ttl_s(verified.expires_at)}
        self.carrier.send_json(b'{"id":%d,"refresh":%b}' % (command_id, encode(result)))

    # Commands to entities.

    def _rpc(self, command_id: int, method: str, data: Raw) -> None:
        entity, _, name = method.rpartition("/")
        kind_name, colon, _ = entity.partition(":")
        if not colon:
            raise ClientError(METHOD_NOT_FOUND)
        kind = self.services.kinds[kind_name]
        try:
            command = kind.command(name)
        except UnknownCommand:
            read = READS.get(name)
            if read is None:
                raise
            read(self, command_id, self._need_channel(entity), data)
            return
        self._command(command_id, entity, kind_name, command, data, RpcAnswer)

    def _publish(self, command_id: int, channel: str, data: Raw) -> None:
        channel = self._need_channel(channel)
        kind_name, _ = split_entity(channel)
        command = self.services.kinds[kind_name].publish_command
        if command is None:
            raise ClientError(NOT_AVAILABLE)
        self._command(command_id, channel, kind_name, command, data, PublishAnswer)

    def _command(
        self, command_id: int, entity: str, kind_name: str, command: EntityCommand, data: Raw, answer_type: type[Answer]
    ) -> None:
        if self.in_flight >= self.services.client.commands_in_flight_max:
            raise ClientError(TOO_MANY_REQUESTS)
        if not self.principal.user and not self.services.anonymous:
            raise Refused("unauthenticated", "the anonymous may watch here, and send nothing", status=401)
        message = command.decode(data)
        answer = answer_type(self, command_id, (kind_name, command.name))
        answer.span = self.services.tracing.begin(".".join(answer.label))
        if answer.span is not None:
            answer.span.set_attribute(ENTITY, entity)
        now = trio.current_time()
        try:
            self.services.submit(
                entity,
                Envelope.command(
                    message,
                    self.principal,
                    answer,
                    now=now,
                    deadline=now + self.services.client.command_deadline_s,
                    idempotency_key=message.idempotency_key,
                    trace=traceparent_of(answer.span) if answer.span is not None else None,
                    size=len(data),
                ),
            )
        except ActorError as error:
            answer.reject(error)

    # Time.

    def _pong(self, command: Command) -> None:
        if command != Command():
            raise Disconnect(BAD_COMMAND)
        if self._pong_due is None:
            raise Disconnect(BAD_COMMAND)  # unsolicited
        self._pong_due = None

    def tick(self, now: float, *, behind: bool = False) -> None:
        """Once a second or so; `now` on the trio clock. Cheap while nothing is due. With `behind` the peer still reads
        what came before: a ping would wait behind it, and so would the one that is out."""
        config = self.services.client
        if behind and self._pong_due is not None:
            self._pong_due = max(self._pong_due, now + config.pong_timeout_s)
        if now < self.due_at or self.closed:
            return
        if not self.connected:
            if now >= self._stale_at:
                self.disconnect(STALE)
            return
        if self._pong_due is not None and now >= self._pong_due:
            self.disconnect(NO_PONG)
            return
        if now >= self._ping_at and not behind and self._pong_due is None:
            self._ping_at = now + config.ping_s
            self._pong_due = now + min(config.pong_timeout_s, config.ping_s * 0.9)  # one ping at a time is out
            self.carrier.send_json(PING)
        due = [self._ping_at]
        if self._pong_due is not None:
            due.append(self._pong_due)
        unix = self.services.clock()
        if self._expires_at is not None:
            left = self._expires_at + config.expired_close_delay_s - unix
            if left <= 0:
                self.disconnect(CONNECTION_EXPIRED)
                return
            due.append(now + left)
        due.append(now + self.expire(unix))
        self.due_at = min(due)

    # The end.

    def kicked(self, code: int, reason: str) -> Callable[[], None]:
        """Every connection of the user ends. See hub/connected.py."""
        if self.closed:
            return self.leave
        self.closed = True
        carrier, self.carrier = self.carrier, GONE
        return partial(self._say_kicked, carrier, code, reason)

    def _say_kicked(self, carrier: Carrier, code: int, reason: str) -> None:
        self._end(carrier)
        self.services.instruments.count_disconnect(code)
        carrier.disconnect(code, reason)
        self.leave()

    def unwatch(self, code: int, reason: str) -> None:
        for subscription in list(self.by_channel.values()):
            subscription.kicked(code, reason)

    def ended(self) -> None:
        if not self.closed:
            self._end(self.carrier)
            self.leave()

    def _end(self, carrier: Carrier) -> None:
        self.closed = True
        self.services.hub.connections.remove(self.principal.user, self)
        if self.connected:
            self.services.instruments.connections -= 1
        self._take_held(carrier)


def _is_first(command: Command) -> bool:
    """Does no other request of the command come before its rpc?"""
    return not (
        command.connect
        or command.subscribe
        or command.unsubscribe
        or command.publish
        or command.presence
        or command.presence_stats
        or command.history
        or command.ping
        or command.send
    )
