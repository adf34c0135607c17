"""Knowledge: what one release can be told and can read, so that another can say what it lacks.

While a release is rolled out two of them serve one database. The newer reads all that the older writes; that is what
the lock's rules are for. The other way round something may be missing: a kind, a message, an event, or a field of one.
"""

from collections.abc import Collection, Iterable, Mapping
from hashlib import sha256
from typing import Any, Literal

import msgspec
from msgspec import Struct

from greenroom.actors.model.kinds import Kind
from greenroom.actors.schema.description import BadSchema, KindSchema, Schema, StructSchema, describe
from greenroom.actors.schema.reading import Reading, Reason, Refusal
from greenroom.actors.schema.rules import READ
from greenroom.actors.sinks.installed import InstalledSink
from greenroom.actors.views.installed import Installed

Section = Literal["kind", "command", "internal", "event"]


class Knowledge(Struct, frozen=True):
    """The schema of a release, and of which events, by kind and tag, it reads other shapes too, by upcasters."""

    schema: Schema
    upcasts: dict[str, list[str]] = {}


class Lack(Struct, frozen=True):
    """Something that one release knows and another does not, or not wholly."""

    kind: str
    section: Section
    tag: str = ""  # of the message or event; "" for the kind itself
    refused: tuple[Refusal, ...] = ()  # none where the tag itself is not known

    @property
    def is_read(self) -> bool:
        """It decodes all the same: of fields that are not known nothing is heard."""
        return bool(self.refused) and all(one.reason is Reason.IGNORED for one in self.refused)


def knowledge_of(
    kinds: Collection[Kind], views: Collection[Installed] = (), sinks: Collection[InstalledSink] = ()
) -> Knowledge:
    """What the release with these kinds, views and sinks knows."""
    upcasts = {kind.name: sorted(kind.actor.upcasters) for kind in kinds if kind.actor.upcasters}
    return Knowledge(describe(kinds, views, sinks), upcasts)


def to_json(knowledge: Knowledge) -> str:
    """To be kept where other releases find it."""
    return msgspec.json.encode(knowledge, order="deterministic").decode()


def from_json(text: str) -> Knowledge:
    """Raises: BadSchema, also for what a much newer release has written."""
    try:
        return msgspec.json.decode(text, type=Knowledge)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BadSchema(str(error)) from error


def digest_of(text: str) -> str:
    """Names a release by what it knows: 16 hexadecimal digits."""
    return sha256(text.encode()).hexdigest()[:16]


def lacks(reader: Knowledge, writer: Knowledge) -> list[Lack]:
    """What the writer's release knows, and the reader's does not, or not wholly."""
    found: list[Lack] = []
    for name, theirs in writer.schema.kinds.items():
        ours = reader.schema.kinds.get(name)
        if ours is None:
            found.append(Lack(name, "kind"))
        elif ours != theirs:  # what reads like the other lacks nothing: as a rule, all but a few kinds
            found += _lacks_of(name, ours, theirs, reader.upcasts.get(name, ()))
    return found


def fields_of(lacking: Iterable[Lack], writer: Knowledge) -> dict[str, dict[str, Any]]:
    """Of the messages among these that are read without some of their fields: those fields with the writer's defaults,
    by tag. Not those of structs within a message."""
    fields: dict[str, dict[str, Any]] = {}
    for lack in lacking:
        if lack.section in ("command", "internal") and lack.is_read:
            kind = writer.schema.kinds[lack.kind]
            theirs = (kind.commands | kind.internal)[lack.tag].fields
            found = {one.path: theirs[one.path].default for one in lack.refused if one.path in theirs}
            if found:
                fields[lack.tag] = found
    return fields


def _lacks_of(name: str, ours: KindSchema, theirs: KindSchema, upcasts: Collection[str]) -> Iterable[Lack]:
    reading = Reading(ours.structs, theirs.structs)
    messages = ours.commands | ours.internal
    yield from _unread(name, "command", reading, messages, theirs.commands)
    yield from _unread(name, "internal", reading, messages, theirs.internal)
    for lack in _unread(name, "event", reading, ours.events, theirs.events):
        if lack.tag not in upcasts:
            yield lack


def _unread(
    name: str,
    section: Section,
    reading: Reading,
    ours: Mapping[str, StructSchema],
    theirs: Mapping[str, StructSchema],
) -> Iterable[Lack]:
    for tag, struct in theirs.items():
        known = ours.get(tag)
        if known is None:
            yield Lack(name, section, tag)
            continue
        refused = tuple(one for one in reading.struct_refusals(known, struct) if one.reason in READ)
        if refused:
            yield Lack(name, section, tag, refused)
