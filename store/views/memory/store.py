"""The store of views in memory: see ViewStore. Every call waits once, as over a wire, before anything has happened."""

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager

import trio

from greenroom.store.journal.journal_memory import is_on
from greenroom.store.journal.records import StoredEvent
from greenroom.store.views.memory.folding import MemoryFoldTransaction
from greenroom.store.views.memory.rows import MemoryViewRows, kind_of
from greenroom.store.views.store import BYTES_MAX, Behind, FoldTransaction, Snapshot, Standing, Unfolded, Version


class MemoryViewStore:
    """See ViewStore."""

    def __init__(self, rows: MemoryViewRows) -> None:
        self._rows = rows

    @asynccontextmanager
    async def transaction(self, version: Version) -> AsyncIterator[FoldTransaction]:
        """See ViewStore."""
        await trio.lowlevel.checkpoint()
        transaction = MemoryFoldTransaction(self._rows, version)
        try:
            yield transaction
            await trio.lowlevel.checkpoint()
            transaction.commit()
        finally:
            transaction.roll_back()

    async def behind(
        self, version: Version, *, after_id: int, limit: int, shards: Collection[int] | None
    ) -> tuple[list[Behind], int | None]:
        """See ViewStore."""
        await trio.lowlevel.checkpoint()
        progress = self._rows.progress_of(version.id)
        looked = list(self._rows.heads(after_id))[:limit]
        found: list[Behind] = []
        for row in looked:
            head, folded = row.head, progress.get(row.head.id)
            if folded is not None and (folded.parked is not None or folded.offset >= head.offset):
                continue
            if head.offset and kind_of(head.entity) in version.kinds and is_on(row, shards):
                found.append(Behind(head.id, head.entity))
        return found, looked[-1].head.id if looked else None

    async def unfolded(self, version: Version, head_ids: Sequence[int], *, limit: int) -> list[Unfolded]:
        """See ViewStore."""
        await trio.lowlevel.checkpoint()
        rows, progress = self._rows.journal, self._rows.progress_of(version.id)
        found: list[Unfolded] = []
        count = size = 0
        for head_id in head_ids:
            row = rows.by_id.get(head_id)
            if row is None:
                continue
            if count >= limit or size >= BYTES_MAX:
                break
            head, folded = row.head, progress.get(head_id)
            standing = Standing(
                folded.offset if folded is not None else 0,
                folded is not None,
                folded is not None and folded.parked is not None,
                head.fence,
                head.offset,
                head.trimmed,
                rows.lineage,
            )
            one = Unfolded(head_id, head.entity, rows.lineage, standing, [])
            found.append(one)
            there = [event for event in row.events if event.offset > standing.offset]
            count += not there
            for event in there:
                if count >= limit or size >= BYTES_MAX:
                    break
                count += 1
                size += _size_of(event)
                if event.offset == standing.offset + len(one.events) + 1:
                    one.events.append(event)
        return found

    async def snapshot(self, head_id: int) -> Snapshot | None:
        """See ViewStore."""
        await trio.lowlevel.checkpoint()
        row = self._rows.journal.by_id.get(head_id)
        if row is None or row.snapshot is None or not row.snapshot_offset:
            return None
        return Snapshot(row.snapshot_offset, row.snapshot, row.snapshot_ms)


def _size_of(event: StoredEvent) -> int:
    return len(event.payload) + len(event.info or b"") + len(event.reply or b"")
