"""The checker: what must be true of a world, whatever goes wrong in it.

It keeps its own record of what the database has made durable and of what clients were told. Most is checked the moment
it happens, so that a failure's timeline ends where the failure is.
"""

from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from actors.actor import Actor
from actors.kinds import Kinds
from actors.message import Ask, Reply
from actors.principal import Principal
from store.journal import Append, Head, StoredEvent
from store.journal_memory import MemoryRows
from supervisors.cell import Cell
from supervisors.simulation.timeline import Timeline

encode = msgspec.json.encode
decode = msgspec.json.decode


class Violated(Exception):
    """Something that must be true is not."""


class Audit(Protocol):
    """A scenario's own record of what became durable, held against what must be."""

    def committed(self, entity: str, append: Append) -> None:
        """With its consequences, in the order of commits. Raises: AssertionError."""

    def unsettled(self) -> list[str]:
        """What is still to come, once faults have stopped."""

    def stored(self, rows: MemoryRows) -> None:
        """What the database holds at the end. Raises: AssertionError."""


class Stream:
    """One entity's journal, as the checker saw it grow; nothing is ever taken out."""

    def __init__(self, entity: str, actor: Actor[Any] | None) -> None:
        self.entity = entity
        self.epoch = ""
        self.events: list[StoredEvent] = []
        self.fence = 0  # of the newest event
        self.command_ids: dict[str, StoredEvent] = {}
        self.marks: dict[str, int] = {}  # what must happen once, and at which offset it did
        self.fold = actor  # state as of the newest event

    @property
    def offset(self) -> int:
        return len(self.events)


class Checker:
    def __init__(
        self,
        kinds: Kinds,
        timeline: Timeline,
        *,
        mark: Callable[[Any], str | None],
        invariant: Callable[[str, Any], None] | None,
        audit: Audit | None = None,
        stop: Callable[[], None],
    ) -> None:
        self.violations: list[str] = []
        self.streams: dict[str, Stream] = {}
        self.acknowledged = 0
        self.seen = 0  # publications by subscribers
        self._kinds = kinds
        self._timeline = timeline
        self._mark = mark
        self._invariant = invariant
        self.audit = audit
        self._stop = stop  # the world: what comes after the first violation tells nothing
        self.watch_cells: Callable[[str], None] = lambda entity: None

    def violated(self, rule: str, *details: Any) -> None:
        self.violations.append(f"{rule}: {'  '.join(map(str, details))}")
        self._timeline.note("VIOLATED", rule, *details)
        self._stop()

    def stream(self, entity: str) -> Stream:
        stream = self.streams.get(entity)
        if stream is None:
            kind = self._kinds[entity.partition(":")[0]]
            stream = self.streams[entity] = Stream(entity, kind.actor(entity, _NoRuntime()))
        return stream

    def is_durable(self, entity: str) -> bool:
        return self._kinds[entity.partition(":")[0]].actor.durable

    def offset(self, entity: str) -> int:
        stream = self.streams.get(entity)
        return stream.offset if stream is not None else 0

    # From the database.

    def committed(self, head: Head, append: Append) -> None:
        stream = self.stream(head.entity)
        if not stream.epoch:
            stream.epoch = head.epoch
        elif head.epoch != stream.epoch:
            self.violated("one stream, one epoch", head.entity, stream.epoch, head.epoch)
        if append.fence < stream.fence:
            self.violated("fences never decrease", head.entity, f"{append.fence:#x} after {stream.fence:#x}")
        stream.fence = append.fence
        for event in append.events:
            self._committed(stream, event)
        offsets = f"{append.events[0].offset}..{append.events[-1].offset}" if append.events else "no event"
        self._timeline.note("committed", head.entity, offsets, f"{append.fence:#x}", *_consequences(append))
        if self.audit is not None:
            try:
                self.audit.committed(head.entity, append)
            except AssertionError as error:
                self.violated("the scenario's own audit", head.entity, error)
        self.watch_cells(head.entity)

    def _committed(self, stream: Stream, event: StoredEvent) -> None:
        if event.offset != stream.offset + 1:
            self.violated("offsets have no gap", stream.entity, f"{event.offset} after {stream.offset}")
        command_id = event.command_id
        if command_id is not None:
            if command_id in stream.command_ids:
                self.violated("a command id is recorded once", stream.entity, command_id)
            stream.command_ids[command_id] = event
        stream.events.append(event)
        kind = self._kinds[stream.entity.partition(":")[0]]
        mark = self._mark(decode(event.payload))
        if mark is not None:
            if mark in stream.marks:
                self.violated("nothing happens twice", stream.entity, mark, stream.marks[mark], event.offset)
            stream.marks[mark] = event.offset
        fold = stream.fold
        if fold is not None:
            fold.offset = event.offset
            fold.at_ms = event.at_ms
            for present in kind.decode_events(event.payload):
                fold.apply(present)
            if self._invariant is not None:
                try:
                    self._invariant(stream.entity, fold.state)
                except AssertionError as error:
                    self.violated("the entity's own invariant", stream.entity, error)

    # From the clients.

    def answered(self, entity: str, command_id: str | None, mark: str | None, reply: bytes, *, records: bool) -> None:
        """A client was told that its command is done, and took note."""
        self.acknowledged += 1
        stream = self.stream(entity)
        if mark is not None and mark not in stream.marks:
            self.violated("what is acknowledged is in the journal", entity, mark)
        if command_id is None:
            return
        event = stream.command_ids.get(command_id)
        if event is None:
            if records:
                self.violated("what is acknowledged is in the journal", entity, command_id)
        elif decode(event.reply or b"null") != decode(reply):
            self.violated("one command, one answer", entity, command_id, event.reply, reply)

    def shown(self, entity: str, offset: int, payload: bytes) -> None:
        """A subscriber was shown a publication."""
        self.seen += 1
        if not self.is_durable(entity):
            return
        events = self.stream(entity).events
        if not 0 < offset <= len(events):
            self.violated("what is shown is durable", entity, offset)
        elif events[offset - 1].payload != payload:
            self.violated("what is shown is what was recorded", entity, offset, payload)

    # From the nodes.

    def awake(self, cell: Cell, rows: MemoryRows, incarnation: int) -> None:
        """The state of an entity at rest, if its node owns it, is the fold of its journal."""
        head, actor = cell.head, cell.actor
        if head is None or actor is None or cell._flights or cell._failure is not None or cell.mailbox._waiter is None:
            return
        row = rows.by_id[head.id]
        if row.head.fence != head.fence or row.incarnation != incarnation:
            return  # overtaken; it will find out
        stream = self.stream(cell.entity)
        if actor.offset != stream.offset:
            self.violated("an awake owner knows every event", cell.entity, f"{actor.offset} of {stream.offset}")
        elif stream.fold is not None and actor.state != stream.fold.state:
            self.violated("state is the fold of the journal", cell.entity, actor.state, stream.fold.state)

    def stored(self, rows: MemoryRows) -> None:
        """At the end: the database holds what it said it held."""
        for entity, row in sorted(rows.by_entity.items()):
            stream = self.stream(entity)
            if row.head.offset != stream.offset:
                self.violated("head and journal agree", entity, row.head.offset, stream.offset)
            if row.events != stream.events[len(stream.events) - len(row.events) :]:
                self.violated("the journal is not rewritten", entity)
        if self.audit is not None:
            try:
                self.audit.stored(rows)
            except AssertionError as error:
                self.violated("the scenario's own audit", error)


def _consequences(append: Append) -> list[str]:
    """For the timeline."""
    what = append.consequences
    if what is None:
        return []
    found = [f"sends {len(decode(row.body))}" for row in what.outbox]
    found += [f"has handled {seq:#x} of {sender}" for sender, seq in what.received.items()]
    found += [f"timer {name}: {'none' if row is None else row.due_ms}" for name, row in what.timers.items()]
    return found + [f"dead letter: {letter.message_type}" for letter in what.letters]


class _NoRuntime:
    """For folds: `apply` may use nothing but the event."""

    def now(self) -> float:
        raise Violated("apply must not look at the clock")

    def audience(self, entity: str) -> list[Principal]:
        raise Violated("apply must not look at the audience")

    async def ask(self, entity: str, message: Ask[Reply], *, chain: tuple[str, ...], principal: Principal) -> Reply:
        raise Violated("apply must not ask")
