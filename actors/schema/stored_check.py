"""What of the stored can the present types read? Counted by kind and tag, with examples of what they can't."""

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Struct, field

from greenroom.actors.life.outgoing import decode_body
from greenroom.actors.model.errors import UnknownKind
from greenroom.actors.model.kinds import Kind, Kinds
from greenroom.actors.model.schedule import DurableTimer
from greenroom.actors.model.upcasters import UnreadableEvent

EXAMPLES_MAX = 3  # rows shown of each type
TYPES_MAX = 10_000  # types told apart by kind and tag; what comes beyond counts as one
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, UnreadableEvent, UnknownKind)


class Unreadable(Struct, frozen=True):
    """One stored thing that the present code can't read."""

    entity: str
    offset: int  # 0 where it has none
    reason: str


class StoredType(Struct):
    """What was found of one type."""

    what: str  # `event`, `snapshot`, `timer`, `outbox`
    kind: str
    tag: str
    read: int = 0
    upcast: int = 0  # how many of those read an upcaster made
    unreadable: int = 0
    examples: list[Unreadable] = field(default_factory=list)
    harmless: bool = True  # what can't be read is made anew from what can


class StoredCheck:
    """Takes what is stored, one by one."""

    def __init__(self, kinds: Kinds) -> None:
        self._kinds = kinds
        self._types: dict[tuple[str, str, str], StoredType] = {}

    @property
    def types(self) -> list[StoredType]:
        return sorted(self._types.values(), key=lambda one: (one.what, one.kind, one.tag))

    @property
    def failed(self) -> bool:
        return any(one.unreadable and not one.harmless for one in self._types.values())

    def event(self, entity: str, offset: int, payload: bytes) -> None:
        found = self._found("event", entity, _tag(payload))

        def decode(kind: Kind) -> None:
            events = kind.decode_events(payload)
            found.upcast += kind.stored_events.upcasts(found.tag) and list(events) != [_present(kind, payload)]

        self._try(found, entity, offset, decode)

    def snapshot(self, entity: str, offset: int, body: bytes, *, trimmed: int) -> None:
        """Where retention took no events (`trimmed` is 0), an unreadable one is only slow: all are replayed."""
        found = self._found("snapshot", entity, "")
        self._try(found, entity, offset, lambda kind: kind.decode_state(body), harmless=not trimmed)

    def timer(self, entity: str, body: bytes) -> None:
        try:
            message: bytes = msgspec.json.decode(body, type=DurableTimer).message
        except UNREADABLE as error:
            self._note(self._found("timer", entity, ""), entity, 0, error)
            return
        self._message("timer", entity, 0, message)

    def outbox(self, entity: str, offset: int, body: bytes) -> None:
        """Messages are read by whom they are for."""
        try:
            messages = decode_body(body)
        except UNREADABLE as error:
            self._note(self._found("outbox", entity, ""), entity, offset, error)
            return
        for one in messages:
            self._message("outbox", one.entity, offset, one.message)

    def _message(self, what: str, entity: str, offset: int, message: bytes) -> None:
        found = self._found(what, entity, _tag(message))
        self._try(found, entity, offset, lambda kind: kind.decode_message(message))

    def _found(self, what: str, entity: str, tag: str) -> StoredType:
        key = (what, entity.partition(":")[0], tag)
        if key not in self._types and len(self._types) >= TYPES_MAX:
            key = (what, "…", "…")
        return self._types.setdefault(key, StoredType(*key))

    def _try(
        self, found: StoredType, entity: str, offset: int, decode: Callable[[Kind], Any], *, harmless: bool = False
    ) -> None:
        try:
            decode(self._kinds[entity.partition(":")[0]])
        except UNREADABLE as error:
            self._note(found, entity, offset, error, harmless=harmless)
        else:
            found.read += 1

    def _note(self, found: StoredType, entity: str, offset: int, error: Exception, *, harmless: bool = False) -> None:
        found.unreadable += 1
        found.harmless = found.harmless and harmless
        if len(found.examples) < EXAMPLES_MAX:
            found.examples.append(Unreadable(entity, offset, str(error)))


class _Tagged(Struct):
    type: Any = ""


_decode_tag = msgspec.json.Decoder(_Tagged).decode


def _tag(payload: bytes) -> str:
    try:
        tag = _decode_tag(payload).type
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    return tag[:100] if isinstance(tag, str) else ""


def _present(kind: Kind, payload: bytes) -> Any:
    try:
        return kind.stored_events.decode_present(payload)
    except msgspec.DecodeError:
        return None
