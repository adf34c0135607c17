"""What a simulated client is told, line by line: replies and pushes as JSON."""

from typing import Any

import msgspec
from msgspec import Raw, Struct

NOTHING = Raw(b"null")


class Error(Struct):
    """An error reply."""

    code: int
    message: str
    temporary: bool = False


class Publication(Struct):
    """One publication of a channel."""

    data: Raw
    offset: int = 0
    epoch: str = ""


class SubscribeResult(Struct):
    """The answer to a subscribe."""

    epoch: str
    offset: int = 0
    was_recovering: bool = False
    recovered: bool = False
    publications: list[Publication] = []
    data: Raw = NOTHING


class ConnectResult(Struct):
    """The answer to a connect."""

    client: str


class RpcResult(Struct):
    """The answer to an rpc."""

    data: Raw


class Unsubscribe(Struct):
    """The server has ended a subscription."""

    code: int
    reason: str


class Push(Struct):
    """What comes unasked, of one channel."""

    channel: str = ""
    pub: Publication | None = None
    unsubscribe: Unsubscribe | None = None


class Answer(Struct):
    """One line from the server: a reply by its `id`, or a push."""

    id: int = 0
    error: Error | None = None
    connect: ConnectResult | None = None
    subscribe: SubscribeResult | None = None
    unsubscribe: dict[str, Any] | None = None
    rpc: RpcResult | None = None
    push: Push | None = None


decode_answer = msgspec.json.Decoder(Answer).decode
