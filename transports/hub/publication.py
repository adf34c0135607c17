"""How a publication looks on the wire: encoded once, shared by everyone who receives it."""

import msgspec

from greenroom.store.journal.journal import StoredEvent

encode = msgspec.json.encode


def one_line(json: bytes) -> bytes:
    """`json` without line ends, which would end a frame's line or an event in the middle.

    Our own encoder makes none, but an entity may pass raw JSON on as it came.
    """
    if b"\n" in json or b"\r" in json:
        return msgspec.json.format(json, indent=-1)
    return json


def encode_publication(event: StoredEvent, *, epoch: str) -> bytes:
    """A durable publication as the client protocol's Publication, in JSON on one line.

    The first of a stream carries the epoch, since a client that came before it knows none.
    """
    info = b',"info":' + event.info if event.info is not None else b""
    first = b',"epoch":' + encode(epoch) if event.offset == 1 else b""
    data = one_line(event.payload)
    return b'{"data":%b%b,"offset":%d%b,"time":%d}' % (data, info, event.offset, first, event.at_ms)


def push_prefix(channel: str) -> bytes:
    """What goes before an encoded publication; `}}` goes behind it."""
    return b'{"push":{"channel":%b,"pub":' % encode(channel)
