"""Querying: rows of views, for an actor, and for what it has answered aside."""

from collections.abc import Awaitable, Iterable, Mapping
from typing import Any

from greenroom.actors.model.actor.runtime import Answer, Runtime
from greenroom.store.views.asked import NO_FILTERS, Asked, Filters, Looked, Row, Rows


class Querying:
    """Whoever may read views, as its runtime finds them."""

    __slots__ = ()
    runtime: Runtime

    async def query(
        self,
        row: type[Row],
        key: str,
        *,
        limit: int | None = None,
        after: str | None = None,
        before: str | None = None,
        search: str | None = None,
        where: Filters = NO_FILTERS,
    ) -> Rows[Row]:
        """Rows of one page of a view, from an async handler: `await self.query(Standings.Row, "finale", limit=10)`.

        As they are folded by now, in the page's order; `where` names keys and indexes, and `may_watch` is not asked.
        Raises: BadQuery for what the view has not declared, TypeError where it is not installed; Unavailable,
        StoreUnavailable; Overloaded, the first time, where too many read and a client's command can come again: not
        once something was recorded, or another entity asked.
        """
        asked = Asked(limit=limit, after=after, before=before, search=search, where=where)
        return await self._in_turn(self.runtime.query(row, key, asked))

    async def query_pages(
        self, row: type[Row], keys: Iterable[str], *, limit: int, where: Filters = NO_FILTERS
    ) -> dict[str, list[Row]]:
        """The first `limit` rows of many pages, read at once: `await self.query_pages(Wall.Row, authors, limit=5)`.

        By key, in the order given, each page in its own order; one without rows is not among them. Pages of one row, by
        their only key, are rows by key, and so are the rows of a view with one page, whose only key is a text. At most
        1,000 keys, and 5,000 rows: `limit` of each. Raises: as `query`.
        """
        return await self._in_turn(self.runtime.query_pages(row, keys, limit=limit, where=where))

    async def query_rows(self, wanted: Mapping[type[Any], Iterable[str]]) -> Looked:
        """The first rows of many pages of several views, as of one moment: `await self.query_rows({Posts.Row: ids})`.

        For what is looked at again and again, by many: of what this node has read before, only what has changed since
        is read. Whoever else looks is given the same rows, so nobody may change them. At most 1,000 keys of a view.
        Raises: as `query_pages`.
        """
        return await self._in_turn(self.runtime.query_rows(wanted))

    async def wait_to_read(self) -> None:
        """Wait for one's turn to read views before one does what costs much: who is turned away has cost nothing then.
        Raises: Overloaded, as `query`.
        """
        await self._in_turn(_nothing())

    def _in_turn(self, answer: Awaitable[Answer]) -> Awaitable[Answer]:
        """What is read, once it may be."""
        return answer


async def _nothing() -> None:
    pass
