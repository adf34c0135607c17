"""Reading: rows of views from their tables, a page at a time, and how far an entity is folded."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from msgspec import Struct

from greenroom.store.views.paging import (
    HIT_BEGINS,
    HIT_ENDS,
    Wanted,
    statement,
    statement_of_looks,
    statement_of_many,
)
from greenroom.store.views.tables import Table

Fetch = Callable[..., Awaitable[Sequence[Any]]]  # one statement with its arguments. Raises: StoreUnavailable

# Read in one statement with the rows: the sequence is looked at after that has its snapshot, so no row that it sees, or
# does not see any more, has a revision above it.
FLOOR = "SELECT last_value FROM view_revisions"

# An entity that is folded up to its end has no row here of views that are written with its events.
FOLDED = 'SELECT p."offset" FROM heads h JOIN view_progress p ON p.id = h.id WHERE h.entity = $2 AND p.view_id = $1'


LOOKS_MAX = 64  # statements that are remembered


class Found(Struct, frozen=True, gc=False):
    """A row as it is stored."""

    values: tuple[Any, ...]  # in the order of the shape's columns
    revision: int
    rank: float = 0.0  # how well it fits the search
    snippet: tuple[str, ...] = ()  # parts of its text: the second, fourth … are words that were searched for


class Look(Struct, frozen=True, gc=False):
    """Which first rows of these pages are others than these."""

    table: Table
    column: str  # a text: whose values the keys are
    order: tuple[str, ...]  # of a page; total, for it ends with the key
    keys: list[str]  # all different
    revisions: list[int | None]  # of the row that is known of each; None: of none, or it is known that there is none


class Changes(Struct, frozen=True, gc=False):
    """What has become of pages that were looked at."""

    lineage: str  # of the database: revisions of another one say nothing
    rows: list[tuple[int, str, Found | None]]  # which look, which key, and its first row; None: there is none any more


class RowReading(Protocol):
    """Rows of views, for whoever reads or watches. All of it raises StoreUnavailable."""

    async def page(self, table: Table, wanted: Wanted) -> list[Found]:
        """At most `wanted.limit` rows, in the order in which they are read: backwards, the last one first."""

    async def pages(self, table: Table, wanted: Wanted, column: str, values: Sequence[str]) -> list[Found]:
        """As `page`, no search and no place, of each of the pages whose `column`, a text, is one of the `values`, which
        are all different: at most `wanted.limit` rows of each, in order, one page after another."""

    async def changes(self, looks: Sequence[Look]) -> Changes:
        """What is another than it was known, of all of these at the same moment."""

    async def first(self, table: Table, wanted: Wanted) -> tuple[list[Found], int]:
        """As `page`, no search, with a revision that none of the table has exceeded by the time of the reading."""

    async def folded(self, view_id: int, entity: str) -> int:
        """The offset up to which that version of a view has folded the entity; 0 where nothing of it is."""


class Reading:
    """In Postgres: see RowReading."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self._looks: dict[tuple[tuple[str, str, tuple[str, ...]], ...], str] = {}  # their statements

    async def page(self, table: Table, wanted: Wanted) -> list[Found]:
        """See RowReading."""
        sql, arguments = statement(table, wanted)
        width = len(table.shape.columns)
        return [_found(row, width) for row in await self._fetch(sql, *arguments)]

    async def pages(self, table: Table, wanted: Wanted, column: str, values: Sequence[str]) -> list[Found]:
        """See RowReading."""
        sql, arguments = statement_of_many(table, wanted, column, values)
        width = len(table.shape.columns)
        return [_found(row, width) for row in await self._fetch(sql, *arguments)]

    async def changes(self, looks: Sequence[Look]) -> Changes:
        """See RowReading."""
        pages = tuple((look.table.rows, look.column, look.order) for look in looks)
        sql = self._looks.get(pages)
        if sql is None:
            sql = statement_of_looks([(look.table, look.column, look.order) for look in looks])
            self._looks[pages] = sql
            while len(self._looks) > LOOKS_MAX:
                del self._looks[next(iter(self._looks))]
        arguments = [one for look in looks for one in (look.keys, look.revisions)]
        lineage = ""
        rows: list[tuple[int, str, Found | None]] = []
        for number, key, revision, found in await self._fetch(sql, *arguments):
            if number < 0:
                lineage = key
            else:
                rows.append((number, key, Found(tuple(found), revision) if revision is not None else None))
        return Changes(lineage, rows)

    async def first(self, table: Table, wanted: Wanted) -> tuple[list[Found], int]:
        """See RowReading."""
        sql, arguments = statement(table, wanted)
        width = len(table.shape.columns)
        both = f"SELECT page.*, f.last_value FROM ({FLOOR}) f LEFT JOIN LATERAL ({sql}) page ON true"
        rows = await self._fetch(both, *arguments)
        return [_found(row, width) for row in rows if row[width] is not None], rows[0]["last_value"]

    async def folded(self, view_id: int, entity: str) -> int:
        """See RowReading."""
        rows = await self._fetch(FOLDED, view_id, entity)
        return int(rows[0][0]) if rows else 0


def _found(row: Any, width: int) -> Found:
    values = tuple(row)
    if len(values) <= width + 2:  # the revision, and perhaps the floor
        return Found(values[:width], values[width])
    snippet = values[width + 2]
    return Found(values[:width], values[width], values[width + 1], tuple(split_hits(snippet)))


def split_hits(snippet: str) -> list[str]:
    """Text and found words by turns, the former first."""
    parts: list[str] = []
    for part in snippet.split(HIT_BEGINS):
        hit, _, after = part.partition(HIT_ENDS) if parts else ("", "", part)
        parts += [hit, after] if parts else [after]
    return parts
