"""A live page: the first rows of one key of a view, kept by what changes and said as what a watcher is to do.

What changes comes late, twice, in any order, or not at all where whoever says it knows that it did not. So every change
carries the revision that its row had, which rises with each change of that row, over its removal and its return too. A
row that is held is changed by what is newer. Of one that is not held, the page knows only that it was not among the
first when the page was read, or what it has been told since; where neither decides, the page is read again.

A few rows more than are shown are held, so that another is there when one of them leaves.
"""

from bisect import bisect_left, insort
from collections.abc import Sequence
from itertools import islice
from typing import Any

from msgspec import Struct

Key = bytes  # a JSON object of a row's key fields, by which those who watch tell it apart, too
Place = tuple[Any, ...]  # where it stands among the rows of its page: total, and comparable
PASSED_MAX = 1_024  # rows beyond the page whose newest revision is remembered; with more, the older half is forgotten


class PageRow(Struct, frozen=True, gc=False):
    """A row as it was once."""

    key: Key
    place: Place
    revision: int
    json: bytes


class Difference(Struct, frozen=True):
    """What whoever knew the page before is to do, in this order."""

    gone: list[Key]
    set: list[PageRow]

    def __bool__(self) -> bool:
        return bool(self.gone or self.set)


class LivePage:
    """Of one key. `load` what was read whenever `is_stale`, `note` what changes, `flush` when watchers may be told."""

    __slots__ = ("_complete", "_edge", "_floor", "_held", "_passed", "_places", "_spare", "is_stale", "limit", "shown")

    def __init__(self, limit: int, *, spare: int) -> None:
        self.limit = limit
        self.is_stale = True  # to be read
        self.shown: dict[Key, bytes] = {}  # what watchers know: a row's JSON by its key, in the page's order
        self._spare = spare
        self._held: dict[Key, PageRow] = {}
        self._places: list[tuple[Place, Key]] = []  # of those held, in order
        self._complete = False  # are all rows of the key held? Then there is no edge
        self._edge: Place = ()  # of the last one that was read: beyond it nothing is held, up to it everything is
        self._floor = 0  # a change of a row that is not held, as old as this, may be older than what is known of it
        self._passed: dict[Key, int] = {}  # rows that are not held, each with the newest revision heard of

    @property
    def wanted(self) -> int:
        """How many rows are to be read for `load`."""
        return self.limit + self._spare

    def load(self, rows: Sequence[PageRow], *, floor: int) -> None:
        """The first `wanted` rows of the key in their order, or all. No revision above `floor` was given to anybody
        before they were read."""
        self._held = {row.key: row for row in rows}
        self._places = [(row.place, row.key) for row in rows]
        self._complete = len(rows) < self.wanted
        self._edge = rows[-1].place if rows else ()
        self._floor = floor
        self._passed = {}
        self.is_stale = False

    def note(self, key: Key, revision: int, row: PageRow | None) -> None:
        """A row has changed; None: it was removed, or belongs to another page. Does nothing while the page is stale."""
        if self.is_stale:
            return
        held = self._held.get(key)
        known = held.revision if held is not None else self._passed.get(key)
        if known is not None and revision <= known:
            return
        is_in = row is not None and (self._complete or row.place <= self._edge)
        if is_in and held is None and revision <= self._floor:
            self.is_stale = True  # it was not there when the page was read: not yet, or no longer?
            return
        if held is not None:
            self._let_go(held)
        if not is_in:
            self._pass_by(key, revision)
            return
        assert row is not None
        self._passed.pop(key, None)
        self._held[key] = row
        insort(self._places, (row.place, key))
        if len(self._places) > self.wanted + self._spare:
            self._cut()

    def _let_go(self, row: PageRow) -> None:
        del self._held[row.key]
        del self._places[bisect_left(self._places, (row.place, row.key))]
        if not self._complete and len(self._places) < self.limit:
            self.is_stale = True  # another row has moved up, of which nothing is known

    def _cut(self) -> None:
        """More are held than are read at once: keep as many."""
        for _, key in self._places[self.wanted :]:
            self._pass_by(key, self._held.pop(key).revision)
        del self._places[self.wanted :]
        self._edge = self._places[-1][0]
        self._complete = False

    def _pass_by(self, key: Key, revision: int) -> None:
        passed = self._passed
        passed.pop(key, None)  # to the end
        passed[key] = revision
        if len(passed) > PASSED_MAX:
            for forgotten in list(islice(passed, PASSED_MAX // 2)):
                self._floor = max(self._floor, passed.pop(forgotten))

    def flush(self) -> Difference:
        """From what is shown to what is held, and that is shown from now on. Nothing while the page is stale."""
        if self.is_stale:
            return Difference([], [])
        before = self.shown
        rows = [self._held[key] for _, key in self._places[: self.limit]]
        self.shown = {row.key: row.json for row in rows}
        gone = [key for key in before if key not in self.shown]
        return Difference(gone, [row for row in rows if before.get(row.key) != row.json])
