"""Reading in memory: rows of one table in their order.

A search is for words alone, each of which a row must have; all rows that do fit it equally well. What else people write
into a search box is nothing that is looked for here.
"""

import re
from collections.abc import Sequence
from typing import Any

import trio
from msgspec.structs import replace

from greenroom.store.views.memory.rows import MemoryViewRows, StoredRow
from greenroom.store.views.paging import RANK, Wanted
from greenroom.store.views.reading import Changes, Found, Look
from greenroom.store.views.tables import Table

WORDS = re.compile(r"\w+")
BEYOND_WORDS = re.compile(r"[\"-]|\bor\b", re.IGNORECASE)


class MemoryReading:
    """See RowReading."""

    def __init__(self, rows: MemoryViewRows) -> None:
        self._rows = rows

    async def page(self, table: Table, wanted: Wanted) -> list[Found]:
        """See RowReading."""
        await trio.lowlevel.checkpoint()
        return self.found(table, wanted)

    async def pages(self, table: Table, wanted: Wanted, column: str, values: Sequence[str]) -> list[Found]:
        """See RowReading."""
        await trio.lowlevel.checkpoint()
        pages = (replace(wanted, where=((column, value), *wanted.where)) for value in values)
        return [row for page in pages for row in self.found(table, page)]

    async def changes(self, looks: Sequence[Look]) -> Changes:
        """See RowReading."""
        await trio.lowlevel.checkpoint()
        rows: list[tuple[int, str, Found | None]] = []
        for number, look in enumerate(looks):
            for key, revision in zip(look.keys, look.revisions, strict=True):
                wanted = Wanted(where=((look.column, key),), order=look.order, limit=1)
                row = next(iter(self.found(look.table, wanted)), None)
                if (row.revision if row is not None else None) != revision:
                    rows.append((number, key, row))
        return Changes(self._rows.journal.lineage, rows)

    async def first(self, table: Table, wanted: Wanted) -> tuple[list[Found], int]:
        """See RowReading."""
        await trio.lowlevel.checkpoint()
        return self.found(table, wanted), self._rows.revision

    async def folded(self, view_id: int, entity: str) -> int:
        """See RowReading."""
        await trio.lowlevel.checkpoint()
        row = self._rows.journal.by_entity.get(entity)
        folded = self._rows.progress_of(view_id).get(row.head.id) if row is not None else None
        return folded.offset if folded is not None else 0

    def found(self, table: Table, wanted: Wanted) -> list[Found]:
        """At once. Raises: StoreUnavailable."""
        assert wanted.search is None or not BEYOND_WORDS.search(wanted.search), "in memory words alone are looked for"
        at = {name: number for number, name in enumerate(table.shape.names)}
        rows = [row for row in self._rows.table(table).values() if self._is_wanted(table, row, at, wanted)]
        for term in reversed([term for term in wanted.order if not term.endswith(RANK)]):
            name, is_descending = term.removeprefix("-"), term.startswith("-") != wanted.backwards
            rows.sort(key=lambda row: row.values[at[name]], reverse=is_descending)
        return [Found(row.values, row.revision) for row in rows[: wanted.limit]]

    def _is_wanted(self, table: Table, row: StoredRow, at: dict[str, int], wanted: Wanted) -> bool:
        if any(row.values[at[name]] != value for name, value in wanted.where):
            return False
        if wanted.search is not None:
            text = " ".join(str(row.values[at[column.name]]) for column in table.shape.searched)
            sought = words_of(wanted.search)
            if not sought or not sought <= words_of(text):
                return False
        if wanted.among is not None:
            column, (other, text) = wanted.among.column, wanted.among.where
            names = wanted.among.table.shape.names
            those = {
                one.values[names.index(column)]
                for one in self._rows.table(wanted.among.table).values()
                if one.values[names.index(other)] == text
            }
            if row.values[at[column]] not in those:
                return False
        return wanted.place is None or _is_beyond(row, at, wanted, wanted.place)


def words_of(text: str) -> set[str]:
    """As the configuration `simple` has them."""
    return {word.lower() for word in WORDS.findall(text)}


def _is_beyond(row: StoredRow, at: dict[str, int], wanted: Wanted, place: tuple[Any, ...]) -> bool:
    for term, there in zip(wanted.order, place, strict=True):
        if term.endswith(RANK):
            continue
        value = row.values[at[term.removeprefix("-")]]
        if value != there:
            return bool((value > there) is not (term.startswith("-") != wanted.backwards))
    return False
