import datetime
import decimal
import uuid
from base64 import urlsafe_b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.actors.views.cursor import CURSOR_MAX, BadCursor, Cursors

MINE = Cursors(("standings", "finale", "-claps"), (int, str))
PLACES: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (int, st.integers(-(2**63), 2**63 - 1)),
    (str, st.text(st.characters(exclude_categories=["Cs"]))),
    (float, st.floats(allow_nan=False, allow_infinity=False)),
    (bool, st.booleans()),
    (decimal.Decimal, st.decimals(allow_nan=False, allow_infinity=False)),
    (datetime.datetime, st.datetimes(timezones=st.just(datetime.UTC))),
    (datetime.date, st.dates()),
    (uuid.UUID, st.uuids()),
]


DRAWN = st.lists(st.sampled_from(PLACES), max_size=4).flatmap(
    lambda some: st.tuples(st.just(some), *[strategy for _, strategy in some])
)


@given(DRAWN)
def test_a_place_of_any_types_comes_back_as_it_was(drawn: tuple[Any, ...]) -> None:
    some, *place = drawn
    cursors = Cursors(("any",), [kind for kind, _ in some])
    cursor = cursors.encode(place)
    assert cursors.decode(cursor) == tuple(place)
    assert cursor == cursors.encode(place), "and is the same each time"
    assert all(one.isalnum() or one in "-_" for one in cursor), "it stands in an address as it is"


@pytest.mark.parametrize(
    "purpose", [("seats", "finale", "-claps"), ("standings", "semi", "-claps"), ("standings", "finale", "claps"), ()]
)
def test_one_of_another_view_page_or_order_is_refused(purpose: tuple[str, ...]) -> None:
    with pytest.raises(BadCursor):
        MINE.decode(Cursors(purpose, (int, str)).encode((1, "ann")))


def test_names_that_run_together_are_told_apart() -> None:
    with pytest.raises(BadCursor):
        Cursors(("ab", "c"), ()).decode(Cursors(("a", "bc"), ()).encode(()))


def test_one_whose_columns_have_other_types_by_now_is_refused() -> None:
    with pytest.raises(BadCursor):
        Cursors(("standings",), (str, str)).decode(Cursors(("standings",), (int, str)).encode((1, "ann")))


@given(st.data())
def test_one_that_was_tampered_with_is_refused(data: st.DataObject) -> None:
    cursor = MINE.encode((12, "ann"))
    at = data.draw(st.integers(0, len(cursor) - 1))
    other = data.draw(st.sampled_from("ABCxyz019-_=~ é\n").filter(lambda one: one != cursor[at]))
    with pytest.raises(BadCursor):
        MINE.decode(cursor[:at] + other + cursor[at + 1 :])


@pytest.mark.parametrize("cursor", ["", "=", "A", "null", "é", "A" * (CURSOR_MAX + 1), "AAAAAAAAAAAA", "\x00"])
def test_what_is_none_is_refused(cursor: str) -> None:
    with pytest.raises(BadCursor):
        MINE.decode(cursor)


@given(st.binary(max_size=64))
def test_no_bytes_break_it(data: bytes) -> None:
    with pytest.raises(BadCursor):
        MINE.decode(urlsafe_b64encode(data).rstrip(b"=").decode())


def test_more_behind_it_is_not_passed_over() -> None:
    cursor = MINE.encode((12, "ann"))
    for more in ("=", "==", "\n", "!", "AAAA"):
        with pytest.raises(BadCursor):
            MINE.decode(cursor + more)
