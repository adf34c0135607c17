"""What watchers get to see of an entity's events: the one place where a stored event becomes a publication.

What a kind hides keeps its offset: it stays as a publication of which nothing is sent, so that gaps in what is known
are found by counting, and recovery is exact from every offset.
"""

from collections.abc import Callable, Iterable

import msgspec
import structlog

from greenroom.actors.life.turn import Turn
from greenroom.actors.model.lifecycle import NOTED
from greenroom.actors.model.showing import Showing
from greenroom.store.journal.records import StoredEvent

log = structlog.get_logger("greenroom.hub")
encode = msgspec.json.encode

# Numbers, since to look for b"\n" in bytes takes five times as long: Python first makes an error of its being none.
LF, CR = 0x0A, 0x0D


def one_line(json: bytes) -> bytes:
    """`json` without line ends, which would end a frame's line or an event in the middle.

    Our own encoder makes none, but an entity may pass raw JSON on as it came.
    """
    if LF in json or CR in json:
        return msgspec.json.format(json, indent=-1)
    return json


class Publication:
    """A durable publication: encoded once, shared by everyone who receives it.

    `json` is the client protocol's Publication, on one line; b"" of a hidden event. The first of a stream carries the
    epoch, since a client that came before it knows none.
    """

    __slots__ = ("json", "offset")

    def __init__(self, event: StoredEvent, epoch: str, *, first: int = 1) -> None:
        """`first`: the offset of the first of the stream that is not hidden, as far as is known."""
        self.offset = event.offset
        info = b',"info":' + event.info if event.info is not None else b""
        first_epoch = b',"epoch":' + encode(epoch) if event.offset == first else b""
        data = one_line(event.payload)
        self.json = b'{"data":%b%b,"offset":%d%b,"time":%d}' % (data, info, event.offset, first_epoch, event.at_ms)

    @classmethod
    def of_view(cls, view: bytes, epoch: str, offset: int) -> "Publication":
        """The view as of `offset`, for who watches that instead."""
        publication = cls.hidden(offset)
        publication.json = b'{"data":%b,"offset":%d,"epoch":%b}' % (one_line(view), offset, encode(epoch))
        return publication

    @classmethod
    def hidden(cls, offset: int) -> "Publication":
        publication = cls.__new__(cls)
        publication.offset = offset
        publication.json = b""
        return publication


Show = Callable[[StoredEvent], StoredEvent | None]


class Shown:
    """Whose events are shown, for the log of the watchdog."""

    __slots__ = ("entity",)

    def __init__(self, entity: str) -> None:
        self.entity = entity


def show_of(showing: Showing, entity: str, turn: Turn) -> Show:
    """How events of `entity` are shown. What can't be is hidden, for it may be what its kind would not have shown.

    That is code of the kind's own: its `publication`, its upcasters. So each call is a turn, which the watchdog sees.
    """
    owner = Shown(entity)

    def show(event: StoredEvent) -> StoredEvent | None:
        turn.serial += 1
        turn.owner = owner
        turn.item = event
        try:
            shown = showing.shown(event)
            turn.item = None
            return shown
        except Exception:  # the edge: code of the entity's, which must not keep others' events from their watchers
            turn.item = None
            log.exception("event_not_shown", entity=entity, offset=event.offset)
            return None

    return show


def publications(
    events: Iterable[StoredEvent], epoch: str, showing: Showing, entity: str, turn: Turn
) -> list[Publication]:
    """The stored `events` of one journal as watchers see them, in their order, one for each, hidden ones too.

    For history and recovery alike; live pushes become a Publication in `Hub.publish`, as their entity releases them.
    """
    if not showing.alters_stored:
        return [
            Publication(event, epoch) if event.payload != NOTED else Publication.hidden(event.offset)
            for event in events
        ]
    show = show_of(showing, entity, turn)
    return [
        Publication(shown, epoch) if shown is not None else Publication.hidden(event.offset)
        for event, shown in ((event, show(event)) for event in events)
    ]


def visible(found: Iterable[Publication]) -> list[Publication]:
    """Those of `found` that are not hidden."""
    return [publication for publication in found if publication.json]


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
