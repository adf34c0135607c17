"""Wanted: what a release's code wants of a view's tables, held against those that there are. Decisions only."""

from collections.abc import Collection, Sequence
from typing import Literal

import msgspec
from msgspec import Struct

from greenroom.store.errors import ViewRefused
from greenroom.store.views.made_of import differences, together
from greenroom.store.views.shape import Shape
from greenroom.store.views.store import Version

BEGIN_OTHERWISE = {
    "view": "Give the view a `seed(self, state, of)`, which makes an entity's rows from its state",
    "sink": 'Say where it begins: `since = "kept"`, or `since = "now"`',
}


class Wanted(Struct, frozen=True):
    """A view as this release's code has it."""

    name: str
    version: int
    shape: Shape
    kinds: frozenset[str]
    seeds: bool  # can it begin where events are gone?
    kind: Literal["view", "sink"] = "view"
    from_now: bool = False  # behind all that is committed when it is made


def refuse_others(wanted: Wanted, mine: Sequence[Version], others: Sequence[Version]) -> None:
    """Raises: ViewRefused when tables of this version hold other rows than its code has, or are made of other events
    than it folds."""
    for one in mine:
        changed, why = "events", ", ".join(differences(one.shape.events, wanted.shape.events))
        if one.shape.digest != wanted.shape.digest:
            changed, why = "rows", _changed(one.shape, wanted.shape)
        if why:
            raise ViewRefused(
                f"the {changed} of the view {wanted.name} have changed, and its version has not: make it "
                f"version={max(other.version for other in others) + 1}, and its table is filled anew beside "
                f"this one ({why})"
            )


def also(stored: Shape, code: Shape) -> Shape:
    """As the code says it, with all events that the table was made of so far."""
    return msgspec.structs.replace(code, events=together(stored.events, code.events))


def versions_in(views: str) -> dict[str, int]:
    """Of what a release knows of views, as JSON: each with its version."""
    return {name: one.version for name, one in msgspec.json.decode(views, type=dict[str, _Numbered]).items()}


class _Numbered(Struct):
    """What is read here of a view in a release's knowledge."""

    version: int


def rank(version: Version) -> tuple[int, int]:
    """Of two tables of a view the newer has the greater."""
    return version.version, version.build


def to_remake(tables: Collection[Version]) -> list[tuple[Version, int]]:
    """Of all the tables of a view, those to make another of, each with the build that this is, the newest version last:
    of each version that is being filled, for nodes of two releases may be up; else the live one, or what there is."""
    of = [one for one in tables if one.state == "filling"] or [one for one in tables if one.state == "live"]
    last: dict[int, Version] = {one.version: one for one in sorted(of, key=rank)}
    if not last:
        newest = max(tables, key=rank)
        last = {newest.version: newest}
    return [
        (one, 1 + max(other.build for other in tables if other.version == one.version))
        for _, one in sorted(last.items())
    ]


def _changed(stored: Shape, code: Shape) -> str:
    before, after = ({one.name: one for one in shape.columns} for shape in (stored, code))
    parts = [f"{name} is gone" for name in before if name not in after]
    parts += [f"{name} is new" for name in after if name not in before]
    parts += [f"{name} is another" for name, one in after.items() if name in before and before[name] != one]
    return ", ".join(parts) or "another order of the fields"
