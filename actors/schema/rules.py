"""The rules: what a change of the schema may not do to stored events, snapshots and messages, or to an older peer.

Events, messages and what is stored are written by older code and read by the present one. Replies and publications are
written by the present code and read by older peers. Events are both: so none of their fields disappears either.
"""

from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from typing import Any

import msgspec
from msgspec import UNSET, Struct

from greenroom.actors.model.kinds import Kind
from greenroom.actors.model.upcasters import EventDecoder, UnreadableEvent
from greenroom.actors.schema.description import KindSchema, PastEvent, Schema, StructSchema, Type, ViewSchema
from greenroom.actors.schema.reading import Reading, Reason, Refusal
from greenroom.actors.schema.samples import event_samples
from greenroom.store.views.made_of import OfKind, differences, of_kind

# Each rule by its name, and what to do about it. docs/guides/schema-evolution.md explains them.
RULES = {
    "kind-removed": "install the entity again: its journals can't be read without it",
    "kind-not-durable": "keep it durable: its stored events would be forgotten",
    "command-removed": "keep the command, and refuse it in `handle` if it means nothing any more",
    "internal-removed": "keep the message: one may wait in an outbox or a timer",
    "event-removed": "keep the event, or write an upcaster for its tag",
    "ephemeral-removed": "keep it among `ephemerals`: older peers wait for it",
    "stored-removed": "keep reading what is stored",
    "field-removed": "keep the field, with a default if it is not used any more",
    "field-added-without-default": "give the field a default",
    "field-became-required": "give the field its default back",
    "field-type-changed": "keep the old type as an alternative (`Old | New`), or add a field of another name",
    "field-moved": "add fields at the end: what is stored is an array",
    "constraint-tightened": "keep the bound, and refuse in `handle` what is no longer wanted",
    "enum-value-removed": "keep the value, and refuse it in `handle`",
    "tag-removed": "keep the tag among the alternatives",
    "tag-field-changed": "keep `tag_field`",
    "unknown-fields-refused": "take back `forbid_unknown_fields`, or keep the field",
    "default-changed": "keep the default: where the field is absent it is what was meant",
    "reply-removed": "keep the reply",
    "reply-field-removed": "keep the field: older peers read it",
    "reply-field-optional": "always write the field: older peers require it",
    "reply-widened": "add a field for what is new: older peers take no other values in this one",
    "reply-default-changed": "keep the default: where older peers find no field it is what they assume",
    "ephemeral-field-removed": "keep the field: older peers read it",
    "ephemeral-field-optional": "always write the field: older peers require it",
    "ephemeral-widened": "add a field for what is new: older peers take no other values in this one",
    "ephemeral-default-changed": "keep the default: where older peers find no field it is what they assume",
    "upcaster-fails": "let the upcaster make of the sample what the present types read",
    "upcaster-changes-present": "let the upcaster leave alone what has its present form already",
    "upcaster-removed": "bring the upcaster back: events of this shape may still be stored",
    "view-row-changed": "give the view the next version: its table is filled anew, beside the present one",
    "view-events-changed": "give the view the next version: what was passed over is folded into another table",
    "view-version-lowered": "give the view its version back, or a higher one",
}
READ: dict[Reason, str] = {
    Reason.TYPE: "field-type-changed",
    Reason.BOUND: "constraint-tightened",
    Reason.VALUE: "enum-value-removed",
    Reason.TAG: "tag-removed",
    Reason.ABSENT: "field-added-without-default",
    Reason.OPTIONAL: "field-became-required",
    Reason.LATER: "field-became-required",
    Reason.UNKNOWN: "unknown-fields-refused",
    Reason.IGNORED: "field-removed",
    Reason.DEFAULT: "default-changed",
    Reason.MOVED: "field-moved",
}
READ_EVENT: dict[Reason, str] = READ | {
    Reason.LATER_DEFAULT: "default-changed"
}  # one of before the field is of all times the commonest
READ_SNAPSHOT: dict[Reason, str] = {
    reason: rule for reason, rule in READ.items() if reason is not Reason.IGNORED
}  # events say it too
WRITTEN: dict[Reason, str] = {
    Reason.TYPE: "widened",
    Reason.BOUND: "widened",
    Reason.VALUE: "widened",
    Reason.TAG: "widened",
    Reason.ABSENT: "field-removed",
    Reason.DROPPED: "field-removed",
    Reason.OPTIONAL: "field-optional",
    Reason.UNKNOWN: "widened",
    Reason.DEFAULT: "default-changed",
    Reason.MOVED: "widened",
}


class Broken(Struct, frozen=True):
    """A rule that a change breaks."""

    kind: str
    what: str  # `event room.message`; "" for the kind itself
    field: str  # a path; "" for the whole
    rule: str
    detail: str

    def __str__(self) -> str:
        where = ", ".join(part for part in (self.what, self.field and f"field {self.field}") if part)
        remedy = RULES[self.rule]
        if self.what.startswith("event ") and not self.rule.startswith(("upcaster-", "event-removed")):
            remedy += f"; or write an upcaster for {self.what.removeprefix('event ')!r}"
        return f"{self.kind}: {where + ': ' if where else ''}{self.rule} ({self.detail})\n    {remedy}"


class Comparison(Struct, frozen=True):
    """What a change of the schema breaks, and the lock that follows from it."""

    broken: list[Broken]
    following: Schema  # the lock to come: the present schema, and past shapes of events that upcasters read


def compare(locked: Schema, present: Schema, kinds: Iterable[Kind] = ()) -> Comparison:
    """What of `locked` the present schema breaks. `kinds` are those described, for their upcasters."""
    decoders = {kind.name: kind.stored_events for kind in kinds}
    broken: list[Broken] = []
    following = dict(present.kinds)
    for name, old in locked.kinds.items():
        new = present.kinds.get(name)
        if new is None:
            broken.append(Broken(name, "", "", "kind-removed", "no such kind is installed"))
            continue
        kind = _KindComparison(name, old, new, decoders.get(name) or EventDecoder(name, (), {}))
        broken += kind.broken()
        following[name] = msgspec.structs.replace(new, past=kind.past)
    broken += _view_changes(locked, present)
    return Comparison(broken, msgspec.structs.replace(present, kinds=following))


def _view_changes(locked: Schema, present: Schema) -> Iterator[Broken]:
    """A view may go, and another version of it be anything; the rows of one version are what they were, and made of the
    same events."""
    for name, old in (locked.views or {}).items():
        new = (present.views or {}).get(name)
        if new is None or new.version > old.version:
            continue
        if new.version < old.version:
            detail = f"it was version {old.version}, and is {new.version}"
            yield Broken(name, "view", "", "view-version-lowered", detail)
            continue
        fields = old.row.fields.keys() | new.row.fields.keys()
        changed = [
            field
            for field in sorted(fields)
            if old.row.fields.get(field) != new.row.fields.get(field)
            or old.columns.get(field) != new.columns.get(field)
        ]
        if changed or msgspec.structs.replace(new, of=old.of) != old:
            detail = f"version {new.version} has other rows than before"
            yield Broken(name, "view", ", ".join(changed), "view-row-changed", detail)
        others = differences(_made_of(old, locked), _made_of(new, present))
        if others:
            yield Broken(name, "view", "", "view-events-changed", ", ".join(others))


def _made_of(view: ViewSchema, schema: Schema) -> list[OfKind]:
    return [of_kind(kind, tags, schema.kinds[kind].events) for kind, tags in view.of.items() if kind in schema.kinds]


class _KindComparison:
    def __init__(self, name: str, old: KindSchema, new: KindSchema, decoder: EventDecoder) -> None:
        self._name = name
        self._old = old
        self._new = new
        self._decoder = decoder
        self._present_reads = Reading(new.structs, old.structs)
        self._older_reads = Reading(old.structs, new.structs)
        self.past: dict[str, list[PastEvent]] = {}  # shapes that only an upcaster reads, after `broken`

    def broken(self) -> list[Broken]:
        old, new = self._old, self._new
        found: list[Broken] = []
        if old.durable and not new.durable:
            found.append(Broken(self._name, "", "", "kind-not-durable", "durable = False"))
        # A command that became internal is refused to clients; the other way round nobody is.
        found += self._messages("command", old.commands, new.commands)
        found += self._messages("internal", old.internal, {**new.commands, **new.internal})
        for tag, past in old.past.items():
            for one in past:
                found += self._past_event(tag, one)
        for tag, event in old.events.items():
            found += self._event(tag, event)
        for tag, event in new.events.items():
            found += self._present_event(tag, event)
        for tag, ephemeral in old.ephemerals.items():
            found += self._ephemeral(tag, ephemeral)
        for name, stored in old.stored.items():
            found += self._stored(name, stored)
        return found

    def _messages(
        self, section: str, old: Mapping[str, StructSchema], new: Mapping[str, StructSchema]
    ) -> Iterator[Broken]:
        for tag, message in old.items():
            now = new.get(tag)
            if now is None:
                yield self._gone(section, tag, message, new)
                continue
            yield from self._read(f"{section} {tag}", now, message, READ)
            if message.reply is UNSET:
                continue
            where = f"reply of {tag}"
            if now.reply is UNSET:
                yield Broken(self._name, where, "", "reply-removed", "wants no answer any more")
                continue
            yield from self._written("reply", where, self._older_reads.refusals(message.reply, now.reply))

    def _event(self, tag: str, event: StructSchema) -> list[Broken]:
        now = self._new.events.get(tag)
        if now is None:
            found = [self._gone("event", tag, event, self._new.events)]
        else:
            found = list(self._read(f"event {tag}", now, event, READ_EVENT))
        if not found or not self._decoder.upcasts(tag):
            return found
        past = PastEvent(event, _named(event, self._old.structs))
        reads = self._upcast(tag, past)
        if reads is None:  # the upcaster has nothing to do with it
            return found
        if not reads:
            self._keep(tag, past)
        return reads

    def _past_event(self, tag: str, past: PastEvent) -> list[Broken]:
        found = self._upcast(tag, past) if self._decoder.upcasts(tag) else None
        if found is None:
            now = self._new.events.get(tag)
            refused = Reading(self._new.structs, past.structs).struct_refusals(now, past.event) if now else None
            if refused is None or any(one.reason in READ_EVENT for one in refused):
                fields = ", ".join(past.event.fields) or "no fields"
                return [Broken(self._name, f"event {tag}", "", "upcaster-removed", f"once it had {fields}")]
        if not found:
            self._keep(tag, past)
        return found or []

    def _present_event(self, tag: str, event: StructSchema) -> Iterator[Broken]:
        """What is stored from now on passes through the upcaster of its tag, too."""
        for sample in event_samples(tag, event, self._new.structs) if self._decoder.upcasts(tag) else ():
            stored = msgspec.json.encode(sample)
            try:
                present = self._decoder.decode_present(stored)
            except msgspec.ValidationError:
                continue  # a sample can't know everything, such as how a pattern is met
            try:
                if list(self._decoder.decode(stored)) == [present]:
                    continue
                reason = "becomes something else"
            except UnreadableEvent as error:
                reason = str(error)
            detail = f"sample {stored.decode()}: {reason}"
            yield Broken(self._name, f"event {tag}", "", "upcaster-changes-present", detail)
            return

    def _upcast(self, tag: str, past: PastEvent) -> list[Broken] | None:
        """Try samples: [] when all are read; None when the upcaster leaves one as it was."""
        for sample in event_samples(tag, past.event, past.structs):
            try:
                if self._decoder.upcast(deepcopy(sample)) == [sample]:
                    return None
                self._decoder.decode(msgspec.json.encode(sample))
            except UnreadableEvent as error:
                text = msgspec.json.encode(sample).decode()
                return [Broken(self._name, f"event {tag}", "", "upcaster-fails", f"sample {text}: {error}")]
        return []

    def _keep(self, tag: str, past: PastEvent) -> None:
        shapes = self.past.setdefault(tag, [])
        if past not in shapes:
            shapes.append(past)

    def _ephemeral(self, tag: str, ephemeral: StructSchema) -> Iterator[Broken]:
        now = self._new.ephemerals.get(tag)
        if now is None:
            yield self._gone("ephemeral", tag, ephemeral, self._new.ephemerals)
        else:
            where = f"ephemeral {tag}"
            yield from self._written("ephemeral", where, self._older_reads.struct_refusals(ephemeral, now))

    def _stored(self, name: str, stored: Type) -> Iterator[Broken]:
        if name not in self._new.stored:
            if name != "snapshot":  # a missing snapshot: the entity is no longer durable, which is a rule of its own
                yield Broken(self._name, name, "", "stored-removed", "is not read any more")
            return
        refused = self._present_reads.refusals(self._new.stored[name], stored)
        yield from self._named_read(name, refused, READ_SNAPSHOT if name == "snapshot" else READ)

    def _read(self, where: str, now: StructSchema, then: StructSchema, rules: Mapping[Reason, str]) -> Iterator[Broken]:
        if now.tag_field != then.tag_field:
            yield Broken(self._name, where, "", "tag-field-changed", f"{then.tag_field} -> {now.tag_field}")
        yield from self._named_read(where, self._present_reads.struct_refusals(now, then), rules)

    def _named_read(self, where: str, refused: Iterable[Refusal], rules: Mapping[Reason, str]) -> Iterator[Broken]:
        for one in refused:
            rule = rules.get(one.reason)
            if rule is not None:
                yield Broken(self._name, where, one.path, rule, one.detail)

    def _written(self, section: str, where: str, refused: Iterable[Refusal]) -> Iterator[Broken]:
        for one in refused:
            rule = WRITTEN.get(one.reason)
            if rule is not None:
                yield Broken(self._name, where, one.path, f"{section}-{rule}", f"written -> read: {one.detail}")

    def _gone(self, section: str, tag: str, was: StructSchema, among: Mapping[str, StructSchema]) -> Broken:
        alike = [name for name, one in among.items() if one == was and name not in self._locked(section)]
        detail = f"{alike[0]!r} has the same fields: a tag is never renamed" if alike else "no type has this tag"
        return Broken(self._name, f"{section} {tag}", "", f"{section}-removed", detail)

    def _locked(self, section: str) -> Mapping[str, StructSchema]:
        old = self._old
        return {
            "command": old.commands,
            "internal": old.internal,
            "event": old.events,
            "ephemeral": old.ephemerals,
        }[section]


def _named(event: StructSchema, structs: Mapping[str, StructSchema]) -> dict[str, StructSchema]:
    """The structs that an event's types name, and those that they name."""
    found: dict[str, StructSchema] = {}
    waiting = [event]
    while waiting:
        for one in waiting.pop().fields.values():
            for name in _names(one.type):
                if name not in found:
                    found[name] = structs[name]
                    waiting.append(structs[name])
    return dict(sorted(found.items()))


def _names(node: Any) -> Iterator[str]:
    if isinstance(node, list):
        for one in node:
            yield from _names(one)
    elif isinstance(node, dict):
        for name, holds in node.items():
            if name == "struct":
                yield holds
            elif name != "one_of":
                yield from _names(holds)
