"""A transaction into a table as the simulated database runs it: without the guards that are off."""

from typing import Any, Literal

import trio

from greenroom.store.views.memory.folding import MemoryFoldTransaction
from greenroom.store.views.store import Version
from greenroom.supervisors.simulation.database import FORGOTTEN, Database


class GuardedFolding(MemoryFoldTransaction):
    """See MemoryFoldTransaction."""

    def __init__(self, database: Database, version: Version) -> None:
        super().__init__(database.views, version)
        self._database = database
        self._guards = database.guards

    async def _take(self, what: Literal["progress", "row"], of: int | str, key: Any) -> None:
        if self._guards.view_progress if what == "progress" else self._guards.view_rows:
            await super()._take(what, of, key)

    def _land(self) -> None:
        if self._guards.view_together:
            super()._land()
            return
        for land in self._rows_landing:
            land()
        if self._database.chance() >= FORGOTTEN:
            self._database.soon(self._land_late)

    async def _land_late(self) -> None:
        await trio.sleep(self._database.chance() * 0.1)
        for land in self._progress_landing:
            land()
