"""Upcasters: what an event was when it was stored, made into what it is now. They never rewrite the journal.

An upcaster takes the stored JSON object and gives the present one; several, which are applied in turn at the same
offset; or [] for one that means nothing any more. It is called again on what it gave, by that one's tag, until nothing
changes: so upcasters chain, and each leaves alone what has its present form already.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from greenroom.actors.model.lifecycle import NOTED
from greenroom.actors.model.message import Event
from greenroom.config.telemetry.shown import shown

Stored = dict[str, Any]  # the JSON object of an event; what it holds only its upcaster knows
Upcaster = Callable[[Stored], Stored | list[Stored]]

_UNDECODABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
STEPS_MAX = 64  # upcasts of one stored event, with those of what came of it


class UnreadableEvent(Exception):
    """A stored event is neither a present one nor made into one. The text names the kind, the tag and the reason."""


class EventDecoder:
    """Stored events of one kind into present ones."""

    def __init__(self, kind: str, events: tuple[type[Event], ...], upcasters: Mapping[str, Upcaster]) -> None:
        """Raises: TypeError when the event types do not make one tagged union."""
        self._kind = kind
        self._upcasters = upcasters
        union: object = Event
        for event in reversed(events):
            union = event if union is Event else event | union
        self.decode_present: Callable[[bytes], Event] = msgspec.json.Decoder(union).decode  # whatever upcasters say
        self._looked_at = frozenset(event for event in events if event.__struct_config__.tag in upcasters)

    def decode(self, payload: bytes) -> Sequence[Event]:
        """The present events of a stored one, in order; of the runtime's own none. Raises: UnreadableEvent."""
        if payload == NOTED:
            return ()
        try:
            event = self.decode_present(payload)
        except _UNDECODABLE as error:
            return self._decode_past(payload, error)
        if type(event) in self._looked_at:  # it decodes, but may say something else than what was meant
            return self._decode_past(payload, None)
        return (event,)

    def upcasts(self, tag: object) -> bool:
        return isinstance(tag, str) and tag in self._upcasters

    def upcast(self, stored: Stored) -> list[Stored]:
        """The present JSON objects of a stored one; [stored] where nothing is to be done. Raises: UnreadableEvent.

        Upcasters may change what they are given, so what `stored` holds may change too.
        """
        present: list[Stored] = []
        waiting = [stored]
        steps = 0
        while waiting:
            one = waiting.pop()
            tag = one.get("type")
            if not isinstance(tag, str) or not self.upcasts(tag):
                present.append(one)
                continue
            steps += 1
            if steps > STEPS_MAX:
                raise self._unreadable(tag, f"{STEPS_MAX} upcasts and no end: does it leave alone what is up to date?")
            try:
                made = self._upcasters[tag](one.copy())
            except Exception as error:
                raise self._unreadable(tag, f"its upcaster raised {shown(error)}") from error
            if isinstance(made, dict):
                made = [made]
            if not isinstance(made, list) or not all(isinstance(item, dict) for item in made):
                raise self._unreadable(tag, f"its upcaster gave {made!r:.200}, not a JSON object or a list of them")
            if made == [one]:
                present.append(one)
            else:
                waiting.extend(reversed(made))  # the first comes out next
        return present

    def _decode_past(self, payload: bytes, why: Exception | None) -> Sequence[Event]:
        try:
            stored = msgspec.json.decode(payload)
        except _UNDECODABLE as error:
            raise self._unreadable(None, str(error)) from error
        tag = stored.get("type") if isinstance(stored, dict) else None
        if not self.upcasts(tag):
            raise self._unreadable(tag, str(why)) from why
        return [self._present(tag, one) for one in self.upcast(stored)]

    def _present(self, stored_tag: object, one: Stored) -> Event:
        try:
            return self.decode_present(msgspec.json.encode(one))
        except (*_UNDECODABLE, TypeError, msgspec.EncodeError, UnicodeEncodeError) as error:
            raise self._unreadable(stored_tag, f"its upcaster gave {one!r:.200}: {error}") from error

    def _unreadable(self, tag: object, reason: str) -> UnreadableEvent:
        return UnreadableEvent(f"{self._kind}: stored event {tag!r:.80} cannot be read: {reason}")
