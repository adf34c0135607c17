"""The checker: what must be true of a world, whatever goes wrong in it.

It keeps its own record of what the database has made durable and of what clients were told. Most is checked the moment
it happens, so that a failure's timeline ends where the failure is.
"""

import copy
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

import msgspec
import trio
from msgspec import Struct

from greenroom.actors.model.actor import Actor
from greenroom.actors.model.kinds import Kinds
from greenroom.actors.model.message import Ask, Message, Reply
from greenroom.actors.model.principal import Principal
from greenroom.store.jobs.jobs import QueueReads
from greenroom.store.journal.journal_memory import MemoryRows
from greenroom.store.journal.records import Append, Head, StoredEvent
from greenroom.store.views.asked import Asked, Filters, Looked, Row, Rows
from greenroom.supervisors.kernel.cells.cell import Cell
from greenroom.supervisors.simulation.timeline import Timeline

encode = msgspec.json.encode
decode = msgspec.json.decode


class Violated(Exception):
    """Something that must be true is not."""


class Audit(Protocol):
    """A scenario's own record of what became durable, held against what must be.

    Where a failover loses what came after some moment, a deep copy made at that moment goes on.
    """

    def committed(self, entity: str, append: Append) -> None:
        """With its consequences, in the order of commits. Raises: AssertionError."""

    def unsettled(self) -> list[str]:
        """What is still to come, once faults have stopped."""

    def stored(self, rows: MemoryRows) -> None:
        """What the database holds at the end. Raises: AssertionError."""


EXCUSED_S = 60.0  # so long after a failover, what it has lost may still be acknowledged by who has not heard of it
READ_EXCUSED_S = 20.0  # and what was before it may not be known


class Fact:
    """An event that was durable, perhaps until a failover; with what came before it, a history."""

    __slots__ = ("before", "event", "fence")

    def __init__(self, event: StoredEvent, fence: int, before: "Fact | None") -> None:
        self.event = event
        self.fence = fence
        self.before = before


class Settled(Struct, frozen=True):
    """A command that was acknowledged at its first attempt."""

    entity: str
    mark: str
    number: int  # in the order in which its client has sent


class Stream:
    """One entity's journal, as the checker saw it grow. Only a failover takes something out."""

    def __init__(self, entity: str, actor: Actor[object] | None) -> None:
        self.entity = entity
        self.epoch = ""
        self.events: list[StoredEvent] = []
        self.facts: list[Fact] = []  # the same, each with its history
        self.ever: dict[int, list[Fact]] = {}  # offset -> facts, those too that a failover has lost
        self.epochs: set[str] = set()  # all that it has had
        self.shown: dict[tuple[str, int], set[Fact]] = {}  # epoch, offset -> what subscribers can have been shown
        self.lost_marks: dict[str, float] = {}  # mark -> the time until which it may still be acknowledged
        self.lost_ids: dict[str, list[tuple[float, StoredEvent]]] = {}  # command id -> (that time, event)
        self.command_ids: dict[str, StoredEvent] = {}
        self.marks: dict[str, int] = {}  # what must happen once, and at which offset it did
        self.told = 0  # the newest event that some client has been told of
        self.fold = actor  # state as of the newest event

    @property
    def offset(self) -> int:
        return len(self.events)

    @property
    def fence(self) -> int:
        """Of the newest event."""
        return self.facts[-1].fence if self.facts else 0


class Checker:
    """Sees all that a simulated world acknowledges, shows and stores, and says which promise was broken."""

    def __init__(
        self,
        kinds: Kinds,
        timeline: Timeline,
        *,
        mark: Callable[[Any], str | None],
        invariant: Callable[[str, Any], None] | None,
        audit: Audit | None = None,
        stop: Callable[[], None],
        leased: bool = False,
    ) -> None:
        """`leased`: nodes answer from memory under a lease only, so no answer is older than what was told before."""
        self.violations: list[str] = []
        self.streams: dict[str, Stream] = {}
        self.acknowledged = 0
        self.failovers = 0  # failovers that may have lost events
        self.lost = 0  # events
        self.excused = 0  # acknowledgements of what was lost
        self.seen = 0  # publications by subscribers
        self._kinds = kinds
        self._timeline = timeline
        self._mark = mark
        self._invariant = invariant
        self.audit = audit
        self._audit_then = audit  # the audit of the moment when the standby fell behind
        self._leased = leased
        self._excused_until = -math.inf  # until then, who has not heard of a failover answers otherwise
        self._stop = stop  # the world: what comes after the first violation tells nothing
        self.watch_cells: Callable[[str], None] = lambda entity: None
        self.watch_history: Callable[[], None] = lambda: None  # called once journals are without what was lost

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

    def epoch(self, entity: str) -> str:
        """As of the last commit; "" when there was none since the last failover."""
        stream = self.streams.get(entity)
        return stream.epoch if stream is not None else ""

    def offset(self, entity: str) -> int:
        stream = self.streams.get(entity)
        return stream.offset if stream is not None else 0

    def journals(self) -> dict[str, list[StoredEvent]]:
        """By entity all events from the first, whatever retention has taken; without what failovers have lost."""
        return {entity: stream.events for entity, stream in self.streams.items()}

    # From the database.

    def committed(self, head: Head, append: Append) -> None:
        stream = self.stream(head.entity)
        self._note_epoch(stream, head.epoch)
        stream.epoch = head.epoch
        if append.fence < stream.fence:
            self.violated("fences never decrease", head.entity, f"{append.fence:#x} after {stream.fence:#x}")
        for event in append.events:
            self._committed(stream, event, append.fence)
        offsets = f"{append.events[0].offset}..{append.events[-1].offset}" if append.events else "no event"
        self._timeline.note("committed", head.entity, offsets, f"{append.fence:#x}", *_consequences(append))
        if self.audit is not None:
            try:
                self.audit.committed(head.entity, append)
            except AssertionError as error:
                self.violated("the scenario's own audit", head.entity, error)
        self.watch_cells(head.entity)

    def _committed(self, stream: Stream, event: StoredEvent, fence: int) -> None:
        if event.offset != stream.offset + 1:
            self.violated("offsets have no gap", stream.entity, f"{event.offset} after {stream.offset}")
        command_id = event.command_id
        if command_id is not None:
            if command_id in stream.command_ids:
                self.violated("a command id is recorded once", stream.entity, command_id)
            stream.command_ids[command_id] = event
        stream.events.append(event)
        fact = Fact(event, fence, stream.facts[-1] if stream.facts else None)
        stream.facts.append(fact)
        stream.ever.setdefault(event.offset, []).append(fact)
        mark = self._mark(decode(event.payload))
        if mark is not None:
            if mark in stream.marks:
                self.violated("nothing happens twice", stream.entity, mark, stream.marks[mark], event.offset)
            stream.marks[mark] = event.offset
        self._fold(stream, event)

    def _note_epoch(self, stream: Stream, epoch: str) -> None:
        stream.epochs.add(epoch)
        if len(stream.epochs) > 1 + self.failovers:
            self.violated("one epoch, until a failover", stream.entity, *sorted(stream.epochs))

    def _fold(self, stream: Stream, event: StoredEvent) -> None:
        kind = self._kinds[stream.entity.partition(":")[0]]
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

    def fell_behind(self) -> None:
        """What is committed from now on may be lost."""
        self._audit_then = copy.deepcopy(self.audit)

    def failed_over(self, kept: dict[str, int]) -> None:
        """What is lost may still be shown and acknowledged where it was known, and under its own epoch."""
        self.failovers += 1
        self.audit = self._audit_then
        until = trio.current_time() + EXCUSED_S
        self._excused_until = trio.current_time() + READ_EXCUSED_S
        for entity, stream in self.streams.items():
            stream.epoch = ""
            offset = kept.get(entity, 0)
            stream.told = min(stream.told, offset)
            gone = stream.events[offset:]
            if not gone:
                continue
            self.lost += len(gone)
            del stream.events[offset:], stream.facts[offset:]
            for event in gone:
                if event.command_id is not None:
                    del stream.command_ids[event.command_id]
                    stream.lost_ids.setdefault(event.command_id, []).append((until, event))
                mark = self._mark(decode(event.payload))
                if mark is not None:
                    del stream.marks[mark]
                    stream.lost_marks[mark] = until
            kind = self._kinds[entity.partition(":")[0]]
            stream.fold = kind.actor(entity, _NoRuntime())
            for event in stream.events:
                self._fold(stream, event)
        self.watch_history()

    # From the clients.

    def answered(self, entity: str, command_id: str | None, mark: str | None, reply: bytes, *, records: bool) -> None:
        """A client was told that its command is done, and took note."""
        self.acknowledged += 1
        stream = self.stream(entity)
        now = trio.current_time()
        if mark is not None and mark in stream.marks:
            stream.told = max(stream.told, stream.marks[mark])
        elif mark is not None:
            if stream.lost_marks.get(mark, 0.0) < now:
                self.violated("what is acknowledged is in the journal", entity, mark)
            self.excused += 1
        if command_id is None:
            return
        lost = [event for until, event in stream.lost_ids.get(command_id, ()) if until >= now]
        event = stream.command_ids.get(command_id)
        if event is not None and decode(event.reply or b"null") == decode(reply):
            return
        if any(decode(one.reply or b"null") == decode(reply) for one in lost):
            self.excused += 1
        elif event is not None:
            self.violated("one command, one answer", entity, command_id, event.reply, reply)
        elif records:
            self.violated("what is acknowledged is in the journal", entity, command_id)

    def told(self, entity: str) -> int:
        """So many of its events somebody has been told of."""
        stream = self.streams.get(entity)
        return stream.told if stream is not None else 0

    def read(self, entity: str, known: int, offset: int) -> None:
        """Somebody was answered from what the entity knew up to `offset`; when it was asked, clients had been told of
        events up to `known`."""
        is_excused = trio.current_time() < self._excused_until or not self.is_durable(entity)
        if self._leased and not is_excused and not self.may_skip_to(entity, min(offset, known), known):
            self.violated("no answer is older than what was told before it was asked for", entity, offset, known)

    def in_order(self, settled: Settled, others: Sequence[Settled]) -> None:
        """Of one client, and one connection."""
        marks = self.stream(settled.entity).marks
        at = marks.get(settled.mark)
        for other in others:
            before = marks.get(other.mark) if other.entity == settled.entity else None
            if at is not None and before is not None and (before < at) is not (other.number < settled.number):
                self.violated("what one sends is done in order", settled.entity, other.mark, settled.mark)

    def subscribed(self, entity: str, epoch: str, offset: int) -> list[Fact | None]:
        """A subscriber was told its position; what the last event before it can have been."""
        if not self.is_durable(entity):
            return []
        stream = self.stream(entity)
        self._note_epoch(stream, epoch)
        if offset == 0:
            return [None]
        if offset not in stream.ever:
            self.violated("what is shown is durable", entity, offset)
        return [*stream.ever.get(offset, ())]

    def may_skip_to(self, entity: str, after: int, offset: int) -> bool:
        """May a subscriber that has seen `after` hear nothing of the events up to `offset`, since they are hidden?"""
        if offset <= after:
            return offset == after
        stream = self.stream(entity)
        return all(
            any(self._shown(entity, fact) is None for fact in stream.ever.get(skipped, ()))
            for skipped in range(after + 1, offset + 1)
        )

    def _shown(self, entity: str, fact: Fact) -> bytes | None:
        shown = self._kinds.of(entity).showing.shown(fact.event)
        return shown.payload if shown is not None else None

    def _last_shown(self, entity: str, fact: Fact | None, seen: list[Fact | None]) -> Fact | None:
        """`fact` or, while it is hidden and none of those `seen`, what came before it."""
        while fact is not None and fact not in seen and self._shown(entity, fact) is None:
            fact = fact.before
        return fact

    def shown(
        self, entity: str, epoch: str, before: list[Fact | None], offset: int, payload: bytes
    ) -> list[Fact | None]:
        """A subscriber was shown a publication, behind what can have been `before`; what it can have been itself."""
        self.seen += 1
        if not self.is_durable(entity):
            return []
        stream = self.stream(entity)
        ever = stream.ever.get(offset, [])
        recorded = [fact for fact in ever if self._shown(entity, fact) == payload]
        found = [fact for fact in recorded if self._last_shown(entity, fact.before, before) in before]
        if not ever:
            self.violated("what is shown is durable", entity, offset)
        elif not recorded:
            self.violated("what is shown is what was recorded", entity, offset, payload)
        elif not found:
            self.violated("nobody is shown two histories as one", entity, epoch, offset)
        else:
            known = stream.shown.get((epoch, offset))
            both = set(found) if known is None else known & set(found)
            if not both:
                self.violated("an epoch has one history", entity, epoch, offset)
            stream.shown[epoch, offset] = both
            if epoch == stream.epoch:
                stream.told = max(stream.told, min(offset, stream.offset))
        return [*found]

    # From the nodes.

    def awake(self, cell: Cell) -> None:
        """The state of an entity at rest, whose node owns it, is the fold of its journal."""
        actor = cell.actor
        if actor is None or not cell.is_at_rest:
            return
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
    found = [f"sends {len(decode(row.body))}" for row in what.outbox or ()]
    found += [f"has handled {seq:#x} of {sender}" for sender, seq in (what.marks or {}).items()]
    found += [f"timer {name}: {'none' if row is None else row.due_ms}" for name, row in (what.timers or {}).items()]
    return found + [f"dead letter: {letter.message_type}" for letter in what.letters or ()]


class _NoRuntime:
    """For folds: `apply` may use nothing but the event."""

    def now(self) -> float:
        raise Violated("apply must not look at the clock")

    @property
    def jobs(self) -> QueueReads:
        raise Violated("apply must not read")

    def audience(self, entity: str) -> list[Principal]:
        raise Violated("apply must not look at the audience")

    def spend(self, rule: str, user: str, per_h: int) -> float:
        raise Violated("apply must not limit users")

    def is_durable(self, entity: str, message: Message) -> bool:
        raise Violated("apply must not tell")

    def nudged(self, entities: Iterable[str], message: Message) -> list[str]:
        raise Violated("apply must not tell")

    async def ask(
        self,
        entity: str,
        message: Ask[Reply],
        *,
        chain: tuple[str, ...],
        principal: Principal,
        trace: str | None = None,
    ) -> Reply:
        raise Violated("apply must not ask")

    def glance(self, entity: str, message: Ask[Reply]) -> Reply | None:
        raise Violated("apply must not ask")

    async def query(self, row: type[Row], key: str, asked: Asked) -> Rows[Row]:
        raise Violated("apply must not query")

    async def query_pages(
        self, row: type[Row], keys: Iterable[str], *, limit: int, where: Filters
    ) -> dict[str, list[Row]]:
        raise Violated("apply must not query")

    async def query_rows(self, wanted: Mapping[type[Any], Iterable[str]]) -> Looked:
        raise Violated("apply must not query")

    def has_ended(self, process: str) -> bool:
        raise Violated("apply must not look at processes")
