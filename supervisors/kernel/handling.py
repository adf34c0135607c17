"""Handling: one actor, from waking until it sleeps or crashes, and what its handlers decide. Never waits.

Messages go in; events, departures (what is to leave the entity once those are durable) and consequences (what is to be
committed with them) pile up until the cell takes them off as one burst.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from types import CoroutineType
from typing import TYPE_CHECKING, Any

import msgspec
import structlog

from greenroom.actors.model.actor import NO_TIMERS, Actor
from greenroom.actors.model.effects import CancelTimer, Kick, SetTimer, Told
from greenroom.actors.model.envelope import Envelope, Firing, Origin
from greenroom.actors.model.errors import ActorError, DeadlineExceeded, HandlerFailed, HandlerStuck, Unavailable
from greenroom.actors.model.kinds import Kind
from greenroom.actors.model.lifecycle import AudienceChanged, Inspect, Inspected, Noted, Undelivered
from greenroom.actors.model.mailbox import Item
from greenroom.actors.model.message import Done
from greenroom.actors.model.outgoing import Outgoing
from greenroom.actors.model.principal import SYSTEM
from greenroom.actors.model.schedule import Fired
from greenroom.store.journal.dead_letters import DeadLetter
from greenroom.store.journal.journal import Consequences, Head, Remembered, StoredEvent, TimerRow
from greenroom.supervisors.kernel.departures import Flight, repeated_reply
from greenroom.supervisors.kernel.exactly_once import ExactlyOnce, Gathered, decode_timer, outgoing, timer_changes

if TYPE_CHECKING:
    from greenroom.supervisors.kernel.system import System

log = structlog.get_logger("greenroom.cell")
encode = msgspec.json.encode

REMEMBERED_MAX = 1024  # command ids answered from memory; older ones are found in the journal
LEARN = object()  # marks must be read before this message can be handled
DONE = Done()
DROPPED = object()  # there is nothing to do for this message


class Handling:
    __slots__ = (
        "_system", "_view", "actor", "departures", "entity", "epoch", "events", "head", "kind", "once", "remembered"
    )  # fmt: skip

    def __init__(self, system: "System", kind: Kind, entity: str, actor: Actor[Any], head: Head | None) -> None:
        self._system = system
        self.kind = kind
        self.entity = entity
        self.actor = actor
        self.head = head  # as claimed; None without a journal
        self.epoch = head.epoch if head is not None else system.new_epoch()  # without a journal, of this life
        self.events: list[StoredEvent] = []  # of the burst under way
        self.departures: list[Any] = []  # likewise
        self.once: ExactlyOnce | None = None  # when others or timers speak to it, or it to others
        self.remembered: dict[str, Remembered] | None = None  # by command id
        self._view: bytes | None = None  # JSON of view(), until the next message

    @property
    def is_empty(self) -> bool:
        """Has nothing been decided since the last burst was taken off?"""
        return not (self.events or self.departures or (self.once is not None and self.once.has_consequences))

    def tell(self, message: Any) -> Any:
        """Handle a message that came without an envelope; as `answer`."""
        self._view = None
        actor = self.actor
        actor.principal = SYSTEM
        waiting = actor.handle(message)
        if type(waiting) is CoroutineType:
            return waiting
        if actor.effects.events or actor.effects.others:
            self.collect(None, None)
        return None

    def replay(self, events: Iterable[StoredEvent]) -> None:
        """Apply what is behind the actor's offset; remember the command ids of all of it."""
        actor = self.actor
        for event in events:
            if event.offset > actor.offset:
                assert event.offset == actor.offset + 1, f"{self.entity}: gap before offset {event.offset}"
                actor.offset = event.offset
                actor.at_ms = event.at_ms
                for present in self.kind.decode_events(event.payload):
                    actor.apply(present)
            if event.command_id is not None and event.reply is not None:
                self.remember(event.command_id, Remembered(event.reply, event.digest))

    def adopt_timers(self, timers: Sequence[TimerRow]) -> None:
        if timers:
            self.once = ExactlyOnce(timers)
            self._show_timers()

    def due_timers(self) -> Iterator[tuple[Firing, Envelope]]:
        """The messages of durable timers that are due and not in the mailbox."""
        if self.once is None or not self.once.timers:
            return
        for row in self.once.due(int(self._system.now() * 1000)):
            try:
                message = self.kind.decode_message(decode_timer(row.body).message)
            except msgspec.MsgspecError as error:  # it stays, for a release that knows the message
                log.error("timer_unreadable", entity=self.entity, timer=row.name, error=str(error))
                continue
            source = Firing(row.name, row.due_ms)
            yield source, Envelope(message=message, source=source, queued_at=self._system.time())

    def put_off(self, firing: Firing) -> None:
        """Not now: the next look for timers finds it again."""
        self._once_needed().firing.discard(firing.name)

    def unknown_senders(self, items: Iterable[Item]) -> list[int]:
        """Whose marks must be read before these messages can be handled."""
        senders = {item.source.sender for item in items if type(item) is Envelope and type(item.source) is Origin}
        return sorted(senders - self._once_needed().seen.keys())

    def learn(self, seen: dict[int, int]) -> None:
        self._once_needed().learn(seen)

    def take(self) -> tuple[list[StoredEvent], list[Any]]:
        """Events and departures of the burst; its consequences are taken with `take_consequences`."""
        events, self.events = self.events, []
        departures, self.departures = self.departures, []
        return events, departures

    def take_consequences(self, offset: int, departures: list[Any]) -> Consequences | None:
        """What the append takes along whose last event is at `offset`; adds what departs with it."""
        if self.once is None:
            return None
        assert self.head is not None
        return self.once.take(self.head.id, self.entity, self.head.position(offset), departures)

    def answer(self, envelope: Envelope, now: float, flights: list[Flight]) -> Any:
        """Handle one envelope; a coroutine when the handler is async and has still to run, LEARN when marks must be
        read before (then nothing was done). `flights`: what is on its way to the disk."""
        actor = self.actor
        if envelope.deadline < now:
            if envelope.slot is not None:
                envelope.slot.reject(DeadlineExceeded("expired in the mailbox; not handled"))
                envelope.slot = None  # should its flight be lost, it comes here again
            return None
        command_id = envelope.command_id
        if command_id is not None and self.remembered is not None and command_id in self.remembered:
            if envelope.slot is not None:
                self.departures.append(repeated_reply(envelope, envelope.slot, self.remembered[command_id]))
            return None
        source = envelope.source
        if source is not None and actor.durable:
            refused = self._admit(envelope, source)
            if refused is not None:
                return refused if refused is LEARN else None
        actor.principal = envelope.principal
        actor.chain = envelope.chain
        message = envelope.message
        try:
            if type(message) is Inspect:
                reply: Any = self._inspect()
            elif type(message) is AudienceChanged:
                self._view = None
                actor.audience_changed(envelope.principal, message.joined)
                reply = None
            elif envelope.trace is None or self._system.tracing is None:
                self._view = None
                reply = actor.handle(message)
            else:
                self._view = None
                with self._system.tracing.child(f"{self.kind.name}.handle", envelope.trace):
                    reply = actor.handle(message)
        except ActorError as error:
            self.refuse(envelope, error)
            return None
        if type(reply) is CoroutineType:
            return reply
        effects = actor.effects
        if effects.events or effects.others or self.departures or self.events or flights or source is not None:
            self.collect(envelope, reply)
        else:  # nothing before it is still on its way to the disk
            if envelope.slot is not None:
                envelope.slot.resolve(DONE if reply is None else reply, None)
                envelope.slot = None
            envelope.deadline = -math.inf  # done with, even if what follows in this burst is lost and handled again
        return None

    def _inspect(self) -> Inspected:
        actor = self.actor
        actor.may_watch()
        if self._view is None:
            self._view = encode(actor.view())
        return Inspected(self._view, self.epoch, actor.offset)

    def refuse(self, envelope: Envelope, error: ActorError) -> None:
        actor = self.actor
        if isinstance(error, HandlerStuck):
            raise error
        if actor.effects.events:
            # Events were applied and must not become facts: only a rebuild takes them back.
            actor.effects.events = []
            raise RuntimeError(f"{error!r} after recording: refuse first, then record") from error
        actor.effects.others = []
        source = envelope.source
        if source is not None and actor.durable:
            actor.fired = None
            if not error.temporary:
                letter = DeadLetter.of(self.entity, envelope.message, "", error, envelope.trace, envelope.strikes)
                self._give_up(envelope, source, letter, error.name, getattr(error, "detail", ""))
                return
            if isinstance(source, Firing):
                self.put_off(source)
        if envelope.slot is not None:
            self.departures.append((envelope.slot, error, None))

    def collect(self, envelope: Envelope | None, reply: Any, *, refused: bool = False) -> None:
        """Move what the handler recorded and named into the burst."""
        actor = self.actor
        effects = actor.effects
        encoded: bytes | None = None
        stored: list[StoredEvent] = []
        once: Gathered | None = None
        if actor.durable and (effects.others or (envelope is not None and envelope.source is not None)):
            once = self._gather_once(envelope, reply, refused=refused)
        if effects.events:
            offset = actor.offset - len(effects.events)
            at_ms = actor.at_ms
            info = envelope.principal.info if envelope is not None else None
            for event in effects.events:
                offset += 1
                stored.append(StoredEvent(offset, at_ms, encode(event), info))
            if envelope is not None and envelope.command_id is not None:
                encoded = encode(DONE if reply is None else reply)
                stored[-1].command_id = envelope.command_id
                stored[-1].reply = encoded
                stored[-1].digest = envelope.digest
        # From here on nothing raises: had something not been encodable, none of it may stay.
        if stored:
            if envelope is not None and envelope.command_id is not None and encoded is not None:
                self.remember(envelope.command_id, Remembered(encoded, envelope.digest))
            effects.events = []
            self.events += stored
            self.departures += stored
        if once is not None:
            self._collect_once(once, durably=bool(stored))
        kicks: list[Any] = []
        if effects.others:
            others, effects.others = effects.others, []
            kicks = [one for one in others if type(one) is Kick]
            self.departures += [one for one in others if type(one) is not Kick] if kicks else others
        if envelope is not None and envelope.slot is not None:
            self.departures.append((envelope.slot, DONE if reply is None else reply, encoded))
        self.departures += kicks  # behind the reply: one may close the connection that asked

    # Effects that happen once: what comes from another entity's outbox, or from a durable timer.

    def _once_needed(self) -> ExactlyOnce:
        if self.once is None:
            self.once = ExactlyOnce()
        return self.once

    def _admit(self, envelope: Envelope, source: Origin | Firing) -> Any:
        """None when the message is to be handled, LEARN when marks must be read first, DROPPED when it is done with."""
        once = self._once_needed()
        slot = envelope.slot
        actor = self.actor
        if isinstance(source, Origin):
            if self._system.relay.is_forgotten(slot):
                return DROPPED  # what caused it may have been lost; if not, it comes again
            seen = once.seen.get(source.sender)
            if seen is None:
                return LEARN
            if source.seq <= seen:
                if slot is not None:
                    self.departures.append((slot, DONE, None))
                return DROPPED
            if once.overtakes(source):
                if slot is not None:
                    self.departures.append((slot, Unavailable("an earlier message of the sender was put off"), None))
                return DROPPED
            if envelope.failure is not None:
                self._give_up(envelope, source, envelope.failure, HandlerFailed.name, "")
                return DROPPED
            return None
        once.firing.discard(source.name)
        if not once.is_due(source):
            return DROPPED  # moved, cancelled, or fired already
        occurrence = once.fire(source, int(self._system.now() * 1000))
        if envelope.failure is not None:
            self._give_up(envelope, source, envelope.failure, HandlerFailed.name, "")
            return DROPPED
        if occurrence is None:
            once.fired(source)
            self._show_timers()
            return DROPPED
        actor.fired = Fired(source.name, occurrence / 1000)
        return None

    def _give_up(self, envelope: Envelope, source: Origin | Firing, letter: DeadLetter, name: str, detail: str) -> None:
        """Refuse for good: the dead letter, the mark and the report to the sender are committed together."""
        actor = self.actor
        log.error("dead_letter", entity=self.entity, message_type=letter.message_type, error=letter.error)
        self._system.instruments.dead_letters += 1
        if type(source) is Origin and source.about:
            report = Undelivered(entity=self.entity, about=source.about, name=name, detail=detail)
            actor.effects.others.append(Told(source.entity, report))
        self._note()
        self.collect(envelope, None, refused=True)
        self._once_needed().consequences.letters.append(letter)

    def _note(self) -> None:
        """Something becomes durable of which the entity has recorded nothing itself."""
        actor = self.actor
        actor.offset += 1
        actor.at_ms = int(self._system.now() * 1000)
        actor.effects.events.append(Noted())

    def _gather_once(self, envelope: Envelope | None, reply: Any, *, refused: bool) -> Gathered | None:
        """Of what the handler named, what must be committed with its events, encoded. Raises: whatever that raises."""
        actor = self.actor
        effects = actor.effects
        told: list[Told] = []
        timers: list[SetTimer | CancelTimer] = []
        passing: list[Any] = []
        for one in effects.others:
            cls = type(one)
            if cls is Told:
                if self._system.is_durable(one.entity, one.message):
                    told.append(one)
                elif one.about:  # its sender would wait for a report that never comes
                    raise TypeError(f"{one.entity} has no journal: tell it without `about`, for nobody could report")
                else:
                    passing.append(one)
            elif cls is SetTimer:
                if type(one.message) not in self.kind.messages:
                    raise TypeError(f"{self.kind.name} takes no {type(one.message).__qualname__}: see `internal`")
                timers.append(one)
            elif cls is CancelTimer:
                timers.append(one)
            else:
                passing.append(one)
        source = envelope.source if envelope is not None else None
        origin = source if type(source) is Origin else None
        if source is None and not told and not timers:
            return None
        # Handled without consequence is also something that only an append can know: a cell that was overtaken decides
        # from an old state, and the sender would take its word and forget the message.
        if (told or timers or origin is not None) and not effects.events:
            self._note()
        answer = (origin, self.entity, reply) if origin is not None and origin.about and not refused else None
        sent: Sequence[Outgoing] = ()
        if told or answer is not None:
            assert self.head is not None
            trace = envelope.trace if envelope is not None else None
            sent = outgoing(told, self.head.position(actor.offset), trace, answer=answer)
        return Gathered(source, sent, timer_changes(timers) if timers else (), passing)

    def _collect_once(self, gathered: Gathered, *, durably: bool) -> None:
        """Move that into the burst's consequences."""
        actor = self.actor
        actor.effects.others = gathered.passing
        once = self._once_needed()
        source = gathered.source
        if type(source) is Firing:
            actor.fired = None
            once.fired(source)
        if gathered.sent or gathered.timers:
            once.gather(gathered.sent, gathered.timers)
        if type(source) is Origin:
            once.mark(source, durably=durably)
        if gathered.timers or type(source) is Firing:
            self._show_timers()

    def _show_timers(self) -> None:
        assert self.once is not None
        self.actor.timers = self.once.timers or NO_TIMERS

    def remember(self, command_id: str, what: Remembered) -> None:
        if self.remembered is None:
            self.remembered = {}
        elif len(self.remembered) >= REMEMBERED_MAX:
            # Half of them at once: to find the first key of a dict takes as long as many have been removed before it.
            self.remembered = dict(islice(self.remembered.items(), REMEMBERED_MAX // 2, None))
        self.remembered[command_id] = what

    def encode_state(self) -> bytes | None:
        """None when the state can't be encoded: then waking replays the journal, which has it all."""
        try:
            return self.kind.encode_state(self.actor.state)
        except Exception as error:  # of the entity's own types
            log.exception("snapshot_failed", entity=self.entity, error=repr(error))
            return None
