"""Values of every type as keys and in orders, on a real Postgres: a row is known by them wherever it is heard of, found
by them, and gone through by them, each once."""

import datetime
import random
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from greenroom.actors.views.columns import PLAIN, Key
from greenroom.actors.views.layout import Layout, NotThatValue
from greenroom.actors.views.page import Page
from greenroom.actors.views.query import BadQuery
from greenroom.actors.views.view import Origin, View
from tests.actors.views.boards import Clapped, installed
from tests.store.views.test_paging import Stored, stored

UTC = datetime.UTC
EAST = datetime.timezone(datetime.timedelta(hours=5, minutes=30))
ODD: dict[type, list[Any]] = {  # those at the edges, and pairs that are written otherwise and equal
    bool: [True, False],
    int: [0, -1, 2**63 - 1, -(2**63), 2**53 + 1],
    float: [0.0, -0.0, 1.5, -1.5, 1e308, -1e308, 5e-324, 0.1 + 0.2, 1e22, 3],
    str: ["", " ", "a", "A", "ä", "a'b", "\x01", "\U0001f388", "a\nb", "%", "+", "&=", "null", "\ufffd", "\x7f"],
    bytes: [b"", b"\0", b"\xff\xfe", b"a", b"ab", b"\x7f", bytes(range(256))],
    Decimal: [Decimal(one) for one in ("0", "-0.00", "1.1", "1.10", "1E+30", "-1E-30", "100", "1E+2", "9" * 60)],
    datetime.datetime: [
        datetime.datetime(1, 1, 1, 0, 0, 0, 1, tzinfo=UTC), datetime.datetime.max.replace(microsecond=0, tzinfo=UTC),
        datetime.datetime(2026, 5, 1, 12, 0, 0, 1, tzinfo=UTC), datetime.datetime(2026, 5, 1, 17, 30, tzinfo=EAST),
        datetime.datetime(2026, 5, 1, 12, tzinfo=UTC), datetime.datetime(1899, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    ],
    datetime.date: [datetime.date.min, datetime.date.max, datetime.date(2026, 2, 28), datetime.date(1999, 12, 31)],
    uuid.UUID: [uuid.UUID(int=0), uuid.UUID(int=2**128 - 1), uuid.UUID(int=2**64), uuid.UUID(int=7 << 120)],
}  # fmt: skip
MORE: dict[type, Callable[[random.Random], Any]] = {
    bool: lambda chance: chance.random() < 0.5,
    int: lambda chance: chance.randrange(-(2**63), 2**63),
    float: lambda chance: chance.choice(
        [chance.uniform(-10, 10), chance.random() * 10.0 ** chance.randrange(-300, 300)]
    ),
    str: lambda chance: "".join(chr(chance.choice([chance.randrange(1, 128), 0x20AC, 0x1F600])) for _ in range(9)),
    bytes: lambda chance: chance.randbytes(chance.randrange(12)),
    Decimal: lambda chance: Decimal(chance.randrange(-(10**12), 10**12)).scaleb(-chance.randrange(8)),
    datetime.datetime: lambda chance: datetime.datetime.fromtimestamp(chance.randrange(10**15) / 10**6, UTC),
    datetime.date: lambda chance: datetime.date.fromordinal(chance.randrange(1, datetime.date.max.toordinal())),
    uuid.UUID: lambda chance: uuid.UUID(int=chance.getrandbits(128)),
}
TEXTS: dict[type, Callable[[Any], str]] = {  # as they stand in a query; else as in JSON
    bool: lambda value: "true" if value else "false",
    str: str,
}


def values(kind: type, chance: random.Random, count: int) -> list[Any]:
    return [*ODD[kind], *(MORE[kind](chance) for _ in range(count))]


def view_of(key: type, by: type, *, descending: bool) -> type[View]:
    """Pages of rows that are told apart by one value, and in the order of another."""

    def fold(self: View, event: Clapped, of: Origin) -> None: ...

    keys: Any = Key
    row = msgspec.defstruct("Row", [("page", keys[str]), ("key", keys[key]), ("by", by, ODD[by][0])])
    watch = Page(by="page", order="-by" if descending else "by", limit=3)
    made: Any = type("Sorted", (View,), {"of": (Clapped,), "Row": row, "fold": fold, "watch": watch})
    return made  # type: ignore[no-any-return]


class Table:
    """The rows of the page `p`."""

    def __init__(self, of: Stored, rows: list[tuple[Any, Any]]) -> None:
        self.of = of
        fields = of.installed.fields
        self.layout: Layout = of.layout
        self.rows = [tuple(one.to_store(v) for one, v in zip(fields, ("p", *row), strict=True)) for row in rows]
        self.rows.sort(key=lambda row: self.layout.row_of(row, 1).place)

    async def fill(self) -> None:
        rows = [*self.rows]
        random.Random(1).shuffle(rows)
        await self.of.put(*rows)

    async def remove(self, row: tuple[Any, ...]) -> None:
        kind = self.of.table.shape.columns[1].type
        await self.of.pool.fetch(f'DELETE FROM {self.of.table.rows} WHERE "key" = $1::{kind}', row[1])
        self.rows.remove(row)

    async def walk(self, limit: int = 3) -> tuple[list[tuple[Any, ...]], str | None]:
        """All rows forwards; and the cursor before the last page."""
        found, cursor, previous = await self.of.page("p", limit=limit)
        there = found
        while cursor is not None:
            found, cursor, previous = await self.of.page("p", limit=limit, after=cursor)
            there = there + found
        return there, previous


ORDERED = [kind for kind in PLAIN if kind not in (bool, bytes)]


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("by", ORDERED, ids=lambda kind: kind.__name__)
async def test_rows_are_gone_through_once_in_any_order(database_url: str, by: type, descending: bool) -> None:
    chance = random.Random(11)
    async with stored(database_url, view_of(int, by, descending=descending)) as of:
        some = values(by, chance, 4)
        table = Table(of, [(number, chance.choice(some)) for number in range(30)])
        await table.fill()
        there, previous = await table.walk()
        assert there == table.rows
        back: list[Any] = there[-(len(there) % 3 or 3) :]
        while previous is not None:
            found, _, previous = await of.page("p", limit=3, before=previous)
            back = found + back
        assert back == table.rows


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("key", PLAIN, ids=lambda kind: kind.__name__)
async def test_rows_are_known_and_found_by_any_key(database_url: str, key: type, descending: bool) -> None:
    chance = random.Random(12)
    async with stored(database_url, view_of(key, int, descending=descending)) as of:
        encode = of.installed.key_fields[1].to_store
        keys = {encode(one): one for one in values(key, chance, 20)}
        table = Table(of, [(one, chance.randrange(3)) for one in keys.values()])
        await table.fill()
        assert (await table.walk())[0] == table.rows
        for row in table.rows:
            layout = table.layout
            known, json = layout.key_of(row[:2]), layout.json_of(row)
            shown = msgspec.json.decode(json)
            assert msgspec.json.decode(known) == {"page": shown["page"], "key": shown["key"]}, "as in `gone`"
            told = layout.told(known, 1, json)
            assert told.place == layout.row_of(row, 1).place
            text = TEXTS[key](row[1]) if key in TEXTS else str(shown["key"])
            ((values_found), *more), _, _ = await of.page("p", where={"key": text})
            assert values_found == row and not more
            assert (layout.key_of(values_found[:2]), layout.json_of(values_found)) == (known, json), "read or folded"


@pytest.mark.parametrize("key", [one for one in PLAIN if one is not bool], ids=lambda kind: kind.__name__)
async def test_what_goes_between_two_pages_neither_hides_a_row_nor_shows_one_twice(
    database_url: str, key: type
) -> None:
    chance = random.Random(13)
    async with stored(database_url, view_of(key, int, descending=True)) as of:
        encode = of.installed.key_fields[1].to_store
        keys = {encode(one): one for one in values(key, chance, 20)}
        table = Table(of, [(one, chance.randrange(3)) for one in keys.values()])
        await table.fill()
        first, cursor, _ = await of.page("p", limit=4)
        assert first == table.rows[:4]
        ahead, behind = table.rows[4], table.rows[1]
        for row in (first[-1], ahead, behind):
            await table.remove(row)
        second, _, previous = await of.page("p", limit=100, after=cursor)
        assert second == table.rows[2:], "from the place of one that is gone"
        found, _, _ = await of.page("p", limit=100, before=previous)
        assert found == table.rows[:2]


@pytest.mark.parametrize(
    ("kind", "place"),
    [
        (int, 2**70), (str, "a\0b"), (Decimal, Decimal("1e999999")), (Decimal, Decimal("NaN")),
        (datetime.datetime, datetime.datetime(2026, 1, 1)),
        (datetime.datetime, datetime.datetime.max.replace(tzinfo=datetime.timezone(-datetime.timedelta(hours=1)))),
    ],
)  # fmt: skip
async def test_a_cursor_that_somebody_made_up_is_no_cursor(database_url: str, kind: type, place: Any) -> None:
    """Whatever is in it, the database is not asked."""
    async with stored(database_url, view_of(kind, int, descending=False)) as of:
        forged = of.query("p")._cursors.encode([1, place])
        for field in ("after", "before"):
            with pytest.raises(BadQuery, match=f"{field} is no cursor"):
                of.query("p", **{field: forged})


@pytest.mark.parametrize("given", ["1e999999", "-1e1001", "1e-2000", "NaN", "-inf", "sNaN"])
def test_a_filter_with_digits_without_end_is_refused(given: str) -> None:
    view = view_of(Decimal, int, descending=False)
    layout = Layout("sorted", 1, installed(view).shape, view.watch)
    with pytest.raises(NotThatValue, match=r"digits|finite"):
        layout.value_of("key", given)
