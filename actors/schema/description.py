"""The schema: what can be sent, stored and shown, read off the entity classes as data that can be kept and compared.

A type is written as JSON: a name (`"int"`); a name with what it takes (`{"str": {"max_length": 200}}`,
`{"array": {"items": "int"}}`, `{"struct": "Member"}`, `{"one_of": ["a", "b"]}`); or a list, any one of which it is. A
struct is named for its reader; how it is called makes no difference on the wire, what it holds does. schema_rules.py
says which differences matter.
"""

import json
import re
from collections.abc import Iterable
from typing import Any

import msgspec
import msgspec.inspect as inspect
from msgspec import UNSET, Struct, UnsetType, field

from greenroom.actors.life.outgoing import Outgoing
from greenroom.actors.model import lifecycle
from greenroom.actors.model.actor import Actor
from greenroom.actors.model.kinds import Kind
from greenroom.actors.model.message import Message, reply_type, tag_of
from greenroom.actors.model.schedule import DurableTimer
from greenroom.actors.saga import Saga
from greenroom.actors.sinks.installed import InstalledSink
from greenroom.actors.views.installed import Installed

FORMAT = 1  # the lock file's format
Type = Any  # a written type, as the module's docstring says
RUNTIME = "actor"  # the kind under which the runtime's own messages, events and stored bodies are described
STORED = {"outbox": list[Outgoing], "timer": DurableTimer}  # what the runtime keeps in columns of its own
BASES = (Saga,)  # classes that bring events of their own to every kind that derives from them: as if they were kinds
BOUNDS = ("gt", "ge", "lt", "le", "multiple_of")
LENGTHS = ("min_length", "max_length")
PLAIN: dict[type[inspect.Type], str] = {
    inspect.AnyType: "any",
    inspect.RawType: "any",
    inspect.NoneType: "null",
    inspect.BoolType: "bool",
    inspect.DateType: "date",
    inspect.TimeDeltaType: "duration",
    inspect.UUIDType: "uuid",
    inspect.DecimalType: "decimal",
}


class BadSchema(Exception):
    """The text is not a schema that this version reads."""


class FieldSchema(Struct, frozen=True, omit_defaults=True):
    """A field; required where it has no default and is not optional."""

    type: Type
    default: Any = UNSET  # the default's plain data
    optional: bool = False  # may be absent, and what it is then is not plain data

    @property
    def required(self) -> bool:
        return self.default is UNSET and not self.optional


class StructSchema(Struct, frozen=True, omit_defaults=True):
    """What is an object on the wire, or with `array_like` an array: then the order of the fields counts."""

    fields: dict[str, FieldSchema] = field(default_factory=dict)
    tag_field: str = "type"
    tag: str | int | None = None  # None for commands, events and publications: theirs is the key they are kept under
    reply: Type | UnsetType = UNSET  # an ask's reply
    array_like: bool = False
    refuses_unknown: bool = False  # fields that it doesn't have
    omits_defaults: bool = False  # when written: absent means the default


class PastEvent(Struct, frozen=True, omit_defaults=True):
    """A shape that stored events may still have, and that only an upcaster reads."""

    event: StructSchema
    structs: dict[str, StructSchema] = {}


class KindSchema(Struct, frozen=True, omit_defaults=True):
    """By tag: `room.send`."""

    durable: bool = False
    commands: dict[str, StructSchema] = {}
    internal: dict[str, StructSchema] = {}
    events: dict[str, StructSchema] = {}
    ephemerals: dict[str, StructSchema] = {}
    stored: dict[str, Type] = {}  # other things in the database: `snapshot`, and the runtime's
    structs: dict[str, StructSchema] = {}  # name in types -> struct
    past: dict[str, list[PastEvent]] = {}  # only in a lock


class ViewSchema(Struct, frozen=True, omit_defaults=True):
    """What one version of a view makes of events: its rows. What `fold` does is named by the version alone."""

    version: int
    row: StructSchema
    columns: dict[str, str]  # field -> how it is kept: `text key`
    structs: dict[str, StructSchema] = {}
    language: str = ""  # of full text, where something is searched
    sink: bool = False  # it has no rows
    of: dict[str, list[str]] = {}  # by kind, the tags of the events that it folds


class Schema(Struct, frozen=True, kw_only=True):
    """All kinds and all views by name: what the lock file holds."""

    format: int = FORMAT
    kinds: dict[str, KindSchema]
    views: dict[str, ViewSchema] | UnsetType = UNSET  # where there are some


def describe(kinds: Iterable[Kind], views: Iterable[Installed] = (), sinks: Iterable[InstalledSink] = ()) -> Schema:
    """The schema of these kinds, views and sinks, of the base classes that come with Greenroom, and of the runtime."""
    described = {base.base_tags: describe_kind(base) for base in BASES}
    described |= {kind.name: describe_kind(kind.actor) for kind in kinds}
    described[RUNTIME] = _describe_runtime()
    found = {view.name: describe_view(view) for view in views}
    found |= {one.name: ViewSchema(one.version, StructSchema(), {}, sink=True) for one in sinks}
    return Schema(kinds=dict(sorted(described.items())), views=dict(sorted(found.items())) or UNSET)


def to_text(schema: Schema) -> str:
    """JSON with a line for each field, so that a change shows as a change of that line."""
    return _lines(msgspec.to_builtins(schema, order=None), "", "") + "\n"


def from_text(text: str | bytes) -> Schema:
    """Raises: BadSchema."""
    try:
        schema = msgspec.json.decode(text, type=Schema)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadSchema(str(error)) from error
    if schema.format != FORMAT:
        raise BadSchema(f"format {schema.format}; this version reads {FORMAT}")
    return schema


def describe_kind(actor: type[Actor[object]]) -> KindSchema:
    """The schema of one entity class."""
    types = _Types()
    return KindSchema(
        durable=actor.durable,
        commands=types.by_tag(actor.commands),
        internal=types.by_tag(actor.internal),
        events=types.by_tag(actor.events),
        ephemerals=types.by_tag(actor.ephemerals),
        stored={"snapshot": types.of(inspect.type_info(actor.state_type))} if actor.durable else {},
        structs=types.structs(),
    )


def describe_view(view: Installed) -> ViewSchema:
    """The schema of one view."""
    row, structs = describe_struct(view.view.Row)
    shape = view.shape
    columns = {
        one.name: one.type
        + (" null" if one.is_nullable else "")
        + (" key" if one.is_key else "")
        + (" searched" if one.is_searched else "")
        for one in shape.columns
    }
    of = {one.kind: list(one.followed) for one in shape.events}
    return ViewSchema(view.version, row, columns, structs, shape.language if shape.searched else "", of=of)


def describe_struct(cls: type[Struct]) -> tuple[StructSchema, dict[str, StructSchema]]:
    """One struct, and by name those that its types hold."""
    types = _Types()
    return types.struct(cls), types.structs()


def _describe_runtime() -> KindSchema:
    types = _Types()
    messages = [
        item
        for item in vars(lifecycle).values()
        if isinstance(item, type) and issubclass(item, Message) and isinstance(item.__struct_config__.tag, str)
    ]
    noted: str = msgspec.json.decode(lifecycle.NOTED)["type"]
    return KindSchema(
        internal=types.by_tag(message for message in messages if tag_of(message).startswith(f"{RUNTIME}.")),
        events={noted: StructSchema()},
        stored={name: types.of(inspect.type_info(body)) for name, body in sorted(STORED.items())},
        structs=types.structs(),
    )


class _Types:
    """Types into their written form; the structs that they name pile up."""

    def __init__(self) -> None:
        self._names: dict[Any, str] = {}  # class -> its name
        self._structs: dict[str, StructSchema] = {}

    def structs(self) -> dict[str, StructSchema]:
        return dict(sorted(self._structs.items()))

    def by_tag(self, classes: Iterable[type[Struct]]) -> dict[str, StructSchema]:
        described = {}
        for cls in classes:
            struct = msgspec.structs.replace(self.struct(cls), tag=None)
            if issubclass(cls, Message):
                reply = reply_type(cls)
                if reply is not None:
                    struct = msgspec.structs.replace(struct, reply=self.of(inspect.type_info(reply)))
            described[tag_of(cls)] = struct
        return dict(sorted(described.items()))

    def struct(self, cls: type[Struct]) -> StructSchema:
        return self._struct(inspect.type_info(cls))

    def of(self, info: inspect.Type) -> Type:
        match info:
            case inspect.Metadata(type=inner):
                return self.of(inner)
            case inspect.IntType():
                return _with("int", info, BOUNDS)
            case inspect.FloatType():
                return _with("float", info, BOUNDS)
            case inspect.StrType():
                return _with("str", info, (*LENGTHS, "pattern"))
            case inspect.BytesType() | inspect.ByteArrayType() | inspect.MemoryViewType():
                return _with("bytes", info, LENGTHS)
            case inspect.DateTimeType():
                return _with("datetime", info, ("tz",))
            case inspect.TimeType():
                return _with("time", info, ("tz",))
            case inspect.EnumType(cls=cls):
                return {"one_of": _sorted(member.value for member in cls)}
            case inspect.LiteralType(values=values):
                return {"one_of": _sorted(values)}
            case inspect.UnionType(types=types):
                return _sorted(self.of(one) for one in types)
            case inspect.TupleType(item_types=items):
                return {"tuple": [self.of(item) for item in items]}
            case inspect.CollectionType(item_type=item):
                return {"array": {"items": self.of(item)} | _given(info, LENGTHS)}
            case inspect.DictType(key_type=key, value_type=value):
                return {"map": {"keys": self.of(key), "values": self.of(value)} | _given(info, LENGTHS)}
            case inspect.StructType() | inspect.TypedDictType() | inspect.NamedTupleType() | inspect.DataclassType():
                return {"struct": self._reference(info)}
            case inspect.CustomType(cls=cls):
                return {"custom": getattr(cls, "__qualname__", repr(cls))}
            case _:
                return PLAIN.get(type(info)) or {"custom": type(info).__name__}

    def _reference(self, info: Any) -> str:
        """The name of the struct, which is described first if need be."""
        name = self._names.get(info.cls)
        if name is None:
            name = info.cls.__name__ if isinstance(info.cls, type) else re.sub(r"\w+\.", "", str(info.cls))
            while name in self._structs:
                name += "'"
            self._names[info.cls] = name
            self._structs[name] = StructSchema()  # takes the name, for what follows may hold it
            self._structs[name] = self._struct(info)
        return name

    def _struct(self, info: Any) -> StructSchema:
        fields = {one.encode_name: self._field(one) for one in info.fields}
        if not isinstance(info, inspect.StructType):
            return StructSchema(fields=fields, array_like=isinstance(info, inspect.NamedTupleType))
        cls: Any = getattr(info.cls, "__origin__", info.cls)  # Page[int] -> Page
        return StructSchema(
            fields=fields,
            tag_field=info.tag_field or "type",
            tag=info.tag,
            array_like=info.array_like,
            refuses_unknown=info.forbid_unknown_fields,
            omits_defaults=cls.__struct_config__.omit_defaults,
        )

    def _field(self, info: inspect.Field) -> FieldSchema:
        kind = self.of(info.type)
        if info.required:
            return FieldSchema(kind)
        factory: Any = info.default_factory
        default = info.default
        if factory in (list, dict, set, frozenset, tuple):
            default = factory()
        try:
            return FieldSchema(kind, default=msgspec.to_builtins(default, str_keys=True))
        except (TypeError, ValueError):  # a factory of its own, UNSET, or what has no JSON
            return FieldSchema(kind, optional=True)


def _with(name: str, info: inspect.Type, names: Iterable[str]) -> Type:
    given = _given(info, names)
    return {name: given} if given else name


def _given(info: inspect.Type, names: Iterable[str]) -> dict[str, Any]:
    return {name: getattr(info, name) for name in names if getattr(info, name, None) is not None}


def _sorted(values: Iterable[Any]) -> list[Any]:
    return sorted(values, key=lambda value: json.dumps(value, sort_keys=True))


def _lines(value: Any, indent: str, parent: str) -> str:
    if not isinstance(value, dict) or not value:
        return json.dumps(value, ensure_ascii=False)
    inner = indent + "  "
    items = []
    for key, item in value.items():
        whole = parent in ("fields", "stored", "columns") or key == "reply"
        written = json.dumps(item, ensure_ascii=False) if whole else _lines(item, inner, key)
        items.append(f"{inner}{json.dumps(key, ensure_ascii=False)}: {written}")
    return "{\n" + ",\n".join(items) + f"\n{indent}}}"
