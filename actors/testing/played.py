"""Views that a test plays: what a query finds is what it has said."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from greenroom.actors.views.query import different
from greenroom.store.views.asked import NO_FILTERS, Asked, Filters, Looked, Row, Rows


class PlayedViews:
    """See Runtime. `found` is by class of rows, and given a key and what is asked; `name` is the kit in the test."""

    def __init__(self, name: str) -> None:
        self.found: dict[type[Any], Callable[[str, Asked], Rows[Any]]] = {}
        self._name = name

    async def query(self, row: type[Row], key: str, asked: Asked) -> Rows[Row]:
        """Raises: AssertionError when the test has not said what there is."""
        asks = f"{self._name}.when_queried({row.__qualname__}, ...)"
        assert row in self.found, f"it queries {row.__qualname__}: say {asks}"
        return self.found[row](key, asked)

    async def query_pages(
        self, row: type[Row], keys: Iterable[str], *, limit: int, where: Filters
    ) -> dict[str, list[Row]]:
        """Page by page. Raises: BadQuery; as `query`."""
        asked = Asked(limit=limit, where=where)
        pages = {key: (await self.query(row, key, asked)).rows[:limit] for key in different(keys, limit)}
        return {key: rows for key, rows in pages.items() if rows}

    async def query_rows(self, wanted: Mapping[type[Any], Iterable[str]]) -> Looked:
        """Page by page. Raises: as `query_pages`."""
        found: dict[type[Any], dict[str, Any]] = {}
        for row, keys in wanted.items():
            pages = await self.query_pages(row, keys, limit=1, where=NO_FILTERS)
            found[row] = {key: first for key, (first,) in pages.items()}
        return Looked(found)
