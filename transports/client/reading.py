"""What a client may read of an entity that it may watch, without watching it: who is there, and what has happened."""

import msgspec
from msgspec import Raw

from greenroom.actors.model.lifecycle import Inspected
from greenroom.transports.client.codes import BAD_REQUEST, INTERNAL, UNRECOVERABLE, ErrorCode
from greenroom.transports.client.errors import ClientError
from greenroom.transports.client.inspect import inspect
from greenroom.transports.client.messages import HistoryRequest
from greenroom.transports.client.peer import ClientPeer
from greenroom.transports.hub.hub import first_publications

encode = msgspec.json.encode


def presence(peer: ClientPeer, command_id: int, channel: str) -> None:
    def then(_: Inspected) -> None:
        watching = peer.services.hub.watching(channel)
        shown = {principal.client: Raw(principal.info) for principal in watching if principal.info is not None}
        peer.carrier.send_json(b'{"id":%d,"presence":%b}' % (command_id, encode({"presence": shown})))

    inspect(peer, channel, "presence", then, lambda error: peer.reply_error(command_id, error))


def presence_stats(peer: ClientPeer, command_id: int, channel: str) -> None:
    def then(_: Inspected) -> None:
        watching = peer.services.hub.watching(channel)
        users = {principal.user for principal in watching}
        peer.carrier.send_json(
            b'{"id":%d,"presence_stats":{"num_clients":%d,"num_users":%d}}' % (command_id, len(watching), len(users))
        )

    inspect(peer, channel, "presence", then, lambda error: peer.reply_error(command_id, error))


def history(peer: ClientPeer, command_id: int, channel: str, request: HistoryRequest) -> None:
    """Publications after `since`, or with `reverse` those before it, newest first. Raises: ClientError."""
    since = request.since
    if request.reverse and since is not None and since.offset == 0:
        raise ClientError(BAD_REQUEST)
    most = peer.services.config.history_max
    limit = most if request.limit < 0 else min(request.limit, most)

    def reply(publications: list[bytes], epoch: str, top: int) -> None:
        peer.carrier.send_json(
            b'{"id":%d,"history":{"publications":[%b],"epoch":%b,"offset":%d}}'
            % (command_id, b",".join(publications), encode(epoch), top)
        )

    def failed(error: ErrorCode) -> None:
        peer.reply_error(command_id, error)

    def then(inspected: Inspected) -> None:
        epoch, top = inspected.epoch, inspected.offset
        if since is not None and since.epoch and since.epoch != epoch:
            failed(UNRECOVERABLE)
            return
        if limit == 0 or top == 0:
            reply([], epoch, top)
            return

        async def read() -> None:
            after, before = (since.offset if since is not None else 0), top + 1
            if request.reverse:
                after, before = 0, min(before, since.offset) if since is not None else before
            head, events = await peer.services.journal.read(
                channel, after=after, before=before, limit=limit, reverse=request.reverse
            )
            if peer.closed:
                return
            if head is not None and (head.epoch != epoch or head.offset < top):
                failed(INTERNAL)  # temporary: the entity that was asked has yet to hear that its journal is another
            else:
                reply(first_publications(events, epoch, bytes_max=peer.reply_bytes_max), epoch, top)

        peer.spawn(read, failed)

    inspect(peer, channel, "history", then, failed)
