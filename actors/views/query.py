"""Queries: which rows of a view somebody asks for, held to what the view has declared, and where the next ones begin.

Filters are on keys and on what is marked `Index`, so that each is answered by an index; a key other than the first only
together with those before it. Decisions only: reader.py asks the database.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from msgspec import Struct

from greenroom.actors.views.cursor import BadCursor, Cursors
from greenroom.actors.views.layout import Layout, NotThatValue
from greenroom.actors.views.page import ALL, LIMIT_MAX
from greenroom.store.views.asked import Asked, Filters
from greenroom.store.views.paging import RANK, Among, Wanted, best_first
from greenroom.store.views.reading import Found
from greenroom.store.views.tables import Table

SEARCH_MAX = 500  # characters of a search
PAGES_MAX, ROWS_MAX = 1_000, 5_000  # that are read at once, of many pages: these, and rows of all of them together
RANK_MAX = 1e6  # that no row has
# What a query over HTTP says beside its filters; a column of such a name can be read, and not filtered by.
RESERVED = ("limit", "after", "before", "search", "at", "stale")


class BadQuery(Exception):
    """What is asked for is not to be had."""

    def __init__(self, field: str, problem: str) -> None:
        """`field` of the query, and what is wrong with it, to be read behind that."""
        super().__init__(f"{field} {problem}")
        self.field = field
        self.problem = problem


class NoSuchPage(Exception):
    """The view has one page, which is called otherwise."""


class Across(Struct, frozen=True):
    """Another view, each page of which names pages of the one that is asked."""

    view: str
    by: str  # the key that its pages are by
    table: Table  # the live one


class Query:
    """One query of one page, understood."""

    def __init__(self, layout: Layout, table: Table, key: str, asked: Asked, across: Across | None = None) -> None:
        """`across`: not of the page `key` but of all those that the page `key` of that other view names.

        Raises: BadQuery, NoSuchPage."""
        self._layout = layout
        self._across = across
        self._backwards = asked.before is not None
        self.limit = layout.page.limit if asked.limit is None else asked.limit
        if not 1 <= self.limit <= LIMIT_MAX:
            raise BadQuery("limit", f"must be 1 to {LIMIT_MAX}")
        if self._backwards and asked.after is not None:
            raise BadQuery("before", "and after exclude each other")
        where = _filters(layout, asked.where, {layout.page.by} if across is None else ())
        search = _search(layout, asked.search)
        if across is not None and search is None:
            raise BadQuery("search", f"must be given: {layout.view} of many pages have no other order")
        order = layout.order if search is None else best_first(table)
        names = self._order = [term.removeprefix("-") for term in order]
        self._places = tuple(None if name == RANK else layout.shape.names.index(name) for name in names)
        purpose = (
            layout.view,
            across.view if across is not None else "",
            key,
            *order,
            "where",
            *(f"{name}={value!r}" for name, value in where),
            search or "",
        )
        self._cursors = Cursors(purpose, [float if name == RANK else layout.type_of(name) for name in names])
        self._is_from_cursor = asked.after is not None or self._backwards
        self.wanted = Wanted(
            where=(*(self._page(key) if across is None else ()), *where),
            among=Among(layout.page.by, across.table, (across.by, key)) if across is not None else None,
            search=search,
            order=order,
            limit=self.limit + 1,  # one more, which tells whether there is more
            place=self._place(asked),
            backwards=self._backwards,
        )

    def _page(self, key: str) -> tuple[tuple[str, str], ...]:
        """The filter that makes the page. Raises: NoSuchPage."""
        by = self._layout.page.by
        if not by:
            if key != ALL:
                raise NoSuchPage(f"{self._layout.view} has one page, {ALL!r}")
            return ()
        return ((by, key),)

    def _place(self, asked: Asked) -> tuple[Any, ...] | None:
        """Raises: BadQuery."""
        for field, cursor in (("after", asked.after), ("before", asked.before)):
            if cursor is not None:
                try:
                    place = self._cursors.decode(cursor)
                    return tuple(self._fit(*one) for one in zip(self._order, place, strict=True))
                except (BadCursor, NotThatValue):
                    raise BadQuery(field, "is no cursor of this page with these filters") from None
        return None

    def _fit(self, name: str, value: Any) -> Any:
        """A cursor is no secret, so anything may be in one. Raises: NotThatValue."""
        if name != RANK:
            return self._layout.fit(name, value)
        if not 0 <= value <= RANK_MAX:
            raise NotThatValue("is no rank")
        return value

    def arrange(self, found: Sequence[Found]) -> "Arranged":
        """What was read for `wanted`, as it is to be given."""
        has_more = len(found) > self.limit
        rows = list(found[: self.limit])
        if self._backwards:
            rows.reverse()
        has_next, has_previous = (True, has_more) if self._backwards else (has_more, self._is_from_cursor)
        return Arranged(
            self._layout,
            rows,
            self._cursor(rows[-1]) if rows and has_next else None,
            self._cursor(rows[0]) if rows and has_previous else None,
        )

    def _cursor(self, row: Found) -> str:
        return self._cursors.encode([row.rank if at is None else row.values[at] for at in self._places])


class QueryOfMany:
    """The first rows of each of many pages of one view, understood."""

    def __init__(self, layout: Layout, keys: Iterable[str], *, limit: int, where: Filters) -> None:
        """`keys` of pages; of a view with one page, whose rows have one key, a text, of rows. Raises: BadQuery."""
        self.column = column_of(layout)
        self.keys: Sequence[str] = different(keys, limit)
        fit_keys(layout, self.column, self.keys)
        self.wanted = Wanted(where=tuple(_filters(layout, where, {self.column})), order=layout.order, limit=limit)
        self._at = layout.shape.names.index(self.column)

    def by_page(self, found: Iterable[Found]) -> dict[str, list[Found]]:
        """What was read, in the order in which the keys were given; none of a page without rows."""
        pages: dict[str, list[Found]] = {}
        for row in found:
            pages.setdefault(row.values[self._at], []).append(row)
        return {key: pages[key] for key in self.keys if key in pages}


def different(keys: Iterable[str], limit: int) -> list[str]:
    """Each once, and no more than may be read at once. Raises: BadQuery."""
    if isinstance(keys, str):
        raise BadQuery("keys", "is one text: give a list of them")
    found = list(dict.fromkeys(keys))
    if len(found) > PAGES_MAX:
        raise BadQuery("keys", f"must be at most {PAGES_MAX}, and there are {len(found)}")
    if not 1 <= limit <= LIMIT_MAX:
        raise BadQuery("limit", f"must be 1 to {LIMIT_MAX}")
    if len(found) * limit > ROWS_MAX:
        raise BadQuery(
            "limit", f"must be at most {ROWS_MAX // len(found)} of {len(found)} pages: {ROWS_MAX} rows in all"
        )
    return found


def fit_keys(layout: Layout, column: str, keys: Iterable[str]) -> None:
    """Raises: BadQuery unless they may be values of that column."""
    try:
        for key in keys:
            layout.fit(column, key)
    except NotThatValue as error:
        raise BadQuery("keys", f"has one that {error}") from None


def column_of(layout: Layout) -> str:
    """The column that says of which page a row is, or which one of the only page. Raises: BadQuery."""
    if layout.page.by:
        return layout.page.by
    keys = layout.shape.key
    if len(keys) > 1 or layout.type_of(keys[0].name) is not str:
        raise BadQuery("keys", f"says nothing: {layout.view} has one page, and rows by other keys than one text")
    return keys[0].name


class Arranged(Struct, frozen=True):
    """The rows of one answer, in the page's order, and cursors for what is behind and before them."""

    layout: Layout  # of the version that they were read of
    rows: list[Found]
    next: str | None  # None: there is nothing
    previous: str | None


def _filters(layout: Layout, asked: Filters, given: Collection[str]) -> list[tuple[str, Any]]:
    """In the order of the columns, so that the same filters are the same query. `given`: keys that have one value on
    the page. Raises: BadQuery."""
    fixed = {*given, *asked}
    keys = [column.name for column in layout.shape.key]
    found: dict[str, Any] = {}
    for name, value in asked.items():
        column = layout.shape.column(name)
        if column is None or not (column.is_key or column.is_indexed):
            raise BadQuery(name, f"is no key and no index of {layout.view}")
        missing = [one for one in keys[: keys.index(name)] if one not in fixed] if not column.is_indexed else []
        if missing:
            raise BadQuery(name, f"can be filtered by together with {' and '.join(missing)}")
        try:
            found[name] = layout.value_of(name, value)
        except NotThatValue as error:
            raise BadQuery(name, str(error)) from None
    return [(name, found[name]) for name in layout.shape.names if name in found]


def _search(layout: Layout, text: str | None) -> str | None:
    """Raises: BadQuery."""
    if text is None:
        return None
    if not layout.shape.searched:
        raise BadQuery("search", f"finds nothing in {layout.view}: no field of it is Text")
    if len(text) > SEARCH_MAX or "\0" in text:
        raise BadQuery("search", f"must be at most {SEARCH_MAX} characters, none of them NUL")
    return text
