"""What one client watches: subscribing with recovery, the subscriptions while they last, and their ends.

A subscribe and an unsubscribe of one channel keep their order, however long the subscribe takes; different channels
don't wait for each other.
"""

import math
from typing import Protocol

import msgspec
import structlog
from msgspec import Raw

from greenroom.actors.model.principal import Principal
from greenroom.transports.auth.tokens import SubscriptionToken, TokenExpired, TokenInvalid
from greenroom.transports.client.carrier import Carrier
from greenroom.transports.client.codes import (
    ALREADY_SUBSCRIBED,
    BAD_COMMAND,
    BAD_REQUEST,
    EXPIRED,
    INSUFFICIENT_STATE,
    INVALID_TOKEN,
    LIMIT_EXCEEDED,
    NOT_AVAILABLE,
    PERMISSION_DENIED,
    TOKEN_EXPIRED,
    TOO_MANY_REQUESTS,
    UNRECOVERABLE,
    DisconnectCode,
    ErrorCode,
    said,
)
from greenroom.transports.client.encoding import JsonEncoding, JsonViews
from greenroom.transports.client.errors import ClientError, Disconnect, refusal
from greenroom.transports.client.messages import Command, SubRefreshRequest, SubscribeRequest, decode_subscribe_data
from greenroom.transports.client.peer import ClientPeer, PendingRead
from greenroom.transports.client.refused import count_refused
from greenroom.transports.hub.encoding import Encoding
from greenroom.transports.hub.publication import Publication, one_line
from greenroom.transports.hub.recovery import Missed
from greenroom.transports.hub.topic import Topic
from greenroom.transports.hub.watching import Position
from greenroom.transports.services import Services

log = structlog.get_logger("greenroom.client")
encode = msgspec.json.encode

WAITING_MAX = 16  # commands that may wait for the subscribe of their channel to be answered
REJECT_UNRECOVERED = 2  # bit of a subscribe request's `flag`: rather an error than a subscription with a gap
NULL = Raw(b"null")

Waiting = tuple[int, SubscribeRequest | None]  # the id of a command, and its subscribe; None: an unsubscribe


class Wish(Protocol):
    """Who wants to watch a channel: `failed` is called, or `answer` and, in the same sync stretch, `attached`."""

    def answer(self, result: bytes) -> None:
        """`result` is the SubscribeResult, JSON."""

    def attached(self) -> None: ...

    def failed(self, error: ErrorCode) -> None: ...


class ClientSubscription:
    """One client's subscription to one topic, as the hub sees it."""

    __slots__ = ("_peer", "_topic", "expires_at", "granted", "server_side", "wants_joins")

    encoding: type[Encoding] = JsonEncoding

    def __init__(
        self, peer: "Subscriptions", topic: Topic, *, wants_joins: bool, server_side: bool, granted: bool
    ) -> None:
        self.granted = granted
        self._peer = peer
        self._topic = topic
        self.wants_joins = wants_joins
        self.server_side = server_side  # the client did not ask for it: its end is the connection's end
        self.expires_at: int | None = None  # Unix s, of the subscription token

    @property
    def principal(self) -> Principal:
        return self._peer.principal

    @property
    def channel(self) -> str:
        return self._topic.entity

    def deliver(self, batch: bytes, last_offset: int) -> None:
        self._peer.carrier.send_pushes(batch)

    def deliver_ephemeral(self, piece: bytes, key: str) -> None:
        self._peer.carrier.send_ephemeral(piece, key)

    def kicked(self, code: int, reason: str) -> None:
        if code < 3000:
            self._peer.drop(self, code, reason)
        else:
            self._peer.disconnect(DisconnectCode(code, reason))

    def epoch_changed(self) -> None:
        self._peer.drop(self, 2500, "insufficient state")

    def detach(self) -> None:
        self._peer.services.watching.leave(self._topic, self)


class ClientViewSubscription(ClientSubscription):
    """One client's subscription to the view of one topic's entity."""

    __slots__ = ()

    encoding: type[Encoding] = JsonViews

    def deliver_view(self, piece: bytes, epoch: str, offset: int) -> None:
        self._peer.carrier.send_pushes(piece)

    def epoch_changed(self) -> None:
        pass  # the view that comes for it carries the new epoch


class Subscriptions(ClientPeer):
    """What one client watches, by channel, and the subscribes that are under way.

    The session is one of these too, as it is a peer: two objects that know each other would have to be found by the
    collector once the client has gone.
    """

    __slots__ = ("_postponed", "_subscribing", "by_channel")

    def __init__(self, services: Services, carrier: Carrier) -> None:
        super().__init__(services, carrier)
        self.by_channel: dict[str, ClientSubscription] = {}  # by channel
        self._subscribing: dict[str, list[Waiting]] | None = None  # channel -> commands that wait for its subscribe
        self._postponed: list[_Attempt] | None = None  # until the client has taken what others of its subscribes gave

    # The client's commands. They raise ClientError and Disconnect.

    def subscribe(self, command_id: int, channel: str, request: SubscribeRequest) -> None:
        """Watch the channel, and answer when its entity has said that one may. Raises: ClientError, Disconnect."""
        if request.delta not in ("", "fossil"):
            raise Disconnect(BAD_COMMAND)
        if request.type:
            raise ClientError(NOT_AVAILABLE)
        if len(request.tf) and request.tf != NULL:
            raise ClientError(BAD_REQUEST)  # whoever asks for a part must not be given all
        if self._subscribing is not None and channel in self._subscribing:
            waiting = self._subscribing[channel]
            if not waiting or waiting[-1][1] is not None:
                raise ClientError(ALREADY_SUBSCRIBED)
            self._wait_turn(waiting, (command_id, request))
            return
        if channel in self.by_channel:
            raise ClientError(ALREADY_SUBSCRIBED)
        if len(self.by_channel) + len(self._subscribing or ()) >= self.services.client.subscriptions_max:
            raise ClientError(LIMIT_EXCEEDED)
        expires_at: int | None = None
        granted = False
        if request.token:
            verified = self._verified(request.token, expired=TOKEN_EXPIRED, invalid=PERMISSION_DENIED)
            if verified.channel != channel:
                raise Disconnect(INVALID_TOKEN)
            granted = True
            expires_at = verified.expires_at
        if self._subscribing is None:
            self._subscribing = {}
        self._subscribing[channel] = []

        self.watch(request, _Subscribe(self, command_id, channel, expires_at), granted=granted)

    def unsubscribe(self, command_id: int, channel: str) -> None:
        if self._subscribing is not None and channel in self._subscribing:
            self._wait_turn(self._subscribing[channel], (command_id, None))
            return
        subscription = self.by_channel.pop(channel, None)
        if subscription is not None:
            subscription.detach()
        self.carrier.send_json(b'{"id":%d,"unsubscribe":{}}' % command_id)

    def _wait_turn(self, waiting: list[Waiting], command: Waiting) -> None:
        if len(waiting) >= WAITING_MAX:
            raise ClientError(TOO_MANY_REQUESTS)
        waiting.append(command)

    def settle(self, channel: str) -> None:
        """The subscribe is answered; what came for the same channel meanwhile has its turn."""
        if self._subscribing is None:
            return
        waiting = self._subscribing.pop(channel, None)
        if not self._subscribing:
            self._subscribing = None
        for command_id, request in waiting or ():  # one that subscribes again makes those behind it wait again
            self._take_turn(command_id, channel, request)

    def _take_turn(self, command_id: int, channel: str, request: SubscribeRequest | None) -> None:
        """Outside of the session's `received`, so nobody else hears what the command raises."""
        if self.closed:
            return
        try:
            if request is None:
                self.unsubscribe(command_id, channel)
            else:
                self.subscribe(command_id, channel, request)
        except ClientError as error:
            if request is not None:
                count_refused(self.services, Command(subscribe=request), error)
            self.reply_error(command_id, error.code)
        except Disconnect as end:
            self.disconnect(end.code)

    def refresh(self, command_id: int, request: SubRefreshRequest) -> None:
        """A newer token for a subscription that one has opened. Raises: ClientError, Disconnect."""
        if self.services.tokens is None:
            raise Disconnect(BAD_COMMAND)
        if not request.token:
            raise ClientError(BAD_REQUEST)
        if request.channel and request.channel not in self.by_channel:
            raise ClientError(PERMISSION_DENIED)
        verified = self._verified(request.token, expired=EXPIRED, invalid=INVALID_TOKEN)
        channel = request.channel or verified.channel  # older Python SDKs forget the channel
        subscription = self.by_channel.get(channel)
        if subscription is None:
            raise ClientError(PERMISSION_DENIED)
        if subscription.expires_at is None:
            raise Disconnect(BAD_COMMAND)
        if verified.channel != channel:
            raise Disconnect(INVALID_TOKEN)
        subscription.expires_at = verified.expires_at
        self.due_at = 0.0
        result: dict[str, object] = {}
        if verified.expires_at is not None:
            result = {"expires": True, "ttl": self.ttl_s(verified.expires_at)}
        self.carrier.send_json(b'{"id":%d,"sub_refresh":%b}' % (command_id, encode(result)))

    def _verified(self, token: str, *, expired: ErrorCode, invalid: ErrorCode | DisconnectCode) -> SubscriptionToken:
        """Of a token for this very client. Raises: ClientError, Disconnect."""
        if self.services.tokens is None:
            raise refusal(invalid)
        try:
            verified = self.services.tokens.verify_subscription(token)
        except TokenExpired:
            raise refusal(expired) from None
        except TokenInvalid as error:
            log.info("token_invalid", client=self.client, error=str(error))
            raise refusal(said(invalid, error)) from None
        if verified.user != (self.token_user or "") or verified.client not in ("", self.client):
            raise Disconnect(INVALID_TOKEN)
        return verified

    # Watching, whoever wants it.

    def watch(self, request: SubscribeRequest, wish: Wish, *, granted: bool = False, server_side: bool = False) -> None:
        """Fulfil the wish of whoever wants what `request` says."""
        if self.overloaded:
            self._fail(request, wish, TOO_MANY_REQUESTS)
            return
        try:
            as_view = len(request.data) > 0 and _wants_view(request.data)
        except msgspec.MsgspecError:
            self._fail(request, wish, BAD_REQUEST)
            return
        self._attempt(_Attempt(self, request, wish, as_view=as_view, granted=granted, server_side=server_side))

    def _fail(self, request: SubscribeRequest, wish: Wish, error: ErrorCode) -> None:
        """Before it has been tried."""
        count_refused(self.services, Command(subscribe=request), ClientError(error))
        wish.failed(error)

    def _attempt(self, attempt: "_Attempt") -> None:
        request = attempt.request
        position = Position(request.epoch, request.offset) if request.recover else None
        self.services.watching.watch(request.channel, attempt, position, granted=attempt.granted)

    def postpone(self, attempt: "_Attempt") -> None:
        """Ask again once the client has taken what waits for it. All its views at once could be more than may wait, and
        it would come back and ask for the same."""
        if self._postponed is None:
            self._postponed = []
            self.carrier.when_taken(self._attempt_postponed)
        self._postponed.append(attempt)

    def _attempt_postponed(self) -> None:
        postponed, self._postponed = self._postponed, None
        for attempt in postponed or ():
            if attempt.gone:
                attempt.abandoned()
            else:
                self._attempt(attempt)

    # Ends.

    def drop(self, subscription: ClientSubscription, code: int, reason: str) -> None:
        """Tell the client that a subscription has ended; from 2500 on it subscribes again with its position."""
        if self.by_channel.get(subscription.channel) is not subscription:
            return
        if subscription.server_side and code >= 2500:  # it could not subscribe again
            self.disconnect(INSUFFICIENT_STATE)
            return
        del self.by_channel[subscription.channel]
        subscription.detach()
        if not self.connected:
            return  # nobody has said yet that it had begun
        self.carrier.send_json(
            b'{"push":{"channel":%b,"unsubscribe":{"code":%d,"reason":%b}}}'
            % (encode(subscription.channel), code, encode(reason))
        )

    def expire(self, unix: float) -> float:
        """End what has expired at `unix`. Returns the seconds until there is more of it; inf when nothing expires."""
        delay = self.services.client.expired_close_delay_s
        soonest = math.inf
        for subscription in list(self.by_channel.values()):
            if subscription.expires_at is not None:
                left = subscription.expires_at + delay - unix
                if left <= 0:
                    self.drop(subscription, 2501, "subscription expired")
                else:
                    soonest = min(soonest, left)
        return soonest

    def leave(self) -> None:
        """Without a word: the client is gone, or refused as a whole."""
        self._subscribing = None
        postponed, self._postponed = self._postponed, None
        for attempt in postponed or ():
            attempt.abandoned()
        left, self.by_channel = self.by_channel, {}
        for subscription in left.values():
            subscription.detach()


class _Subscribe:
    """A client's subscribe, which is answered by a reply of its own."""

    __slots__ = ("_channel", "_command_id", "_expires_at", "_peer")

    def __init__(self, peer: Subscriptions, command_id: int, channel: str, expires_at: int | None) -> None:
        self._peer = peer
        self._command_id = command_id
        self._channel = channel
        self._expires_at = expires_at

    def answer(self, result: bytes) -> None:
        peer = self._peer
        if self._expires_at is not None:
            peer.by_channel[self._channel].expires_at = self._expires_at
            peer.due_at = 0.0
            result = b'%b,"expires":true,"ttl":%d}' % (result[:-1], peer.ttl_s(self._expires_at))
        peer.carrier.send_json(b'{"id":%d,"subscribe":%b}' % (self._command_id, result))

    def attached(self) -> None:
        self._peer.settle(self._channel)

    def failed(self, error: ErrorCode) -> None:
        self._peer.reply_error(self._command_id, error)
        self._peer.settle(self._channel)


class _Attempt(PendingRead):
    """A subscribe under way: the watcher of hub/watching.py."""

    __slots__ = ("_server_side", "_wish", "as_view", "granted", "request")

    peer: Subscriptions

    def __init__(
        self,
        peer: Subscriptions,
        request: SubscribeRequest,
        wish: Wish,
        *,
        as_view: bool,
        granted: bool,
        server_side: bool,
    ) -> None:
        super().__init__(peer, request.channel, "subscribe", wish.failed)
        self.request = request
        self._wish = wish
        self._server_side = server_side
        self.as_view = as_view
        self.granted = granted

    @property
    def principal(self) -> Principal:
        return self.peer.principal

    @property
    def gone(self) -> bool:
        return self.peer.closed

    def admitted(self, topic: Topic, view: bytes, missed: Missed | None) -> ClientSubscription | None:
        request = self.request
        if self.peer.carrier.blocked and not self._server_side:
            self.peer.postpone(self)
            return None
        if not self.over():
            return None
        if self.as_view and missed is not None and missed.publications is None:
            missed = Missed([Publication.of_view(view, topic.epoch, topic.offset)])
        if missed is not None and missed.publications is None and request.flag & REJECT_UNRECOVERED:
            self._failed(UNRECOVERABLE)
            return None
        subscription = (ClientViewSubscription if self.as_view else ClientSubscription)(
            self.peer, topic, wants_joins=request.join_leave, server_side=self._server_side, granted=self.granted
        )
        self.peer.by_channel[topic.entity] = subscription
        self._wish.answer(_subscribe_result(request, topic.epoch, topic.offset, view, missed))
        return subscription if not self.peer.closed else None  # answering may be the one reply too many

    def attached(self) -> None:
        self._wish.attached()


def _wants_view(data: Raw) -> bool:
    """Raises: msgspec.MsgspecError when `as` says something else."""
    if not bytes(data).lstrip().startswith(b"{"):  # anything else is the application's own
        return False
    return decode_subscribe_data(data).shown_as == "view"


def _subscribe_result(request: SubscribeRequest, epoch: str, offset: int, view: bytes, missed: Missed | None) -> bytes:
    """The SubscribeResult. After a recovery with publications `offset` is the one asked from: the client advances by
    them. One without may have passed hidden events."""
    parts = [b'{"recoverable":true,"positioned":true,"epoch":%b' % encode(epoch)]
    if request.recover:
        parts.append(b',"was_recovering":true')
    if missed is not None and missed.publications is not None:
        parts.append(b',"recovered":true')
        if missed.publications:
            offset = min(offset, request.offset)  # of views a position may be of another epoch
            parts.append(b',"publications":[%b]' % b",".join(one.json for one in missed.publications))
    if offset:
        parts.append(b',"offset":%d' % offset)
    parts.append(b',"data":%b}' % one_line(view))
    return b"".join(parts)
