"""Showing: what of a stored event its watchers see, whether it is pushed now or read from the journal years later.

An event is stored once and shown in its kind's present shape: made up to date by the upcasters, passed through the
kind's `publication`, and with the name of who caused it only where the kind wants that. Its offset never changes, and
what is hidden keeps its own: offsets then rise by more than one.
"""

from typing import Any

import msgspec
from msgspec.structs import replace

from greenroom.actors.model.actor import Actor
from greenroom.actors.model.lifecycle import NOTED
from greenroom.actors.model.message import tag_of
from greenroom.actors.model.upcasters import EventDecoder
from greenroom.store.journal.records import StoredEvent

encode = msgspec.json.encode

SEVERAL = b'{"type":"actor.several","events":[%b]}'  # of one offset, in their order


def chooses(actor: type[Actor[Any]]) -> bool:
    """Has the kind a `publication` of its own?"""
    return getattr(actor.publication, "__func__", None) is not Actor.publication.__func__  # type: ignore[attr-defined]


class Showing:
    """One kind's."""

    __slots__ = (
        "_decode",
        "_hidden",
        "_hides",
        "_publication",
        "_reads",
        "_with_info",
        "alters_recorded",
        "alters_stored",
    )

    def __init__(self, actor: type[Actor[Any]], events: EventDecoder) -> None:
        self._decode = events.decode
        self._hidden = actor.hidden
        # An event is known by its first bytes: a kind whose watchers see all others whole need not have each read.
        self._hides = tuple(b'{"type":%b' % encode(tag_of(event)) for event in actor.hidden)
        self._publication = actor.publication
        self._with_info = actor.publishes_info
        # Where these are False an event is shown as it is, and nobody needs to ask: of one that was just recorded, and
        # of one that may be from an older version of the code. The runtime's own event is hidden all the same.
        reads = chooses(actor) or not actor.publishes_info
        self._reads = reads or bool(actor.upcasters)
        self.alters_recorded = reads or bool(actor.hidden)
        self.alters_stored = self._reads or bool(actor.hidden)

    def shown(self, event: StoredEvent) -> StoredEvent | None:
        """`event` as it is to be shown; None when it is hidden.

        Where upcasters make several events of one, they share its offset and come as one, `actor.several`.
        Raises: UnreadableEvent, and whatever the kind's `publication` or the encoding of its result raises.
        """
        if event.payload == NOTED or event.payload.startswith(self._hides):
            return None
        if not self._reads:
            return event
        publication, hidden = self._publication, self._hidden
        events = (one for one in self._decode(event.payload) if not isinstance(one, hidden))
        found = [one for one in map(publication, events) if one is not None]
        if not found:
            return None
        payload = encode(found[0]) if len(found) == 1 else SEVERAL % b",".join(map(encode, found))
        return replace(event, payload=payload, info=event.info if self._with_info else None)
