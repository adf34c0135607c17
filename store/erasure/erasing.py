"""Erasing: the way of one erasure, from the mark to the end. Ended at any point, it is gone through again.

marked       by `begin`, in one transaction: no node can append to it, save or claim it any more
heard        every node that is up has ended it, and has nothing of it in memory
removed      its rows, table by table
views        its rows in each table of a view; where they are not its alone, the view is made anew without it
ended        once nobody is left who may not have seen the mark, its head goes, and its name
"""

from collections.abc import Callable, Sequence
from typing import Any

import trio

from greenroom.store.erasure.erasures import Erasure, PostgresErasures
from greenroom.store.erasure.removing import ROWS_AT_ONCE, TABLES, Removing, count
from greenroom.store.erasure.views import Made, ViewRows
from greenroom.store.postgres.pool import Pool

LOOK_S = 0.2
PATIENCE_S = 30.0  # for what others have to do: nodes, relays, whoever writes heads; and then it may be begun again


class Waits(Exception):
    """Others have something to do before it can go on; the text says who, and what. Do it again then."""


# What goes on, how much of it is done, and of how much: 0 where that is not known.
Told = Callable[[str, int, int], None]


class Erasing:
    """One erasure that has begun. All of it raises StoreUnavailable."""

    def __init__(self, pool: Pool, erasure: Erasure, told: Told, *, patience_s: float = PATIENCE_S) -> None:
        self._pool = pool
        self._erasures = PostgresErasures(pool)
        self._removing = Removing(pool, erasure)
        self._views = ViewRows(pool, erasure)
        self._erasure = erasure
        self._told = told
        self._patience_s = patience_s

    async def run(self) -> None:
        """Return once it is done. Raises: Waits."""
        await self._heard()
        await self._rows()
        for made in await self._views.remove():
            await self._made_anew(made)
        await self._undelivered()
        await self._rows()  # what a node that is gone has still written
        await self._seen()
        await self._removing.end()

    async def _heard(self) -> None:
        deaf: Sequence[Any] = ()
        with trio.move_on_after(self._patience_s):
            while deaf := await self._erasures.deaf(self._erasure):
                self._told("waiting for nodes to end it", 0, 0)
                await trio.sleep(LOOK_S)
            return
        raise Waits(
            f"{', '.join(url or f'{incarnation:x}' for incarnation, url in deaf)} did not say that it has ended there: "
            "stop what does not answer, or is of an older release"
        )

    async def _rows(self) -> None:
        erasure = self._erasure
        assert erasure.head_id is not None and erasure.name is not None
        left = await count(self._pool, erasure.head_id, erasure.name)
        total, done = sum(left.values()), 0
        for table in TABLES:
            rows = ROWS_AT_ONCE
            while rows == ROWS_AT_ONCE:
                rows = await self._removing.step(table)
                done += rows
                self._told(f"removing from {table}", done, total)

    async def _made_anew(self, made: Made) -> None:
        """Wait until a view's new table has taken the live one's place, and drop those that have the entity's rows."""
        first: int | None = None
        since = trio.current_time()
        least = 1 << 62
        while not await self._views.is_live(made):
            left = await self._views.left(made)
            first = left if first is None else max(first, left)
            self._told(f"making the view {made.name} anew", first - left, first)
            if left < least:
                least, since = left, trio.current_time()
            elif trio.current_time() - since > self._patience_s:
                raise Waits(
                    f"the view {made.name} is made anew without it, and does not get on: is a server running that has "
                    "its code? `greenroom views` says more; `greenroom views drop-old NAME --whole` drops one that is "
                    "gone from the code"
                )
            await trio.sleep(LOOK_S)
        await self._views.drop_before(made)

    async def _undelivered(self) -> None:
        with trio.move_on_after(self._patience_s):
            while await self._removing.addressed():
                self._told("waiting for messages to it to be given up", 0, 0)
                await trio.sleep(LOOK_S)
            return
        raise Waits(
            "messages of other entities to it are still on their way: a running server gives them up; is there one?"
        )

    async def _seen(self) -> None:
        before = await self._removing.writers()
        with trio.move_on_after(self._patience_s):
            while before & await self._removing.writers():
                self._told("waiting for transactions that began before", 0, 0)
                await trio.sleep(LOOK_S)
            return
        raise Waits("a transaction that began before it still writes heads: see pg_stat_activity")
