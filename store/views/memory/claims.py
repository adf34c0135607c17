"""Claims in memory: see Claims. Each call is one step."""

from collections.abc import Collection, Mapping, Sequence

import trio
from msgspec.structs import replace

from greenroom.store.views.claims import Settled
from greenroom.store.views.memory.rows import MemoryViewRows, ProgressRow
from greenroom.store.views.store import Version


class MemoryClaims:
    """Of one node."""

    def __init__(self, rows: MemoryViewRows, *, incarnation: int) -> None:
        self._rows = rows
        self._incarnation = incarnation

    async def claim(self, version: Version, at: Mapping[int, int], *, lasts_s: float) -> dict[int, str]:
        """See Claims."""
        await trio.lowlevel.checkpoint()
        rows = self._rows
        progress = rows.progress_of(version.id)
        claimed: dict[int, str] = {}
        for head_id, offset in sorted(at.items()) if rows.has(version) else ():
            head = rows.journal.by_id.get(head_id)
            row = progress.get(head_id, ProgressRow(offset))
            if head is None or row.parked is not None or row.offset != offset or not self._is_free(row):
                continue
            until = rows.now() + lasts_s
            progress[head_id] = replace(row, claimed_by=self._incarnation, claimed_until=until)
            claimed[head_id] = head.base_epoch + head.lineage
        return claimed

    def _is_free(self, row: ProgressRow) -> bool:
        by, shards = row.claimed_by, self._rows.shards
        if by is None or by == self._incarnation or row.claimed_until < self._rows.now():
            return True
        node = shards.living(by)
        return node is None or node.lease_until <= shards.now()

    async def settle(self, version: Version, settled: Mapping[int, Settled]) -> set[int]:
        """See Claims."""
        await trio.lowlevel.checkpoint()
        progress = self._rows.progress_of(version.id)
        noted: set[int] = set()
        for head_id, one in settled.items() if self._rows.has(version) else ():
            row = progress.get(head_id)
            if row is not None and row.claimed_by == self._incarnation and row.offset == one.before:
                progress[head_id] = ProgressRow(one.through, one.parked)
                noted.add(head_id)
        return noted

    async def begin(self, version: Version, head_ids: Collection[int], *, now: bool) -> None:
        """See Claims."""
        await trio.lowlevel.checkpoint()
        made = self._rows.versions.get(version.id) if self._rows.has(version) else None
        progress = self._rows.progress_of(version.id)
        for head_id in sorted(head_ids):
            row = self._rows.journal.by_id.get(head_id)
            if made is None or row is None or head_id in progress:
                continue
            older = [one.offset for one in row.events if one.at_ms < made.made_s * 1000]
            older = older if now and not made.begun else []
            progress[head_id] = ProgressRow(max(row.head.trimmed, max(older, default=0)))

    async def replay(self, versions: Sequence[Version], *, offset: int, entity: str | None = None) -> int:
        """See Claims."""
        await trio.lowlevel.checkpoint()
        again = 0
        for version in filter(self._rows.has, versions):
            progress = self._rows.progress_of(version.id)
            for head_id, row in progress.items():
                head = self._rows.journal.by_id.get(head_id)
                if head is None or (entity is not None and head.head.entity != entity):
                    continue
                at = max(offset - 1, head.head.trimmed)
                if row.offset > at:
                    progress[head_id] = ProgressRow(at)
                    again += 1
        return again
