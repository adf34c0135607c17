"""The client protocol's messages: what a client may say (decoded and checked here) and how we answer in JSON.

Field names and semantics are those of the Centrifuge client protocol, version 2. Unknown fields are ignored, since SDKs
get new fields before servers do.
Source: https://centrifugal.dev/docs/transports/client_protocol
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Raw, Struct, field

Uint = Annotated[int, Meta(ge=0, le=2**53)]

PING = b"{}"
NO_DATA = Raw(b"")  # a union with None would be decoded rather than kept raw


class SubscribeRequest(Struct):
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
    token: str = ""
    data: Raw = NO_DATA
    subs: dict[str, SubscribeRequest] = {}
    name: str = ""
    version: str = ""


class ChannelRequest(Struct):
    """unsubscribe, presence, presence_stats."""

    channel: str = ""


class PublishRequest(Struct):
    channel: str = ""
    data: Raw = Raw(b"null")


class StreamPosition(Struct):
    offset: Uint = 0
    epoch: str = ""


class HistoryRequest(Struct):
    channel: str = ""
    limit: int = 0
    since: StreamPosition | None = None
    reverse: bool = False


class PingRequest(Struct):
    pass


class SendRequest(Struct):
    data: Raw = NO_DATA


class RpcRequest(Struct):
    data: Raw = Raw(b"{}")
    method: str = ""


class RefreshRequest(Struct):
    token: str = ""


class SubRefreshRequest(Struct):
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

    user: Annotated[str, Meta(max_length=128, pattern=r"^[^\u0000-\u001f\u007f-\u009f]*\Z")] = ""


decode_connect_data = msgspec.json.Decoder(ConnectData).decode
