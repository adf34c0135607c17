"""The lock holds the rows of views: what may change under one version, and what is another."""

from typing import Any

import pytest
from msgspec import Struct

from greenroom import Actor, Event, Key, Origin, Text, View
from greenroom.actors.model.kinds import Kinds
from greenroom.actors.schema.description import describe, from_text, to_text
from greenroom.actors.schema.knowledge import digest_of, knowledge_of, to_json
from greenroom.actors.schema.rules import Comparison, compare
from greenroom.actors.views.installed import Installed
from tests.actors.views.shows import Clapped, Closed, Show


class Inner(Struct):
    a: int = 0


class Row(Struct):
    show: Key[str]
    claps: int = 0
    inner: Inner | None = None


def view(row: type[Struct] = Row, version: int = 1, **body: Any) -> Installed:
    def fold(self: View, event: Event, of: Origin) -> None: ...

    made: Any = type("Made", (View,), {"of": (Clapped,), "Row": row, "fold": fold, **body}, version=version)
    return Installed(made)


def change(before: list[Installed], after: list[Installed]) -> Comparison:
    return compare(from_text(to_text(describe([], before))), describe([], after))


class More(Row):
    note: str = ""


class OtherDefault(Struct):
    show: Key[str]
    claps: int = 1
    inner: Inner | None = None


class OtherType(Struct):
    show: Key[str]
    claps: float = 0
    inner: Inner | None = None


class Deeper(Struct):
    a: int = 0
    b: int = 0


class OtherInner(Struct):
    show: Key[str]
    claps: int = 0
    inner: Deeper | None = None


class Unkeyed(Struct):
    show: Key[str]
    claps: Key[int]
    inner: Inner | None = None


@pytest.mark.parametrize(
    ("row", "named"),
    [(More, "note"), (OtherDefault, "claps"), (OtherType, "claps"), (OtherInner, ""), (Unkeyed, "claps")],
)
def test_other_rows_are_another_version(row: type[Struct], named: str) -> None:
    (broken,) = change([view()], [view(row)]).broken
    assert (broken.kind, broken.rule) == ("made", "view-row-changed") and named in broken.field
    assert "next version" in str(broken)
    comparison = change([view()], [view(row, version=2)])
    assert comparison.broken == [] and comparison.following == describe([], [view(row, version=2)])


def test_how_words_are_searched_is_what_a_row_holds() -> None:
    class Searched(Struct):
        show: Key[str]
        title: Text = ""

    (broken,) = change([view(Searched)], [view(Searched, language="english")]).broken
    assert broken.rule == "view-row-changed"


def test_other_events_are_another_version() -> None:
    def changed(
        before: tuple[type[Event], ...], after: tuple[type[Event], ...], actor: type[Actor[Any]] = Show
    ) -> list[str]:
        kinds, others = Kinds([Show]), Kinds([actor])
        locked = from_text(to_text(describe(kinds, [Installed(view(of=before).view, kinds)])))
        present = describe(others, [Installed(view(of=after).view, others)])
        return [f"{one.rule}: {one.detail}" for one in compare(locked, present).broken]

    class Opened(Event, tag="show.opened"):
        pass

    opening: Any = type("Opening", (Show,), {"kind": "show", "events": (*Show.events, Opened)})
    assert changed((Clapped,), (Clapped, Closed)) == ["view-events-changed: show.closed was passed over until now"]
    assert changed((Clapped, Closed), (Clapped,)) == ["view-events-changed: show.closed is not folded any more"]
    assert changed((Clapped,), (Clapped, Opened), opening) == [], "there are none yet"
    assert changed((Clapped, Closed), (Closed, Clapped)) == []


def test_a_version_does_not_go_down() -> None:
    (broken,) = change([view(version=3)], [view(version=2)]).broken
    assert broken.rule == "view-version-lowered"


def test_a_view_may_come_and_go() -> None:
    assert change([], [view()]).broken == change([view()], []).broken == change([view()], [view()]).broken == []


def test_a_lock_without_views_says_nothing_of_them() -> None:
    assert '"views"' not in to_text(describe([]))
    assert '"claps": "bigint"' in to_text(describe([], [view()]))


def test_two_releases_with_other_views_are_two() -> None:
    releases: list[list[Installed]] = [[], [view()], [view(version=2)]]
    assert len({digest_of(to_json(knowledge_of([], views))) for views in releases}) == 3
