"""Together: of many who read pages of one view by their keys, those who come while one reads are the next statement."""

from collections.abc import Mapping, Sequence

from greenroom.store.views.many.line import Line
from greenroom.store.views.paging import Wanted
from greenroom.store.views.reading import Found, RowReading
from greenroom.store.views.tables import Table

KEYS_MAX, ROWS_MAX = 1_000, 5_000  # of one statement; whoever finds it full waits with those of the next

Sort = tuple[str, str, Wanted]  # what must be the same: table, column, and all else that is wanted


class Together:
    """Of one node. Raises: StoreUnavailable, as `RowReading.pages`."""

    def __init__(self, reading: RowReading) -> None:
        self._reading = reading
        self._lines: dict[Sort, Line[str, list[Found]]] = {}

    async def pages(self, table: Table, wanted: Wanted, column: str, values: Sequence[str]) -> list[Found]:
        """As `RowReading.pages`, of values that are all different."""
        sort = table.rows, column, wanted
        line = self._lines.get(sort)
        if line is None:

            async def read(values: list[str]) -> Mapping[str, list[Found]]:
                return await self._read(table, wanted, column, values)

            line = self._lines[sort] = Line(read, most=min(KEYS_MAX, ROWS_MAX // wanted.limit))
        try:
            found = await line.ask(values)
        finally:
            if line.is_empty:
                del self._lines[sort]
        return [row for value in values for row in found.get(value, ())]

    async def _read(self, table: Table, wanted: Wanted, column: str, values: list[str]) -> dict[str, list[Found]]:
        found: dict[str, list[Found]] = {}
        at = table.shape.names.index(column)
        for row in await self._reading.pages(table, wanted, column, values):
            found.setdefault(row.values[at], []).append(row)
        return found
