"""Samples: JSON that a described type may have written, to try upcasters on. A few of each type, not all there are."""

import re
from collections.abc import Iterator, Mapping
from itertools import islice
from math import ceil, floor
from typing import Any

from greenroom.actors.schema.description import StructSchema, Type

SAMPLES_MAX = 100  # samples of one event
DEPTH_MAX = 4  # how deep structs in structs are filled; below that optional fields are absent
TEXTS = ("x", "1", "a1", "A", "x@x.x", "")
PLAIN: dict[str, list[object]] = {
    "any": ["x", {"x": 1}],
    "null": [None],
    "bool": [True, False],
    "bytes": ["eA=="],
    "datetime": ["2025-01-31T12:00:00Z"],
    "date": ["2025-01-31"],
    "time": ["12:00:00Z"],
    "duration": ["PT1S"],
    "uuid": ["6ba7b810-9dad-41d1-80b4-00c04fd430c8"],
    "decimal": ["1.5"],
    "custom": ["x"],
}


def event_samples(tag: str, event: StructSchema, structs: Mapping[str, StructSchema]) -> list[Any]:
    """Stored events of this shape: with what must be, with all that may be, and then with each field's other values."""
    return list(islice((_tagged(event, one, tag) for one in _Samples(structs).fields(event, 0)), SAMPLES_MAX))


class _Samples:
    def __init__(self, structs: Mapping[str, StructSchema]) -> None:
        self._structs = structs

    def fields(self, struct: StructSchema, depth: int) -> Iterator[dict[str, Any]]:
        values = {
            name: self.of(one.type, depth)
            for name, one in struct.fields.items()
            if one.required or depth < DEPTH_MAX or struct.array_like
        }
        least = {name: found[0] for name, found in values.items() if struct.fields[name].required or struct.array_like}
        most = {name: found[0] for name, found in values.items()}
        yield least
        if most != least:
            yield most
        for name, found in values.items():
            for value in found[1:]:
                yield most | {name: value}

    def of(self, node: Type, depth: int) -> list[object]:
        """At least one value."""
        if isinstance(node, list):
            simple_first = sorted(node, key=lambda one: one == "null", reverse=depth >= DEPTH_MAX)
            return [value for one in simple_first for value in self.of(one, depth)]
        name, holds = (node, {}) if isinstance(node, str) else next(iter(node.items()))
        match name:
            case "one_of":
                return list(holds)
            case "int":
                return [_whole(holds)]
            case "float":
                return [_between(holds)]
            case "str":
                return [_text(holds)]
            case "array":
                least = holds.get("min_length", 0)
                none = not least and (depth >= DEPTH_MAX or holds.get("max_length") == 0)
                some = [] if none else self.of(holds["items"], depth)[:1] * max(least, 1)
                return [some] if least or none else [some, []]
            case "tuple":
                return [[self.of(one, depth)[0] for one in holds]]
            case "map":
                if depth >= DEPTH_MAX and not holds.get("min_length"):
                    return [{}]
                return [{str(self.of(holds["keys"], depth)[0]): self.of(holds["values"], depth)[0]}]
            case "struct":
                struct = self._structs[holds]
                return [_tagged(struct, one, struct.tag) for one in islice(self.fields(struct, depth + 1), 8)]
            case _:
                return PLAIN[name]


def _tagged(struct: StructSchema, values: dict[str, Any], tag: str | int | None) -> Any:
    if struct.array_like:
        return [*([] if tag is None else [tag]), *values.values()]
    return values if tag is None else {struct.tag_field: tag} | values


def _whole(limits: Mapping[str, Any]) -> int:
    return round(_between(limits, whole=True))


def _between(limits: Mapping[str, Any], *, whole: bool = False) -> float:
    low: float | None = limits.get("ge", limits.get("gt"))
    high: float | None = limits.get("le", limits.get("lt"))
    step: float | None = limits.get("multiple_of") or (1 if whole else None)
    if step is not None:
        if low is not None:
            found = ceil(low / step) * step
            return found + step if found == limits.get("gt") else found
        if high is not None and high <= step:
            found = floor(high / step) * step
            return found - step if found == limits.get("lt") else found
        return step
    if low is not None and high is not None:
        return low + (high - low) / 2
    if low is not None:
        return low + 1.5
    return 1.5 if high is None or high > 1.5 else high - 1.5


def _text(limits: Mapping[str, Any]) -> str:
    shortest, longest = limits.get("min_length", 0), limits.get("max_length")
    texts = [text.ljust(shortest, text[-1:] or "x")[:longest] for text in TEXTS]
    return next((text for text in texts if re.search(limits.get("pattern", ""), text)), texts[0])
