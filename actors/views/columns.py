"""Columns: the fields of a row as what Postgres keeps them in, and their values there and back.

    class Row(Struct):
        show: Key[str]              # text, part of the primary key
        claps: Index[int] = 0       # bigint, may be filtered by
        title: Text = ""            # text, searched
        tags: list[str] = []        # jsonb, as anything that is a list or an object

Decided from the annotations alone.
"""

import datetime
import decimal
import enum
import types
import typing
import uuid
from collections.abc import Callable, Iterator
from math import isfinite
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import msgspec
from msgspec import Struct

from greenroom.store.views.shape import Column

T = TypeVar("T")


class Mark(Struct, frozen=True):
    """What a field of a row is beside its type."""

    name: Literal["key", "index", "text"]


Key = Annotated[T, Mark("key")]  # together with the others of its row it tells rows apart, and never changes
Index = Annotated[T, Mark("index")]  # rows may be filtered by it
Text = Annotated[str, Mark("text")]  # its words are searched

PLAIN: dict[type, str] = {
    bool: "boolean",
    int: "bigint",
    float: "double precision",
    str: "text",
    bytes: "bytea",
    decimal.Decimal: "numeric",
    datetime.datetime: "timestamptz",
    datetime.date: "date",
    uuid.UUID: "uuid",
}
ORDERED = frozenset(PLAIN.values()) - {"boolean", "bytea"}  # of these rows may be in the order of
INT_MAX = 2**63 - 1
DIGITS_MAX = 1_000  # of a Decimal, before the point and behind it: one that is written with an exponent may have any
JSON = "jsonb"
AS_IS: Callable[[Any], Any] | None = None  # a value that the driver takes, and gives, as it is


class BadField(Exception):
    """A field of a row can't be kept; the text says which and why, to be read behind the name of the view's class."""


class Unfit(ValueError):
    """No column of its type holds that value; the text says why, to be read behind the column's name."""


class Stored(Struct, frozen=True):
    """A field with its column: `encode` makes what the driver takes, `decode` of what it gives the field's value; None
    where both are the same. Of NULL neither is asked."""

    column: Column
    type: Any  # the field's, without None and marks
    encode: Callable[[Any], Any] | None
    decode: Callable[[Any], Any] | None

    def to_store(self, value: Any) -> Any:
        """Raises: Unfit, TypeError, ValueError for what the field does not hold."""
        if value is None:
            if not self.column.is_nullable:
                raise TypeError(f"{self.column.name} is None, and is not declared as optional")
            return None
        try:
            return value if self.encode is None else self.encode(value)
        except Unfit as error:
            raise Unfit(f"{self.column.name} {error}") from error

    def from_store(self, value: Any) -> Any:
        """Raises: msgspec.MsgspecError, ValueError where the column holds what the field does not."""
        return value if value is None or self.decode is None else self.decode(value)


def stored_fields(row: type[Struct]) -> list[Stored]:
    """The fields of a row with their columns, in order. Raises: BadField."""
    hints = typing.get_type_hints(row, include_extras=True)
    return [_stored(name, hints[name]) for name in row.__struct_fields__]


def _stored(name: str, hint: Any) -> Stored:
    if name.startswith("_"):
        raise BadField(f"the field {name} begins with an underscore, as hidden columns do: rename it")
    if len(name.encode()) > 63:
        raise BadField(f"the field {name} is longer than the 63 bytes of a column's name")
    marks = {mark.name for mark in _marks(hint)}
    kind, is_nullable = _without_none(_bare(hint))
    if "key" in marks and is_nullable:
        raise BadField(f"the key field {name} may be None: a key has a value")
    if "text" in marks and kind is not str:
        raise BadField(f"the field {name} is Text, and so can only be a str")
    sql, encode, decode = _kept(name, kind)
    if "key" in marks and kind is decimal.Decimal:
        encode = _as_decimal_key
    if ("key" in marks or "index" in marks) and sql == JSON:
        raise BadField(f"the field {name} is a list or an object: neither a key nor an index can be made of it")
    column = Column(
        name=name,
        type=sql,
        is_nullable=is_nullable,
        is_key="key" in marks,
        is_indexed="index" in marks,
        is_searched="text" in marks,
    )
    return Stored(column, kind, encode, decode)


def _marks(hint: Any) -> Iterator[Mark]:
    """Also of `Text | None`, where the mark is at one of the alternatives."""
    origin = get_origin(hint)
    if origin is Annotated:
        inner, *notes = get_args(hint)
        yield from (note for note in notes if isinstance(note, Mark))
        yield from _marks(inner)
    elif origin in (Union, types.UnionType):
        for one in get_args(hint):
            yield from _marks(one)


def _bare(hint: Any) -> Any:
    """Without what annotates it, constraints among that: a row is the fold's own, and not checked again."""
    return _bare(get_args(hint)[0]) if get_origin(hint) is Annotated else hint


def _without_none(hint: Any) -> tuple[Any, bool]:
    if get_origin(hint) not in (Union, types.UnionType):
        return hint, False
    kinds = [one for one in get_args(hint) if one is not type(None)]
    is_nullable = len(kinds) < len(get_args(hint))
    if len(kinds) == 1:
        return _bare(kinds[0]), is_nullable
    return Union[tuple(kinds)], is_nullable  # noqa: UP007 made of what is known at run time only


def _kept(name: str, kind: Any) -> tuple[str, Callable[[Any], Any] | None, Callable[[Any], Any] | None]:
    """The column's type, and the ways there and back."""
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return _of_values(name, [member.value for member in kind], _member_of(kind), kind)
    if get_origin(kind) is Literal:
        return _of_values(name, list(get_args(kind)), _one_of(get_args(kind)), AS_IS)
    if isinstance(kind, type) and kind in PLAIN:
        return PLAIN[kind], ENCODERS[kind], AS_IS
    try:
        decoder = msgspec.json.Decoder(kind)
    except TypeError as error:
        raise BadField(f"the field {name}: {error}") from error
    return JSON, _as_json(decoder), decoder.decode


def _as_json(decoder: "msgspec.json.Decoder[Any]") -> Callable[[Any], str]:
    encoder = msgspec.json.Encoder(order="deterministic")  # sets and dicts too: what is equal is stored as equal

    def encode(value: Any) -> str:
        data = encoder.encode(value)
        if b"null" in data:  # as a number that is not finite is written: it could not be read again
            try:
                decoder.decode(data)
            except msgspec.ValidationError as error:
                raise Unfit(f"could not be read again from JSON, which has no NaN and no infinity: {error}") from error
        return data.decode()

    return encode


def fit(kind: type, value: Any) -> Any:
    """A value for a column that is kept as that type, one of PLAIN, as the driver takes it: in one form, and so that
    nobody fails on it. Raises: Unfit; TypeError where it is of another type."""
    return ENCODERS[kind](value)


def _of_values(
    name: str, values: list[Any], encode: Callable[[Any], Any], decode: Callable[[Any], Any] | None
) -> tuple[str, Callable[[Any], Any], Callable[[Any], Any] | None]:
    kinds = {type(value) for value in values}
    if kinds == {str} or kinds == {int}:
        return PLAIN[kinds.pop()], encode, decode
    raise BadField(f"the field {name} is one of {values!r:.80}: these must all be texts or all be whole numbers")


def _one_of(values: tuple[Any, ...]) -> Callable[[Any], Any]:
    def encode(value: Any) -> Any:
        if value not in values:
            raise ValueError(f"{value!r:.80} is none of {values!r:.80}")
        return values[values.index(value)]  # an IntEnum's member is equal to one of these, and is none

    return encode


def _member_of(kind: type[enum.Enum]) -> Callable[[Any], Any]:
    def encode(value: Any) -> Any:
        if not isinstance(value, kind):
            raise TypeError(f"{value!r:.80} is no {kind.__name__}")
        return value.value

    return encode


# What follows gives exactly the column's type, and never one derived from it: the driver would take most of those, and
# write some as they show themselves, and no JSON is made of them.


def _as_boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{value!r:.80} is no bool")
    return value


def _as_bytes(value: Any) -> bytes:
    if not isinstance(value, bytes):
        raise TypeError(f"{value!r:.80} is no bytes")
    return value if type(value) is bytes else bytes(memoryview(value))


def _as_uuid(value: Any) -> uuid.UUID:
    if not isinstance(value, uuid.UUID):
        raise TypeError(f"{value!r:.80} is no UUID")
    return value if type(value) is uuid.UUID else uuid.UUID(int=value.int)


def _as_text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.80} is no str")
    if "\0" in value:
        raise Unfit("holds a NUL character, for which a text in Postgres has no place")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:  # lone surrogates
            raise Unfit("is not valid Unicode") from None
    return value if type(value) is str else str.__str__(value)  # its own may say something else


def _as_integer(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{value!r:.80} is no int")
    if not -INT_MAX - 1 <= value <= INT_MAX:
        raise Unfit("does not fit into 64 bits")
    return value if type(value) is int else int.__index__(value)


def _as_float(value: Any) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise TypeError(f"{value!r:.80} is no float")
    try:
        number = float(value)
    except OverflowError:
        raise Unfit("is too great for a float") from None
    if not isfinite(number):
        raise Unfit(f"is {number}, and JSON has finite numbers alone")
    return number + 0.0  # -0.0 is equal to 0.0, and written otherwise


def _as_decimal(value: Any) -> decimal.Decimal:
    """Without an exponent, as it comes back."""
    if not isinstance(value, decimal.Decimal):
        raise TypeError(f"{value!r:.80} is no Decimal")
    if not value.is_finite():
        raise Unfit(f"is {value}, and is to be a finite number")
    value = decimal.Decimal(value)
    exponent = value.as_tuple().exponent
    assert isinstance(exponent, int)
    if value.adjusted() >= DIGITS_MAX or exponent < -DIGITS_MAX or exponent > DIGITS_MAX:
        raise Unfit(f"has more than {DIGITS_MAX} digits on one side of the point")
    return decimal.Decimal(format(value, "f")) if value else value.copy_abs() if exponent <= 0 else decimal.Decimal(0)


def _as_decimal_key(value: Any) -> decimal.Decimal:
    """Equal ones alike: 1.10 as 1.1. A key is known by how it is written."""
    text = format(_as_decimal(value), "f")
    return decimal.Decimal(text.rstrip("0").rstrip(".") if "." in text else text)


def _as_date(value: Any) -> datetime.date:
    if type(value) is not datetime.date:  # a datetime is one too, and would lose its time
        raise TypeError(f"{value!r:.80} is no date")
    return value


def _with_zone(value: Any) -> datetime.datetime:
    """In UTC, as it comes back."""
    if not isinstance(value, datetime.datetime):
        raise TypeError(f"{value!r:.80} is no datetime")
    if value.tzinfo is None:
        raise Unfit("says no time zone: which moment it is depends on the server")
    try:
        moment = value.astimezone(datetime.UTC)
    except OverflowError:
        raise Unfit("is before the year 1, or after 9999, in UTC") from None
    if moment.replace(tzinfo=None) in (datetime.datetime.min, datetime.datetime.max):
        raise Unfit("is the first or the last moment there is, which the driver takes for an infinity")
    if type(moment) is datetime.datetime:
        return moment
    return datetime.datetime.combine(
        datetime.date(moment.year, moment.month, moment.day),
        datetime.time(moment.hour, moment.minute, moment.second, moment.microsecond, datetime.UTC),
    )


ENCODERS: dict[type, Callable[[Any], Any]] = {  # of each of PLAIN
    bool: _as_boolean,
    int: _as_integer,
    float: _as_float,
    str: _as_text,
    bytes: _as_bytes,
    decimal.Decimal: _as_decimal,
    datetime.datetime: _with_zone,
    datetime.date: _as_date,
    uuid.UUID: _as_uuid,
}
