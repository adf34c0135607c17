"""How publications and positions look as server-sent events."""

import msgspec

from greenroom.transports.codecs.numbers import EXACT_MAX, whole_number
from greenroom.transports.hub.encoding import ViewsAlone
from greenroom.transports.hub.publication import Publication, one_line
from greenroom.transports.hub.watching import Position

encode = msgspec.json.encode

POSITION_BYTES_MAX = 4096


def encode_positions(positions: list[Position | None]) -> str:
    """`epoch:offset`, comma-separated; `-` for a channel whose position is not known yet."""
    return ",".join(f"{one.epoch}:{one.offset}" if one is not None else "-" for one in positions)


def decode_positions(text: str, channels: int) -> list[Position | None]:
    """The reverse, from a client: anything that doesn't fit is a position not known, so that the view is sent."""
    parts = text.split(",") if len(text) <= POSITION_BYTES_MAX else []
    if len(parts) != channels:
        return [None] * channels
    found: list[Position | None] = []
    for part in parts:
        epoch, _, since = part.rpartition(":")
        offset = whole_number(since, most=EXACT_MAX)
        found.append(Position(epoch, offset) if epoch and offset is not None else None)
    return found


class SseEncoding:
    """One channel alone on a stream: its id is the channel's own position, so all such streams share the bytes."""

    @staticmethod
    def publications(channel: str, epoch: str, batch: list[Publication]) -> bytes:
        prefix = b'{"channel":%b,' % encode(channel)
        name = epoch.encode()
        return b"".join([b"id: %b:%d\ndata: %b%b\n\n" % (name, one.offset, prefix, one.json[1:]) for one in batch])

    @staticmethod
    def ephemeral(channel: str, data: bytes) -> bytes:
        return b'data: {"channel":%b,"data":%b}\n\n' % (encode(channel), data)

    @staticmethod
    def presence(channel: str, kind: str, info: bytes) -> bytes:
        return b""


class SharedSseEncoding(SseEncoding):
    """Several channels on one stream: each event stands behind a line with its offset alone, in place of which the
    stream puts the id, which is its own."""

    @staticmethod
    def publications(channel: str, epoch: str, batch: list[Publication]) -> bytes:
        prefix = b'{"channel":%b,' % encode(channel)
        return b"".join([b"%d\ndata: %b%b\n\n" % (one.offset, prefix, one.json[1:]) for one in batch])


def view_data(channel: str, offset: int, view: bytes) -> bytes:
    """The data line of a `view` event, and its end."""
    return b'data: {"channel":%b,"offset":%d,"data":%b}\n\n' % (encode(channel), offset, one_line(view))


class SseViews(ViewsAlone, SseEncoding):
    """One channel's view alone on a stream."""

    @staticmethod
    def view(channel: str, epoch: str, offset: int, view: bytes) -> bytes:
        return b"event: view\nid: %b:%d\n%b" % (epoch.encode(), offset, view_data(channel, offset, view))


class SharedSseViews(SseViews):
    """The views of several channels on one stream, which puts what comes before the data."""

    @staticmethod
    def view(channel: str, epoch: str, offset: int, view: bytes) -> bytes:
        return view_data(channel, offset, view)
