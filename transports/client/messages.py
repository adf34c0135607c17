"""The client protocol's messages: what a client may say (decoded and checked here) and how we answer in JSON.

Field names and semantics are those of the Centrifuge client protocol, version 2. Unknown fields are ignored, since SDKs
get new fields before servers do.
Source: https://centrifugal.dev/docs/transports/client_protocol
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Raw, Struct, field

from greenroom.transports.codecs.numbers import EXACT_MAX

Uint = Annotated[int, Meta(ge=0, le=EXACT_MAX)]

PING = b"{}"
NO_DATA = Raw(b"")  # a union with None would be decoded rather than kept raw


class SubscribeRequest(Struct):
    """Watch a channel; with `recover`, from `epoch` and `offset` on."""

    channel: str = ""
    token: str = ""
    recover: bool = False
    epoch: str = ""
    offset: Uint = 0
    data: Raw = NO_DATA
    positioned: bool = False
    recoverable: bool = False
    join_leave: bool = False
    delta: str = ""
    tf: Raw = NO_DATA
    flag: int = 0
    type: int = 0


class SubscribeData(Struct):
    """What the data of a subscribe may say; the rest of it is the application's own."""

    shown_as: Literal["events", "view"] = field(default="events", name="as")


decode_subscribe_data = msgspec.json.Decoder(SubscribeData).decode


class ConnectRequest(Struct):
    """The first command: who it is, and what it watched before it was cut off."""

    token: str = ""
    data: Raw = NO_DATA
    subs: dict[str, SubscribeRequest] = {}
    name: str = ""
    version: str = ""


class ChannelRequest(Struct):
    """unsubscribe, presence, presence_stats."""

    channel: str = ""


class PublishRequest(Struct):
    """The command that the channel's kind names in `publish_with`, with `data` as its fields."""

    channel: str = ""
    data: Raw = Raw(b"null")


class StreamPosition(Struct):
    """The last publication seen."""

    offset: Uint = 0
    epoch: str = ""


class HistoryRequest(Struct):
    """Publications after `since`, or before it with `reverse`; `limit` 0 asks for the position alone."""

    channel: str = ""
    limit: int = 0
    since: StreamPosition | None = None
    reverse: bool = False


class PingRequest(Struct):
    """Asks for an answer and nothing else."""


class SendRequest(Struct):
    """A message without an answer."""

    data: Raw = NO_DATA


class RpcRequest(Struct):
    """A command: `method` is `kind:key/command`, `data` its fields."""

    data: Raw = Raw(b"{}")
    method: str = ""


class RefreshRequest(Struct):
    """A newer token for the connection."""

    token: str = ""


class SubRefreshRequest(Struct):
    """A newer token for a subscription."""

    channel: str = ""
    token: str = ""


class Command(Struct):
    """An `id` and exactly one request; an empty one is a pong."""

    id: Annotated[int, Meta(ge=0, le=2**32 - 1)] = 0
    connect: ConnectRequest | None = None
    subscribe: SubscribeRequest | None = None
    unsubscribe: ChannelRequest | None = None
    publish: PublishRequest | None = None
    presence: ChannelRequest | None = None
    presence_stats: ChannelRequest | None = None
    history: HistoryRequest | None = None
    ping: PingRequest | None = None
    send: SendRequest | None = None
    rpc: RpcRequest | None = None
    refresh: RefreshRequest | None = None
    sub_refresh: SubRefreshRequest | None = None


decode_command = msgspec.json.Decoder(Command).decode


class ConnectData(Struct):
    """What an anonymous client in `local` may say of itself."""

    user: str = ""  # "" is nobody; what can be no user id is refused by `connect.py`


decode_connect_data = msgspec.json.Decoder(ConnectData).decode
