"""The journal: every entity's events, numbered from 1, and the head row that fences who may append.

`records.py` has the records and most words. **Lineage** names the history of the whole database: another after a
failover, which may have lost the newest events. An epoch ends with the lineage that its entity was claimed under, and
an append lands only in that lineage, so no epoch ever has two histories.

Two implementations keep these promises: `journal_postgres.py` and `journal_memory.py`;
`tests/store/journal/test_journal.py` is one suite run over both.
"""

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Protocol

from greenroom.store.errors import Erased, JournalDamaged, NotOwner, StoreUnavailable
from greenroom.store.journal.consequences.outbox import OutboxRow
from greenroom.store.journal.records import Append, Claimed, Due, Head, Outcome, Remembered, StoredEvent, Trimmed

READ_BYTES_MAX = 8 << 20  # bytes of events, or of outbox rows, that one read gives; the last of them may pass it
NOTHING_ABOVE: Mapping[str, int] = MappingProxyType({})


Claim = Claimed | NotOwner | Erased | JournalDamaged | StoreUnavailable  # what became of one entity's claim


class Journal(Protocol):
    """All that is durable of entities, as one node incarnation sees it."""

    async def claim(
        self, terms: Mapping[str, int], *, window: int, above: Mapping[str, int] = NOTHING_ABOVE
    ) -> list[Claim]:
        """Raise the fence of each entity (creating heads that don't exist), wait for appends in flight, then load.

        `terms` has the term of each entity's shard, as this node knows it, and their order is that of what is returned.
        An entity that belongs to somebody else, or to a newer term, is NotOwner; one that was erased is Erased.

        Where `above` names an entity, its fence rises above that: to a fence that this incarnation has had before, a
        server that has lost its claims would grant it again, and with it whatever was sent under it and is late.
        Loading is a statement of its own after the raise (a load in the same statement may miss the append that the
        raise waited for). Each result holds the snapshot and the events after it, and for recent command ids also up to
        `window` events before the snapshot; of its outbox the oldest rows (`brought_along`). An entity whose rows
        contradict one another, or whose name or rows the server refuses, is JournalDamaged, and one that can't be
        loaded in time is StoreUnavailable; that touches no other of the batch. Raises: StoreUnavailable.
        """

    async def lineage(self) -> str:
        """The database's lineage as of now; "" while it has never failed over. Raises: StoreUnavailable."""

    async def append(self, batch: Sequence[Append], *, lane: int = 0) -> list[Outcome]:
        """One fenced auto-commit statement for many entities (each at most once in `batch`); an item fails alone, and
        with it its consequences: also one whose data the server refuses (DAMAGED).

        Calls on different lanes run side by side; each lane has a connection of its own.

        Raises: StoreUnavailable when nothing landed for certain, OutcomeLost when that can't be known.
        """

    async def read(
        self, entity: str, *, after: int = 0, before: int | None = None, limit: int, reverse: bool = False
    ) -> tuple[Head | None, list[StoredEvent]]:
        """The head (None when the entity never existed) and events with after < offset < before: at most `limit`,
        fewer where they are large (one at least, if there is any), [] at the end.

        Ascending, or newest first when `reverse`. Reads only; fences nothing. Raises: StoreUnavailable.
        """

    async def replies(self, head_id: int, command_ids: Sequence[str]) -> dict[str, Remembered]:
        """Stored replies of those of `command_ids` that the journal holds. Raises: StoreUnavailable."""

    async def received(self, head_id: int, senders: Sequence[int]) -> dict[int, int]:
        """The highest sequence number handled of each sender, 0 where there is none. Raises: StoreUnavailable."""

    async def outbox(
        self, *, after: tuple[int, int], limit: int, shards: Collection[int] | None = None
    ) -> list[OutboxRow]:
        """Undelivered rows of the entities on these shards (None: of all), with id and name, by rising (head id,
        offset): at most `limit`, fewer where they are large, [] at the end. Raises: StoreUnavailable."""

    async def delivered(self, rows: Sequence[tuple[int, int]], *, lineage: str) -> None:
        """Remove outbox rows, by (head id, offset); none when the database has another lineage by now, which may have
        lost what became of them. Raises: StoreUnavailable; then some may be gone."""

    async def due(
        self, *, before_ms: int, after: tuple[int, int], limit: int, shards: Collection[int] | None = None
    ) -> list[Due]:
        """Timers due before `before_ms` of the entities on these shards (None: of all), by rising (time, head id),
        those behind `after`: at most `limit`, fewer only at the end. Raises: StoreUnavailable."""

    async def save_snapshot(self, head_id: int, *, fence: int, offset: int, body: bytes) -> bool:
        """Keep `body` as the state as of `offset`; False when a newer fence owns the head. Raises: StoreUnavailable."""

    async def stored(self, entity: str) -> Claimed | None:
        """Head and snapshot, of one moment, without any event; None when the entity never existed. Reads only; fences
        nothing. Raises: StoreUnavailable."""

    async def save_folded(self, head_id: int, *, fence: int, offset: int, body: bytes) -> bool:
        """Keep `body` as the state as of `offset`, made from the journal alone: `fence` is the head's as it was read
        with the events. False when somebody has claimed it since, or a snapshot of as much is there. Raises:
        StoreUnavailable."""

    async def trim(self, head_id: int, *, keep_count: int, keep_after_ms: int, ids_after_ms: int) -> Trimmed:
        """Apply retention to one entity: delete events that are beyond the newest `keep_count` or older than
        `keep_after_ms`, and never one that the newest snapshot does not cover. A bounded step: where the result has
        more, call again, but not at once, since appends to the entity wait meanwhile.

        A deleted event with a command id newer than `ids_after_ms` keeps its id and reply. Raises: StoreUnavailable.
        """
