"""Pages: rows some at a time, as many as one statement reads in its time however large they are."""

from collections.abc import Sequence
from typing import Any

from greenroom.store.errors import TookTooLong
from greenroom.store.postgres.connection import Connection

ROWS_MAX = 4_096
BYTES_MAX = 8 << 20  # a page's last row may pass it
SHRINK = 8  # which part of a page is tried next when it took too long


def page(columns: str, source: str, *, order: str, size: str) -> str:
    """A statement for the first rows of `source`, in `order`: at most $1, and none more once their `size`s make $2.

    `source` numbers its own parameters from $3. Sizes come from the headers of large values, which are not read for it.
    """
    return f"""
SELECT * FROM (
    SELECT {columns}, row_number() OVER before AS number, coalesce(sum({size}) OVER before, 0) AS size_before
    FROM {source}
    WINDOW before AS (ORDER BY {order} ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
    ORDER BY {order} LIMIT $1
) page
WHERE size_before < $2::bigint
ORDER BY number
"""


class Pages:
    """Pages over one connection. One that took too long is read again as smaller ones, and so are those after it."""

    def __init__(self, connection: Connection, *, rows_max: int = ROWS_MAX) -> None:
        self._connection = connection
        self._rows = rows_max
        self._bytes = BYTES_MAX

    async def fetch(self, sql: str, *arguments: object) -> Sequence[Any]:
        """The next page of a statement made by `page`; [] at the end. Its rows have two columns more, at their end.

        Raises: StoreUnavailable; TookTooLong among them when a single row takes too long.
        """
        while True:
            try:
                return await self._connection.fetch(sql, self._rows, self._bytes, *arguments)
            except TookTooLong:
                if self._rows == 1:
                    raise
                self._rows = max(1, self._rows // SHRINK)
                self._bytes = max(1, self._bytes // SHRINK)
