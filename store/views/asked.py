"""Rows of views, for whoever asks in code."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Generic, TypedDict, TypeVar

from msgspec import Struct

Row = TypeVar("Row")
Filters = Mapping[str, Any]  # column -> the value that it is to have, or a text that says it
NO_FILTERS: Filters = MappingProxyType({})


class Asked(Struct, frozen=True, kw_only=True):
    """A query of one page, as it came."""

    limit: int | None = None  # None: as many as the page shows
    after: str | None = None  # a cursor: the rows behind it
    before: str | None = None  # a cursor: those before it, up to there
    where: Filters = {}
    search: str | None = None  # as people write it into a search box


class AskedBy(TypedDict, total=False):
    """The same, as arguments by name."""

    limit: int | None
    after: str | None
    before: str | None
    where: Filters
    search: str | None


class Rows(Struct, Generic[Row], frozen=True):
    """What a query finds, in the page's order."""

    rows: list[Row]
    next: str | None = None  # cursors, for `after` and for `before`; None: there is nothing
    previous: str | None = None


class Looked:
    """The first rows of pages of several views, as of one moment."""

    __slots__ = ("_found",)

    def __init__(self, found: Mapping[Any, dict[str, Any]]) -> None:
        """Class of rows -> key of the page -> its first row."""
        self._found = found

    def of(self, row: type[Row]) -> dict[str, Row]:
        """Those of that class, by key; none of a page without rows."""
        return self._found.get(row, {})
