"""Own rows: those of one entity in inline views, as its activation has them in memory. Decisions only.

A row is *in step* while it is what all events that the activation has submitted make of it, and the table says the same
of those that are durable. Then the next events are folded here, and written with their append. A row that is not is the
runners' business, as of any view: for want of its progress, because somebody else was at it, because the fold raised.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from msgspec import Struct

from greenroom.actors.life.turn import Turn
from greenroom.actors.model.kinds import Kind
from greenroom.actors.views.folding import Folded, Folding, Key, Unplaceable, Values
from greenroom.actors.views.installed import Installed
from greenroom.actors.views.stretch import Stretch
from greenroom.store.journal.consequences.inline import REMOVED, SET, Inline, InlineRow, InlineTable
from greenroom.store.journal.records import StoredEvent
from greenroom.store.views.inline import Own
from greenroom.store.views.store import Version

ROW_BYTES_MAX = 64 << 10  # of a row's texts, bytes and JSON together: each append writes it, and each activation has it


class Live(Struct, frozen=True):
    """The table of an inline view that is served, if it is what this release's code makes."""

    installed: Installed
    version: Version
    table: InlineTable


def its_own(installed: Installed, entity: str, own: Own) -> Own:
    """Without the row that another entity has, whose whole name is this one's key."""
    keys = installed.own_keys(entity)
    assert keys is not None
    return own._replace(rows=[row for row in own.rows if installed.key_of_values(row[0]) in keys])


class OwnRow:
    """The row of one entity in one inline view."""

    __slots__ = ("_is_ours", "_rows", "_table", "installed", "is_large")

    def __init__(self, installed: Installed) -> None:
        self.installed = installed
        self.is_large = False  # it was larger than an append writes, and is the runners' from then on
        self._table: InlineTable | None = None  # None: not in step
        self._rows: dict[Key, Values | None] = {}  # by all keys that it may have; None: there is none
        self._is_ours = False  # is its JSON as a fold here has written it?

    @property
    def number(self) -> int | None:
        """Of the table that it is in step with."""
        return None if self._table is None else self._table.number

    def begin(self, table: InlineTable, entity: str, rows: Sequence[Values]) -> None:
        """It is in step; `rows` are those there are of this entity."""
        keys = self.installed.own_keys(entity)
        assert keys is not None
        if any(_size(values) > ROW_BYTES_MAX for values in rows):
            self.is_large = True
            return
        self._table = table
        self._is_ours = False
        self._rows = {**dict.fromkeys(keys), **{self.installed.key_of_values(values): values for values in rows}}

    def skipped(self) -> None:
        """It is not in step any more."""
        self._table = None
        self._rows = {}

    def fold(self, stretch: Stretch, through: int, turn: Turn) -> InlineRow | None:
        """What the next events, up to `through`, make of it; None: they are left to the runners. Never raises."""
        table = self._table
        assert table is not None
        if not stretch.says(self.installed.beginnings):
            return InlineRow(table, stretch.after, through, "", self)
        folding = Folding(self.installed, [stretch], turn)
        folding.load(self._rows, is_ours=self._is_ours)
        folded: Folded | None = None
        with suppress(Unplaceable):  # the runner parks it
            folded = folding.run()
        # Of events that a newer release has recorded the stretch holds none.
        changed = None if folded is None or stretch.through < through else self._changed(folded)
        if changed is None:
            self.skipped()
            return None
        row = InlineRow(table, stretch.after, through, "", self)
        for key, values in changed.items():
            self._rows[key] = values
            self._is_ours = True  # it is the only row that there is
            row.key = key[0]
            if values is None:
                row.what = REMOVED
            else:
                row.what, row.values, row.size = SET, values, _size(values)
        if row.size > ROW_BYTES_MAX:
            self.is_large = True
            self.skipped()
            return None
        return row

    def _changed(self, folded: Folded) -> dict[Key, Values | None] | None:
        """The row that is another now, if any; None where it can't be written with an append."""
        changed: dict[Key, Values | None] = dict.fromkeys(folded.removed)
        for values in (*folded.inserted, *folded.updated):
            changed[self.installed.key_of_values(values)] = values
        return None if folded.parked or folded.left or len(changed) > 1 else changed


class OwnRows:
    """All of one activation. `offset`: the last event that it has submitted."""

    __slots__ = ("_behind", "_kind", "_live", "_turn", "entity", "head_id", "offset", "rows")

    def __init__(
        self,
        kind: Kind,
        entity: str,
        head_id: int,
        offset: int,
        views: Sequence[Installed],
        *,
        turn: Turn,
        live: Callable[[str], Live | None],
        behind: Callable[["OwnRows"], None],
    ) -> None:
        """`live`: the table of that view; None: there is none that could be written into. `behind` hears when events
        were submitted while a row is not in step."""
        self._kind = kind
        self._turn = turn
        self._live = live
        self._behind = behind
        self.entity = entity
        self.head_id = head_id
        self.offset = offset
        self.rows = [OwnRow(view) for view in views]

    def fold(self, after: int, events: Sequence[StoredEvent]) -> Inline | None:
        """What is to be written with the append of these events, which follow all that were folded before. Never
        raises, and takes no longer than the views' own folds."""
        self.offset = after + len(events)
        stretch = Stretch(self._kind, self.entity, self.head_id, after, events)
        inline = Inline()
        is_behind = False
        for own in self.rows:
            live = self._live(own.installed.name)
            if own.number is not None and (live is None or live.table.number != own.number):
                own.skipped()
            row = own.fold(stretch, self.offset, self._turn) if own.number is not None else None
            if row is not None:
                inline[row.table.number] = row
            elif live is not None and not own.is_large:
                is_behind = True
        if is_behind:
            self._behind(self)
        return inline or None

    def lacks(self, live: Live) -> bool:
        """Is the row in that table not in step, and may be so again?"""
        return any(row.installed is live.installed and row.number is None and not row.is_large for row in self.rows)

    def learn(self, live: Live, own: Own) -> None:
        """What the table has of this entity: where that is all that was submitted, the row is in step with it."""
        if own.offset != self.offset or own.is_parked:
            return
        for row in self.rows:
            if row.installed is live.installed and row.number is None:
                row.begin(live.table, self.entity, [values for values, _ in own.rows])


def _size(values: Sequence[Any]) -> int:
    return sum([len(value) for value in values if isinstance(value, (str, bytes))])
