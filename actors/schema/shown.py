"""What watchers see of the events of a kind: found by asking its `publication` about samples of each.

`publication` is code, so no signature says what it shows. It is asked about a few events of every shape that the type
allows; one that decides by values which no sample has is described by what it does with the others.
"""

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct

from greenroom.actors.model.kinds import Kind
from greenroom.actors.model.message import Event, tag_of
from greenroom.actors.model.showing import chooses
from greenroom.actors.schema.description import KindSchema, describe_kind
from greenroom.actors.schema.samples import event_samples


class Shown(Struct, frozen=True):
    """What is published of one event."""

    event: type[Event]
    as_: tuple[type[Struct], ...]  # itself, or what is shown instead
    hidden: bool  # nothing is shown: of none where `as_` is empty, else of some

    @property
    def in_words(self) -> str:
        """What is special about it; "" where all of the event is always shown."""
        if self.hidden:
            return "Not every one is shown." if self.as_ else "Hidden: nothing is shown of it."
        return "" if self.as_ else "What is shown of it is decided for each."


def shown_events(kind: Kind) -> list[Shown]:
    """Of every event of `kind`, in its order."""
    actor = kind.actor
    described = describe_kind(actor) if chooses(actor) else None
    return [
        Shown(event, (), hidden=True)
        if event in actor.hidden
        else Shown(event, (event,), hidden=False)
        if described is None
        else _shown(kind, event, described)
        for event in actor.events
    ]


def published(kind: Kind) -> list[tuple[type[Struct], list[Shown]]]:
    """What watchers may be given, each type once, with the events that it is shown of. Nothing of what is hidden."""
    found: dict[type[Struct], list[Shown]] = {}
    for shown in shown_events(kind):
        for one in shown.as_:
            found.setdefault(one, []).append(shown)
    return list(found.items())


def name_of(publication: type[Struct]) -> str:
    """Its `type` on the wire; one without a tag is called as its class."""
    tag = publication.__struct_config__.tag
    return tag if isinstance(tag, str) else publication.__name__


def _shown(kind: Kind, event: type[Event], described: KindSchema) -> Shown:
    types: list[type[Struct]] = []
    hidden = False
    for one in _samples(kind, event, described):
        try:
            publication: Any = kind.actor.publication(one)
        except Exception:
            continue
        if publication is None:
            hidden = True
        elif isinstance(publication, Struct) and type(publication) not in types:
            types.append(type(publication))
    return Shown(event, tuple(types), hidden)


def _samples(kind: Kind, event: type[Event], described: KindSchema) -> Iterator[Event]:
    tag = tag_of(event)
    for sample in event_samples(tag, described.events[tag], described.structs):
        try:
            yield kind.stored_events.decode_present(msgspec.json.encode(sample))
        except (msgspec.DecodeError, TypeError):  # the samples know bounds, not rules of the type's own
            continue
