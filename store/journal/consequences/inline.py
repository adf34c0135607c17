"""Rows of views that are written with the events they come of: see `inline` in docs/guides/views.md.

A row is written only where the view is folded up to exactly the event before, and nobody else is at it: an append never
waits for it, and never fails by it. What is not written is nobody's loss: whoever folds the view finds it.

The journal knows nothing of views: each table brings the SQL that writes into it.
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import IntFlag
from typing import Any, ClassVar, Protocol, Self

from msgspec import Struct
from msgspec.structs import replace

from greenroom.store.journal.consequences.consequence import Part, Tables

AS_IT_IS, SET, REMOVED = range(3)  # what becomes of a row; in SQL too
PROGRESS_BYTES = 24  # what is written of how far an entity is folded


class Form(IntFlag):
    """What there is among the rows that a batch writes into one table."""

    MOVED = 1  # progress that goes on
    BEGUN = 2  # progress that begins
    SET = 4
    REMOVED = 8

    @classmethod
    def of(cls, rows: "Iterable[InlineRow]") -> "Form":
        form = 0
        for row in rows:
            form |= (1 if row.before else 2) | (0, 4, 8)[row.what]
        return cls(form)


FORMS = 16  # that there may be


class InlineTable(Struct, frozen=True):
    """How rows get into one table."""

    number: int  # of the table among all: `view_versions.id`
    types: tuple[str, ...]  # of a row's values, as they are given
    key_at: int  # which of them is its key
    # By form: common table expressions, and a SELECT of what they have done.
    #
    # The former hold {rows}, where rows come from, and {owned}, true for heads that were appended to. A row is `m`: id,
    # before, through, what (of the row), and its values c0, c1, ...
    #
    # The latter is one line: NULL, the number, and arrays, or NULL for what the form has none of. Ids of heads whose
    # progress went on; keys of the rows that were set, with their revisions; ids of the heads whose rows were removed,
    # with theirs.
    texts: tuple[tuple[str, str], ...]


class Keeper(Protocol):
    """Who keeps an entity's row in memory."""

    def skipped(self) -> None:
        """It was not written: somebody else folds what was appended."""


class InlineRow(Struct):
    """The row of one entity in one table, as events up to `through` make it."""

    table: InlineTable
    before: int  # it is folded up to here now, or nothing of this is written
    through: int
    key: str
    keeper: Keeper
    what: int = AS_IT_IS
    values: Sequence[Any] = ()  # of the row that is set: all columns
    size: int = 0  # bytes of its texts, bytes and JSON
    has_landed: bool = False
    revision: int | None = None  # of what was set or removed; None where nothing was

    @property
    def given(self) -> Sequence[Any]:
        """The values c0, c1, ...: of a row that is removed its key alone."""
        if self.what == SET:
            return self.values
        values: list[Any] = [None] * len(self.table.types)
        if self.what == REMOVED:
            values[self.table.key_at] = self.key
        return values


class Inline(dict[int, InlineRow]):
    """Of one entity, in one append: its rows by the table's number."""

    parts: ClassVar[tuple[Part["Inline"], ...]] = ()  # those of its tables: see postgres/inline.py

    def merge(self, later: Self) -> None:
        """One row of each table is written, as the last event leaves it. Two that are not the same row can't be: the
        first is written then, and the rest is left."""
        for number, row in later.items():
            first = self.get(number)
            if first is None:
                self[number] = row
            elif row.before == first.through and (AS_IT_IS in (first.what, row.what) or row.key == first.key):
                last = first if row.what == AS_IT_IS else row
                self[number] = replace(last, before=first.before, through=row.through)

    def cost(self) -> tuple[int, int]:
        return len(self), sum([row.size + PROGRESS_BYTES for row in self.values()])

    def land(self, head: Tables, database: Tables) -> None:
        """There are no views in memory: as where somebody else is at the row."""

    def is_folded(self, number: int, through: int) -> bool:
        """Is that table's row what all events up to there make of it?"""
        row = self.get(number)
        return row is not None and row.has_landed and row.through == through


def note_landed(inline: Mapping[int, Inline], answer: Sequence[Any]) -> None:
    """Note what was written into one table. `inline` by head id; `answer`: see InlineTable."""
    _, number, folded, keys, revisions, removed, removals = answer
    if not folded:
        return
    by_key: dict[str, int] = dict(zip(keys or (), revisions or (), strict=True))
    for head_id in folded:
        row = inline[head_id][number]
        row.has_landed = True
        if row.what == SET:
            row.revision = by_key.get(row.key)
    for head_id, revision in zip(removed or (), removals or (), strict=True):
        inline[head_id][number].revision = revision
