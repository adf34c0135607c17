"""What a client may read of an entity without watching it, where it may: its view, who is there, what has happened.

As requests of the protocol, which say nothing of how sure the answer is to be, and as an rpc, whose data does.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, TypeVar

import msgspec
from msgspec import Raw, Struct

from greenroom.actors.model.errors import InvalidCommand, MalformedCommand
from greenroom.actors.model.lifecycle import Attended, Inspected
from greenroom.transports.client.codes import BAD_REQUEST, LIMIT_EXCEEDED, TOO_MANY_REQUESTS, said
from greenroom.transports.client.errors import ClientError
from greenroom.transports.client.messages import HistoryRequest, StreamPosition
from greenroom.transports.client.peer import ClientPeer, PendingRead
from greenroom.transports.hub.publication import one_line
from greenroom.transports.hub.reading import HistoryRange, Page, Sureness, page_json

encode = msgspec.json.encode

PRESENCE_MAX = 1000  # clients that one answer names
PRESENCE_TOO_LARGE = said(LIMIT_EXCEEDED, "too many to be named; presence_stats counts them")
NO_FIELDS, NOTHING = b"{}", (b"", b"null")
RPC = b'{"id":%d,"rpc":{"data":%b}}'


class Read(Struct, frozen=True, forbid_unknown_fields=True):
    """The data of an rpc that reads."""

    read: Sureness = "leased"


Asked = TypeVar("Asked", bound=Read)


class ReadHistory(Read, frozen=True, forbid_unknown_fields=True):
    """See HistoryRequest."""

    limit: int = 100
    since: StreamPosition | None = None
    reverse: bool = False


_decode_read = msgspec.json.Decoder(Read).decode
_decode_history = msgspec.json.Decoder(ReadHistory).decode


def presence(
    peer: ClientPeer,
    command_id: int,
    channel: str,
    *,
    sureness: Sureness = "leased",
    form: bytes = b'{"id":%d,"presence":%b}',
) -> None:
    """Who watches, on all nodes, as long as one answer can name them all. Raises: ClientError."""
    read = _begin(peer, command_id, channel, "presence")

    def seen(attended: Attended) -> None:
        if attended.named is None:
            if read.over("limit_exceeded"):
                peer.reply_error(command_id, PRESENCE_TOO_LARGE)
        elif read.over():
            peer.carrier.send_json(form % (command_id, encode({"presence": attended.named})))

    peer.services.reading.audience(
        channel, peer.principal, seen, read.refused, read.broken, names_max=PRESENCE_MAX, sureness=sureness
    )


def presence_stats(
    peer: ClientPeer,
    command_id: int,
    channel: str,
    *,
    sureness: Sureness = "leased",
    form: bytes = b'{"id":%d,"presence_stats":%b}',
) -> None:
    """Raises: ClientError."""
    read = _begin(peer, command_id, channel, "presence")

    def seen(attended: Attended) -> None:
        if read.over():
            counts = b'{"num_clients":%d,"num_users":%d}' % (attended.clients, attended.users)
            peer.carrier.send_json(form % (command_id, counts))

    peer.services.reading.audience(channel, peer.principal, seen, read.refused, read.broken, sureness=sureness)


def history(
    peer: ClientPeer,
    command_id: int,
    channel: str,
    request: HistoryRequest | ReadHistory,
    *,
    sureness: Sureness = "leased",
    form: bytes = b'{"id":%d,"history":%b}',
) -> None:
    """Publications after `since`, or with `reverse` those before it, newest first. Raises: ClientError."""
    since = request.since
    if request.reverse and since is not None and since.offset == 0:
        raise ClientError(BAD_REQUEST)
    most = peer.services.client.history_max
    wanted = HistoryRange(
        epoch=since.epoch if since is not None else "",
        offset=since.offset if since is not None else 0,
        limit=most if request.limit < 0 else min(request.limit, most),
        reverse=request.reverse,
    )
    read = _begin(peer, command_id, channel, "history")

    def shown(page: Page) -> None:
        if read.over():
            peer.carrier.send_json(form % (command_id, page_json(page)))

    peer.services.reading.history(
        channel,
        peer.principal,
        wanted,
        shown,
        read.refused,
        read.broken,
        gone=lambda: peer.closed,
        sureness=sureness,
    )


# By an rpc.


def _view(peer: ClientPeer, command_id: int, channel: str, data: Raw) -> None:
    asked = _decoded(_decode_read, data)
    read = _begin(peer, command_id, channel, "view")

    def seen(found: Inspected) -> None:
        if read.over():
            view = b'{"view":%b,"epoch":%b,"offset":%d}' % (one_line(found.view), encode(found.epoch), found.offset)
            peer.carrier.send_json(RPC % (command_id, view))

    peer.services.reading.inspect(channel, peer.principal, seen, read.refused, read.broken, sureness=asked.read)


def _presence(peer: ClientPeer, command_id: int, channel: str, data: Raw) -> None:
    presence(peer, command_id, channel, sureness=_decoded(_decode_read, data).read, form=RPC)


def _presence_stats(peer: ClientPeer, command_id: int, channel: str, data: Raw) -> None:
    presence_stats(peer, command_id, channel, sureness=_decoded(_decode_read, data).read, form=RPC)


def _history(peer: ClientPeer, command_id: int, channel: str, data: Raw) -> None:
    asked = _decoded(_decode_history, data)
    history(peer, command_id, channel, asked, sureness=asked.read, form=RPC)


# What an rpc may read of any entity, where its kind has no command of that name. Raises: ActorError, ClientError.
READS: Final[Mapping[str, Callable[[ClientPeer, int, str, Raw], None]]] = MappingProxyType(
    {"view": _view, "history": _history, "presence": _presence, "presence_stats": _presence_stats}
)


def _decoded(decode: Callable[[bytes | Raw], Asked], data: Raw) -> Asked:
    """Raises: InvalidCommand, MalformedCommand."""
    try:
        return decode(NO_FIELDS if bytes(data) in NOTHING else data)
    except msgspec.ValidationError as error:
        raise InvalidCommand(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedCommand(f"malformed JSON: {error}") from None


def _begin(peer: ClientPeer, command_id: int, channel: str, what: str) -> PendingRead:
    if peer.overloaded:
        raise ClientError(TOO_MANY_REQUESTS)
    return PendingRead(peer, channel, what, lambda error: peer.reply_error(command_id, error))
