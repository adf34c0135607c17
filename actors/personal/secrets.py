"""Secrets: which parts of a JSON value a declared type marks as `Secret`, wherever they stand in it. Pure.

Of a union each member counts: what is secret in one of them is, since a value alone need not say which it is of.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec.inspect as inspect

from greenroom.actors.personal.fields import SECRET


def is_secret(declared: inspect.Type) -> bool:
    """As a whole."""
    match declared:
        case inspect.Metadata():
            return SECRET in (declared.extra or {}) or is_secret(declared.type)
        case inspect.UnionType():
            return any(map(is_secret, declared.types))
        case inspect.DictType() | inspect.FrozenDictType():
            return is_secret(declared.key_type)
    return False


def fields_of(declared: inspect.Type | None, value: Mapping[str, Any]) -> dict[str, inspect.Type]:
    """Types of what is in an object."""
    found: dict[str, list[inspect.Type]] = {}
    for member in _members(declared):
        for name, one in _named(member, value):
            found.setdefault(name, []).append(one)
    return {name: _any_of(types) for name, types in found.items()}


def items_of(declared: inspect.Type | None, count: int) -> list[inspect.Type | None]:
    """Types of what is in a list of so many."""
    found: list[list[inspect.Type]] = [[] for _ in range(count)]
    for member in _members(declared):
        for types, one in zip(found, _in_order(member, count), strict=False):
            if one is not None:
                types.append(one)
    return [_any_of(types) if types else None for types in found]


def has_secrets(declared: inspect.Type) -> bool:
    """Anywhere in it."""
    seen: set[int] = set()
    rest = [declared]
    while rest:
        one = rest.pop()
        if is_secret(one):
            return True
        if id(one) not in seen:  # a type may have itself in it
            seen.add(id(one))
            rest += _within(one)
    return False


def _members(declared: inspect.Type | None) -> Iterator[inspect.Type]:
    match declared:
        case None:
            return
        case inspect.Metadata():
            yield from _members(declared.type)
        case inspect.UnionType():
            for one in declared.types:
                yield from _members(one)
        case _:
            yield declared


def _named(member: inspect.Type, value: Iterable[str]) -> Iterator[tuple[str, inspect.Type]]:
    match member:
        case inspect.StructType(array_like=False) | inspect.DataclassType() | inspect.TypedDictType():
            for one in member.fields:
                yield one.encode_name, one.type
        case inspect.DictType() | inspect.FrozenDictType():
            for name in value:
                yield name, member.value_type


def _in_order(member: inspect.Type, count: int) -> list[inspect.Type | None]:
    match member:
        case inspect.CollectionType():
            return [member.item_type] * count
        case inspect.TupleType():
            return [*member.item_types]
        case inspect.NamedTupleType():
            return [one.type for one in member.fields]
        case inspect.StructType(array_like=True):
            tag: list[inspect.Type | None] = [None] if member.tag_field is not None else []
            return [*tag, *(one.type for one in member.fields)]
    return []


def _within(one: inspect.Type) -> Iterable[inspect.Type]:
    match one:
        case inspect.Metadata():
            return (one.type,)
        case inspect.UnionType():
            return one.types
        case inspect.CollectionType():
            return (one.item_type,)
        case inspect.TupleType():
            return one.item_types
        case inspect.DictType() | inspect.FrozenDictType():
            return (one.key_type, one.value_type)
        case inspect.StructType() | inspect.DataclassType() | inspect.TypedDictType() | inspect.NamedTupleType():
            return [field.type for field in one.fields]
    return ()


def _any_of(types: list[inspect.Type]) -> inspect.Type:
    return types[0] if len(types) == 1 else inspect.UnionType(tuple(types))
