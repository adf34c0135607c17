"""Readers who come at once, and a store that answers when the test says so."""

from collections.abc import Sequence

import trio
import trio.testing

from greenroom.store.errors import DataRefused, StoreUnavailable, TookTooLong
from greenroom.store.views.many.together import Together
from greenroom.store.views.paging import Wanted
from greenroom.store.views.reading import Found
from greenroom.store.views.shape import Column, Shape
from greenroom.store.views.tables import Table

TABLE = Table("walls", 1, Shape((Column("author", "text", is_key=True), Column("id", "bigint", is_key=True))))
WANTED = Wanted(order=("author", "-id"), limit=2)


class Slow:
    """Two rows of each value, once the test lets a statement through."""

    def __init__(self) -> None:
        self.statements: list[list[str]] = []
        self.may_end = trio.Semaphore(0)
        self.refused: set[str] = set()
        self.refusal: type[StoreUnavailable] = DataRefused
        self.is_down = False
        self.takes_too_long = False

    async def pages(self, table: Table, wanted: Wanted, column: str, values: Sequence[str]) -> list[Found]:
        self.statements.append(list(values))
        await self.may_end.acquire()
        if self.is_down:
            raise StoreUnavailable("down")
        if self.takes_too_long:
            raise TookTooLong("so many")
        if self.refused.intersection(values):
            raise self.refusal("not that")
        return [Found((value, number), number) for value in values for number in (2, 1)]


class Readers:
    """Whoever asks, in tasks of their own."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self.store = Slow()
        self.together = Together(self.store)  # type: ignore[arg-type]
        self.found: dict[str, list[str] | str] = {}
        self._nursery = nursery

    async def ask(self, who: str, *values: str, wanted: Wanted = WANTED) -> trio.CancelScope:
        scope = trio.CancelScope()

        async def read() -> None:
            with scope:
                try:
                    rows = await self.together.pages(TABLE, wanted, "author", values)
                    self.found[who] = [f"{row.values[0]}{row.values[1]}" for row in rows]
                except StoreUnavailable as error:
                    self.found[who] = type(error).__name__

        self._nursery.start_soon(read)
        await trio.testing.wait_all_tasks_blocked()
        return scope

    async def let(self, statements: int = 1) -> None:
        """So many of them end."""
        await trio.testing.wait_all_tasks_blocked()
        for _ in range(statements):
            self.store.may_end.release()
            await trio.testing.wait_all_tasks_blocked()
