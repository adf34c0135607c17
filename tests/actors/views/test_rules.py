"""Classes that break a rule are refused when they are installed, by name and rule."""

from typing import Any

import pytest
from msgspec import Struct

from greenroom import Event, Key, Origin, Page, View
from greenroom.actors.model.kinds import Kinds
from greenroom.actors.views.installed import BadViewClass, Views
from tests.actors.views.shows import Clapped, Show, Standings


class Row(Struct):
    show: Key[str]
    number: Key[int]
    claps: int = 0
    note: str | None = None
    tags: list[str] = []


def view(base: type[View] = View, *, version: Any = 1, name: str = "made", inline: bool = False, **body: Any) -> Any:
    def fold(self: View, event: Any, of: Origin) -> None: ...

    class_body = {"of": (Clapped,), "Row": Row, "fold": fold, **body}
    absent = [key for key, value in class_body.items() if value is None]
    for key in absent:
        del class_body[key]
    return type("Made", (base,), class_body, version=version, name=name, inline=inline)


class NotRecorded(Event, tag="nobody.said"):
    pass


class Frozen(Struct, frozen=True):
    show: Key[str]


class Keyless(Struct):
    show: str = ""


class Bare(Struct):
    show: Key[str]
    claps: int


class OneKey(Struct):
    show: Key[str]


class NumberKey(Struct):
    number: Key[int]


class Unkeepable(Struct):
    show: Key[list[str]]


async def waits(*_: Any) -> None: ...


def plain(cls: Any, principal: Any, key: str) -> None: ...


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"name": "Upper"}, "must match"),
        ({"name": "x" * 41}, "at most 40"),
        ({"name": "made_v2"}, "as tables of versions do"),
        ({"name": "made_v2_3"}, "as tables of versions do"),
        ({"name": "show"}, "kind of entities"),
        ({"version": 0}, "whole number from 1"),
        ({"version": "2"}, "whole number from 1"),
        ({"version": True}, "whole number from 1"),
        ({"of": Clapped}, "add the comma"),
        ({"of": ()}, "tuple of the event classes"),
        ({"of": (Row,)}, "classes of events"),
        ({"of": (NotRecorded,)}, "no installed entity records NotRecorded"),
        ({"Row": None}, "has no rows"),
        ({"Row": dict}, "has no rows"),
        ({"Row": Frozen}, "take `frozen=True`"),
        ({"Row": Keyless}, "no field of Row is a key"),
        ({"Row": Bare}, "claps needs a default"),
        ({"Row": Unkeepable}, "neither a key nor an index"),
        ({"fold": None}, "no `fold`"),
        ({"fold": waits}, "not `async def`"),
        ({"may_watch": plain}, "@classmethod"),
        ({"language": "no such; thing"}, "text search configuration"),
        ({"watch": "show"}, r"must be Page\(...\)"),
        ({"watch": Page(limit=0)}, "limit"),
        ({"watch": Page(by="claps")}, "must be a key field"),
        ({"watch": Page(by="number")}, "must be a key field that is a text"),
        ({"watch": Page(order="-gone")}, "no field of Row"),
        ({"watch": Page(order="tags")}, "no order"),
        ({"watch": Page(order="note")}, "may be None"),
        ({"watch": Page(by="show", order=("claps", "-claps"))}, "twice"),
        ({"watch": Page(by="show", order="show")}, "twice"),
        ({"watch": Page(), "guarded_by": "show"}, "say `watch = Page"),
        ({"watch": Page(by="show"), "guarded_by": "nothing"}, "no such kind"),
        ({"across": "standings"}, "say `watch = Page"),
        ({"inline": True, "entity_key": "show"}, "`inline` is for rows that are of one entity each"),
        ({"inline": True, "Row": OneKey}, "`inline` is for rows that are of one entity each"),
        ({"inline": True, "Row": NumberKey, "entity_key": "number"}, "key field that is a text"),
        ({"watch": Page(by="show"), "across": "standings"}, "no field of Row is Text"),
    ],
)
def test_what_breaks_a_rule_is_refused(how: dict[str, Any], said: str) -> None:
    with pytest.raises(BadViewClass, match=said) as caught:
        Views(Kinds([Show]), [view(**how)])
    assert "Made" in str(caught.value)


def test_what_breaks_none_is_not() -> None:
    views = Views(Kinds([Show]), [view(watch=Page(by="show", order=("-claps", "number"))), Standings])
    assert [one.name for one in views] == ["made", "standings"] and len(views) == 2
    Views(Kinds([Show]), [view(inline=True, Row=OneKey, entity_key="show")])


def test_two_views_have_two_names() -> None:
    with pytest.raises(BadViewClass, match="two views are named 'standings'"):
        Views(Kinds([Show]), [Standings, view(name="standings")])
