"""The journal: every entity's events, numbered from 1, and the head row that fences who may append.

Words: **offset** is an event's number; **epoch** names the journal's incarnation; **fence** is the fencing token,
`term << 32 | activation`, raised by every claim and matched by every append; **lineage** names the history of the whole
database: another after a failover, which may have lost the newest events. An epoch ends with the lineage that its
entity was claimed under, and an append lands only in that lineage, so no epoch ever has two histories.

Two implementations keep these promises: `journal_postgres.py` and `journal_memory.py`;
`tests/store/journal/test_journal.py` is one suite run over both.
"""

from collections.abc import Mapping, Sequence
from enum import Enum
from types import MappingProxyType
from typing import NamedTuple, Protocol

from msgspec import Struct, field

from greenroom.store.errors import NotOwner
from greenroom.store.journal.dead_letters import DeadLetter


class StoredEvent(Struct, gc=False):
    """One event as the journal keeps it. `gc=False`: holds no containers, so the collector need not visit it."""

    offset: int
    at_ms: int  # Unix ms, when the entity recorded it
    payload: bytes  # JSON object with its "type"; also what subscribers get as `data`
    info: bytes | None = None  # JSON ClientInfo of the client that caused it; None when no client did
    command_id: str | None = None  # set on the last event of a command that came with an idempotency key
    reply: bytes | None = None  # JSON reply of that command
    digest: int | None = None  # of that command's body: the same id with another body is a mistake
    fence: int = 0  # under which it was recorded


class OutboxRow(Struct, gc=False):
    """Messages to other entities that left with one burst of events."""

    offset: int  # rises with each burst of the entity: the position of its last event (Head.position)
    body: bytes  # see actors/model/outgoing.py
    head_id: int = 0  # the sender's, where that isn't clear from the context
    entity: str = ""  # likewise


class TimerRow(Struct, gc=False):
    """A durable timer of an entity."""

    name: str
    due_ms: int  # Unix ms
    body: bytes  # what comes then and when it comes again: see actors/model/schedule.py


class Due(NamedTuple):
    """A timer that somebody has to wake its entity for."""

    due_ms: int
    head_id: int
    entity: str


class Consequences(Struct):
    """What is committed with events, in the same statement."""

    outbox: list[OutboxRow] = field(default_factory=list)
    received: dict[int, int] = field(default_factory=dict)  # sender's head id -> highest sequence number handled
    timers: dict[str, TimerRow | None] = field(default_factory=dict)  # by name; None: no more of it
    letters: list[DeadLetter] = field(default_factory=list)

    def extend(self, later: "Consequences") -> None:
        """Take in what came after, in the same append."""
        self.outbox += later.outbox
        self.received |= later.received
        self.timers |= later.timers
        self.letters += later.letters


class Remembered(Struct, frozen=True, gc=False):
    """What became of a command, for whoever repeats it."""

    reply: bytes  # JSON
    digest: int | None = None  # of the command's body; None where none was kept


class Head(Struct):
    """An entity's head row, as of a claim."""

    id: int  # short stand-in for the name, in the journal's keys
    entity: str  # `kind:key`, 1..255 bytes of UTF-8
    fence: int
    epoch: str  # ends with the lineage
    offset: int  # of the last event; 0 when there is none
    trimmed: int = 0  # events up to this offset are gone by retention
    era: int = 0  # one more with each lineage

    def position(self, offset: int) -> int:
        """Of an event, for what must tell it from an event at this offset that another lineage has lost."""
        return self.era << 32 | offset


class Claimed(Struct):
    """A claimed head with all that is needed to rebuild the entity."""

    head: Head
    snapshot: bytes | None
    snapshot_offset: int  # 0 without a snapshot
    events: list[StoredEvent]  # ascending and gapless up to head.offset; may begin before the snapshot, see `claim`
    outbox: list[OutboxRow] = field(default_factory=list)  # not known to be delivered yet, ascending
    timers: list[TimerRow] = field(default_factory=list)


class Append(Struct):
    """Events of one entity, to be made durable together or not at all."""

    head_id: int
    fence: int
    after: int  # the head's offset must still be this
    events: list[StoredEvent]  # offsets after+1, after+2, ...
    consequences: Consequences | None = None


class Outcome(Enum):
    LANDED = "landed"
    FENCED = "fenced"  # fence, incarnation, offset or lineage did not match; nothing of this append was written
    REPEATED = "repeated"  # a command id among the events is in the journal already; nothing of this append was written


NOTHING_ABOVE: Mapping[str, int] = MappingProxyType({})


class Journal(Protocol):
    async def claim(
        self, entities: Sequence[str], *, term: int, window: int, above: Mapping[str, int] = NOTHING_ABOVE
    ) -> list[Claimed | NotOwner]:
        """Raise the fence of each entity (creating heads that don't exist), wait for appends in flight, then load.

        Where `above` names an entity, its fence rises above that: to a fence that this incarnation has had before, a
        server that has lost its claims would grant it again, and with it whatever was sent under it and is late.
        Loading is a statement of its own after the raise (a load in the same statement may miss the append that the
        raise waited for). Each result holds the snapshot and the events after it, and for recent command ids also up to
        `window` events before the snapshot. Raises: StoreUnavailable.
        """

    async def lineage(self) -> str:
        """The database's lineage as of now; "" while it has never failed over. Raises: StoreUnavailable."""

    async def append(self, batch: Sequence[Append], *, lane: int = 0) -> list[Outcome]:
        """One fenced auto-commit statement for many entities (each at most once in `batch`); an item fails alone, and
        with it its consequences.

        Calls on different lanes run side by side; each lane has a connection of its own.

        Raises: StoreUnavailable when nothing landed for certain, OutcomeLost when that can't be known.
        """

    async def read(
        self, entity: str, *, after: int = 0, before: int | None = None, limit: int, reverse: bool = False
    ) -> tuple[Head | None, list[StoredEvent]]:
        """The head (None when the entity never existed) and up to `limit` events with after < offset < before.

        Ascending, or newest first when `reverse`. Reads only; fences nothing. Raises: StoreUnavailable.
        """

    async def replies(self, head_id: int, command_ids: Sequence[str]) -> dict[str, Remembered]:
        """Stored replies of those of `command_ids` that the journal holds. Raises: StoreUnavailable."""

    async def received(self, head_id: int, senders: Sequence[int]) -> dict[int, int]:
        """The highest sequence number handled of each sender, 0 where there is none. Raises: StoreUnavailable."""

    async def outbox(self, *, after: tuple[int, int], limit: int) -> list[OutboxRow]:
        """Undelivered rows of all entities by rising (head id, offset), with id and name. Raises: StoreUnavailable."""

    async def delivered(self, rows: Sequence[tuple[int, int]], *, lineage: str) -> None:
        """Remove outbox rows, by (head id, offset); none when the database has another lineage by now, which may have
        lost what became of them. Raises: StoreUnavailable; then some may be gone."""

    async def due(self, *, before_ms: int, after: tuple[int, int], limit: int) -> list[Due]:
        """Timers due before `before_ms`, by rising (time, head id), those behind `after`. Raises: StoreUnavailable."""

    async def save_snapshot(self, head_id: int, *, fence: int, offset: int, body: bytes) -> bool:
        """Keep `body` as the state as of `offset`; False when a newer fence owns the head. Raises: StoreUnavailable."""

    async def trim(self, head_id: int, *, keep_count: int, keep_after_ms: int, ids_after_ms: int) -> int:
        """Apply retention to one entity: delete events that are beyond the newest `keep_count` or older than
        `keep_after_ms`, and never one that the newest snapshot does not cover. Returns the head's new `trimmed`.

        A deleted event with a command id newer than `ids_after_ms` keeps its id and reply. Raises: StoreUnavailable.
        """
