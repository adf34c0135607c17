"""The store of views, as runners see it: how far entities are folded, rows, and what is left to fold.

`store_postgres.py` keeps these promises. Nothing here knows what a view makes of an event.
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Literal, NamedTuple, Protocol

from msgspec import Struct

from greenroom.store.journal.records import StoredEvent
from greenroom.store.views.shape import Shape
from greenroom.store.views.tables import Table

Key = tuple[Any, ...]  # the values of the key columns
Values = tuple[Any, ...]  # those of all declared columns

BYTES_MAX = 8 << 20  # of events that one statement reads; the last of them may pass it
FOLDS_AT_ONCE = 2  # connections for transactions, so that none of them queues behind readers


class Raced(Exception):
    """Another transaction was first to make a row, or an entity's progress: nothing of this one landed. Do it again."""


class Version(Struct, frozen=True, kw_only=True):
    """A table of a view: of one version, and of one build of it."""

    id: int
    name: str
    version: int
    build: int
    shape: Shape
    kinds: frozenset[str]  # whose events it is made of
    state: Literal["filling", "live", "old"]
    kind: Literal["view", "sink"] = "view"  # a sink has no table
    paused: bool
    rung: int  # rises when whoever fills it is to look anew
    age_s: float  # since it was made; where it is being filled again, since that began
    is_kept_up: bool = True  # has any node that is up its code? As far as whoever asks knows

    @property
    def identity(self) -> tuple[int, str, int, int]:
        """What tells it apart: where a failover has lost it, its number may have been given to another."""
        return self.id, self.name, self.version, self.build

    @property
    def table(self) -> Table:
        return Table(self.name, self.version, self.shape, self.build)


class Standing(NamedTuple):
    """Where an entity stands: in a version, and in the journal."""

    offset: int  # it is folded up to here; 0 where nothing is
    has_row: bool  # is there a row of progress?
    parked: bool
    fence: int  # of the head, and its last event
    head_offset: int
    trimmed: int
    lineage: str  # of the database, as of the same moment


class Behind(NamedTuple):
    """An entity with events that are not folded."""

    head_id: int
    entity: str


class Unfolded(NamedTuple):
    """The next events of an entity, as the journal has them."""

    head_id: int
    entity: str
    lineage: str
    standing: Standing
    events: list[
        StoredEvent
    ]  # what follows `standing.offset`, without a gap; [] where it is trimmed, or nothing is left


class Snapshot(NamedTuple):
    """Of an entity whose older events are gone."""

    offset: int
    body: bytes
    saved_ms: int


class ParkedEntity(Struct, frozen=True, kw_only=True):
    """Why an entity waits, as it is kept."""

    offset: int  # of the event that could not be folded
    error: str
    traceback: str
    at_ms: int


class Writing(Struct, frozen=True):
    """What one transaction writes. Rows in the order of their keys."""

    inserted: Sequence[Values]
    updated: Sequence[Values]
    removed: Sequence[Key]
    moved: Mapping[int, int]  # head id -> offset: those with a row of progress
    begun: Mapping[int, int]  # those without
    parked: Mapping[int, ParkedEntity]  # of both


class Written(NamedTuple):
    """The revisions that the rows were given, in the order of `Writing`."""

    inserted: list[int]
    updated: list[int]
    removed: list[int]


class FoldTransaction(Protocol):
    """One batch into one version. What it has locked nobody else folds meanwhile. All of it raises StoreUnavailable."""

    async def lock(self, head_ids: Sequence[int]) -> dict[int, Standing]:
        """Lock how far these are folded, by rising id. One that has no head any more is not among what is returned, and
        none is where there is no such version any more."""

    async def load(self, keys: Sequence[Key]) -> dict[Key, Values | None]:
        """Lock these rows, in the order given, and read them; None: there is no such row."""

    async def write(self, writing: Writing) -> Written:
        """Write all of it; it lands with the end of the transaction. Raises: Raced; DataRefused when something does
        not fit into its column."""


class ViewStore(Protocol):
    """All that is durable of views, but their definition: see versions.py. All of it raises StoreUnavailable."""

    def transaction(self, version: Version) -> AbstractAsyncContextManager[FoldTransaction]:
        """Lands at the end of the block; not at all when an error leaves it. Raises: OutcomeLost at the end: do it
        again, it finds out by itself."""

    async def behind(
        self, version: Version, *, after_id: int, limit: int, shards: Collection[int] | None
    ) -> tuple[list[Behind], int | None]:
        """Of the next `limit` heads, by rising id, those on these shards (None: all) that have events which are not
        folded, and are not parked; and the id of the last head looked at, None at the end."""

    async def unfolded(self, version: Version, head_ids: Sequence[int], *, limit: int) -> list[Unfolded]:
        """The next events of these entities: `limit` of them together at most, and at most about 8 MiB. Entities that
        these bounds leave no room for are not among what is returned, but one at least is, where any has events."""

    async def snapshot(self, head_id: int) -> Snapshot | None:
        """The newest snapshot of an entity."""
