"""One client's session: the client protocol on one connection. Hop 2 on the way of a message.

Decides and keeps state; the bytes come from and go to the WebSocket that carries it. Commands of a frame are handled
in order. Commands to entities don't wait for each other, but a subscribe and an unsubscribe of one channel keep their
order, and whatever arrives before the connect is answered waits for that.
"""

import random
import secrets
import uuid
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import msgspec
import structlog
import trio
from msgspec import Raw, Struct

from actors.entity import split_entity
from actors.envelope import Envelope, own_command_id
from actors.errors import ActorError
from actors.kinds import Command as EntityCommand
from actors.kinds import Kinds
from actors.lifecycle import Inspect, Inspected
from actors.principal import Principal
from config.instruments import Instruments
from config.limits import ClientConfig
from config.tracing import Tracing, traceparent_of
from store.errors import StoreUnavailable
from store.journal import Journal
from transports.client_errors import client_error
from transports.client_messages import (
    ALREADY_SUBSCRIBED,
    BAD_COMMAND,
    BAD_REQUEST,
    BROKEN,
    CHANNEL_LIMIT,
    CONNECTION_EXPIRED,
    EXPIRED,
    INSUFFICIENT_STATE,
    INTERNAL,
    INVALID_TOKEN,
    LIMIT_EXCEEDED,
    METHOD_NOT_FOUND,
    NO_PONG,
    NOT_AVAILABLE,
    NOT_PERMITTED,
    PERMISSION_DENIED,
    PING,
    SEND_NOT_AVAILABLE,
    SLOW,
    STALE,
    TOKEN_EXPIRED,
    TOO_MANY_REQUESTS,
    UNAUTHORIZED,
    UNRECOVERABLE,
    ClientError,
    Command,
    ConnectRequest,
    Disconnect,
    HistoryRequest,
    SubRefreshRequest,
    SubscribeRequest,
    decode_command,
    decode_connect_data,
)
from transports.client_slots import InspectSlot, PublishSlot, RpcSlot, Slot
from transports.client_subscription import ClientSubscription
from transports.deadlines import Deadlines
from transports.hub import Hub, Topic, first_publications
from transports.publication import one_line
from transports.recovery import Missed, from_journal, from_tail
from transports.tokens import SubscriptionClaims, TokenExpired, TokenInvalid, TokenVerifier

log = structlog.get_logger("greenroom.client")
encode = msgspec.json.encode

HELD_MAX = 256  # commands that may wait for the connect to be answered
HELD_BYTES_MAX = 256 * 1024  # of them
WAITING_MAX = 16  # commands that may wait for the subscribe of their channel to be answered
REFUSED_S = 5.0  # for a client whose connect was refused to leave
TTL_MAX_S = 365 * 86_400  # what SDKs can wait for
REJECT_UNRECOVERED = 2  # bit of a subscribe request's `flag`: rather an error than a subscription with a gap
NULL = Raw(b"null")
INSPECT = Inspect()


class ClientServices(Struct):
    """What sessions need of the node."""

    kinds: Kinds
    submit: Callable[[str, Envelope], None]
    hub: Hub
    journal: Journal
    tokens: TokenVerifier | None
    anonymous: bool  # clients without a token may connect and name themselves
    config: ClientConfig
    deadlines: Deadlines
    spawn: Callable[[Callable[[], Awaitable[None]]], None]  # raises Overloaded when too many reads are under way
    clock: Callable[[], float]  # Unix s
    instruments: Instruments
    tracing: Tracing
    version: str
    session_kind: str | None  # entity kind that every user's connections are attached to


class Carrier(Protocol):
    """The transport under a session."""

    def send_json(self, reply: bytes) -> None:
        """One reply or push, in order."""

    def send_pushes(self, frame: bytes) -> None:
        """Pushes already in this transport's framing, shared with other sessions."""

    def send_ephemeral(self, frame: bytes, key: str) -> None: ...

    def disconnect(self, code: int, reason: str) -> None: ...


class _Early:
    """Stands in for the carrier while the server's own channels are attached one after the other: what they push has
    to wait for the answer to the connect."""

    def __init__(self, session: "ClientSession") -> None:
        self._session = session
        self.carrier = session.carrier
        self.frames: list[bytes] = []
        self._bytes = 0

    def send_json(self, reply: bytes) -> None:
        self.carrier.send_json(reply)

    def send_pushes(self, frame: bytes) -> None:
        self.frames.append(frame)
        self._bytes += len(frame)
        if self._bytes > self._session.services.config.queue_bytes_max:
            self._session.disconnect(SLOW)

    def send_ephemeral(self, frame: bytes, key: str) -> None:
        pass  # nobody is there to see it yet

    def disconnect(self, code: int, reason: str) -> None:
        self.carrier.disconnect(code, reason)


class ClientSession:
    __slots__ = (
        "_connecting",
        "_due_at",
        "_expires_at",
        "_held",
        "_ping_at",
        "_pong_due",
        "_refused",
        "_stale_at",
        "_subscribing",
        "_token_channels",
        "_token_user",
        "carrier",
        "client",
        "closed",
        "connected",
        "in_flight",
        "principal",
        "services",
        "subscriptions",
    )

    def __init__(self, services: ClientServices, carrier: Carrier) -> None:
        self.services = services
        self.carrier = carrier
        self.client = str(uuid.UUID(bytes=secrets.token_bytes(16), version=4))
        self.principal = Principal(user="", client=self.client)
        self.connected = False
        self.closed = False
        self.in_flight = 0
        self.subscriptions: dict[str, ClientSubscription] = {}
        self._connecting = False
        self._refused = False  # the connect was answered with an error
        self._subscribing: dict[str, list[Command]] | None = None  # channel -> commands that wait for its subscribe
        self._held: list[bytes] | None = None  # commands that wait for the connect, as they came
        self._token_user: str | None = None
        self._token_channels: dict[str, Any] | None = None  # server-side subscriptions that the token names
        self._expires_at: int | None = None  # Unix s
        self._stale_at = trio.current_time() + services.config.stale_s
        self._ping_at = 0.0
        self._pong_due: float | None = None
        self._due_at = self._stale_at

    # In.

    def received(self, frame: bytes) -> None:
        """One WebSocket message: one command or several, a line each."""
        if self.closed:
            return
        try:
            if b"\n" in frame:
                lines = [line for line in frame.split(b"\n") if line.strip()]
                if not lines:
                    raise BAD_COMMAND
                for line in lines:
                    self._receive(line)  # drops what follows an end
            else:
                self._receive(frame)
        except Disconnect as end:
            self.disconnect(end)

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
            raise Disconnect(3501, f"bad request: {error}"[:120]) from None

    def _before_connected(self, command: Command, line: bytes) -> None:
        if self.closed or self._refused:
            return
        if not self._connecting:
            if command.connect is None:
                raise BAD_COMMAND
            self._connect(self._need_id(command), command.connect)
            return
        if command.connect is not None:
            raise BAD_COMMAND
        held = self._held
        if held is None:
            held = self._held = []
        if len(held) >= HELD_MAX or sum(map(len, held)) + len(line) > HELD_BYTES_MAX:
            raise BAD_COMMAND
        held.append(line)

    def _handle(self, command: Command) -> None:
        if self.closed:
            return
        try:
            self._dispatch(command)
        except ClientError as error:
            self.reply_error(command.id, error)
        except ActorError as error:
            self.reply_error(command.id, client_error(error))

    def _dispatch(self, command: Command) -> None:
        """Of several requests in one command the first in the order of the schema counts; the frequent are looked at
        first."""
        rpc, publish = command.rpc, command.publish
        if rpc is not None and _is_first(command):
            self._rpc(self._need_id(command), rpc.method, rpc.data)
        elif command.id == 0 and command.send is None:
            self._pong(command)
        elif command.connect is not None:
            raise BAD_COMMAND
        elif command.subscribe is not None:
            self._subscribe(command, command.subscribe)
        elif command.unsubscribe is not None:
            self._unsubscribe(command, self._need_channel(command.unsubscribe.channel))
        elif publish is not None:
            self._publish(self._need_id(command), publish.channel, publish.data)
        elif command.presence is not None:
            self._presence(command.id, self._need_channel(command.presence.channel), stats=False)
        elif command.presence_stats is not None:
            self._presence(command.id, self._need_channel(command.presence_stats.channel), stats=True)
        elif command.history is not None:
            self._history(command.id, command.history)
        elif command.ping is not None:
            raise NOT_AVAILABLE
        elif command.send is not None:
            raise SEND_NOT_AVAILABLE
        elif command.refresh is not None:
            self._refresh(command.id, command.refresh.token)
        elif command.sub_refresh is not None:
            self._sub_refresh(command.id, command.sub_refresh)
        else:
            raise BAD_COMMAND

    def _need_id(self, command: Command) -> int:
        if command.id == 0:
            raise BAD_COMMAND
        return command.id

    def _need_channel(self, channel: str) -> str:
        if not channel:
            raise BAD_COMMAND
        if len(channel) > self.services.config.channel_bytes_max:
            raise BAD_REQUEST
        return channel

    # Connecting.

    def _connect(self, command_id: int, request: ConnectRequest) -> None:
        services = self.services
        info: bytes | None = None
        server_subs: list[str] = []
        issued_at = 0.0
        roles: frozenset[str] = frozenset()
        if request.token:
            if services.tokens is None:
                raise INVALID_TOKEN
            try:
                claims = services.tokens.verify_connection(request.token)
            except TokenExpired:
                self._fail_connect(command_id, TOKEN_EXPIRED)
                return
            except TokenInvalid as error:
                log.info("token_invalid", client=self.client, error=str(error))
                raise INVALID_TOKEN from None
            user, info, roles, issued_at = claims.user, claims.info, claims.roles, claims.issued_at
            if not user and not services.anonymous:
                raise NOT_PERMITTED
            self._expires_at = claims.expires_at
            self._token_user = claims.user
            self._token_channels = claims.subs or None
            server_subs = list(claims.subs)
        elif services.anonymous:
            user = "anonymous"
            if bytes(request.data).lstrip().startswith(b"{"):  # anything else is the application's own
                try:
                    user = decode_connect_data(request.data).user or user
                except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
                    raise Disconnect(3501, f"bad request: connect data: {error}"[:120]) from None
        else:
            self._fail_connect(command_id, UNAUTHORIZED)
            return
        shown: dict[str, Any] = {"user": user, "client": self.client}
        if info is not None:
            shown["conn_info"] = Raw(info)
        now = services.clock()
        self.principal = Principal(
            user=user,
            roles=roles,
            client=self.client,
            info=encode(shown),
            issued_at=issued_at if request.token else now,  # who needs no token is as new as the connection
            connected_at=now,
        )
        self._connecting = True
        if services.session_kind is not None and user and user != "anonymous":
            own = f"{services.session_kind}:{user}"
            if own not in server_subs:
                server_subs.insert(0, own)
        if len(server_subs) > services.config.subscriptions_max:
            raise CHANNEL_LIMIT
        if len(server_subs) > 1:
            self.carrier = _Early(self)
        self._attach_server_subs(command_id, request, server_subs, {})

    def _attach_server_subs(
        self, command_id: int, request: ConnectRequest, waiting: list[str], results: dict[str, Raw]
    ) -> None:
        """Subscribe to the server's choice of channels one after the other, then answer the connect."""
        if not waiting:
            self._answer_connect(command_id, results)
            self._after_connected()
            return
        channel = waiting[0]
        known = request.subs.get(channel)
        position = SubscribeRequest(channel=channel)
        if known is not None:  # the client says where it was; the rest of the subscription is ours
            position.recover, position.epoch, position.offset = known.recover, known.epoch, known.offset

        def answer(result: bytes) -> None:
            results[channel] = Raw(result)
            if len(waiting) == 1:
                self._answer_connect(command_id, results)

        def attached() -> None:
            if len(waiting) == 1:
                self._after_connected()
            else:
                self._attach_server_subs(command_id, request, waiting[1:], results)

        def failed(error: ClientError) -> None:
            self._fail_connect(command_id, error)

        self._watch(position, answer, attached, failed, server_side=True)

    def _fail_connect(self, command_id: int, error: ClientError) -> None:
        """The reply ends it: whatever follows is ignored, and the stale timer closes what does not close itself."""
        self._refused = True
        self._held = None
        self._leave_all()
        self.reply_error(command_id, error)
        self._stale_at = self._due_at = trio.current_time() + REFUSED_S
        if error is PERMISSION_DENIED:
            self.disconnect(NOT_PERMITTED)

    def _answer_connect(self, command_id: int, results: dict[str, Raw]) -> None:
        config = self.services.config
        result: dict[str, Any] = {"client": self.client, "version": self.services.version}
        if self._expires_at is not None:
            result |= {"expires": True, "ttl": self._ttl(self._expires_at)}
        if results:
            result["subs"] = results
        result["ping"] = int(config.ping_s)
        result["pong"] = True
        self.connected = True
        self._connecting = False
        self.services.instruments.connections += 1
        self.carrier.send_json(b'{"id":%d,"connect":%b}' % (command_id, encode(result)))
        self._ping_at = trio.current_time() + config.ping_s * random.uniform(0.5, 1.0)
        self._due_at = self._ping_at if self._expires_at is None else 0.0

    def _after_connected(self) -> None:
        """What had to wait for the answer to the connect: pushes, then commands."""
        early = self.carrier
        if isinstance(early, _Early):
            self.carrier = early.carrier
            for frame in early.frames:
                self.carrier.send_pushes(frame)
        held, self._held = self._held, None
        try:
            for line in held or ():
                self._handle(self._decode(line))
        except Disconnect as end:
            self.disconnect(end)

    def _handle_late(self, command: Command) -> None:
        """A command that has waited: outside `received`, so nobody else hears that it ends the connection."""
        try:
            self._handle(command)
        except Disconnect as end:
            self.disconnect(end)

    def _ttl(self, expires_at: int) -> int:
        """Seconds until `expires_at`, as the client should wait them."""
        return max(1, min(TTL_MAX_S, int(expires_at - self.services.clock())))

    # Commands to entities.

    def _rpc(self, command_id: int, method: str, data: Raw) -> None:
        entity, _, name = method.rpartition("/")
        kind_name, colon, _ = entity.partition(":")
        if not colon:
            raise METHOD_NOT_FOUND
        command = self.services.kinds[kind_name].command(name)
        self._command(command_id, entity, kind_name, command, data, RpcSlot)

    def _publish(self, command_id: int, channel: str, data: Raw) -> None:
        channel = self._need_channel(channel)
        kind_name, _ = split_entity(channel)
        command = self.services.kinds[kind_name].publish_command
        if command is None:
            raise NOT_AVAILABLE
        self._command(command_id, channel, kind_name, command, data, PublishSlot)

    def _command(
        self, command_id: int, entity: str, kind_name: str, command: EntityCommand, data: Raw, slot_type: type[Slot]
    ) -> None:
        if self.in_flight >= self.services.config.commands_in_flight_max:
            raise TOO_MANY_REQUESTS
        message = command.decode(data)
        slot = slot_type(self, command_id, (kind_name, command.name))
        slot.span = self.services.tracing.begin(".".join(slot.label))
        now = trio.current_time()
        try:
            self.services.submit(
                entity,
                Envelope(
                    message=message,
                    principal=self.principal,
                    slot=slot,
                    deadline=now + self.services.config.command_deadline_s,
                    command_id=(
                        own_command_id(self.principal, message.idempotency_key)
                        if message.idempotency_key is not None
                        else None
                    ),
                    trace=traceparent_of(slot.span) if slot.span is not None else None,
                    size=len(data),
                    queued_at=now,
                ),
            )
        except ActorError as error:
            slot.reject(error)

    # Watching.

    def _inspect(
        self,
        channel: str,
        what: str,
        then: Callable[[Inspected], None],
        failed: Callable[[ClientError], None],
        *,
        granted: bool = False,
    ) -> None:
        """Ask the entity whether we may watch it. Calls `then` or `failed`, now or later, unless we are gone."""
        if self.in_flight >= self.services.config.commands_in_flight_max + self.services.config.subscriptions_max:
            failed(TOO_MANY_REQUESTS)
            return
        kind_name = channel.partition(":")[0]
        slot = InspectSlot(self, (kind_name if kind_name in self.services.kinds else "", what), then, failed)
        now = trio.current_time()
        try:
            self.services.submit(
                channel,
                Envelope(
                    message=INSPECT,
                    principal=msgspec.structs.replace(self.principal, system=True) if granted else self.principal,
                    slot=slot,
                    deadline=now + self.services.config.command_deadline_s,
                    queued_at=now,
                ),
            )
        except ActorError as error:
            slot.reject(error)

    def _spawn(self, work: Callable[[], Awaitable[None]], failed: Callable[[ClientError], None]) -> bool:
        """Run `work`, which reads the store, beside everything else; False when `failed` was called instead."""

        async def run() -> None:
            try:
                await work()
            except StoreUnavailable:
                failed(INTERNAL)
            except Exception:  # the edge: whoever waits for this must hear something
                log.exception("read_failed", client=self.client)
                self.disconnect(BROKEN)
            finally:
                self.in_flight -= 1

        try:
            self.services.spawn(run)
        except ActorError as error:
            failed(client_error(error))
            return False
        self.in_flight += 1
        return True

    @property
    def _reply_bytes_max(self) -> int:
        """What one reply may bring at most, so that it alone does not make a client slow."""
        return self.services.config.queue_bytes_max // 2

    def _subscribe(self, command: Command, request: SubscribeRequest) -> None:
        command_id = self._need_id(command)
        channel = self._need_channel(request.channel)
        if request.delta not in ("", "fossil"):
            raise BAD_COMMAND
        if request.type:
            raise NOT_AVAILABLE
        if len(request.tf) and request.tf != NULL:
            raise BAD_REQUEST  # whoever asks for a part must not be given all
        if self._subscribing is not None and channel in self._subscribing:
            waiting = self._subscribing[channel]
            if not waiting or waiting[-1].subscribe is not None:
                raise ALREADY_SUBSCRIBED
            self._wait_turn(waiting, command)
            return
        if channel in self.subscriptions:
            raise ALREADY_SUBSCRIBED
        if len(self.subscriptions) + len(self._subscribing or ()) >= self.services.config.subscriptions_max:
            raise LIMIT_EXCEEDED
        expires_at: int | None = None
        granted = False
        if request.token:
            claims = self._subscription_claims(request.token, expired=TOKEN_EXPIRED, invalid=PERMISSION_DENIED)
            if claims.channel != channel:
                raise INVALID_TOKEN
            granted = True
            expires_at = claims.expires_at
        if self._subscribing is None:
            self._subscribing = {}
        self._subscribing[channel] = []

        def answer(result: bytes) -> None:
            if expires_at is not None:
                self.subscriptions[channel].expires_at = expires_at
                self._due_at = 0.0
                result = b'%b,"expires":true,"ttl":%d}' % (result[:-1], self._ttl(expires_at))
            self.carrier.send_json(b'{"id":%d,"subscribe":%b}' % (command_id, result))

        def failed(error: ClientError) -> None:
            self.reply_error(command_id, error)
            self._settle_subscribe(channel)

        self._watch(request, answer, lambda: self._settle_subscribe(channel), failed, granted=granted)

    def _subscription_claims(
        self, token: str, *, expired: ClientError, invalid: ClientError | Disconnect
    ) -> SubscriptionClaims:
        """Of a token for this very client. Raises: ClientError, Disconnect."""
        if self.services.tokens is None:
            raise invalid
        try:
            claims = self.services.tokens.verify_subscription(token)
        except TokenExpired:
            raise expired from None
        except TokenInvalid as error:
            log.info("token_invalid", client=self.client, error=str(error))
            raise invalid from None
        if claims.user != (self._token_user or "") or claims.client not in ("", self.client):
            raise INVALID_TOKEN
        return claims

    def _wait_turn(self, waiting: list[Command], command: Command) -> None:
        if len(waiting) >= WAITING_MAX:
            raise TOO_MANY_REQUESTS
        waiting.append(command)

    def _settle_subscribe(self, channel: str) -> None:
        """The subscribe is answered; what came for the same channel meanwhile has its turn."""
        if self._subscribing is None:
            return
        waiting = self._subscribing.pop(channel, None)
        if not self._subscribing:
            self._subscribing = None
        for command in waiting or ():  # one that subscribes again makes those behind it wait again
            self._handle_late(command)

    def _watch(
        self,
        request: SubscribeRequest,
        answer: Callable[[bytes], None],
        attached: Callable[[], None],
        failed: Callable[[ClientError], None],
        *,
        granted: bool = False,
        server_side: bool = False,
    ) -> None:
        """Ask the entity, recover what was missed, `answer` with the subscribe result, attach; or `failed`.

        Answering and attaching are one sync stretch: what is published later is pushed, what came before is answered.
        """
        services = self.services
        channel = request.channel
        most = services.config.recovery_max

        def finish(topic: Topic, inspected: Inspected, missed: Missed | None) -> None:
            if self.closed:
                return
            if missed is not None and missed.publications is None and request.flag & REJECT_UNRECOVERED:
                failed(UNRECOVERABLE)
                return
            subscription = ClientSubscription(self, topic, wants_joins=request.join_leave, server_side=server_side)
            self.subscriptions[channel] = subscription
            answer(_subscribe_result(request, topic.epoch, topic.offset, inspected.view, missed))
            if not self.closed:  # answering may be the one reply too many
                services.hub.attach(topic, subscription)
                attached()

        def then(inspected: Inspected) -> None:
            topic = services.hub.topic(channel, inspected.epoch, inspected.offset)
            if not request.recover:
                finish(topic, inspected, None)
                return
            missed = from_tail(topic, epoch=request.epoch, offset=request.offset, most=most)
            if missed is not None:
                finish(topic, inspected, missed)
                return

            async def read() -> None:
                try:
                    found = await from_journal(
                        services.journal,
                        topic,
                        epoch=request.epoch,
                        offset=request.offset,
                        most=most,
                        bytes_max=self._reply_bytes_max,
                    )
                finally:
                    topic.held -= 1
                if found.publications is not None:
                    finish(topic, inspected, found)
                elif not self.closed:  # the view must be of the moment that the offset is of
                    self._inspect(channel, "subscribe", start_over, failed, granted=granted)

            topic.held += 1  # from now on: a topic that is forgotten meanwhile would reach nobody
            if not self._spawn(read, failed):
                topic.held -= 1

        def start_over(inspected: Inspected) -> None:
            finish(services.hub.topic(channel, inspected.epoch, inspected.offset), inspected, Missed(None))

        self._inspect(channel, "subscribe", then, failed, granted=granted)

    def _unsubscribe(self, command: Command, channel: str) -> None:
        command_id = self._need_id(command)
        if self._subscribing is not None and channel in self._subscribing:
            self._wait_turn(self._subscribing[channel], command)
            return
        subscription = self.subscriptions.pop(channel, None)
        if subscription is not None:
            subscription.detach()
        self.carrier.send_json(b'{"id":%d,"unsubscribe":{}}' % command_id)

    def drop_subscription(self, subscription: ClientSubscription, code: int, reason: str) -> None:
        """Tell the client that a subscription has ended; from 2500 on it subscribes again with its position."""
        if self.subscriptions.get(subscription.channel) is not subscription:
            return
        if subscription.server_side and code >= 2500:  # it could not subscribe again
            self.disconnect(INSUFFICIENT_STATE)
            return
        del self.subscriptions[subscription.channel]
        subscription.detach()
        self.carrier.send_json(
            b'{"push":{"channel":%b,"unsubscribe":{"code":%d,"reason":%b}}}'
            % (encode(subscription.channel), code, encode(reason))
        )

    def _presence(self, command_id: int, channel: str, *, stats: bool) -> None:
        if command_id == 0:
            raise BAD_COMMAND

        def then(_: Inspected) -> None:
            watching = self.services.hub.watching(channel)
            if stats:
                users = {principal.user for principal in watching}
                self.carrier.send_json(
                    b'{"id":%d,"presence_stats":{"num_clients":%d,"num_users":%d}}'
                    % (command_id, len(watching), len(users))
                )
            else:
                shown = {principal.client: Raw(principal.info) for principal in watching if principal.info is not None}
                self.carrier.send_json(b'{"id":%d,"presence":%b}' % (command_id, encode({"presence": shown})))

        self._inspect(channel, "presence", then, lambda error: self.reply_error(command_id, error))

    def _history(self, command_id: int, request: HistoryRequest) -> None:
        channel = self._need_channel(request.channel)
        if command_id == 0:
            raise BAD_COMMAND
        since = request.since
        if request.reverse and since is not None and since.offset == 0:
            raise BAD_REQUEST
        most = self.services.config.history_max
        limit = most if request.limit < 0 else min(request.limit, most)

        def failed(error: ClientError) -> None:
            self.reply_error(command_id, error)

        def then(inspected: Inspected) -> None:
            epoch, top = inspected.epoch, inspected.offset
            if since is not None and since.epoch and since.epoch != epoch:
                failed(UNRECOVERABLE)
                return
            if limit == 0 or top == 0:
                self._reply_history(command_id, [], epoch, top)
                return

            async def read() -> None:
                after, before = (since.offset if since is not None else 0), top + 1
                if request.reverse:
                    after, before = 0, min(before, since.offset) if since is not None else before
                _, events = await self.services.journal.read(
                    channel, after=after, before=before, limit=limit, reverse=request.reverse
                )
                if not self.closed:
                    shown = first_publications(events, epoch, bytes_max=self._reply_bytes_max)
                    self._reply_history(command_id, shown, epoch, top)

            self._spawn(read, failed)

        self._inspect(channel, "history", then, failed)

    def _reply_history(self, command_id: int, publications: list[bytes], epoch: str, top: int) -> None:
        self.carrier.send_json(
            b'{"id":%d,"history":{"publications":[%b],"epoch":%b,"offset":%d}}'
            % (command_id, b",".join(publications), encode(epoch), top)
        )

    # Tokens that run out.

    def _refresh(self, command_id: int, token: str) -> None:
        if not command_id or not token or self._token_user is None or self.services.tokens is None:
            raise BAD_COMMAND
        try:
            claims = self.services.tokens.verify_connection(token)
        except TokenExpired:
            raise CONNECTION_EXPIRED from None
        except TokenInvalid:
            raise INVALID_TOKEN from None
        if claims.user != self._token_user:
            raise INVALID_TOKEN
        if claims.subs.keys() != (self._token_channels or {}).keys():
            raise INSUFFICIENT_STATE
        self._expires_at = claims.expires_at
        self.principal = msgspec.structs.replace(self.principal, roles=claims.roles, issued_at=claims.issued_at)
        self._due_at = 0.0
        result: dict[str, Any] = {"client": self.client, "version": self.services.version}
        if claims.expires_at is not None:
            result |= {"expires": True, "ttl": self._ttl(claims.expires_at)}
        self.carrier.send_json(b'{"id":%d,"refresh":%b}' % (command_id, encode(result)))

    def _sub_refresh(self, command_id: int, request: SubRefreshRequest) -> None:
        if not command_id or self.services.tokens is None:
            raise BAD_COMMAND
        if not request.token:
            raise BAD_REQUEST
        if request.channel and request.channel not in self.subscriptions:
            raise PERMISSION_DENIED
        claims = self._subscription_claims(request.token, expired=EXPIRED, invalid=INVALID_TOKEN)
        channel = request.channel or claims.channel  # older Python SDKs forget the channel
        subscription = self.subscriptions.get(channel)
        if subscription is None:
            raise PERMISSION_DENIED
        if subscription.expires_at is None:
            raise BAD_COMMAND
        if claims.channel != channel:
            raise INVALID_TOKEN
        subscription.expires_at = claims.expires_at
        self._due_at = 0.0
        result: dict[str, Any] = {}
        if claims.expires_at is not None:
            result = {"expires": True, "ttl": self._ttl(claims.expires_at)}
        self.carrier.send_json(b'{"id":%d,"sub_refresh":%b}' % (command_id, encode(result)))

    # Time.

    def _pong(self, command: Command) -> None:
        if command != Command():
            raise BAD_COMMAND
        if self._pong_due is None:
            raise BAD_COMMAND  # unsolicited
        self._pong_due = None

    def tick(self, now: float) -> None:
        """Once a second or so; `now` on the trio clock. Cheap while nothing is due."""
        if now < self._due_at or self.closed:
            return
        config = self.services.config
        if not self.connected:
            if now >= self._stale_at:
                self.disconnect(STALE)
            return
        if self._pong_due is not None and now >= self._pong_due:
            self.disconnect(NO_PONG)
            return
        if now >= self._ping_at:
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
        for subscription in list(self.subscriptions.values()):
            if subscription.expires_at is not None:
                left = subscription.expires_at + config.expired_close_delay_s - unix
                if left <= 0:
                    self.drop_subscription(subscription, 2501, "subscription expired")
                else:
                    due.append(now + left)
        self._due_at = min(due)

    # Out.

    def reply_error(self, command_id: int, error: ClientError) -> None:
        if not self.closed:
            self.carrier.send_json(error.reply(command_id))

    def disconnect(self, end: Disconnect) -> None:
        """End the connection with a code; what is subscribed ends with it."""
        if not self.closed:
            self.ended()
            self.carrier.disconnect(end.code, end.reason)

    def ended(self) -> None:
        """The connection is gone or going: nothing more is sent, nobody watches any more. Idempotent."""
        if self.closed:
            return
        self.closed = True
        if self.connected:
            self.services.instruments.connections -= 1
        self._leave_all()
        self._held = None
        self._subscribing = None

    def _leave_all(self) -> None:
        subscriptions, self.subscriptions = self.subscriptions, {}
        for subscription in subscriptions.values():
            subscription.detach()


def _subscribe_result(request: SubscribeRequest, epoch: str, offset: int, view: bytes, missed: Missed | None) -> bytes:
    """The SubscribeResult. After a recovery, `offset` is the one asked from: the client advances by publications."""
    parts = [b'{"recoverable":true,"positioned":true,"epoch":%b' % encode(epoch)]
    if request.recover:
        parts.append(b',"was_recovering":true')
    if missed is not None and missed.publications is not None:
        parts.append(b',"recovered":true')
        offset = request.offset
        if missed.publications:
            parts.append(b',"publications":[%b]' % b",".join(one.json for one in missed.publications))
    if offset:
        parts.append(b',"offset":%d' % offset)
    parts.append(b',"data":%b}' % one_line(view))
    return b"".join(parts)


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
