"""What watchers get to see of an entity's events: the one place where a stored event becomes a publication."""

from collections.abc import Iterable

import msgspec

from greenroom.store.journal.records import StoredEvent

encode = msgspec.json.encode


def one_line(json: bytes) -> bytes:
    """`json` without line ends, which would end a frame's line or an event in the middle.

    Our own encoder makes none, but an entity may pass raw JSON on as it came.
    """
    if b"\n" in json or b"\r" in json:
        return msgspec.json.format(json, indent=-1)
    return json


class Publication:
    """A durable publication: encoded once, shared by everyone who receives it.

    `json` is the client protocol's Publication, on one line. The first of a stream carries the epoch, since a client
    that came before it knows none.
    """

    __slots__ = ("json", "offset")

    def __init__(self, event: StoredEvent, epoch: str) -> None:
        self.offset = event.offset
        info = b',"info":' + event.info if event.info is not None else b""
        first = b',"epoch":' + encode(epoch) if event.offset == 1 else b""
        data = one_line(event.payload)
        self.json = b'{"data":%b%b,"offset":%d%b,"time":%d}' % (data, info, event.offset, first, event.at_ms)


def publications(events: Iterable[StoredEvent], epoch: str) -> list[Publication]:
    """The stored `events` of one journal as watchers see them, in their order: for history and recovery alike.

    Live pushes become a Publication in `Hub.publish`, as their entity releases them.
    """
    return [Publication(event, epoch) for event in events]


def first_that_fit(found: list[Publication], *, bytes_max: int) -> list[Publication]:
    """The first of `found`: at least one, and together at most `bytes_max` bytes of JSON."""
    for number, publication in enumerate(found):
        bytes_max -= len(publication.json)
        if bytes_max < 0 and number:
            return found[:number]
    return found


def push_prefix(channel: str) -> bytes:
    """What goes before an encoded publication; `}}` goes behind it."""
    return b'{"push":{"channel":%b,"pub":' % encode(channel)
