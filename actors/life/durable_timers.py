"""Durable timers of one entity: which are due, which are firing, and when each comes again.

The rows are what is stored, or will be with the burst under way: whoever changes one commits the change.
"""

from collections.abc import Iterable, Mapping

import msgspec

from greenroom.actors.model.envelope import Firing
from greenroom.actors.model.schedule import DurableTimer
from greenroom.store.journal.consequences.timers import TimerRow

decode_timer = msgspec.json.Decoder(DurableTimer).decode


class DurableTimers:
    """Those of one life, by name."""

    __slots__ = ("_firing", "_following", "_rows")

    def __init__(self, rows: Iterable[TimerRow] = ()) -> None:
        self._rows = {row.name: row for row in rows}
        self._firing: set[str] = set()  # timers whose message is in the mailbox
        self._following: int | None = None  # the next occurrence of the timer being handled (Unix ms)

    @property
    def rows(self) -> Mapping[str, TimerRow]:
        return self._rows

    def take_due(self, now_ms: int) -> list[TimerRow]:
        """Timers whose message is to be put into the mailbox now, the most overdue first. They count as firing then."""
        due = [row for row in self._rows.values() if row.due_ms <= now_ms and row.name not in self._firing]
        self._firing.update(row.name for row in due)
        return sorted(due, key=_due_ms)

    def expect(self, firing: Firing) -> None:
        """Its message is in the mailbox since a former life: one is enough."""
        if self.is_due(firing):
            self._firing.add(firing.name)

    def put_off(self, firing: Firing) -> None:
        """Its message is not in the mailbox any more, and it has not fired: the next look finds it again."""
        self._firing.discard(firing.name)

    def is_due(self, firing: Firing) -> bool:
        """Not if the timer was moved, was cancelled or has fired since."""
        row = self._rows.get(firing.name)
        return row is not None and row.due_ms == firing.due_ms

    def fire(self, firing: Firing, now_ms: int) -> int | None:
        """Which occurrence (Unix ms) of a timer that is due is handled now; None: it was missed, and is skipped.

        Raises: whatever computing its schedule raises; then it has no next occurrence.
        """
        self._following = None
        schedule = decode_timer(self._rows[firing.name].body).schedule
        occurrence, self._following = schedule.fire(firing.due_ms, now_ms)
        return occurrence

    def following(self, firing: Firing) -> TimerRow | None:
        """The row of its next occurrence, as seen when `fire` was called; None when there is none."""
        if self._following is None:
            return None
        return TimerRow(firing.name, self._following, self._rows[firing.name].body)

    def put(self, name: str, row: TimerRow | None) -> bool:
        """Set the timer, or end it; says whether that changed anything."""
        self._firing.discard(name)
        if row is not None:
            self._rows[name] = row
            return True
        return self._rows.pop(name, None) is not None


def _due_ms(row: TimerRow) -> int:
    return row.due_ms
