"""Looks: rows by their keys as they are now, of which only those are read that are others than a node knows.

Each row has a revision, and no two rows of a table, nor one at two times, have the same. So whoever wants rows tells
the database which revisions are known, and hears only of what has changed: a row that many are shown is read, brought
and decoded once, and not again before it is another. Nothing is taken for what it was: without the statement nobody is
given a row. Rows of several views are looked at in one statement, as of one moment, and by all who wait in the same.

A failover may take revisions back and give them again, so they are compared within one lineage of the database alone.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from greenroom.store.views.many.line import Line
from greenroom.store.views.reading import Found, Look, RowReading
from greenroom.store.views.tables import Table

KEYS_MAX = 1_000  # of one statement that several wait for
ROWS_MAX = 20_000  # of one table that are known; those read longest ago go
CHARS_MAX = 16 << 20  # of all texts in them
ROW_CHARS_MAX = 64 << 10  # a longer one is read each time


class _One:
    """A row, with its revision and how long it is."""

    __slots__ = ("chars", "revision", "row")

    def __init__(self, revision: int, row: Any, chars: int) -> None:
        self.revision = revision
        self.row = row
        self.chars = chars


class _Unread:
    """A row that could not be decoded: that is told to who asked for it, and not to all who wait for the same look."""

    __slots__ = ("found",)

    def __init__(self, found: Found) -> None:
        self.found = found


class Known:
    """The rows of one table that a node knows, by the pages that they are the first of."""

    __slots__ = ("_chars", "_rows", "column", "decode", "lineage", "order", "table")

    def __init__(self, table: Table, column: str, order: tuple[str, ...], decode: Callable[[Found], Any]) -> None:
        """`order`: total; `decode` makes what whoever looks is given, which they all share."""
        self.table = table
        self.column = column
        self.order = order
        self.decode = decode
        self.lineage = ""  # in which its revisions were given
        self._rows: dict[str, _One] = {}
        self._chars = 0

    def __len__(self) -> int:
        return len(self._rows)

    def get(self, key: str) -> _One | None:
        return self._rows.get(key)

    def keep(self, key: str, found: Found) -> Any:
        """The row, decoded."""
        row = self.decode(found)
        self.drop(key)
        chars = sum(len(value) for value in found.values if isinstance(value, str))
        if chars <= ROW_CHARS_MAX:
            self._rows[key] = _One(found.revision, row, chars)
            self._chars += chars
            while len(self._rows) > ROWS_MAX or self._chars > CHARS_MAX:
                self.drop(next(iter(self._rows)))
        return row

    def drop(self, key: str) -> None:
        one = self._rows.pop(key, None)
        if one is not None:
            self._chars -= one.chars

    def begin(self, lineage: str) -> None:
        """What is known was of another."""
        self.lineage = lineage
        self._rows, self._chars = {}, 0


class Looks:
    """Of one node. Raises: StoreUnavailable; whatever `decode` raises of a row that one has asked for."""

    def __init__(self, reading: RowReading) -> None:
        self._reading = reading
        self._line = Line[tuple[Known, str], Any](self._read, most=KEYS_MAX)

    async def rows(self, wanted: Mapping[Known, Sequence[str]]) -> dict[Known, dict[str, Any]]:
        """Those of these keys, each once, of which there is a row."""
        asked = [(known, key) for known, keys in wanted.items() for key in keys]
        found: dict[Known, dict[str, Any]] = {known: {} for known in wanted}
        if asked:
            rows = await self._line.ask(asked)
            for one in asked:
                row = rows.get(one)
                if isinstance(row, _Unread):
                    row = one[0].decode(row.found)  # raises, to each its own
                if row is not None:
                    found[one[0]][one[1]] = row
        return found

    async def _read(self, asked: list[tuple[Known, str]]) -> dict[tuple[Known, str], Any]:
        keys: dict[Known, list[str]] = {}
        for known, key in asked:
            keys.setdefault(known, []).append(key)
        while True:
            before = {known: [known.get(key) for key in some] for known, some in keys.items()}
            lineages = {known: known.lineage for known in keys}  # another look may find another meanwhile
            looks = [
                Look(
                    known.table,
                    known.column,
                    known.order,
                    some,
                    [one.revision if one is not None else None for one in before[known]],
                )
                for known, some in keys.items()
            ]
            changes = await self._reading.changes(looks)
            for known in keys:
                if known.lineage != changes.lineage:
                    known.begin(changes.lineage)
            if all(lineages[known] == changes.lineage or not any(before[known]) for known in keys):
                break
        found = {
            (known, key): one.row
            for known, some in keys.items()
            for key, one in zip(some, before[known], strict=True)
            if one is not None
        }
        tables = list(keys)
        for number, key, changed in changes.rows:
            known = tables[number]
            if changed is None:
                known.drop(key)
                found.pop((known, key), None)
            else:
                try:
                    found[known, key] = known.keep(key, changed)
                except Exception:  # whatever `decode` raises: see `rows`
                    found[known, key] = _Unread(changed)
        return found
