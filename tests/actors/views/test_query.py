from typing import Any

import pytest
from msgspec import Struct

from greenroom.actors.views.columns import Key
from greenroom.actors.views.layout import Layout
from greenroom.actors.views.page import LIMIT_MAX
from greenroom.actors.views.query import (
    PAGES_MAX,
    ROWS_MAX,
    SEARCH_MAX,
    Across,
    Arranged,
    BadQuery,
    NoSuchPage,
    Query,
    QueryOfMany,
    different,
)
from greenroom.actors.views.view import View
from greenroom.store.views.asked import Asked
from greenroom.store.views.reading import Found
from greenroom.store.views.tables import Table
from tests.actors.views.boards import Board, Everybody, Notes, installed


def query(view: type[View], key: str = "finale", **asked: Any) -> Query:
    shape = installed(view).shape
    return Query(Layout(view.name, 7, shape, view.watch), Table(view.name, 1, shape), key, Asked(**asked))


def board(user: str, claps: int) -> Found:
    return Found(("finale", user, claps), 1)


THREE = [board("ann", 9), board("bob", 8), board("eve", 7)]


def cursor_after(row: Found) -> str:
    """The cursor behind that row."""
    arranged = query(Board, limit=1).arrange([row, board("next", 0)])
    assert arranged.next is not None
    return arranged.next


def test_a_page_asks_for_its_rows_and_one_more() -> None:
    wanted = query(Board).wanted
    assert (wanted.where, wanted.order, wanted.limit) == ((("show", "finale"),), ("-claps", "-user"), 4)
    assert query(Board, limit=LIMIT_MAX).wanted.limit == LIMIT_MAX + 1
    assert query(Everybody, "all").wanted.where == ()


def test_a_view_without_pages_has_one_name_for_all() -> None:
    with pytest.raises(NoSuchPage, match="'all'"):
        query(Everybody, "some")


@pytest.mark.parametrize("limit", [0, -1, LIMIT_MAX + 1, 1_000_000])
def test_a_limit_is_bounded(limit: int) -> None:
    with pytest.raises(BadQuery, match=f"limit must be 1 to {LIMIT_MAX}"):
        query(Board, limit=limit)


def test_cursors_lead_on_and_back() -> None:
    first = query(Board, limit=2).arrange(THREE)
    assert ([row.values[1] for row in first.rows], first.previous) == (["ann", "bob"], None)
    second = query(Board, limit=2, after=first.next)
    assert (second.wanted.place, second.wanted.backwards) == ((8, "bob"), False)
    last = second.arrange([THREE[2]])
    assert last.next is None
    back = query(Board, limit=2, before=last.previous)
    assert (back.wanted.place, back.wanted.backwards) == ((7, "eve"), True)
    before = back.arrange([THREE[1], THREE[0]])
    assert [row.values[1] for row in before.rows] == ["ann", "bob"], "in the page's order"
    assert before.previous is None, "nothing is before them"
    assert before.next == first.next


def test_there_is_more_before_a_page_that_was_read_backwards_when_one_more_was_found() -> None:
    arranged = query(Board, limit=1, before=cursor_after(THREE[2])).arrange([THREE[1], THREE[0]])
    assert [row.values[1] for row in arranged.rows] == ["bob"]
    assert arranged.previous is not None


def test_no_rows_have_no_cursors() -> None:
    found: Arranged = query(Board, after=cursor_after(THREE[2])).arrange([])
    assert (found.rows, found.next, found.previous) == ([], None, None)


@pytest.mark.parametrize("field", ["after", "before"])
@pytest.mark.parametrize(
    ("view", "key", "asked"),
    [
        (Board, "semi", {}),
        (Notes, "finale", {}),
        (Everybody, "all", {}),
        (Board, "finale", {"where": {"user": "ann"}}),
    ],
)
def test_a_cursor_of_something_else_is_refused_by_its_name(
    view: type[View], key: str, asked: dict[str, Any], field: str
) -> None:
    with pytest.raises(BadQuery) as caught:
        query(view, key, **asked, **{field: cursor_after(THREE[0])})
    assert caught.value.field == field


def test_a_cursor_goes_on_with_another_limit_and_over_versions() -> None:
    shape = installed(Board).shape
    later = Query(
        Layout("board", 8, shape, Board.watch), Table("board", 2, shape), "finale",
        Asked(limit=50, after=cursor_after(THREE[0])),
    )  # fmt: skip
    assert later.wanted.place == (9, "ann")


def test_after_and_before_exclude_each_other() -> None:
    with pytest.raises(BadQuery, match="before and after"):
        query(Board, after=cursor_after(THREE[0]), before=cursor_after(THREE[1]))


def test_filters_are_on_keys_and_indexes() -> None:
    where = query(Notes, "a", where={"open": "true", "team": "red"}).wanted.where
    assert where == (("room", "a"), ("team", "red"), ("open", True))
    assert query(Notes, "a", where={"number": "3"}).wanted.where == (("room", "a"), ("number", 3))
    assert query(Board, where={"user": "ann"}).wanted.where == (("show", "finale"), ("user", "ann"))


@pytest.mark.parametrize(
    ("view", "where", "problem"),
    [
        (Board, {"claps": "3"}, "claps is no key and no index of board"),
        (Board, {"nope": "3"}, "nope is no key and no index of board"),
        (Board, {"_revision": "3"}, "_revision is no key and no index"),
        (Notes, {"title": "x"}, "title is no key and no index"),
        (Notes, {"number": "many"}, "number expected"),
        (Notes, {"open": "maybe"}, "open "),
    ],
)
def test_any_other_filter_is_refused_by_its_name(view: type[View], where: dict[str, str], problem: str) -> None:
    with pytest.raises(BadQuery, match=problem):
        query(view, where=where)


def test_a_later_key_needs_those_before_it() -> None:
    shape = installed(Notes).shape
    layout = Layout("notes", 1, shape, None)
    with pytest.raises(BadQuery, match="number can be filtered by together with room"):
        Query(layout, Table("notes", 1, shape), "all", Asked(where={"number": "3"}))
    found = Query(layout, Table("notes", 1, shape), "all", Asked(where={"number": "3", "room": "a"}))
    assert found.wanted.where == (("room", "a"), ("number", 3))


def test_a_search_is_in_the_order_of_how_well_it_fits() -> None:
    wanted = query(Notes, "a", search="red balloon").wanted
    assert (wanted.search, wanted.order) == ("red balloon", ("-_rank", "-room", "-number"))
    first = query(Notes, "a", limit=1, search="red").arrange([note(0.5), note(0.25)])
    following = query(Notes, "a", limit=1, search="red", after=first.next).wanted
    assert following.place == (0.5, "a", 3)
    with pytest.raises(BadQuery, match="after is no cursor"):
        query(Notes, "a", search="blue", after=first.next)


def note(rank: float) -> Found:
    return Found(("a", 3, *([None] * 8)), 1, rank)


@pytest.mark.parametrize("search", ["x" * (SEARCH_MAX + 1), "a\0b"])
def test_a_search_is_bounded(search: str) -> None:
    with pytest.raises(BadQuery, match="search must be"):
        query(Notes, "a", search=search)


def test_what_has_no_text_is_not_searched() -> None:
    with pytest.raises(BadQuery, match="search finds nothing in board"):
        query(Board, search="ann")


def across(**asked: Any) -> Query:
    """Notes of the rooms that the page `ann` of another view names."""
    shape = installed(Notes).shape
    other = Across("teams", "user", Table("teams", 1, shape))
    return Query(Layout("notes", 7, shape, Notes.watch), Table("notes", 1, shape), "ann", Asked(**asked), other)


def test_a_search_across_pages_takes_those_that_the_other_view_names() -> None:
    wanted = across(search="tea").wanted
    assert wanted.where == ()
    assert wanted.among is not None
    assert (wanted.among.column, wanted.among.where) == ("room", ("user", "ann"))
    assert across(search="tea", where={"room": "a", "number": "3"}).wanted.where == (("room", "a"), ("number", 3))
    with pytest.raises(BadQuery, match="number can be filtered by together with room"):
        across(search="tea", where={"number": "3"})
    with pytest.raises(BadQuery, match="search must be given"):
        across()


def test_a_cursor_of_a_page_is_none_of_a_search_across_pages() -> None:
    row = Found(("ann", 1, "", "", "", 0, None, 0.0, True, "[]"), 1, rank=0.5)
    arranged = query(Notes, "ann", search="tea", limit=1).arrange([row, row])
    with pytest.raises(BadQuery, match="is no cursor"):
        across(search="tea", after=arranged.next)


def of_many(view: type[View], keys: Any, *, limit: int = 2, **where: Any) -> QueryOfMany:
    return QueryOfMany(Layout(view.name, 7, installed(view).shape, view.watch), keys, limit=limit, where=where)


def test_many_pages_are_read_in_their_order_and_given_in_that_of_their_keys() -> None:
    query = of_many(Board, ["semi", "finale", "none", "semi"])
    assert (query.column, query.keys) == ("show", ["semi", "finale", "none"])
    assert (query.wanted.where, query.wanted.order, query.wanted.limit) == ((), ("-claps", "-user"), 2)
    other = Found(("semi", "bob", 1), 1)
    assert list(query.by_page([THREE[0], THREE[1], other]).items()) == [("semi", [other]), ("finale", THREE[:2])]
    assert of_many(Board, ["a"], user="ann").wanted.where == (("user", "ann"),)
    assert of_many(Board, []).keys == []


def test_rows_by_their_only_key_need_no_pages() -> None:
    assert of_many(Everybody, ["ann", "bob"], limit=1).column == "user"


class Numbered(Everybody, version=1):
    class Row(Struct):
        number: Key[int]


def test_a_view_with_one_page_and_no_text_to_tell_rows_apart_has_none_of_many() -> None:
    with pytest.raises(BadQuery, match="keys says nothing: numbered has one page"):
        of_many(Numbered, ["1"])


@pytest.mark.bound("pages of a view that are read at once")
def test_what_is_read_of_many_pages_at_once_is_bounded() -> None:
    most = [str(number) for number in range(PAGES_MAX)]
    assert len(different([*most, *most], ROWS_MAX // PAGES_MAX)) == PAGES_MAX
    assert len(different(most[: ROWS_MAX // LIMIT_MAX], LIMIT_MAX)) * LIMIT_MAX == ROWS_MAX
    for keys, limit, field in (
        ([*most, "more"], 1, "keys"),
        (most, ROWS_MAX // PAGES_MAX + 1, "limit"),
        (["a"], 0, "limit"),
        ([], LIMIT_MAX + 1, "limit"),
        ("abc", 1, "keys"),
    ):
        with pytest.raises(BadQuery) as refused:
            different(keys, limit)
        assert refused.value.field == field


@pytest.mark.parametrize(("keys", "where"), [(["a\0"], {}), (["\ud800"], {}), (["a"], {"claps": 1}), (["a"], {"x": 1})])
def test_keys_and_filters_of_many_pages_are_held_to_the_view(keys: list[str], where: dict[str, Any]) -> None:
    with pytest.raises(BadQuery):
        of_many(Board, keys, **where)
