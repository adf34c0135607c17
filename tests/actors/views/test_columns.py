"""Fields of rows as columns: their types in Postgres, and values there and back."""

import datetime
import enum
import uuid
from decimal import Decimal
from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import Struct

from greenroom import Index, Key, Text, UserId
from greenroom.actors.views.columns import INT_MAX, BadField, Mark, Stored, Unfit, stored_fields
from greenroom.store.journal.postgres.arrays import argument


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Rank(enum.IntEnum):
    LOW = 1


class Inner(Struct):
    a: int
    b: str = ""


class Row(Struct):
    key: Key[str]
    user: Key[UserId]
    count: Index[int] = 0
    share: float = 0.0
    is_open: bool = False
    body: bytes = b""
    price: Decimal = Decimal(0)
    id: uuid.UUID | None = None
    at: datetime.datetime | None = None
    day: datetime.date | None = None
    colour: Colour = Colour.RED
    rank: Rank = Rank.LOW
    state: Literal["on", "off"] = "on"
    title: Text = ""
    subtitle: Text | None = None
    tags: list[str] = []
    inner: Inner | None = None
    counts: dict[str, int] = {}
    either: int | str = 0
    weights: list[float] = []
    step: Literal[1, 2] = 1


FIELDS = {one.column.name: one for one in stored_fields(Row)}


def test_types() -> None:
    assert {name: one.column.type for name, one in FIELDS.items()} == {
        "key": "text",
        "user": "text",
        "count": "bigint",
        "share": "double precision",
        "is_open": "boolean",
        "body": "bytea",
        "price": "numeric",
        "id": "uuid",
        "at": "timestamptz",
        "day": "date",
        "colour": "text",
        "rank": "bigint",
        "state": "text",
        "title": "text",
        "subtitle": "text",
        "tags": "jsonb",
        "inner": "jsonb",
        "counts": "jsonb",
        "either": "jsonb",
        "weights": "jsonb",
        "step": "bigint",
    }


def test_what_fields_are_marked_as() -> None:
    columns = [one.column for one in FIELDS.values()]
    assert [one.name for one in columns if one.is_key] == ["key", "user"]
    assert [one.name for one in columns if one.is_indexed] == ["count"]
    assert [one.name for one in columns if one.is_searched] == ["title", "subtitle"]
    assert [one.name for one in columns if one.is_nullable] == ["id", "at", "day", "subtitle", "inner"]


NOON = datetime.datetime(2026, 1, 1, 12, tzinfo=datetime.UTC)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("key", "any text, ü too"),
        ("count", -INT_MAX - 1),
        ("share", 0.25),
        ("is_open", True),
        ("body", b"\0\xff"),
        ("price", Decimal("1.50")),
        ("id", uuid.UUID(int=7)),
        ("id", None),
        ("at", NOON),
        ("day", datetime.date(2026, 1, 1)),
        ("colour", Colour.BLUE),
        ("rank", Rank.LOW),
        ("state", "off"),
        ("tags", ["a", "b"]),
        ("inner", Inner(a=1, b="x")),
        ("counts", {"b": 1, "a": 2}),
        ("either", "text"),
    ],
)
def test_there_and_back(name: str, value: Any) -> None:
    one = FIELDS[name]
    assert one.from_store(one.to_store(value)) == value


class Markup(str):
    def __str__(self) -> str:
        return "<b>"


class Step(enum.IntEnum):
    ONE = 1


class Data(bytes):
    def __bytes__(self) -> bytes:
        return b"other"


class Share(float):
    pass


class Price(Decimal):
    pass


class Number(uuid.UUID):
    pass


class Moment(datetime.datetime):
    pass


@pytest.mark.parametrize(
    ("name", "value", "stored"),
    [
        ("key", Markup("a"), "a"),
        ("title", Markup("ü"), "ü"),
        ("count", Step.ONE, 1),
        ("share", Share(0.5), 0.5),
        ("body", Data(b"x"), b"x"),
        ("price", Price("1.50"), Decimal("1.50")),
        ("price", Price("0.0"), Decimal("0.0")),
        ("id", Number(int=7), uuid.UUID(int=7)),
        ("at", Moment.fromtimestamp(NOON.timestamp(), datetime.UTC), NOON),
        ("at", Moment.fromtimestamp(NOON.timestamp(), datetime.timezone(datetime.timedelta(hours=2))), NOON),
        ("state", Markup("on"), "on"),
        ("step", Step.ONE, 1),
        ("step", True, 1),
        ("rank", Rank.LOW, 1),
    ],
)
def test_what_is_stored_is_of_the_columns_own_type(name: str, value: Any, stored: Any) -> None:
    """No JSON is made of others, and an IntEnum is written into an array as it shows itself."""
    found = FIELDS[name].to_store(value)
    assert (type(found), found) == (type(stored), stored)
    assert msgspec.json.encode(found) == msgspec.json.encode(stored)
    if type(stored) is int:
        assert argument([found, None], "bigint") == f"{{{stored}, NULL}}"


def test_a_moment_is_stored_in_utc() -> None:
    eastern = datetime.timezone(datetime.timedelta(hours=2))
    assert FIELDS["at"].to_store(NOON.astimezone(eastern)) == NOON
    assert FIELDS["at"].to_store(NOON.astimezone(eastern)).tzinfo is datetime.UTC


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("key", None),
        ("key", 1),
        ("key", "nul \0"),
        ("count", "1"),
        ("count", True),
        ("count", 1.5),
        ("count", INT_MAX + 1),
        ("share", "0.5"),
        ("share", True),
        ("share", float("nan")),
        ("share", float("-inf")),
        ("share", 10**400),
        ("key", "\ud800"),
        ("price", Decimal("NaN")),
        ("price", Decimal("sNaN")),
        ("price", Decimal("Infinity")),
        ("price", Decimal("1E+1000")),
        ("price", Decimal("1E-1001")),
        ("price", Decimal("0E+999999")),
        ("at", datetime.datetime.max.replace(tzinfo=datetime.timezone(-datetime.timedelta(hours=1)))),
        ("at", datetime.datetime.min.replace(tzinfo=datetime.UTC)),
        ("at", datetime.datetime.max.replace(tzinfo=datetime.UTC)),
        ("weights", [0.5, float("inf")]),
        ("is_open", 1),
        ("body", "text"),
        ("price", 1.5),
        ("id", "7"),
        ("at", datetime.datetime(2026, 1, 1)),
        ("at", "2026-01-01"),
        ("day", NOON),
        ("colour", "red"),
        ("colour", Rank.LOW),
        ("state", "ajar"),
    ],
)
def test_what_a_column_can_not_hold_is_refused_before_the_server_sees_it(name: str, value: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        FIELDS[name].to_store(value)


def test_what_is_equal_is_stored_alike() -> None:
    assert str(FIELDS["share"].to_store(-0.0)) == "0.0"
    assert [str(FIELDS["price"].to_store(Decimal(one))) for one in ("1.50", "1E+2", "-0.0", "0E+3")] == [
        "1.50", "100", "0.0", "0",
    ]  # fmt: skip
    (key,) = fields(Key[Decimal])
    spelled = ("1.50", "1.5", "15E-1", "1E+2", "100.00", "-0.0", "0E+3", "-0.10", "9" * 40 + ".0")
    assert [str(key.to_store(Decimal(one))) for one in spelled] == [
        "1.5", "1.5", "1.5", "100", "100", "0", "0", "-0.1", "9" * 40,
    ]  # fmt: skip


def test_what_can_not_be_held_is_said_with_the_columns_name() -> None:
    for name, value in (("share", float("nan")), ("weights", [float("nan")]), ("key", "\0")):
        with pytest.raises(Unfit, match=f"^{name} "):
            FIELDS[name].to_store(value)
    assert FIELDS["weights"].from_store(FIELDS["weights"].to_store([1e300])) == [1e300]


def fields(hint: Any, name: str = "field") -> list[Stored]:
    return stored_fields(type("Row", (Struct,), {"__annotations__": {name: hint}}))


@pytest.mark.parametrize(
    ("hint", "said"),
    [
        (Key[list[str]], "neither a key nor an index"),
        (Index[dict[str, int]], "neither a key nor an index"),
        (Annotated[str | None, Mark("key")], "may be None"),
        (Literal["a", 1], "all be texts or all be whole numbers"),
        (Literal[True, False], "all be texts or all be whole numbers"),
    ],
)
def test_fields_that_can_not_be_kept(hint: Any, said: str) -> None:
    with pytest.raises(BadField, match=said):
        fields(hint)


@pytest.mark.parametrize(("name", "said"), [("_hidden", "underscore"), ("x" * 64, "63 bytes")])
def test_names_that_no_column_can_have(name: str, said: str) -> None:
    with pytest.raises(BadField, match=said):
        fields(int, name)
