"""Can one side read what another writes? Types are compared as msgspec decodes them from JSON, strictly.

Nothing here knows which side is older: schema_rules.py asks about both directions. In doubt the answer is no.
"""

import re
from collections.abc import Iterator, Mapping
from enum import Enum
from fractions import Fraction
from typing import Any

from msgspec import UNSET, Struct

from greenroom.actors.schema.description import FieldSchema, StructSchema, Type

STRINGS = frozenset(("bytes", "datetime", "date", "time", "duration", "uuid", "decimal"))  # JSON texts with a form


class Reason(Enum):
    """Why what is written is not what is read."""

    TYPE = "another type"
    BOUND = "a value out of bounds"
    VALUE = "a value that is not among those known"
    TAG = "a tag that is not among those known"
    ABSENT = "a required field is never written"
    OPTIONAL = "a required field is left out where it has its default"
    LATER = "a required field is not written by who came before it"
    UNKNOWN = "a field that is not known, and refused"
    # These decode, and still say something else than was meant:
    IGNORED = "a field that is not read"
    DROPPED = "an optional field is never written"
    DEFAULT = "a field that is left out has another default"
    LATER_DEFAULT = "a field that is not written by who came before it has another default"
    MOVED = "a field at another place of an array"


class Refusal(Struct, frozen=True):
    """Where and why a reader can't read what a writer may write."""

    path: str  # `data.items[]`; "" for the whole
    reason: Reason
    detail: str


class Reading:
    """A reader and a writer, each with the structs that its types name."""

    def __init__(self, reader: Mapping[str, StructSchema], writer: Mapping[str, StructSchema]) -> None:
        self._reader = reader
        self._writer = writer
        self._under_way: set[tuple[str, str]] = set()  # structs may hold themselves: what is being asked is yes

    def refusals(self, reader: Type, writer: Type, path: str = "") -> list[Refusal]:
        """What keeps the reader from reading, as meant, any value that the writer may write."""
        found: list[Refusal] = []
        for written in _each(writer):
            answers = [self._refusals(read, written, path) for read in _alternatives(reader)]
            distances = [_distance(refused, path) for refused in answers]
            found += answers[distances.index(min(distances))]
        return found

    def struct_refusals(self, reader: StructSchema, writer: StructSchema, path: str = "") -> list[Refusal]:
        if reader.array_like != writer.array_like:
            return [Refusal(path, Reason.TYPE, f"{_shape(writer)} -> {_shape(reader)}")]
        if reader.tag is not None and (reader.tag, reader.tag_field) != (writer.tag, writer.tag_field):
            return [Refusal(path, Reason.TAG, f"tagged {_tag(writer)} -> {_tag(reader)}")]
        if reader.tag is None and writer.tag is not None and (reader.refuses_unknown or reader.array_like):
            return [Refusal(path, Reason.TAG, f"tagged {_tag(writer)} -> not tagged")]
        if reader.array_like:
            moved = _moved(reader, writer)
            if moved:
                return [Refusal(_join(path, name), Reason.MOVED, "its place counts") for name in moved]
        pairs = _pairs_by_place(reader, writer) if reader.array_like else _pairs_by_name(reader, writer)
        return [refusal for name, *pair in pairs for refusal in self._field(reader, writer, _join(path, name), *pair)]

    def _field(
        self,
        reader: StructSchema,
        writer: StructSchema,
        path: str,
        read: FieldSchema | None,
        written: FieldSchema | None,
    ) -> list[Refusal]:
        if read is None:
            reason = Reason.UNKNOWN if reader.refuses_unknown else Reason.IGNORED
            return [Refusal(path, reason, "written, and not read")]
        if written is None:
            reason = Reason.ABSENT if read.required else Reason.DROPPED
            return [Refusal(path, reason, f"{'required' if read.required else 'read'}, and not written")]
        found = self.refusals(read.type, written.type, path)
        left_out = writer.omits_defaults or written.optional
        if read.required and not written.required:
            found.append(Refusal(path, Reason.OPTIONAL if left_out else Reason.LATER, "required, and may be absent"))
        if UNSET not in (read.default, written.default) and read.default != written.default:
            reason = Reason.DEFAULT if left_out else Reason.LATER_DEFAULT
            found.append(Refusal(path, reason, f"{written.default!r} -> {read.default!r}"))
        return found

    def _refusals(self, reader: Type, writer: Type, path: str) -> list[Refusal]:
        """Of one alternative of each."""
        read, takes = _split(reader)
        written, gives = _split(writer)
        if read == "any":
            return []
        match read, written:
            case _, "one_of":
                return _value(read, takes, gives[0], path)
            case "struct", "struct":
                pair = (takes, gives)
                if pair in self._under_way:
                    return []
                self._under_way.add(pair)
                try:
                    return self.struct_refusals(self._reader[takes], self._writer[gives], path)
                finally:
                    self._under_way.discard(pair)
            case ("int", "int") | ("float", "float" | "int"):
                return _bounds(takes, gives, path, whole=written == "int")
            case "decimal", "int" | "float":
                return []
            case "str", "str":
                return _lengths(takes, gives, path) + _pattern(takes, gives, path)
            case "bytes", "bytes":
                return _lengths(takes, gives, path)
            case ("datetime", "datetime") | ("time", "time"):
                fits = takes.get("tz") in (None, gives.get("tz"))
                return [] if fits else [Refusal(path, Reason.BOUND, f"tz {gives.get('tz')} -> {takes['tz']}")]
            case "str", _ if written in STRINGS:
                return [Refusal(path, Reason.BOUND, f"none -> {takes}")] if takes else []
            case "array", "array":
                return _lengths(takes, gives, path) + self.refusals(takes["items"], gives["items"], f"{path}[]")
            case "array", "tuple":
                sizes = {"min_length": len(gives), "max_length": len(gives)}
                items = [refused for one in gives for refused in self.refusals(takes["items"], one, f"{path}[]")]
                return _lengths(takes, sizes, path) + items
            case "tuple", "tuple" if len(takes) == len(gives):
                pairs = enumerate(zip(takes, gives, strict=True))
                return [refused for at, pair in pairs for refused in self.refusals(*pair, f"{path}[{at}]")]
            case "map", "map":
                keys = self.refusals(takes["keys"], gives["keys"], f"{path}{{keys}}")
                return (
                    _lengths(takes, gives, path) + keys + self.refusals(takes["values"], gives["values"], path + "{}")
                )
            case _ if read == written and takes == gives:
                return []
            case _:
                return [Refusal(path, Reason.TYPE, f"{_name(writer)} -> {_name(reader)}")]


def _alternatives(node: Type) -> list[Type]:
    return node if isinstance(node, list) else [node]


def _each(node: Type) -> Iterator[Type]:
    """The alternatives of a writer, value by value where it writes only some."""
    for one in _alternatives(node):
        if isinstance(one, dict) and "one_of" in one:
            yield from ({"one_of": [value]} for value in one["one_of"])
        else:
            yield one


def _split(node: Type) -> tuple[str, Any]:
    if isinstance(node, str):
        return node, {}
    ((name, holds),) = node.items()
    return name, holds


def _distance(refused: list[Refusal], path: str) -> tuple[bool, int]:
    """The alternative that was meant is of the right type, and then the nearest."""
    here = any(one.path == path and one.reason in (Reason.TYPE, Reason.TAG) for one in refused)
    return here, len(refused)


def _pairs_by_name(
    reader: StructSchema, writer: StructSchema
) -> Iterator[tuple[str, FieldSchema | None, FieldSchema | None]]:
    for name in {**writer.fields, **reader.fields}:
        yield name, reader.fields.get(name), writer.fields.get(name)


def _pairs_by_place(
    reader: StructSchema, writer: StructSchema
) -> Iterator[tuple[str, FieldSchema | None, FieldSchema | None]]:
    read, written = list(reader.fields.items()), list(writer.fields.items())
    for at in range(max(len(read), len(written))):
        ours, theirs = (fields[at] if at < len(fields) else None for fields in (read, written))
        name = (ours or theirs or ("", None))[0]
        yield name, ours[1] if ours else None, theirs[1] if theirs else None


def _moved(reader: StructSchema, writer: StructSchema) -> list[str]:
    """Fields of both that stand at another place, so that one would be read for the other."""
    places = {name: at for at, name in enumerate(reader.fields)}
    return [name for at, name in enumerate(writer.fields) if places.get(name, at) != at]


def _bounds(takes: Mapping[str, Any], gives: Mapping[str, Any], path: str, *, whole: bool) -> list[Refusal]:
    found = []
    for strict, loose, sign in (("gt", "ge", 1), ("lt", "le", -1)):
        wanted = _edge(takes, strict, loose, sign, whole=whole)
        given = _edge(gives, strict, loose, sign, whole=whole)
        if wanted is not None and (given is None or given < wanted):
            found.append(Refusal(path, Reason.BOUND, f"{_told(gives, strict, loose)} -> {_told(takes, strict, loose)}"))
    step, given_step = takes.get("multiple_of"), gives.get("multiple_of")
    if step is not None and (given_step is None or Fraction(given_step) % Fraction(step)):
        found.append(Refusal(path, Reason.BOUND, f"multiple_of {given_step} -> {step}"))
    return found


def _edge(
    limits: Mapping[str, Any], strict: str, loose: str, sign: int, *, whole: bool
) -> tuple[Fraction, bool] | None:
    """A bound as if it were a lower one: the larger, the tighter. A strict one is tighter than the same."""
    edges = []
    if limits.get(loose) is not None:
        edges.append((Fraction(limits[loose]) * sign, False))
    if limits.get(strict) is not None:
        bound = Fraction(limits[strict]) * sign
        edges.append((bound + 1, False) if whole and bound.denominator == 1 else (bound, True))
    return max(edges, default=None)


def _told(limits: Mapping[str, Any], *names: str) -> str:
    return " ".join(f"{name} {limits[name]}" for name in names if limits.get(name) is not None) or "unbounded"


def _lengths(takes: Mapping[str, Any], gives: Mapping[str, Any], path: str) -> list[Refusal]:
    found = []
    shortest, longest = takes.get("min_length"), takes.get("max_length")
    if shortest and gives.get("min_length", 0) < shortest:
        found.append(Refusal(path, Reason.BOUND, f"min_length {gives.get('min_length', 0)} -> {shortest}"))
    if longest is not None and gives.get("max_length", longest + 1) > longest:
        found.append(Refusal(path, Reason.BOUND, f"max_length {gives.get('max_length', 'unbounded')} -> {longest}"))
    return found


def _pattern(takes: Mapping[str, Any], gives: Mapping[str, Any], path: str) -> list[Refusal]:
    wanted, given = takes.get("pattern"), gives.get("pattern")
    return [] if wanted in (None, given) else [Refusal(path, Reason.BOUND, f"pattern {given!r} -> {wanted!r}")]


def _value(read: str, takes: Any, value: Any, path: str) -> list[Refusal]:
    """Of a writer that writes this value."""
    if _takes(read, takes, value):
        return []
    if read == "one_of":
        return [Refusal(path, Reason.VALUE, repr(value))]
    right = (read == "str" and isinstance(value, str)) or (read in ("int", "float") and isinstance(value, int))
    return [Refusal(path, Reason.BOUND if right else Reason.TYPE, f"{value!r} -> {read}")]


def _takes(read: str, takes: Any, value: Any) -> bool:
    match read:
        case "one_of":
            return any(value == known and type(value) is type(known) for known in takes)
        case "str" if isinstance(value, str):
            exactly = {"min_length": len(value), "max_length": len(value)}
            return not _lengths(takes, exactly, "") and re.search(takes.get("pattern") or "", value) is not None
        case "int" | "float" if isinstance(value, int):
            step = takes.get("multiple_of")
            return not _bounds(
                {name: takes[name] for name in takes if name != "multiple_of"},
                {"ge": value, "le": value},
                "",
                whole=True,
            ) and (not step or Fraction(value) % Fraction(step) == 0)
        case "null":
            return value is None
        case _:
            return False


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _name(node: Type) -> str:
    name, holds = _split(node)
    return str(holds) if name in ("struct", "custom") else name


def _shape(struct: StructSchema) -> str:
    return "array" if struct.array_like else "object"


def _tag(struct: StructSchema) -> str:
    return f"{struct.tag_field}={struct.tag!r}"
