import datetime
import decimal
import uuid
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenroom.actors.views.layout import Layout, NoSuchColumn, NotThatValue
from greenroom.actors.views.page import Page
from greenroom.store.views.shape import Column, Shape
from tests.actors.views.boards import Board, Everybody, Notes, installed

BOARD = Layout("board", 7, installed(Board).shape, Board.watch)
NOTES = Layout("notes", 7, installed(Notes).shape, Notes.watch)
NOON = datetime.datetime(2026, 5, 1, 12, tzinfo=datetime.UTC)


def note(number: int, **fields: Any) -> tuple[Any, ...]:
    """The stored values of a note."""
    row = Notes.Row(room="a", number=number)
    for name, value in fields.items():
        setattr(row, name, value)
    return tuple(one.to_store(getattr(row, one.column.name)) for one in installed(Notes).fields)


def test_a_row_is_of_the_page_that_its_key_names() -> None:
    assert BOARD.page_of(("finale", "ann")) == "finale"
    everybody = Layout("everybody", 1, installed(Everybody).shape, None)
    assert everybody.page_of(("ann",)) == "all"
    assert everybody.order == ("user",)


def test_the_order_ends_with_the_keys_that_it_leaves_open_the_same_way_round() -> None:
    assert BOARD.order == ("-claps", "-user")
    assert NOTES.order == ("-weight", "title", "number")
    assert Page(by="user").total(("user",)) == ("user",), "one row a page"


def test_a_row_looks_the_same_stored_or_just_folded() -> None:
    values = note(3, title="x", price=decimal.Decimal("1.50"), at=NOON, tags=["b", "a"])
    stored = (*values[:-1], '["b",   "a"]')  # as Postgres writes its jsonb
    assert NOTES.json_of(values) == NOTES.json_of(stored)
    assert msgspec.json.decode(NOTES.json_of(values)) == {
        "room": "a", "number": 3, "title": "x", "body": "", "team": "none", "price": "1.50",
        "at": "2026-05-01T12:00:00Z", "weight": 0.0, "open": True, "tags": ["b", "a"],
    }  # fmt: skip


def test_documents_of_another_order_are_the_same_document() -> None:
    shape = Shape((Column("id", "text", is_key=True), Column("data", "jsonb", is_nullable=True)))
    layout = Layout("docs", 1, shape, None)
    assert layout.json_of(("a", '{"b": 1, "a": 2}')) == layout.json_of(("a", '{"a":2,"b":1}'))
    assert layout.json_of(("a", None)) == b'{"id":"a","data":null}'


TITLES = st.text(st.characters(exclude_categories=["Cs"], min_codepoint=1), max_size=3)
SOME = st.lists(
    st.tuples(st.floats(allow_nan=False, allow_infinity=False), TITLES, st.integers(0, 9)), unique_by=lambda one: one[2]
)


@given(SOME)
@settings(deadline=None)
def test_rows_stand_in_the_order_in_which_postgres_has_them(some: list[tuple[float, str, int]]) -> None:
    rows = [NOTES.row_of(note(number, weight=weight, title=title), 1) for weight, title, number in some]
    wanted = sorted(some, key=lambda one: (-one[0], one[1].encode(), one[2]))
    found = [msgspec.json.decode(row.json)["number"] for row in sorted(rows, key=lambda row: row.place)]
    assert found == [number for _, _, number in wanted]


@pytest.mark.parametrize(
    ("kind", "less", "more"),
    [
        ("bigint", -5, 3),
        ("double precision", 1.5, 2.5),
        ("double precision", 1e300, float("nan")),
        ("numeric", decimal.Decimal("1.10"), decimal.Decimal("1.2")),
        ("text", "Z", "a"),
        ("timestamptz", NOON, NOON + datetime.timedelta(microseconds=1)),
        ("date", datetime.date(2026, 1, 2), datetime.date(2026, 1, 10)),
        ("uuid", uuid.UUID(int=9), uuid.UUID(int=2**100)),
    ],
)
def test_every_type_can_be_descended(kind: str, less: Any, more: Any) -> None:
    shape = Shape((Column("id", "text", is_key=True), Column("by", kind)))
    down, up = (Layout("any", 1, shape, Page(order=order)) for order in ("-by", "by"))
    assert up.row_of(("a", less), 1).place < up.row_of(("a", more), 1).place
    assert down.row_of(("a", more), 1).place < down.row_of(("a", less), 1).place
    if more == more:
        for layout in (up, down):
            row = layout.row_of(("a", more), 1)
            assert layout.told(row.key, 1, row.json) == row, "as another node hears of it"


def test_what_another_version_wrote_is_not_taken_for_a_row() -> None:
    with pytest.raises(msgspec.MsgspecError):
        BOARD.told(b"{}", 1, b'{"show":"finale","user":"ann","claps":"many"}')


@pytest.mark.parametrize(
    ("shape", "page"),
    [
        (Shape((Column("show", "text", is_key=True),)), Page(by="show", order="-claps")),
        (Shape((Column("user", "text", is_key=True), Column("show", "text"))), Page(by="show")),
        (Shape((Column("show", "text", is_key=True), Column("claps", "jsonb"))), Page(order="claps")),
        (
            Shape((Column("show", "text", is_key=True), Column("claps", "bigint", is_nullable=True))),
            Page(order="claps"),
        ),
    ],
)
def test_pages_are_not_made_of_a_version_that_lacks_their_columns(shape: Shape, page: Page) -> None:
    with pytest.raises(NoSuchColumn):
        Layout("board", 1, shape, page)


@pytest.mark.parametrize(
    ("column", "given", "value"),
    [
        ("number", "12", 12),
        ("number", 12, 12),
        ("open", "true", True),
        ("open", "0", False),
        ("team", "12", "12"),
        ("price", "1.50", decimal.Decimal("1.50")),
        ("at", "2026-05-01T14:00:00+02:00", NOON),
    ],
)
def test_a_value_is_taken_from_a_text_that_says_it(column: str, given: Any, value: Any) -> None:
    assert NOTES.value_of(column, given) == value


@pytest.mark.parametrize(
    ("column", "given"),
    [
        ("number", "many"), ("number", ""), ("number", "9" * 19), ("number", "1.5"), ("open", "maybe"),
        ("team", "a\0b"), ("at", "2026-05-01T14:00:00"), ("at", "soon"), ("price", "free"),
    ],
)  # fmt: skip
def test_a_value_that_the_column_can_not_have_is_refused(column: str, given: str) -> None:
    with pytest.raises(NotThatValue):
        NOTES.value_of(column, given)
