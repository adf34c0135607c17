"""Redaction: what is left of stored values without one user, by their declared fields. See fields.py."""

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
import msgspec.inspect as inspect

from greenroom.actors.model.principal import is_user_id
from greenroom.actors.personal.fields import PERSONAL, SUBJECT

Name = TypeVar("Name", str, int)


class Redaction:
    """One user, and what becomes of them: JSON values of a declared type in, those without the user out."""

    def __init__(self, user: str, alias: str) -> None:
        """`alias` is what the user is called from now on; it must be nobody's name."""
        self._user = user
        self.alias = alias

    def redact(self, declared: inspect.Type, value: Any, *, is_about: bool = False) -> Any:
        """`value` without the user; the very same where it has nothing of them. `is_about`: they caused it."""
        match declared:
            case inspect.Metadata():
                extra = declared.extra or {}
                if SUBJECT in extra or is_user_id(declared):
                    return self.alias if value == self._user else value
                if PERSONAL in extra and is_about:
                    return empty(declared.type)
                return self.redact(declared.type, value, is_about=is_about)
            case inspect.UnionType():
                member = _member(declared, value)
                return value if member is None else self.redact(member, value, is_about=is_about)
            case inspect.StructType() | inspect.DataclassType() | inspect.TypedDictType() if isinstance(value, dict):
                return self._fields({one.encode_name: one.type for one in declared.fields}, value, is_about)
            case inspect.StructType(array_like=True) | inspect.NamedTupleType() if isinstance(value, list):
                by_place = self._fields(dict(enumerate(_in_order(declared))), dict(enumerate(value)), is_about)
                return list(by_place.values())
            case inspect.CollectionType() if isinstance(value, list):
                return [self.redact(declared.item_type, one, is_about=is_about) for one in value]
            case inspect.TupleType() if isinstance(value, list):
                return [
                    self.redact(item, one, is_about=is_about)
                    for item, one in zip(declared.item_types, value, strict=False)
                ]
            case inspect.DictType() | inspect.FrozenDictType() if isinstance(value, dict):
                return self._dict(declared, value, is_about)
            case _:
                return value

    def _fields(self, fields: Mapping[Name, inspect.Type], value: dict[Name, Any], is_about: bool) -> dict[Name, Any]:
        """By their names, or by their places where a struct is a list."""
        naming = {name: one for name, one in fields.items() if _names_users(one)}
        if naming:
            is_about = any(name in value and self._is_named(one, value[name]) for name, one in naming.items())
        return {
            name: self.redact(fields[name], one, is_about=is_about) if name in fields else one
            for name, one in value.items()
        }

    def _dict(
        self, declared: inspect.DictType | inspect.FrozenDictType, value: dict[str, Any], is_about: bool
    ) -> dict[str, Any]:
        is_naming = _names_users(declared.key_type)
        made: dict[str, Any] = {}
        for key, one in value.items():
            is_theirs = key == self._user if is_naming else is_about
            made[self.alias if is_naming and is_theirs else key] = self.redact(
                declared.value_type, one, is_about=is_theirs
            )
        return made

    def _is_named(self, declared: inspect.Type, value: Any) -> bool:
        """By a field that names users: as its text, in its list, among its keys."""
        return self._user in value if isinstance(value, list | dict) else bool(value == self._user)


def _names_users(declared: inspect.Type) -> bool:
    """Is it a user's id, or some, or a dict by users?"""
    match declared:
        case inspect.Metadata():
            return SUBJECT in (declared.extra or {}) or is_user_id(declared) or _names_users(declared.type)
        case inspect.UnionType():
            return any(map(_names_users, declared.types))
        case inspect.CollectionType():
            return _names_users(declared.item_type)
        case inspect.TupleType():
            return any(map(_names_users, declared.item_types))
        case inspect.DictType() | inspect.FrozenDictType():
            return _names_users(declared.key_type)
        case _:
            return False


def _in_order(declared: inspect.StructType | inspect.NamedTupleType) -> list[inspect.Type]:
    """Types of what a list has, by place: a tag comes first."""
    is_tagged = isinstance(declared, inspect.StructType) and declared.tag_field is not None
    return [*[inspect.AnyType()] * is_tagged, *(one.type for one in declared.fields)]


def _member(declared: inspect.UnionType, value: Any) -> inspect.Type | None:
    """The alternative that a JSON value is of."""
    bare = [(one.type if isinstance(one, inspect.Metadata) else one, one) for one in declared.types]
    is_list = isinstance(value, list)
    structs = [(inner, one) for inner, one in bare if isinstance(inner, inspect.StructType)]
    structs = [(inner, one) for inner, one in structs if inner.array_like == is_list]
    if isinstance(value, dict | list) and structs:
        for inner, one in structs:
            if len(structs) == 1 or (inner.tag_field is not None and _tag_in(value, inner.tag_field) == inner.tag):
                return one
        return None
    wanted: tuple[type[inspect.Type], ...]
    match value:
        case str():
            wanted = (inspect.StrType,)
        case list():
            wanted = (inspect.CollectionType, inspect.TupleType, inspect.NamedTupleType)
        case dict():
            wanted = (inspect.DictType, inspect.FrozenDictType, inspect.DataclassType, inspect.TypedDictType)
        case None:
            return None
        case _:
            wanted = (inspect.IntType, inspect.FloatType, inspect.BoolType)
    return next((one for inner, one in bare if isinstance(inner, wanted)), None)


def _tag_in(value: dict[str, Any] | list[Any], field: str) -> Any:
    return value.get(field) if isinstance(value, dict) else next(iter(value), None)


def empty(declared: inspect.Type) -> Any:
    """The least that a field of this type can hold, as JSON. Raises: TypeError where that is not known."""
    match declared:
        case inspect.Metadata():
            return empty(declared.type)
        case inspect.UnionType():
            return None if declared.includes_none else empty(declared.types[0])
        case inspect.AnyType() | inspect.NoneType():
            return None
        case inspect.StrType() if declared.pattern is None:
            return "-" * (declared.min_length or 0)
        case inspect.BytesType() | inspect.ByteArrayType() if not declared.min_length:
            return ""
        case inspect.BoolType():
            return False
        case inspect.IntType() | inspect.FloatType():
            least = declared.ge if declared.ge is not None else None if declared.gt is None else declared.gt + 1
            most = declared.le if declared.le is not None else None if declared.lt is None else declared.lt - 1
            return max(least, 0) if least is not None else min(most, 0) if most is not None else 0
        case inspect.CollectionType() if not declared.min_length:
            return []
        case inspect.DictType() | inspect.FrozenDictType() if not declared.min_length:
            return {}
        case inspect.TupleType():
            return [empty(one) for one in declared.item_types]
        case inspect.StructType(array_like=True) | inspect.NamedTupleType():
            least = max((place for place, one in enumerate(declared.fields, start=1) if one.required), default=0)
            named = (
                [declared.tag] if isinstance(declared, inspect.StructType) and declared.tag_field is not None else []
            )
            return [*named, *(empty(one.type) for one in declared.fields[:least])]
        case inspect.DataclassType() | inspect.TypedDictType():
            return {one.encode_name: empty(one.type) for one in declared.fields if one.required}
        case inspect.StructType():
            tag = {declared.tag_field: declared.tag} if declared.tag_field is not None else {}
            return tag | {one.encode_name: empty(one.type) for one in declared.fields if one.required}
        case _:
            raise TypeError(f"nothing of {declared} is known to be empty: a Personal field can't be of it")


def shape_of(declared: Any) -> inspect.Type:
    """A type as `redact` takes it."""
    return msgspec.inspect.type_info(declared)
