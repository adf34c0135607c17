"""The rows of views in memory: versions, progress and tables, beside the journal that nodes share.

What is in them is never changed, only replaced: so a copy of the dicts is a copy of all that was committed.
"""

import time
from collections.abc import Callable, Iterator
from typing import Any

import trio
from msgspec import Struct

from greenroom.store.errors import StoreUnavailable
from greenroom.store.journal.journal_memory import MemoryHead, MemoryRows
from greenroom.store.journal.records import Head
from greenroom.store.ownership.referee_memory import MemoryShards
from greenroom.store.views.memory.locks import Locks
from greenroom.store.views.store import Key, ParkedEntity, Values, Version
from greenroom.store.views.tables import Table


class ProgressRow(Struct, frozen=True):
    """How far an entity is folded into one table."""

    offset: int
    parked: ParkedEntity | None = None
    claimed_by: int | None = None  # the incarnation of a node that delivers it just now
    claimed_until: float = 0.0


class StoredRow(Struct, frozen=True):
    """A row of a view."""

    values: Values
    revision: int


class VersionRow(Struct, frozen=True):
    """A table, with when it was made, and when it was reopened."""

    version: Version  # without its age
    made_s: float
    reopened_s: float | None = None
    begun: bool = False  # with all entities that there were

    @property
    def began_s(self) -> float:
        """What its age is counted from."""
        if self.version.state != "filling" or self.reopened_s is None:
            return self.made_s
        return self.reopened_s


class MemoryViewRows:
    """What is left of views when all nodes are gone. Nodes that share it share a database."""

    def __init__(
        self,
        journal: MemoryRows | None = None,
        *,
        shards: MemoryShards | None = None,
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = trio.current_time,
    ) -> None:
        """`shards`: with the nodes that there are. `now` gives Unix seconds; by `clock` sessions end."""
        self.journal = MemoryRows() if journal is None else journal
        self.shards = MemoryShards() if shards is None else shards
        self.now = now
        self.locks = Locks(clock)
        self.versions: dict[int, VersionRow] = {}
        self.progress: dict[int, dict[int, ProgressRow]] = {}  # id of the version -> id of the head
        self.tables: dict[str, dict[Key, StoredRow]] = {}  # by their names in SQL
        self.revision = 0  # the newest that was given to a row; goes on whatever is rolled back
        self.last_id = 0  # of all versions that there ever were
        # By a function, which is copied by nobody: see MemoryRows.
        self.journal.folded = lambda head: self.least_folded(head)

    def next_revision(self) -> int:
        self.revision += 1
        return self.revision

    def table(self, table: Table) -> dict[Key, StoredRow]:
        """Raises: StoreUnavailable where it was dropped."""
        found = self.tables.get(table.rows)
        if found is None:
            raise StoreUnavailable(f"there is no table {table.rows}")
        return found

    def progress_of(self, view_id: int) -> dict[int, ProgressRow]:
        return self.progress.setdefault(view_id, {})

    def has(self, version: Version) -> bool:
        """Is it there, and its number not another's by now?"""
        row = self.versions.get(version.id)
        return row is not None and row.version.identity == version.identity

    def heads(self, after_id: int = 0) -> Iterator[MemoryHead]:
        """By rising id."""
        return (row for head_id, row in sorted(self.journal.by_id.items()) if head_id > after_id)

    def least_folded(self, head: Head) -> int | None:
        """Up to where every table that is not old has folded the entity; None where none folds it."""
        kind = kind_of(head.entity)
        offsets = [
            row.offset if (row := self.progress_of(one.version.id).get(head.id)) is not None else 0
            for one in self.versions.values()
            if one.version.state != "old" and kind in one.version.kinds
        ]
        return min(offsets, default=None)

    def committed(self) -> dict[str, Any]:
        """All that is, to be given to `restore` later."""
        return {
            "versions": dict(self.versions),
            "progress": {view_id: dict(rows) for view_id, rows in self.progress.items()},
            "tables": {name: dict(rows) for name, rows in self.tables.items()},
            "revision": self.revision,
            "last_id": self.last_id,
        }

    def restore(self, committed: dict[str, Any]) -> None:
        """As it was then. Whatever is under way can't land any more."""
        self.locks.end_all()
        for name, value in committed.items():
            setattr(self, name, value)


def kind_of(entity: str) -> str:
    return entity.partition(":")[0]
