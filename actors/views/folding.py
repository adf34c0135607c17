"""Folding: what a batch of events makes of a view's rows. Decisions only; whoever runs it loads and writes.

    folding = Folding(installed, stretches, turn)
    while (folded := folding.run()) is None:
        folding.load(await ...(folding.missing))   # rows that the fold has asked for

Nobody knows beforehand which rows a fold asks for. So it is run on what there is: a row that has not been loaded is
given as if it were new, noted as missing, and what comes of such a pass is thrown away. Most views name rows by what is
in the event, and are through with the second pass.
"""

import traceback
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from greenroom.actors.life.turn import Turn
from greenroom.actors.model.errors import HandlerStuck
from greenroom.actors.views.installed import Installed
from greenroom.actors.views.stretch import Stretch
from greenroom.actors.views.view import Origin, View
from greenroom.config.telemetry.shown import shown

ROUNDS_MAX = 8  # times that a batch may ask for rows it knows only by others' content; a lone event may four times so
RESTARTS_MAX = 8  # entities of a batch that are parked with the batch begun again for each; then it is cut short
ROWS_MAX = 1_000  # rows that one event may touch
BATCH_ROWS_MAX = 20_000  # rows that a batch may touch; then it is cut short
SEED_ROWS_MAX = BATCH_ROWS_MAX  # rows that an entity's state may be made into: all that its events would have come to
INDEXED_BYTES_MAX = 2_000  # of a row's keys, and of what it is filtered by and in the order of: an index has no more
ROW_BYTES_MAX = 1 << 20  # of a row's texts, bytes and JSON together
INDEXED_CHARS = INDEXED_BYTES_MAX // 4  # a row that has no more of texts at all has no more than that in an index
TRACEBACK_MAX = 4_000  # characters kept of where it raised, from the end

Key = tuple[Any, ...]  # the values of the key fields, as stored
Values = tuple[Any, ...]  # those of all fields, as stored


class Parked(Struct, frozen=True):
    """An entity whose next event can't be folded."""

    offset: int  # that event's
    error: str
    traceback: str


class Folded(Struct, frozen=True):
    """What a batch has come to. Rows are as stored, in the order of their keys."""

    inserted: list[Values]
    updated: list[Values]
    removed: list[Key]
    through: dict[int, int]  # head id -> the last offset that is folded now
    parked: dict[int, Parked]  # head id -> why the event after that is not
    left: list[Stretch]  # not folded: the batch was cut short


class Unplaceable(Exception):
    """A row can't be stored, and which event is to blame is not known. Fold less at once; a lone event is it."""


class TooMuch(Exception):
    """One event asks for more than it may."""


class NotItsOwn(Exception):
    """The fold of an inline view asks for a row that is not the one of the event's entity. Another entity may have that
    one in memory."""


class Folding:
    """One batch of one view: stretches of different entities, each from where that entity's progress stands."""

    def __init__(self, installed: Installed, stretches: Sequence[Stretch], turn: Turn) -> None:
        """`turn`: the event loop's, so that a fold which never returns is found."""
        self._installed = installed
        self._stretches = list(stretches)
        self._turn = turn
        self._loaded: dict[Key, Values | None] = {}
        self._is_ours = False
        self._parked: dict[int, Parked] = {}
        self._left: list[Stretch] = []
        self._rounds = 0
        self.missing: list[Key] = []  # the keys of the rows to be loaded, in their order

    def load(self, rows: Mapping[Key, Values | None], *, is_ours: bool = False) -> None:
        """What is stored of those that were missing; None: there is no such row. `is_ours`: all JSON among them is as a
        fold has written it, and not as the server writes it."""
        self._loaded.update(rows)
        self._is_ours = is_ours

    def run(self) -> Folded | None:
        """None: load what is missing, and run it again. Raises: Unplaceable."""
        restarts = 0
        while True:
            rows = BatchRows(self._installed, self._loaded, is_ours=self._is_ours)
            culprit = self._pass(rows)
            if rows.missing:
                self._rounds += 1
                if self._rounds > ROUNDS_MAX:
                    self._narrow()
                self.missing = sorted(rows.missing)
                return None
            if culprit is None:
                return self._folded(rows)
            restarts += 1
            if restarts >= RESTARTS_MAX:
                self._cut_behind(culprit)

    def _pass(self, rows: "BatchRows") -> Stretch | None:
        """Fold all of it. The stretch that has to be left out, and has been noted as parked, when one's event raised
        after it had touched rows: they are spoilt then."""
        view = self._installed.view(rows)
        for stretch in self._stretches:
            parked = self._parked.get(stretch.head_id)
            if not self._fold(view, rows, stretch, parked.offset if parked is not None else None):
                return stretch
            if len(rows.touched) > BATCH_ROWS_MAX and stretch is not self._stretches[-1]:
                self._cut_behind(stretch)
                break
        return None

    def _fold(self, view: View, rows: "BatchRows", stretch: Stretch, before: int | None) -> bool:
        """False: rows are spoilt, and the entity is noted as parked."""
        wanted, turn = self._installed.events, self._turn
        own = self._installed.own_keys(stretch.entity)
        fold = view.fold
        origin: Origin | None = None
        turn.serial += 1
        turn.owner = stretch
        try:
            if stretch.state is not None and (before is None or before > stretch.after):
                origin = Origin(stretch.entity, stretch.after, stretch.state[1])
                rows.begin_event(own, rows_max=SEED_ROWS_MAX)
                state = stretch.decoded_state()
                turn.item = state
                view.seed(state, origin)
                turn.item = None
                rows.end_event()
            for origin, event in stretch.happened():
                if before is not None and origin.offset >= before:
                    return True
                if type(event) in wanted:
                    rows.begin_event(own)
                    turn.item = event
                    fold(event, origin)
                    turn.item = None
                    rows.end_event()
        except Exception as error:  # the view's own code may raise anything
            turn.item = None
            if rows.missing and not isinstance(error, HandlerStuck):
                return True  # it was given rows that are not what is stored; what it says of them counts for nothing
            assert origin is not None
            self._park(stretch, origin.offset, error)
            return not rows.event_touched
        if stretch.broken is not None and not rows.missing and before is None:
            self._park(stretch, *stretch.broken)
        return True

    def park_only(self, error: Exception) -> Folded:
        """For a batch of one event that can't be stored: its entity is parked before it."""
        (stretch,) = self._stretches
        self._park(stretch, stretch.after if stretch.state is not None else stretch.after + 1, error)
        return Folded([], [], [], {stretch.head_id: self._through(stretch)}, dict(self._parked), [])

    def _park(self, stretch: Stretch, offset: int, error: Exception) -> None:
        said = "".join(traceback.format_exception(error)).replace("\0", "\\0")  # JSON in Postgres holds no NUL
        self._parked[stretch.head_id] = Parked(offset, shown(error).replace("\0", "\\0"), said[-TRACEBACK_MAX:])

    def _narrow(self) -> None:
        """Rows that are known by other rows' content only: fewer events at once ask for fewer of them. One that alone
        asks again and again is given up: its next pass has it raise."""
        if len(self._stretches) > 1:
            self._cut_behind(self._stretches[(len(self._stretches) - 1) // 2])
            self._rounds = 0
        elif len(self._stretches[0].stored) > 1:
            (stretch,) = self._stretches
            half = stretch.after + (len(stretch.stored) + 1) // 2
            self._stretches = [stretch.part(stretch.after, half)]
            self._left.append(stretch.part(half, stretch.through))
            self._rounds = 0
        elif self._rounds > 4 * ROUNDS_MAX:
            (stretch,) = self._stretches
            why = f"it asks for rows by what is in other rows, and again, more than {4 * ROUNDS_MAX} times"
            self._park(stretch, stretch.after + 1, TooMuch(why))

    def _cut_behind(self, stretch: Stretch) -> None:
        at = self._stretches.index(stretch) + 1
        self._left = self._stretches[at:] + self._left
        self._stretches = self._stretches[:at]

    def _folded(self, rows: "BatchRows") -> Folded:
        """Raises: Unplaceable."""
        try:
            inserted, updated, removed = rows.changes()
        except Exception as error:  # the rows' own types may raise anything
            raise Unplaceable(shown(error)) from error
        through = {stretch.head_id: self._through(stretch) for stretch in self._stretches}
        return Folded(inserted, updated, removed, through, self._parked, self._left)

    def _through(self, stretch: Stretch) -> int:
        parked = self._parked.get(stretch.head_id)
        if parked is None:
            return stretch.through
        if stretch.state is not None and parked.offset == stretch.after:
            return 0  # its state could not be made into rows
        return parked.offset - 1


class BatchRows:
    """The rows of one pass: those loaded, as the fold has changed them. What `View` calls `Rows`."""

    def __init__(self, installed: Installed, loaded: Mapping[Key, Values | None], *, is_ours: bool = False) -> None:
        """`is_ours`: see Folding.load."""
        self._installed = installed
        self._is_written_anew = installed.has_json and not is_ours
        self._loaded = loaded
        self._make = installed.view.Row
        self.missing: set[Key] = set()
        self.touched: dict[Key, Any] = {}  # key -> the row; None: there is none, or it was removed
        self._before: dict[Key, Values] = {}  # what was loaded of those there were, as it would be stored again
        self._event: dict[Key, Any] = {}  # those that the present event has had
        self._event_rows_max = ROWS_MAX
        self._own: Collection[Key] | None = None

    @property
    def event_touched(self) -> bool:
        """Has the present event had a row?"""
        return bool(self._event)

    @property
    def event_keys(self) -> Collection[Key]:
        """Of the rows that it has had."""
        return self._event.keys()

    def begin_event(self, own: Collection[Key] | None = None, *, rows_max: int = ROWS_MAX) -> None:
        """`own`: the keys of one of which its only row is; None: it may have any."""
        self._event = {}
        self._event_rows_max = rows_max if own is None else 1
        self._own = own

    def end_event(self) -> None:
        """Raises: ValueError when the event has changed a key."""
        for key, row in self._event.items():
            if row is not None and self._installed.key_of(row) != key:
                raise ValueError(
                    f"the keys of a row do not change: {key!r:.120} has become {self._installed.key_of(row)!r:.120}"
                )

    # See `Rows`.

    def get(self, keys: dict[str, Any]) -> Any:
        key = self._installed.key_named(keys)
        row = self._row(key)
        if row is None:
            row = self.touched[key] = self._event[key] = self._make(**keys)
        return row

    def find(self, keys: dict[str, Any]) -> Any | None:
        return self._row(self._installed.key_named(keys))

    def remove(self, row: Any) -> None:
        """Raises: TypeError, KeyError when it is no row that this view was given."""
        if type(row) is not self._make:
            raise TypeError(f"`del self[row]` takes a row, not {row!r:.80}")
        key = self._installed.key_of(row)
        if self.touched.get(key) is not row:
            raise KeyError(f"no such row, or removed before: {key!r:.120}")
        self.touched[key] = self._event[key] = None

    # For whoever runs the fold.

    def changes(self) -> tuple[list[Values], list[Values], list[Key]]:
        """Inserted, updated, removed. Raises: TypeError, ValueError for what a column can't hold, and whatever the
        fields' own types do."""
        inserted: list[Values] = []
        updated: list[Values] = []
        removed: list[Key] = []
        for key in sorted(self.touched):
            row = self.touched[key]
            before = self._before.get(key)
            if row is None:
                if before is not None:
                    removed.append(key)
                continue
            values = self._stored(row)
            if before is None:
                inserted.append(values)
            elif values != before:
                updated.append(values)
        return inserted, updated, removed

    def _row(self, key: Key) -> Any | None:
        if self._own is not None and key not in self._own:
            raise NotItsOwn(f"the view is inline, and {key!r:.120} is not the row of the event's entity")
        if key in self.touched:
            row = self.touched[key]
        else:
            row = self.touched[key] = self._from_loaded(key)
        if key not in self._event:
            if len(self._event) >= self._event_rows_max:
                raise TooMuch(f"one event may touch {self._event_rows_max} rows, and not more")
            self._event[key] = row
        return row

    def _from_loaded(self, key: Key) -> Any | None:
        try:
            values = self._loaded[key]
        except KeyError:
            self.missing.add(key)
            return None
        if values is None:
            return None
        row = self._installed.to_row(values)
        self._before[key] = self._installed.to_values(row) if self._is_written_anew else values
        return row

    def _stored(self, row: Any) -> Values:
        values = self._installed.to_values(row)
        size = sum(len(value) for value in values if isinstance(value, (str, bytes)))
        if size > ROW_BYTES_MAX:
            raise ValueError(f"a row of {size} bytes: at most {ROW_BYTES_MAX} are kept")
        if size > INDEXED_CHARS:
            indexed = sum(_bytes(values[place]) for place in self._installed.indexed)
            if indexed > INDEXED_BYTES_MAX:
                raise ValueError(
                    f"keys, and what rows are filtered by or in the order of, of {indexed} bytes: at most "
                    f"{INDEXED_BYTES_MAX} have room in an index"
                )
        return values


def _bytes(value: Any) -> int:
    return len(value.encode() if isinstance(value, str) else value) if isinstance(value, (str, bytes)) else 0


def cut(stretches: Iterable[Stretch]) -> tuple[list[Stretch], list[Stretch]]:
    """Two halves of what could not be stored together, the first to be folded first. Of one stretch, its events'.

    The second is empty for a single event.
    """
    all_ = list(stretches)
    if len(all_) > 1:
        return all_[: len(all_) // 2], all_[len(all_) // 2 :]
    (one,) = all_
    if len(one.stored) <= 1:
        return all_, []
    half = one.after + len(one.stored) // 2
    return [one.part(one.after, half)], [one.part(half, one.through)]
