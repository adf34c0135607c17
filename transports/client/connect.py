"""Who connects: a client becomes a principal, with a token or by what it says of itself, and gets the channels that the
server subscribes it to.
"""

from collections.abc import Callable
from typing import Protocol

import msgspec
import structlog
from msgspec import Raw, Struct

from greenroom.actors.model.principal import NO_ROLES, Principal, user_id_problem
from greenroom.transports.auth.tokens import ConnectionToken, TokenExpired, TokenInvalid
from greenroom.transports.client.carrier import Carrier
from greenroom.transports.client.codes import (
    BAD_COMMAND,
    CHANNEL_LIMIT,
    CONNECTION_EXPIRED,
    INVALID_TOKEN,
    NOT_PERMITTED,
    SLOW,
    TOKEN_EXPIRED,
    UNAUTHORIZED,
    DisconnectCode,
    ErrorCode,
    said,
)
from greenroom.transports.client.errors import ClientError, Disconnect, refusal
from greenroom.transports.client.messages import ConnectRequest, SubscribeRequest, decode_connect_data
from greenroom.transports.client.peer import ClientPeer
from greenroom.transports.client.subscriptions import ClientSubscription, Wish
from greenroom.transports.services import Services

log = structlog.get_logger("greenroom.client")
encode = msgspec.json.encode


class Admitted(Struct):
    """Whom a connect has let in, and what that client is subscribed to at once."""

    principal: Principal
    token: ConnectionToken | None  # what the token says, where one was needed or brought
    channels: list[str]  # channels to subscribe to on the server's side, in this order


def admit(services: Services, client: str, request: ConnectRequest) -> Admitted:
    """Raises: ClientError for the reply that refuses the connect, Disconnect when none is worth it."""
    verified: ConnectionToken | None = None
    if request.token:
        verified = _verified(services, client, request.token, expired=TOKEN_EXPIRED)
        user = verified.user
        if not user and not (services.anonymous or services.anonymous_watch):
            raise Disconnect(NOT_PERMITTED)
    elif services.anonymous:
        user = _own_name(request.data)
    elif services.anonymous_watch:
        user = ""
    else:
        raise ClientError(said(UNAUTHORIZED, "a token is needed"))
    shown: dict[str, object] = {"user": user, "client": client}
    if verified is not None and verified.info is not None:
        shown["conn_info"] = Raw(verified.info)
    now = services.clock()
    principal = Principal(
        user=user,
        roles=verified.roles if verified is not None else NO_ROLES,
        client=client,
        info=encode(shown),
        issued_at=verified.issued_at if verified is not None else now,  # without a token: as new as the connection
        connected_at=now,
    )
    channels = list(verified.subs) if verified is not None else []
    if services.session_kind is not None and user:
        own = f"{services.session_kind}:{user}"
        if own not in channels:
            channels.insert(0, own)
    if len(channels) > services.client.subscriptions_max:
        raise Disconnect(CHANNEL_LIMIT)
    return Admitted(principal, verified, channels)


def readmit(services: Services, client: str, user: str, token: str) -> ConnectionToken:
    """Of a newer token for a connection that one has opened for `user`. Raises: Disconnect."""
    verified = _verified(services, client, token, expired=CONNECTION_EXPIRED)
    if verified.user != user:
        raise Disconnect(INVALID_TOKEN)
    return verified


def _verified(services: Services, client: str, token: str, *, expired: ErrorCode | DisconnectCode) -> ConnectionToken:
    if services.tokens is None:
        raise Disconnect(INVALID_TOKEN)
    try:
        return services.tokens.verify_connection(token)
    except TokenExpired:
        raise refusal(expired) from None
    except TokenInvalid as error:
        log.info("token_invalid", client=client, error=str(error))
        raise Disconnect(said(INVALID_TOKEN, error)) from None


def _own_name(data: Raw) -> str:
    """What a client without a token calls itself; "" when it doesn't."""
    if not bytes(data).lstrip().startswith(b"{"):  # anything else is the application's own
        return ""
    try:
        user = decode_connect_data(data).user
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Disconnect(said(BAD_COMMAND, f"connect data: {error}")) from None
    if user and (problem := user_id_problem(user)):
        raise Disconnect(said(BAD_COMMAND, f"connect data: user {problem}"))
    return user


class Connecting(Protocol):
    """The session whose connect is to be answered, by its command's id."""

    by_channel: dict[str, ClientSubscription]

    def watch(self, request: SubscribeRequest, wish: Wish, *, server_side: bool) -> None: ...

    def answer_connect(self, command_id: int, results: dict[str, Raw]) -> None:
        """With the subscribe result of each channel."""

    def after_connected(self) -> None:
        """Everything is attached, in the same sync stretch."""

    def fail_connect(self, command_id: int, error: ErrorCode) -> None: ...


class ServerSide:
    """The server's own subscriptions of one client, made one after the other before its connect is answered. As in
    `Subscriptions.watch`, answering and attaching are one sync stretch."""

    __slots__ = ("_channels", "_command_id", "_known", "_results", "_session")

    def __init__(
        self, session: Connecting, command_id: int, channels: list[str], known: dict[str, SubscribeRequest]
    ) -> None:
        """`known` is where the client says it was."""
        self._session = session
        self._command_id = command_id
        self._channels = channels
        self._known = known
        self._results: dict[str, Raw] = {}  # of the channels so far, in their order

    def begin(self) -> None:
        if self._channels:
            self._watch_next()
        else:
            self._session.answer_connect(self._command_id, self._results)
            self._session.after_connected()

    def _watch_next(self) -> None:
        channel = self._channels[len(self._results)]
        request = SubscribeRequest(channel=channel)
        was = self._known.get(channel)
        if was is not None:  # the rest of the subscription is ours to say
            request.recover, request.epoch, request.offset = was.recover, was.epoch, was.offset
        self._session.watch(request, self, server_side=True)

    def answer(self, result: bytes) -> None:
        results = self._results
        results[self._channels[len(results)]] = Raw(result)
        if len(results) == len(self._channels):  # without those that have ended while others were still being asked
            watched = self._session.by_channel
            self._session.answer_connect(self._command_id, {one: results[one] for one in results if one in watched})

    def attached(self) -> None:
        if len(self._results) == len(self._channels):
            self._session.after_connected()
        else:
            self._watch_next()

    def failed(self, error: ErrorCode) -> None:
        self._session.fail_connect(self._command_id, error)


class EarlyCarrier:
    """Stands in for the carrier while the server's own channels are attached one after the other: what they push has
    to wait for the answer to the connect, and is bounded as it is where a client is slow."""

    def __init__(self, peer: ClientPeer) -> None:
        self._peer = peer
        self.carrier: Carrier = peer.carrier
        self._frames: list[bytes] = []
        self._bytes = 0
        self._ephemeral: dict[str, bytes] = {}

    def send_json(self, reply: bytes) -> None:
        self.carrier.send_json(reply)

    def send_pushes(self, frame: bytes) -> None:
        self._frames.append(frame)
        self._bytes += len(frame)
        if self._bytes > self._peer.services.client.queue_bytes_max:
            self._peer.disconnect(SLOW)

    def send_ephemeral(self, frame: bytes, key: str) -> None:
        ring = self._ephemeral
        ring.pop(key, None)
        ring[key] = frame
        if len(ring) > self._peer.services.hub.ephemeral_ring:
            del ring[next(iter(ring))]

    def release(self) -> Carrier:
        """The connect is answered: pass on what has waited for that. Returns whom to speak to from now on."""
        for frame in self._frames:
            self.carrier.send_pushes(frame)
        for key, frame in self._ephemeral.items():
            self.carrier.send_ephemeral(frame, key)
        return self.carrier

    def disconnect(self, code: int, reason: str) -> None:
        self.carrier.disconnect(code, reason)

    @property
    def blocked(self) -> bool:
        return self.carrier.blocked

    def when_taken(self, call: Callable[[], None]) -> None:
        self.carrier.when_taken(call)

    def pause(self) -> None:
        self.carrier.pause()

    def resume(self) -> None:
        self.carrier.resume()
