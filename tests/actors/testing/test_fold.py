"""The kit's fold finds what a rebuild would not come to again."""

import datetime
import random
import time
from typing import Any

import pytest
from msgspec import Struct

from greenroom import Key, Origin, View
from greenroom.actors.views.folding import NotItsOwn
from greenroom.testing import NotPure, fold
from tests.actors.views.shows import Clapped, Closed, Directory, Renamed, Standings, Summary

EVENTS = [
    ("show:finale", Clapped(user="ann", times=2)),
    ("show:opening", Clapped(user="bob")),
    ("show:finale", Clapped(user="ann")),
]


def test_rows_come_by_their_keys() -> None:
    assert fold(Standings, EVENTS) == [
        Standings.Row(show="finale", user="ann", claps=3),
        Standings.Row(show="opening", user="bob", claps=1),
    ]


def test_rows_may_be_there_before() -> None:
    before = [Directory.Row(show="finale", title="Old", claps=40, users=["ann"])]
    found = fold(Directory, [*EVENTS, ("show:opening", Closed())], rows=before)
    assert found == [Directory.Row(show="finale", title="Old", claps=43, users=["ann"])]


class Row(Struct):
    what: Key[str]
    text: str = ""


def made(name: str, of: Any, do: Any) -> type[View]:
    def fold_(self: View, event: Any, origin: Origin) -> None:
        do(self, event, origin)

    return type(name, (View,), {"of": of, "Row": Row, "fold": fold_})


def last_wins(self: View, event: Clapped, of: Origin) -> None:
    self.row(what="last").text = of.entity


def test_a_view_that_depends_on_the_order_of_entities_is_found() -> None:
    view = made("Last", (Clapped,), last_wins)
    with pytest.raises(NotPure, match="depend on how their events come"):
        fold(view, EVENTS)
    assert fold(view, EVENTS, any_order=False)[0].text == "show:finale"


@pytest.mark.parametrize(
    "do",
    [
        lambda self, event, of: setattr(self.row(what="x"), "text", str(time.time())),
        lambda self, event, of: setattr(self.row(what="x"), "text", str(random.random())),
        lambda self, event, of: setattr(self.row(what="x"), "text", datetime.datetime.now(datetime.UTC).isoformat()),
    ],
    ids=["clock", "chance", "date"],
)
def test_a_view_that_knows_more_than_its_events_is_found(do: Any) -> None:
    with pytest.raises(NotPure):
        fold(made("Knowing", (Clapped,), do), EVENTS)


def test_a_view_that_keeps_something_beside_its_rows_is_found() -> None:
    def count(self: Any, event: Clapped, of: Origin) -> None:
        self.count = getattr(self, "count", 0) + 1
        self.row(what=of.entity).text = str(self.count)

    with pytest.raises(NotPure):
        fold(made("Counting", (Clapped,), count), EVENTS)


def test_an_inline_view_that_asks_for_the_row_of_another_entity_is_found() -> None:
    rows = fold(Summary, EVENTS)
    assert [(row.show, row.claps) for row in rows] == [("finale", 3), ("opening", 1)]
    with pytest.raises(NotItsOwn, match="inline"):
        fold(Summary, [("show:finale", Clapped(user="show opening"))])
    with pytest.raises(NotItsOwn, match="inline"):  # the key may be that of either
        fold(Summary, [*EVENTS, ("room:finale", Clapped(user="ann"))])


def test_what_a_fold_raises_is_raised() -> None:
    with pytest.raises(ValueError, match="poison"):
        fold(Standings, [("show:a", Clapped(user="poison"))])


def test_clocks_go_on_afterwards() -> None:
    fold(Directory, [("show:a", Renamed(title="x"))])
    assert time.time() > 0
