"""What is known of views once they are installed."""

import pytest
from msgspec import Struct

from greenroom import Actor, Key, Origin, Page, Text, View
from greenroom.actors.model.kinds import Kinds, find_classes
from greenroom.actors.views.installed import BadViewClass, Installed, Views, views_among
from greenroom.store.views.made_of import OfKind
from tests.actors.views import shows
from tests.actors.views.shows import Clapped, Directory, Everything, Show, Standings, Summary, installed


def test_views_are_found_by_the_kinds_whose_events_they_fold() -> None:
    views = Views(Kinds([Show]), [Standings, Directory])
    assert [one.name for one in views.by_kind["show"]] == ["standings", "shows"]
    assert "standings" in views and views["standings"].view is Standings and views.get("no") is None
    with pytest.raises(KeyError):
        views["no"]
    assert not Views(Kinds([Show]))


def test_a_page_is_read_in_the_order_of_an_index() -> None:
    assert installed(Standings).shape.orders == (("show", "-claps", "-user"),)
    assert installed(Directory).shape.orders == (("claps", "show"),)  # by what is marked Index, and then by the key


def test_rows_and_what_is_stored_of_them() -> None:
    one = installed(Directory)
    row = Directory.Row(show="finale", title="The End", claps=3, users=["ann"])
    values = one.to_values(row)
    assert values == ("finale", "The End", 3, '["ann"]')
    assert one.to_row(values) == row
    assert one.key_of(row) == one.key_of_values(values) == ("finale",)
    assert one.has_json and not installed(Standings).has_json


def test_the_shape_says_which_events_rows_are_made_of() -> None:
    assert installed(Everything).shape.events == (OfKind("show", ("show.clapped",), ("show.closed", "show.renamed")),)
    assert Installed(Everything).shape.digest == installed(Everything).shape.digest


def test_the_keys_that_a_row_of_one_entity_may_have() -> None:
    assert installed(Standings).own_keys("show:a") is None
    alone = Installed(Summary)
    for keys in (installed(Summary).own_keys("show:a"), alone.own_keys("show:a", {"show"})):
        assert sorted(keys or ()) == [("a",), ("show:a",)]
    assert sorted(alone.own_keys("show:a", {"show", "room"}) or ()) == [("show:a",)]  # `a` could be of either


def test_no_two_entities_may_have_one_row() -> None:
    one = installed(Summary)
    entities = ("show:a", "show:show:a", "show:show:show:a", "show:room:a", "show:shows:a")
    keys = [one.own_keys(entity) or frozenset() for entity in entities]
    assert sum(map(len, keys)) == len(frozenset().union(*keys))
    assert keys[1] == {("show:show:a",)} and keys[4] == {("show:shows:a",), ("shows:a",)}


def test_a_view_can_be_looked_at_alone() -> None:
    alone = Installed(Standings)
    assert alone.kinds == frozenset() and alone.events >= {Clapped}


def test_the_views_of_a_module_are_found_beside_its_entities() -> None:
    class Base(View):
        """Has neither rows nor events: others derive from it."""

    assert views_among(find_classes("tests.actors.views.shows")) == [Standings, Directory, Everything, Summary]
    assert views_among([Base, Actor, shows.Total]) == []


class Said(View, version=1):
    """What was said in each show."""

    of = (Clapped,)
    across = "followed"

    class Row(Struct):
        show: Key[str]
        text: Text = ""

    watch = Page(by="show")

    def fold(self, event: Clapped, of: Origin) -> None:
        self.row(show=of.key).text = event.user


class Followed(View, version=1):
    """Who follows which show."""

    of = (Clapped,)

    class Row(Struct):
        user: Key[str]
        show: Key[str]

    watch = Page(by="user")

    def fold(self, event: Clapped, of: Origin) -> None:
        self.row(user=event.user, show=of.key)


def test_a_view_is_searched_across_another_that_names_its_pages() -> None:
    views = Views(Kinds([Show]), [Said, Followed])
    assert views.across("followed", "said") is views["said"]
    assert views.across("said", "followed") is None
    assert views.across("followed", "nothing") is None
    assert Views(Kinds([Show]), [Said]).across("followed", "said") is not None, "and there is no such address"


@pytest.mark.parametrize("first", [True, False])
def test_a_view_that_names_no_pages_is_refused(first: bool) -> None:
    class Other(View, version=1, name="followed"):
        of = (Clapped,)

        class Row(Struct):
            user: Key[str]

        watch = Page(by="user")

        def fold(self, event: Clapped, of: Origin) -> None:
            self.row(user=event.user)

    with pytest.raises(BadViewClass, match="told apart by no show"):
        Views(Kinds([Show]), [Said, Other] if first else [Other, Said])
