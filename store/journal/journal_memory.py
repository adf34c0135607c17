"""The journal in memory: the same promises without a disk, for tests and for whole clusters in one process.

Nodes that share a `MemoryRows` share a database. Every call waits once, before anything has changed, as over a wire:
cancelled there, nothing has happened. What comes after is one sync stretch, the counterpart of one statement.
"""

import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Mapping, Sequence
from operator import attrgetter
from typing import TypeVar

import trio
from msgspec import Struct, field
from msgspec.structs import replace

from greenroom.store.errors import JournalDamaged, NotOwner
from greenroom.store.journal.consequences.consequence import Tables
from greenroom.store.journal.consequences.letters import LetterRows
from greenroom.store.journal.consequences.marks import MarkRows
from greenroom.store.journal.consequences.outbox import OutboxRow, SentRows, brought_along
from greenroom.store.journal.consequences.timers import TimerRows
from greenroom.store.journal.epoch import random_epoch
from greenroom.store.journal.journal import NOTHING_ABOVE, READ_BYTES_MAX, Claim
from greenroom.store.journal.keep import Counts, Found, Looked, Rule, to_go
from greenroom.store.journal.records import Append, Claimed, Due, Head, Outcome, Remembered, StoredEvent, Trimmed
from greenroom.store.ownership.sharding import SHARDS, shard_of

T = TypeVar("T")

CLAIMS_MISSING_MAX = 1 << 16  # claims that an entity may have lost where a standby took over

_offset = attrgetter("offset")


class MemoryHead(Struct):
    """One entity's rows. The lists are its part of the tables."""

    head: Head  # its epoch as of the last claim
    incarnation: int
    base_epoch: str
    lineage: str  # the database's lineage at the last claim
    snapshot: bytes | None = None
    snapshot_offset: int = 0
    snapshot_ms: int = 0  # when it was saved, Unix
    claimed_ms: int = 0
    events: list[StoredEvent] = field(default_factory=list)
    replies: dict[str, Remembered] = field(default_factory=dict)  # the answers to the command ids in `events`
    kept_ids: dict[str, tuple[Remembered, int]] = field(default_factory=dict)  # past trimming; with at_ms
    consequences: Tables = field(default_factory=Tables)

    @property
    def outbox(self) -> SentRows:
        return self.consequences.of(SentRows)

    @property
    def marks(self) -> MarkRows:
        return self.consequences.of(MarkRows)

    @property
    def timers(self) -> TimerRows:
        return self.consequences.of(TimerRows)


class MemoryRows:
    """The database: what is left when all nodes are gone."""

    def __init__(self) -> None:
        self.by_entity: dict[str, MemoryHead] = {}
        self.by_id: dict[int, MemoryHead] = {}
        self.consequences = Tables()
        self.timeline = 1  # one more with each standby that takes over
        self.label = ""  # what the table `generation` holds in Postgres
        self.last_id = 0  # of all heads that were ever made
        self.activation_floor = 0  # the highest number of an activation among the heads that were removed
        # Up to where all views have folded an entity; None: no view does. A plain function, so that a copy of the rows
        # does not copy what it looks at.
        self.folded: Callable[[Head], int | None] = lambda head: None

    @property
    def letters(self) -> LetterRows:
        return self.consequences.of(LetterRows)

    @property
    def lineage(self) -> str:
        return ("" if self.timeline == 1 else f".{self.timeline:x}") + self.label


class MemoryJournal:
    """The journal of one node incarnation, on rows that others may share."""

    def __init__(
        self,
        rows: MemoryRows | None = None,
        *,
        incarnation: int = 1,
        shards: int = SHARDS,  # that entities hash onto
        new_epoch: Callable[[], str] = random_epoch,
        now: Callable[[], float] = time.time,  # Unix seconds
    ) -> None:
        self.rows = MemoryRows() if rows is None else rows
        self._now = now
        self._incarnation = incarnation
        self._shards = shards
        self._new_epoch = new_epoch

    async def claim(
        self, terms: Mapping[str, int], *, window: int, above: Mapping[str, int] = NOTHING_ABOVE
    ) -> list[Claim]:
        """See Journal."""
        await trio.lowlevel.checkpoint()
        found: list[Claim] = []
        for entity, term in terms.items():
            row = self.raise_fence(entity, term, above.get(entity, 0))
            if row is None:
                found.append(NotOwner(entity))
                continue
            claimed = self.load(row, row.head, window)
            damage = claimed.damage()
            found.append(claimed if damage is None else JournalDamaged(entity, damage))
        return found

    def raise_fence(self, entity: str, term: int, above: int = 0) -> MemoryHead | None:
        """Claim one head; None when it is under a newer term."""
        rows = self.rows
        row = rows.by_entity.get(entity)
        first = max(term << 32 | max((rows.timeline - 1) << 16 | 1, rows.activation_floor + 1), above + 1)
        if row is None:
            epoch = self._new_epoch()
            rows.last_id += 1
            shard = shard_of(entity, self._shards)
            head = Head(rows.last_id, entity, first, epoch + rows.lineage, 0, era=rows.timeline - 1, shard=shard)
            row = rows.by_entity[entity] = rows.by_id[head.id] = MemoryHead(
                head, self._incarnation, epoch, rows.lineage
            )
        else:
            stored = row.head.fence >> 32
            if stored > term:
                return None
            is_same = row.lineage == rows.lineage
            row.head.fence = max(first, row.head.fence + (1 if is_same else CLAIMS_MISSING_MAX))
            row.head.era = row.head.era if is_same else max(row.head.era + 1, rows.timeline - 1)
            row.incarnation = self._incarnation
            row.lineage = rows.lineage
            row.head.epoch = row.base_epoch + rows.lineage
        row.claimed_ms = int(self._now() * 1_000)
        return row

    def load(self, row: MemoryHead, head: Head, window: int) -> Claimed:
        """What the activation that has raised `head` is built from."""
        first = bisect_right(row.events, row.snapshot_offset - window, key=_offset)
        snapshot = row.snapshot if row.snapshot_offset else None  # one of nothing tells nothing
        sent = [OutboxRow(offset, body, head.id, head.entity) for offset, body in sorted(row.outbox.items())]
        timers = sorted(row.timers.values(), key=lambda timer: timer.due_ms)
        return Claimed(replace(head), snapshot, row.snapshot_offset, row.events[first:], brought_along(sent), timers)

    async def append(self, batch: Sequence[Append], *, lane: int = 0) -> list[Outcome]:
        """See Journal."""
        await trio.lowlevel.checkpoint()
        outcomes = [self.admit(item) for item in batch]
        for item, outcome in zip(batch, outcomes, strict=True):
            if outcome is Outcome.LANDED:
                self.write(item)
        return outcomes

    def admit(self, item: Append) -> Outcome:
        """Whether an append may land. Changes nothing: between this and `write` its head must be locked."""
        row = self.rows.by_id.get(item.head_id)
        if (
            row is None
            or row.head.fence != item.fence
            or row.incarnation != self._incarnation
            or row.head.offset != item.after
            or row.lineage != self.rows.lineage
        ):
            return Outcome.FENCED
        replies = {event.command_id for event in item.events if event.command_id is not None}
        events_with_id = sum(event.command_id is not None for event in item.events)
        if len(replies) < events_with_id or any(key in row.replies or key in row.kept_ids for key in replies):
            return Outcome.REPEATED
        if item.events and row.events and row.events[-1].offset > item.after:
            return Outcome.DAMAGED
        return Outcome.LANDED

    def write(self, item: Append) -> None:
        """Land an append that was admitted."""
        row = self.rows.by_id[item.head_id]
        assert [event.offset for event in item.events] == [*range(item.after + 1, item.after + len(item.events) + 1)]
        row.events += item.events
        for event in item.events:
            event.fence = item.fence
            if event.command_id is not None:
                row.replies[event.command_id] = Remembered(event.reply or b"null", event.digest)
        row.head.offset += len(item.events)
        if item.consequences is not None:
            item.consequences.land(row.consequences, self.rows.consequences)

    async def read(
        self, entity: str, *, after: int = 0, before: int | None = None, limit: int, reverse: bool = False
    ) -> tuple[Head | None, list[StoredEvent]]:
        """See Journal."""
        await trio.lowlevel.checkpoint()
        row = self.rows.by_entity.get(entity)
        if row is None:
            return None, []
        first = bisect_right(row.events, after, key=_offset)
        end = len(row.events) if before is None else max(first, bisect_left(row.events, before, key=_offset))
        events = (
            row.events[max(first, end - limit) : end][::-1] if reverse else row.events[first : min(end, first + limit)]
        )
        return replace(row.head), _page(events, _event_size)

    async def replies(self, head_id: int, command_ids: Sequence[str]) -> dict[str, Remembered]:
        """See Journal. A command that had no reply is there with JSON's null."""
        await trio.lowlevel.checkpoint()
        row = self.rows.by_id.get(head_id)
        found: dict[str, Remembered] = {}
        if row is None:
            return found
        for key in command_ids:
            if key in row.replies:
                found[key] = row.replies[key]
            elif key in row.kept_ids:
                found[key] = row.kept_ids[key][0]
        return found

    async def lineage(self) -> str:
        """See Journal."""
        await trio.lowlevel.checkpoint()
        return self.rows.lineage

    async def received(self, head_id: int, senders: Sequence[int]) -> dict[int, int]:
        """See Journal."""
        await trio.lowlevel.checkpoint()
        row = self.rows.by_id.get(head_id)
        received = row.marks if row is not None else MarkRows()
        return {sender: received.get(sender, 0) for sender in senders}

    async def outbox(
        self, *, after: tuple[int, int], limit: int, shards: Collection[int] | None = None
    ) -> list[OutboxRow]:
        """See Journal."""
        await trio.lowlevel.checkpoint()
        found = [
            OutboxRow(offset, body, head_id, row.head.entity)
            for head_id, row in self.rows.by_id.items()
            for offset, body in sorted(row.outbox.items())
            if (head_id, offset) > after and is_on(row, shards)
        ]
        return _page(found[:limit], lambda sent: len(sent.body))

    async def delivered(self, rows: Sequence[tuple[int, int]], *, lineage: str) -> None:
        """See Journal."""
        await trio.lowlevel.checkpoint()
        for head_id, offset in rows if lineage == self.rows.lineage else ():
            row = self.rows.by_id.get(head_id)
            if row is not None:
                row.outbox.pop(offset, None)

    async def due(
        self, *, before_ms: int, after: tuple[int, int], limit: int, shards: Collection[int] | None = None
    ) -> list[Due]:
        """See Journal."""
        await trio.lowlevel.checkpoint()
        found = [
            Due(timer.due_ms, head_id, row.head.entity)
            for head_id, row in self.rows.by_id.items()
            for timer in row.timers.values()
            if timer.due_ms < before_ms and (timer.due_ms, head_id) > after and is_on(row, shards)
        ]
        return sorted(found)[:limit]

    async def save_snapshot(self, head_id: int, *, fence: int, offset: int, body: bytes) -> bool:
        """See Journal."""
        await trio.lowlevel.checkpoint()
        row = self.rows.by_id.get(head_id)
        if row is None or row.head.fence != fence or row.incarnation != self._incarnation:
            return False
        if not row.snapshot_offset <= offset <= row.head.offset:
            return False
        row.snapshot, row.snapshot_offset, row.snapshot_ms = body, offset, int(self._now() * 1_000)
        return True

    async def stored(self, entity: str) -> Claimed | None:
        """See Journal."""
        await trio.lowlevel.checkpoint()
        row = self.rows.by_entity.get(entity)
        if row is None:
            return None
        return Claimed(replace(row.head), row.snapshot if row.snapshot_offset else None, row.snapshot_offset, [])

    async def save_folded(self, head_id: int, *, fence: int, offset: int, body: bytes) -> bool:
        """See Journal."""
        await trio.lowlevel.checkpoint()
        row = self.rows.by_id.get(head_id)
        if row is None or row.head.fence != fence or not row.snapshot_offset < offset <= row.head.offset:
            return False
        row.snapshot, row.snapshot_offset, row.snapshot_ms = body, offset, int(self._now() * 1_000)
        return True

    async def trim(self, head_id: int, *, keep_count: int, keep_after_ms: int, ids_after_ms: int) -> Trimmed:
        """See Journal. All of it in one step."""
        await trio.lowlevel.checkpoint()
        row = self.rows.by_id.get(head_id)
        if row is None:
            return Trimmed(0, has_more=False)
        young = next((event.offset for event in row.events if event.at_ms >= keep_after_ms), row.head.offset + 1)
        cut = min(row.snapshot_offset, max(row.head.offset - keep_count, young - 1))
        folded = self.rows.folded(row.head)
        cut = cut if folded is None else min(cut, folded)
        while row.events and row.events[0].offset <= cut:  # a list's front is slow to cut, and tests are small
            event = row.events.pop(0)
            row.head.trimmed = event.offset
            if event.command_id is not None:
                del row.replies[event.command_id]
                if event.at_ms >= ids_after_ms:
                    row.kept_ids[event.command_id] = (Remembered(event.reply or b"null", event.digest), event.at_ms)
        return Trimmed(row.head.trimmed, has_more=False)

    async def expire_ids(self, head_id: int, *, before_ms: int) -> bool:
        """See SweptJournal. All of them at once."""
        await trio.lowlevel.checkpoint()
        row = self.rows.by_id.get(head_id)
        if row is not None:
            row.kept_ids = {key: kept for key, kept in row.kept_ids.items() if kept[1] >= before_ms}
        return False

    async def look(
        self,
        rules: Sequence[Rule],
        *,
        after_id: int,
        limit: int,
        unused_before_ms: int,
        shards: Collection[int] | None = None,
    ) -> Looked:
        """See SweptJournal."""
        await trio.lowlevel.checkpoint()
        by_kind = {rule.kind: rule for rule in rules}
        looked = [row for head_id, row in self.rows.by_id.items() if head_id > after_id][:limit]
        found = [self._found(row, by_kind, unused_before_ms) for row in looked if is_on(row, shards)]
        due = [one for one in found if one.uncovered or one.covered or one.expired_ids or one.unused]
        return Looked(due, looked[-1].head.id if looked else None)

    def _found(self, row: MemoryHead, rules: Mapping[str, Rule], unused_before_ms: int) -> Found:
        head = row.head
        unused = not head.offset and row.claimed_ms < unused_before_ms
        rule = rules.get(head.entity.partition(":")[0])
        if rule is None:
            return Found(head.id, head.entity, unused=unused)
        first_ms = row.events[0].at_ms if row.events else None
        uncovered_ms = next((event.at_ms for event in row.events if event.offset > row.snapshot_offset), None)
        counts = Counts(head.offset, head.trimmed, row.snapshot_offset)
        uncovered, covered = to_go(counts, rule, first_ms, uncovered_ms)
        expired_ids = any(at_ms < rule.ids_after_ms for _, at_ms in row.kept_ids.values())
        return Found(head.id, head.entity, uncovered, covered, expired_ids, unused)

    async def remove_unused(self, head_ids: Sequence[int], *, claimed_before_ms: int) -> int:
        """See SweptJournal."""
        await trio.lowlevel.checkpoint()
        rows = self.rows
        removed = 0
        for head_id in head_ids:
            row = rows.by_id.get(head_id)
            if row is None or row.head.offset or row.claimed_ms >= claimed_before_ms:
                continue
            if row.timers or row.outbox or row.marks or row.snapshot is not None:
                continue
            del rows.by_id[head_id], rows.by_entity[row.head.entity]
            rows.activation_floor = max(rows.activation_floor, row.head.fence & 0xFFFFFFFF)
            removed += 1
        return removed

    async def expire_marks(
        self, *, after: tuple[int, int], limit: int, older_than_s: float, shards: Collection[int] | None = None
    ) -> tuple[int, tuple[int, int] | None]:
        """See SweptJournal. Marks in memory have no age: they stay, as long as the memory does."""
        await trio.lowlevel.checkpoint()
        return 0, None


def is_on(row: MemoryHead, shards: Collection[int] | None) -> bool:
    """Is the entity on one of these shards, or are all wanted?"""
    return shards is None or row.head.shard in shards


def _page(records: list[T], size_of: Callable[[T], int]) -> list[T]:
    """Those of `records` that are read at once: none more once they make READ_BYTES_MAX."""
    size = 0
    for number, record in enumerate(records):
        if size >= READ_BYTES_MAX:
            return records[:number]
        size += size_of(record)
    return records


def _event_size(event: StoredEvent) -> int:
    return len(event.payload) + len(event.info or b"") + len(event.reply or b"")
