"""Types and fields of the schema in words, as a table for people has them."""

import math
from typing import Any

from msgspec import UNSET

from greenroom.actors.jobs.texts import NAME_PATTERN, TEXT_PATTERN
from greenroom.actors.schema.description import FieldSchema, StructSchema, Type

PLAIN = {"int": "integer", "float": "number", "str": "text", "bool": "true or false", "any": "any JSON"}
PATTERNS = {
    NAME_PATTERN: " without control characters",
    TEXT_PATTERN: " without control characters but tabs and ends of lines",
}


def field_in_words(name: str, field: FieldSchema, structs: dict[str, StructSchema]) -> str:
    """`text` text of 1 to 500 characters; `?` marks what may be left out."""
    alternatives = field.type if isinstance(field.type, list) else [field.type]
    if not field.required:
        alternatives = [one for one in alternatives if one != "null"]
    words = " or ".join(type_in_words(one, structs) for one in alternatives)
    plain = field.default is UNSET or (field.default in (None, "", [], {}) and not isinstance(field.default, bool))
    default = "" if plain else f", {_value(field.default)} unless given"
    return f"`{name}{'' if field.required else '?'}` {words}{default}"


def type_in_words(kind: Type, structs: dict[str, StructSchema]) -> str:
    """A type as `description.py` writes it; the fields of a struct stand in the place of its name."""
    if isinstance(kind, list):
        return " or ".join(type_in_words(one, structs) for one in kind)
    if isinstance(kind, str):
        return PLAIN.get(kind, kind)
    ((name, given),) = kind.items()
    match name:
        case "int" | "float":
            return f"{PLAIN[name]}{_bounds(given)}"
        case "str" | "bytes":
            pattern = given.get("pattern")
            pattern = "" if pattern is None else PATTERNS.get(pattern) or f" matching `{pattern}`"
            return f"{PLAIN.get(name, name)}{_length(given, 'characters' if name == 'str' else 'bytes')}{pattern}"
        case "array":
            return f"list{_length(given, 'items')} ({type_in_words(given['items'], structs)})"
        case "map":
            return f"object: {type_in_words(given['keys'], structs)} → {type_in_words(given['values'], structs)}"
        case "tuple":
            return f"list ({', '.join(type_in_words(one, structs) for one in given)})"
        case "one_of":
            return " or ".join(_value(one) for one in given)
        case "struct":
            fields = structs[given].fields
            return "{" + ", ".join(f"{one}{'' if field.required else '?'}" for one, field in fields.items()) + "}"
        case _:
            return str(given) if isinstance(given, str) else name


def _bounds(given: dict[str, Any]) -> str:
    if "ge" in given and "le" in given:
        return f" from {number(given['ge'])} to {number(given['le'])}"
    words = {"ge": "of at least", "gt": "above", "le": "of at most", "lt": "below", "multiple_of": "in steps of"}
    bounds = " and ".join(f"{words[bound]} {number(value)}" for bound, value in given.items())
    return f" {bounds}" if bounds else ""


def number(value: float) -> str:
    """As people write it: 316,224,000, 0.5; what is endless is `for ever`."""
    if value == math.inf:
        return "for ever"
    return f"{int(value):,}" if value == int(value) else f"{value:,}"


def _length(given: dict[str, Any], unit: str) -> str:
    low, high = given.get("min_length"), given.get("max_length")
    if low is not None and high is not None:
        return f" of {low:,} to {high:,} {unit}" if low != high else f" of {low:,} {unit}"
    if high is not None:
        return f" of up to {high:,} {unit}"
    return f" of at least {low:,} {unit}" if low is not None else ""


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return number(value) if isinstance(value, int | float) else f"`{value}`"
