"""Progress in memory: see stores.py."""

import trio
from msgspec.structs import replace

from greenroom.store.views.memory.rows import MemoryViewRows, kind_of
from greenroom.store.views.store import Version
from greenroom.store.views.stores import Behind, Lacking, Left, Parked


class MemoryProgress:
    """See Progress."""

    def __init__(self, rows: MemoryViewRows) -> None:
        self._rows = rows

    async def left(self, version: Version, *, entities_max: int) -> Left:
        """See Progress. Counts all of it."""
        await trio.lowlevel.checkpoint()
        progress = self._rows.progress_of(version.id)
        left = Left()
        for row in self._rows.heads():
            head, folded = row.head, progress.get(row.head.id)
            offset = folded.offset if folded is not None else 0
            if folded is not None and folded.parked is not None:
                continue
            if head.offset <= offset or kind_of(head.entity) not in version.kinds:
                continue
            left.entities += 1
            left.events += head.offset - max(offset, head.trimmed)
            at_ms = next((one.at_ms for one in row.events if one.offset == max(offset, head.trimmed) + 1), None)
            if at_ms is not None and (left.oldest_ms is None or at_ms < left.oldest_ms):
                left.oldest_ms = at_ms
        return left

    async def behind(self, version: Version, *, entities_max: int) -> Behind:
        """See Progress."""
        await trio.lowlevel.checkpoint()
        progress = self._rows.progress_of(version.id)
        lacking: dict[int, Lacking] = {}
        for row in self._rows.heads():
            head, one = row.head, progress.get(row.head.id)
            offset = one.offset if one is not None else 0
            if head.offset > offset and kind_of(head.entity) in version.kinds:
                lacking[head.id] = Lacking(max(offset, head.trimmed), head.offset)
        now = self._rows.now()
        return Behind(now, now, lacking if len(lacking) <= entities_max else None, self._rows.journal.lineage)

    async def folded(self, version: Version, entity: str) -> int | None:
        """See Progress."""
        await trio.lowlevel.checkpoint()
        row = self._rows.journal.by_entity.get(entity)
        folded = self._rows.progress_of(version.id).get(row.head.id) if row is not None else None
        if folded is None:
            return 0
        return folded.offset if folded.parked is None else None

    async def parked_count(self, version: Version) -> int:
        """See Progress."""
        await trio.lowlevel.checkpoint()
        return sum(one.parked is not None for one in self._rows.progress_of(version.id).values())

    async def kept_on(self, version: Version, after: int) -> int:
        """See Progress. Of all heads behind it."""
        await trio.lowlevel.checkpoint()
        heads = [row.head for row in self._rows.heads(after)]
        return sum(head.offset - head.trimmed for head in heads if kind_of(head.entity) in version.kinds)

    async def parked(self, version: Version, *, limit: int, after: int = 0) -> list[Parked]:
        """See Progress."""
        await trio.lowlevel.checkpoint()
        by_id = self._rows.journal.by_id
        found = [
            Parked(head_id, by_id[head_id].head.entity, one.parked)
            for head_id, one in sorted(self._rows.progress_of(version.id).items())
            if one.parked is not None and head_id in by_id and head_id > after
        ]
        return found[:limit]

    async def retry(self, versions: list[Version], entity: str | None = None) -> int:
        """See Progress. Does not wait for a fold that is under way: that has found it parked, and leaves it alone."""
        await trio.lowlevel.checkpoint()
        by_id = self._rows.journal.by_id
        count = 0
        for version in versions:
            progress = self._rows.progress_of(version.id)
            for head_id, one in progress.items():
                if one.parked is None or (entity is not None and by_id[head_id].head.entity != entity):
                    continue
                progress[head_id] = replace(one, parked=None)
                count += 1
        return count

    async def clean(self) -> int:
        """See Progress."""
        await trio.lowlevel.checkpoint()
        gone = [view_id for view_id in self._rows.progress if view_id not in self._rows.versions]
        return sum(len(self._rows.progress.pop(view_id)) for view_id in gone)
