"""Loads: what a table has of entities that wake, read for all together that wait. Batch what piles up, never wait."""

from collections.abc import Awaitable, Callable

import trio

from greenroom.store.views.inline import Own
from greenroom.store.views.store import Version

AT_ONCE = 2  # statements
HEADS_MAX = 256  # entities whose rows one of them reads

Read = Callable[[Version, list[tuple[int, str]]], Awaitable[dict[int, Own]]]  # raises StoreUnavailable


class _Batch:
    """Entities of which one task reads for all. `found`: None where that has failed."""

    def __init__(self) -> None:
        self.heads: list[tuple[int, str]] = []
        self.found: dict[int, Own] | None = None
        self.done = trio.Event()


class OwnLoads:
    """Of one node. Whoever comes first reads, once it is its turn, for those who have come meanwhile."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._turns = trio.CapacityLimiter(AT_ONCE)
        self._open: dict[int, _Batch] = {}  # by the table's number

    async def load(self, version: Version, head_id: int, entity: str) -> Own | None:
        """None where whoever read for all could not. Raises: StoreUnavailable where that is the caller."""
        batch = self._open.get(version.id)
        if batch is not None:
            self._join(batch, version, head_id, entity)
            await batch.done.wait()
        else:
            batch = self._open[version.id] = _Batch()
            self._join(batch, version, head_id, entity)
            try:
                async with self._turns:
                    self._close(batch, version)
                    batch.found = await self._read(version, batch.heads)
            finally:
                self._close(batch, version)
                batch.done.set()
        return batch.found.get(head_id) if batch.found is not None else None

    def _join(self, batch: _Batch, version: Version, head_id: int, entity: str) -> None:
        batch.heads.append((head_id, entity))
        if len(batch.heads) >= HEADS_MAX:
            self._close(batch, version)

    def _close(self, batch: _Batch, version: Version) -> None:
        """Nobody joins it any more."""
        if self._open.get(version.id) is batch:
            del self._open[version.id]
