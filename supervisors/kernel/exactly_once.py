"""What one awake entity must know so that effects between entities, and those of timers, happen once.

It has the entity's durable timers and the highest sequence number that it has handled of each sender, and gathers what
the burst under way is to commit with its events. Most entities never need one. No I/O: the cell reads, and appends.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from msgspec import Raw, Struct

from greenroom.actors.model.effects import CancelTimer, SetTimer, Told
from greenroom.actors.model.envelope import Firing, Origin
from greenroom.actors.model.lifecycle import Answered
from greenroom.actors.model.message import Done
from greenroom.actors.model.outgoing import Outgoing, encode_body, sequence
from greenroom.actors.model.schedule import DurableTimer, encode_timer
from greenroom.store.journal.journal import Consequences, OutboxRow, TimerRow

encode = msgspec.json.encode
decode_timer = msgspec.json.Decoder(DurableTimer).decode

SENDERS_MAX = 10_000  # whose marks are kept in memory; the others are read again. More than may be under way at once


class Posted(Struct, frozen=True, gc=False):
    """A departure: the row is durable, so what lies in it can be delivered."""

    row: OutboxRow
    messages: list[Outgoing]


class TimersSet(Struct, frozen=True, gc=False):
    """A departure: these timers are durable, due at these times (Unix ms)."""

    due_ms: list[int]


class Gathered(Struct, frozen=True, gc=False):
    """Of one handling, what must be committed with its events: encoded, so that nothing can fail any more."""

    source: Origin | Firing | None
    sent: Sequence[Outgoing]
    timers: Sequence[tuple[str, TimerRow | None]]
    passing: list[Any]  # its other effects


class ExactlyOnce:
    __slots__ = ("_consequences", "_following", "_outgoing", "firing", "seen", "timers")

    def __init__(self, timers: Iterable[TimerRow] = ()) -> None:
        self.timers = {row.name: row for row in timers}
        self.firing: set[str] = set()  # timers whose message is in the mailbox
        self.seen: dict[int, int] = {}  # sender's head id -> highest sequence number handled; the latest last
        self._consequences: Consequences | None = None
        self._outgoing: list[Outgoing] = []
        self._following: int | None = None  # when the timer that is being handled comes again (Unix ms)

    # What comes in.

    def learn(self, seen: dict[int, int]) -> None:
        """Marks as they are stored."""
        if len(self.seen) > SENDERS_MAX:
            # Not the latest: some of those may not be stored yet.
            for sender in list(self.seen)[: SENDERS_MAX // 2]:
                del self.seen[sender]
        for sender, seq in seen.items():
            self.seen.setdefault(sender, seq)

    def overtakes(self, origin: Origin) -> bool:
        """Has the message that this one was sent behind not been handled? It was put off, perhaps in a former life."""
        return origin.after > self.seen.get(origin.sender, 0)

    def due(self, now_ms: int) -> list[TimerRow]:
        """Timers whose message is to be put into the mailbox now, the most overdue first. They count as firing then."""
        due = [row for row in self.timers.values() if row.due_ms <= now_ms and row.name not in self.firing]
        self.firing.update(row.name for row in due)
        return sorted(due, key=_due_ms)

    def is_due(self, firing: Firing) -> bool:
        """Not if the timer was moved, was cancelled or has fired since."""
        row = self.timers.get(firing.name)
        return row is not None and row.due_ms == firing.due_ms

    def fire(self, firing: Firing, now_ms: int) -> int | None:
        """Which occurrence of a timer that is due is to be handled now; None: it was missed, and is to be skipped."""
        schedule = decode_timer(self.timers[firing.name].body).schedule
        occurrence, self._following = schedule.fire(firing.due_ms, now_ms)
        return occurrence

    # What is to be committed with the burst under way.

    @property
    def consequences(self) -> Consequences:
        if self._consequences is None:
            self._consequences = Consequences()
        return self._consequences

    @property
    def has_consequences(self) -> bool:
        return self._consequences is not None or bool(self._outgoing)

    def fired(self, firing: Firing) -> None:
        """That occurrence has been handled, or skipped: on to the next, as seen when `fire` was called."""
        if self.is_due(firing):
            following = self._following
            row = self.timers[firing.name]
            self._move(firing.name, None if following is None else TimerRow(firing.name, following, row.body))

    def gather(self, sent: Sequence[Outgoing], timers: Sequence[tuple[str, TimerRow | None]]) -> None:
        for name, row in timers:
            self._move(name, row)
        self._outgoing += sent

    def mark(self, origin: Origin, *, durably: bool) -> None:
        """A message has been handled. It need not be durable when nothing else about that is."""
        self.seen[origin.sender] = max(origin.seq, self.seen.pop(origin.sender, 0))
        if durably:
            self.consequences.received[origin.sender] = origin.seq

    def take(self, head_id: int, entity: str, offset: int, departures: list[Any]) -> Consequences | None:
        """What the append takes along whose last event is at `offset`; adds to what departs once that is durable."""
        if not self.has_consequences:
            return None
        taken, self._consequences = self.consequences, None
        if self._outgoing:
            outgoing, self._outgoing = self._outgoing, []
            row = OutboxRow(offset, encode_body(outgoing), head_id, entity)
            taken.outbox.append(row)
            departures.append(Posted(row, outgoing))
        set_ms = [row.due_ms for row in taken.timers.values() if row is not None]
        if set_ms:
            departures.append(TimersSet(set_ms))
        return taken

    def _move(self, name: str, row: TimerRow | None) -> None:
        self.firing.discard(name)
        if row is not None:
            self.timers[name] = row
        elif self.timers.pop(name, None) is None:
            return  # there was none
        self.consequences.timers[name] = row


def outgoing(
    told: Sequence[Told], offset: int, trace: str | None, *, answer: tuple[Origin, str, Any] | None
) -> list[Outgoing]:
    """What a handling that ended with the event at `offset` sends; last the answer to who wants to hear of it.

    Raises: whatever encoding the messages raises.
    """
    sent = [
        Outgoing(sequence(offset, number), one.entity, Raw(encode(one.message)), one.about, trace)
        for number, one in enumerate(told)
    ]
    if answer is not None:
        origin, entity, reply = answer
        message = Answered(entity=entity, about=origin.about, reply=Raw(encode(Done() if reply is None else reply)))
        sent.append(Outgoing(sequence(offset, len(sent)), origin.entity, Raw(encode(message)), "", trace))
    return sent


def timer_changes(effects: Iterable[SetTimer | CancelTimer]) -> list[tuple[str, TimerRow | None]]:
    """Raises: whatever encoding the messages raises."""
    return [
        (one.name, TimerRow(one.name, one.due_ms, encode_timer(one.message, one.schedule)))
        if type(one) is SetTimer
        else (one.name, None)
        for one in effects
    ]


def _due_ms(row: TimerRow) -> int:
    return row.due_ms
