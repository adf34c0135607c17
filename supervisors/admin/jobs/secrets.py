"""Secrets: what of a job's arguments, its result and its errors operators are not shown, and do not overwrite.

As in logs: texts under telling names (`token`, `password` …), and secrets that show by their form; besides, fields that
the job's class marks as `Secret`. Pure.
"""

from collections.abc import Mapping
from typing import Any

import msgspec.inspect as inspect

from greenroom.actors.personal.fields import SECRET
from greenroom.config.telemetry.redaction import REDACTED, is_telling, redact_text


def hidden(value: Any, declared: inspect.Type | None = None) -> Any:
    """A JSON value without its secrets. `declared`: its type, where that is known."""
    if declared is not None and _is_secret(declared):
        return REDACTED
    match value:
        case str():
            return redact_text(value)
        case dict():
            types = _fields_of(declared, value)
            return {name: _of_name(name, one, types.get(name)) for name, one in value.items()}
        case list():
            item = _item_of(declared)
            return [hidden(one, item) for one in value]
    return value


def _of_name(name: str, value: Any, declared: inspect.Type | None) -> Any:
    """A count or a duration (`token_ttl_s`) is no secret."""
    if is_telling(name) and isinstance(value, str | dict | list):
        return REDACTED
    return hidden(value, declared)


def restored(edited: Any, shown: Any, stored: Any) -> Any:
    """What somebody has made of what they were shown, with what they were not shown and have left alone."""
    if edited == shown:
        return stored
    if isinstance(edited, dict) and isinstance(shown, dict) and isinstance(stored, dict):
        return {
            name: restored(one, shown[name], stored[name]) if name in shown and name in stored else one
            for name, one in edited.items()
        }
    if isinstance(edited, list) and isinstance(shown, list) and len(edited) == len(shown):
        return [restored(*three) for three in zip(edited, shown, stored, strict=True)]
    return edited


def _is_secret(declared: inspect.Type) -> bool:
    match declared:
        case inspect.Metadata():
            return SECRET in (declared.extra or {}) or _is_secret(declared.type)
        case inspect.UnionType():
            return any(map(_is_secret, declared.types))
    return False


def _fields_of(declared: inspect.Type | None, value: Mapping[str, Any]) -> dict[str, inspect.Type]:
    """Types of what is in an object. Of a union that of each member counts: whatever is secret in one of them."""
    match declared:
        case inspect.Metadata():
            return _fields_of(declared.type, value)
        case inspect.StructType() | inspect.DataclassType() | inspect.TypedDictType():
            return {one.encode_name: one.type for one in declared.fields}
        case inspect.DictType():
            return dict.fromkeys(value, declared.value_type)
        case inspect.UnionType():
            found: dict[str, inspect.Type] = {}
            for one in declared.types:
                for name, field in _fields_of(one, value).items():
                    if name not in found or _is_secret(field):
                        found[name] = field
            return found
    return {}


def _item_of(declared: inspect.Type | None) -> inspect.Type | None:
    match declared:
        case inspect.Metadata():
            return _item_of(declared.type)
        case inspect.CollectionType():
            return declared.item_type
        case inspect.UnionType():
            return next((found for one in declared.types if (found := _item_of(one)) is not None), None)
    return None
