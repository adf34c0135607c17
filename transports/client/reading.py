"""What a client may read of an entity that it may watch, without watching it: who is there, and what has happened."""

import msgspec

from greenroom.actors.model.lifecycle import Attended
from greenroom.transports.client.codes import BAD_REQUEST, LIMIT_EXCEEDED, TOO_MANY_REQUESTS, said
from greenroom.transports.client.errors import ClientError
from greenroom.transports.client.messages import HistoryRequest
from greenroom.transports.client.peer import ClientPeer, PendingRead
from greenroom.transports.hub.reading import HistoryRange, Page, page_json

encode = msgspec.json.encode

PRESENCE_MAX = 1000  # clients that one answer names
PRESENCE_TOO_LARGE = said(LIMIT_EXCEEDED, "too many to be named; presence_stats counts them")


def presence(peer: ClientPeer, command_id: int, channel: str) -> None:
    """Who watches, on all nodes, as long as one answer can name them all. Raises: ClientError."""
    read = _begin(peer, command_id, channel, "presence")

    def seen(attended: Attended) -> None:
        if attended.named is None:
            if read.over("limit_exceeded"):
                peer.reply_error(command_id, PRESENCE_TOO_LARGE)
        elif read.over():
            peer.carrier.send_json(b'{"id":%d,"presence":%b}' % (command_id, encode({"presence": attended.named})))

    peer.services.reading.audience(channel, peer.principal, seen, read.refused, read.broken, names_max=PRESENCE_MAX)


def presence_stats(peer: ClientPeer, command_id: int, channel: str) -> None:
    """Raises: ClientError."""
    read = _begin(peer, command_id, channel, "presence")

    def seen(attended: Attended) -> None:
        if read.over():
            peer.carrier.send_json(
                b'{"id":%d,"presence_stats":{"num_clients":%d,"num_users":%d}}'
                % (command_id, attended.clients, attended.users)
            )

    peer.services.reading.audience(channel, peer.principal, seen, read.refused, read.broken)


def history(peer: ClientPeer, command_id: int, channel: str, request: HistoryRequest) -> None:
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
            peer.carrier.send_json(b'{"id":%d,"history":%b}' % (command_id, page_json(page)))

    peer.services.reading.history(
        channel, peer.principal, wanted, shown, read.refused, read.broken, gone=lambda: peer.closed
    )


def _begin(peer: ClientPeer, command_id: int, channel: str, what: str) -> PendingRead:
    if peer.overloaded:
        raise ClientError(TOO_MANY_REQUESTS)
    return PendingRead(peer, channel, what, lambda error: peer.reply_error(command_id, error))
