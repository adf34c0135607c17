"""Records: what goes into the journal and comes out of it. No I/O, and nothing that does any.

Words: **offset** is an event's number; **epoch** names the journal's incarnation; **fence** is the fencing token,
`term << 32 | activation`, raised by every claim and matched by every append.
"""

from enum import Enum
from typing import NamedTuple

from msgspec import Struct, field

from greenroom.store.journal.consequences.consequences import Consequences
from greenroom.store.journal.consequences.outbox import OutboxRow
from greenroom.store.journal.consequences.timers import TimerRow

ROW_BYTES = 128  # what an event or another row takes in memory beside its columns


class StoredEvent(Struct, gc=False):
    """One event as the journal keeps it. `gc=False`: holds no containers, so the collector need not visit it."""

    offset: int
    at_ms: int  # Unix ms, when the entity recorded it
    payload: bytes  # JSON object with its "type"; what subscribers get as `data`, unless its kind shows it otherwise
    info: bytes | None = None  # JSON ClientInfo of the client that caused it; None when no client did
    command_id: str | None = None  # set on the last event of a command that came with an idempotency key
    reply: bytes | None = None  # JSON reply of that command
    digest: int | None = None  # the digest of that command's body: the same id with another body is a mistake
    # Of the activation that wrote it: what tells an event from an equal one that another wrote at this offset. The
    # journal puts it.
    fence: int = 0


class Due(NamedTuple):
    """A timer that somebody has to wake its entity for."""

    due_ms: int
    head_id: int
    entity: str


class Trimmed(NamedTuple):
    """What a step of retention has left of one entity."""

    through: int  # events up to this offset are gone
    has_more: bool  # there may be more to take


class Remembered(Struct, frozen=True, gc=False):
    """What became of a command, for whoever repeats it."""

    reply: bytes  # JSON
    digest: int | None = None  # the digest of the command's body; None where none was kept


class Head(Struct):
    """An entity's head row, as of a claim."""

    id: int  # short stand-in for the name, in the journal's keys
    entity: str  # `kind:key`, 1..255 bytes of UTF-8
    fence: int
    epoch: str  # ends with the lineage
    offset: int  # the last event's number; 0 when there is none
    trimmed: int = 0  # events up to this offset are gone by retention
    era: int = 0  # one more with each lineage
    shard: int | None = None  # None: not stored yet, see postgres/sweeps.py

    def position(self, offset: int) -> int:
        """Of an event, for what must tell it from an event at this offset that another lineage has lost.

        Rises with the offset, past 2**32 too, and with each era, unless that lost more than 2**32 events.
        """
        return (self.era << 32) + offset


class Claimed(Struct):
    """A claimed head with all that is needed to rebuild the entity."""

    head: Head
    snapshot: bytes | None
    snapshot_offset: int  # 0 without a snapshot
    events: list[StoredEvent]  # ascending and gapless up to head.offset; may begin before the snapshot
    outbox: list[OutboxRow] = field(default_factory=list)  # messages not known to be delivered yet, ascending
    timers: list[TimerRow] = field(default_factory=list)

    def damage(self) -> str | None:
        """What contradicts itself in what was loaded; None when all is well."""
        offset, since = self.head.offset, self.snapshot_offset
        if since and self.snapshot is None:
            return f"its head names a snapshot as of event {since}, and there is none"
        events = self.events
        first, last = (events[0].offset, events[-1].offset) if events else (since + 1, since)
        if last != offset:
            return f"its journal ends with event {last}, its head says {offset}"
        if first > since + 1 or last - first + 1 != len(events):
            return f"of its events {min(first, since + 1)} to {last} some are missing"
        return None


class Append(Struct):
    """Events of one entity, to be made durable together or not at all, and with them their consequences."""

    head_id: int
    fence: int
    after: int  # the head's offset must still be this
    events: list[StoredEvent]  # offsets after+1, after+2, ...
    consequences: Consequences | None = None
    shard: int | None = None  # the head's, to be written with rows that are swept by shard

    @property
    def through(self) -> int:
        """The head's offset when it has landed."""
        return self.after + len(self.events)

    def cost(self) -> tuple[int, int]:
        """What it counts in every bound: events and rows of consequences, 1 at least; bytes of all columns, with what
        holds them."""
        size = 0
        for event in self.events:
            size += len(event.payload)
            if event.info is not None:
                size += len(event.info)
            if event.command_id is not None:
                size += len(event.command_id)
                if event.reply is not None:
                    size += len(event.reply)
        count = len(self.events)
        if self.consequences is not None:
            rows, bytes_ = self.consequences.cost()
            count += rows
            size += bytes_
        count = max(1, count)
        return count, size + count * ROW_BYTES


class Outcome(Enum):
    """What became of an append. Only with LANDED anything of it was written."""

    LANDED = "landed"
    FENCED = "fenced"  # fence, incarnation, offset or lineage did not match
    REPEATED = "repeated"  # a command id among the events is in the journal already
    DAMAGED = "damaged"  # what is stored of the entity contradicts itself, or its data is refused
