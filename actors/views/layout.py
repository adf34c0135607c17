"""Layout: how the rows of one version of a view make pages, and how one looks to whoever reads or watches it.

A row has one look, as JSON, wherever it comes from: read from its table, or just written by a fold. Both begin from the
values as the driver takes and gives them. The row's key as JSON is what tells it apart on every node and for clients.
"""

import datetime
import decimal
import functools
import uuid
from collections.abc import Mapping, Sequence
from math import inf
from typing import Any

import msgspec
from msgspec import Raw, Struct

from greenroom.actors.views.columns import JSON, PLAIN, Unfit, fit
from greenroom.actors.views.live_page import Key, PageRow, Place
from greenroom.actors.views.page import ALL, Page
from greenroom.store.views.shape import Shape

encode = msgspec.json.encode
_encode_sorted = msgspec.json.Encoder(order="deterministic").encode
NUMERIC = PLAIN[decimal.Decimal]
TYPES: Mapping[str, type] = {sql: kind for kind, sql in PLAIN.items()}  # of a column's values, by its type in Postgres


class NoSuchColumn(Exception):
    """Pages are cut by, or in the order of, a column that this version of the view lacks."""


class NotThatValue(Exception):
    """A column can't have it; the text says why, to be read behind the column's name."""


class Layout:
    """Of one version of one view."""

    def __init__(self, view: str, version: int, shape: Shape, page: Page | None) -> None:
        """`version`: the number of its table, which a newer one has a greater of. `page`: how its pages are cut; None:
        all rows are one, in the order of their keys. Raises: NoSuchColumn."""
        self.view = view
        self.version = version
        self.shape = shape
        self.page = page or Page()
        self.order = self.page.total(tuple(column.name for column in shape.key))
        names = shape.names
        for name in (term.removeprefix("-") for term in self.order):
            column = shape.column(name)
            if column is None or column.is_nullable or column.type not in TYPES:
                raise NoSuchColumn(name)
        self._names = names
        self._documents = tuple(number for number, one in enumerate(shape.columns) if one.type == JSON)
        self._decimals = tuple(number for number, one in enumerate(shape.columns) if one.type == NUMERIC)
        self._decimal_keys = tuple(number for number, one in enumerate(shape.key) if one.type == NUMERIC)
        self._key_names = tuple(one.name for one in shape.key)
        self._key_at = tuple(names.index(name) for name in self._key_names)
        if self.page.by and self.page.by not in self._key_names:
            raise NoSuchColumn(self.page.by)
        self._by_at = self._key_names.index(self.page.by) if self.page.by else None
        self._order_at = tuple((names.index(term.removeprefix("-")), term.startswith("-")) for term in self.order)
        ordered = [(term.removeprefix("-"), self.type_of(term.removeprefix("-"))) for term in self.order]
        self._placed = msgspec.json.Decoder(msgspec.defstruct("Placed", ordered)).decode

    def type_of(self, column: str) -> type:
        """Of a column's values. Not of one that holds JSON."""
        found = self.shape.column(column)
        assert found is not None
        return TYPES[found.type]

    def value_of(self, column: str, given: Any) -> Any:
        """A value for a filter, as the driver takes it: of its type, or a text that says it. Raises: NotThatValue."""
        kind = self.type_of(column)
        try:
            value: Any = msgspec.convert(given, kind, strict=False)
        except msgspec.ValidationError as error:
            raise NotThatValue(str(error).lower()) from None
        return self.fit(column, value)

    def fit(self, column: str, value: Any) -> Any:
        """One that is of the column's type. Raises: NotThatValue."""
        try:
            return fit(self.type_of(column), value)
        except Unfit as error:
            raise NotThatValue(str(error)) from None

    def page_of(self, key: Sequence[Any]) -> str:
        """The key of the page that a row belongs to. `key`: the values of its key columns, as stored, in the order of
        the shape."""
        return ALL if self._by_at is None else str(key[self._by_at])

    def key_of(self, key: Sequence[Any]) -> Key:
        """What tells a row apart, as JSON."""
        if self._decimal_keys:
            key = _written_out(key, self._decimal_keys)
        return encode(dict(zip(self._key_names, key, strict=True)))

    def json_of(self, values: Sequence[Any]) -> bytes:
        """The row as clients see it. `values` here and below: of all columns, as stored, in the order of the shape."""
        if self._decimals:
            values = _written_out(values, self._decimals)
        if self._documents:
            values = list(values)
            for at in self._documents:
                if values[at] is not None:
                    values[at] = Raw(_encode_sorted(msgspec.json.decode(values[at])))
        return encode(dict(zip(self._names, values, strict=True)))

    def row_of(self, values: Sequence[Any], revision: int) -> PageRow:
        place = tuple(_placed(values[at], descending=descending) for at, descending in self._order_at)
        key = self.key_of([values[at] for at in self._key_at])
        return PageRow(key, place, revision, self.json_of(values))

    def told(self, key: Key, revision: int, json: bytes) -> PageRow:
        """A row as another node tells it, by its JSON. Raises: msgspec.MsgspecError where it is of another version."""
        placed: Struct = self._placed(json)
        values = msgspec.structs.astuple(placed)
        place: Place = tuple(
            _placed(value, descending=descending) for value, (_, descending) in zip(values, self._order_at, strict=True)
        )
        return PageRow(key, place, revision, json)


def _written_out(values: Sequence[Any], decimals: Sequence[int]) -> list[Any]:
    """Whoever reads them from the database gives them an exponent where they have many zeros."""
    found = list(values)
    for at in decimals:
        if found[at] is not None:
            found[at] = format(found[at], "f")
    return found


@functools.total_ordering
class _Descending:
    """A value that has no opposite, in the opposite order."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Descending) and self.value == other.value

    def __lt__(self, other: "_Descending") -> bool:
        return bool(other.value < self.value)

    def __hash__(self) -> int:
        return hash(self.value)


def _placed(value: Any, *, descending: bool) -> Any:
    """Comparable as Postgres has it in its order."""
    match value:
        case float() | decimal.Decimal() if value != value:
            value = inf  # it stands above all others there
        case str() | bytes() | datetime.datetime() | datetime.date() | uuid.UUID():
            return _Descending(value) if descending else value
        case int() | float() | decimal.Decimal():
            pass
    return -value if descending else value
