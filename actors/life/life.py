"""A life: one actor from waking until it sleeps, stops or is built anew, and what its handlers decide. Never waits.

Messages go in as bursts; what they record and name piles up until `take` makes a flight of it: events to append,
consequences to commit with them, and what departs once both are durable. What the outside must do is the shell's
(`supervisors/kernel/cell.py`, `actors/testing/kit.py`): to append, to read marks, to await a handler that is async.
"""

import math
from collections.abc import Iterable, Sequence
from types import CoroutineType

import msgspec
import structlog
from msgspec import Struct

from greenroom.actors.life.command_ids import CommandIds, repeated
from greenroom.actors.life.departures import Answer, Departure, GivenUp, Posted, Rejection, SnapshotDue, TimersSet
from greenroom.actors.life.durable_timers import DurableTimers, decode_timer
from greenroom.actors.life.flights import Flight
from greenroom.actors.life.gathered import DONE, Gathered, answer_to, encode_events, encode_outgoing
from greenroom.actors.life.marks import Marks
from greenroom.actors.life.outgoing import Outgoing, encode_body
from greenroom.actors.life.turn import Turn
from greenroom.actors.life.world import World
from greenroom.actors.model.actor import NO_TIMERS, Actor
from greenroom.actors.model.effects import Told
from greenroom.actors.model.envelope import Envelope, Firing, Origin
from greenroom.actors.model.errors import ActorError, DeadlineExceeded, HandlerFailed, HandlerStuck, Unavailable
from greenroom.actors.model.kinds import Kind
from greenroom.actors.model.lifecycle import AudienceChanged, Inspect, Inspected, Noted, Undelivered
from greenroom.actors.model.mailbox import Item
from greenroom.actors.model.principal import SYSTEM
from greenroom.actors.model.schedule import Fired
from greenroom.store.journal.consequences.consequences import Consequences
from greenroom.store.journal.consequences.outbox import OutboxRow
from greenroom.store.journal.consequences.timers import TimerRow
from greenroom.store.journal.dead_letters import DeadLetter
from greenroom.store.journal.records import Claimed, Head, Remembered, StoredEvent

log = structlog.get_logger("greenroom.cell")
encode = msgspec.json.encode

BURST_S = 0.002  # what one burst may take before others get the loop
LOOK_EVERY = 15  # a mask: the clock is read after every 16th message


class RefusedTooLate(RuntimeError):
    """A handler recorded, and then said no."""


class Unknown(Struct, frozen=True):
    """What the journal must be asked before a message can be handled."""

    senders: list[int]  # head ids, whose marks
    command_ids: list[str]  # whose replies

    def __bool__(self) -> bool:
        return bool(self.senders or self.command_ids)


class Life:
    """One life of one entity.

    The shell calls `handle` with a burst, `take` when the burst, or the part before a wait, is to leave, and after
    `handle` has stopped at a message: `learn` when `waits_for` says Unknown, `finish` or `refuse` with the outcome of a
    handler that is async.
    """

    __slots__ = (
        "_consequences", "_departures", "_events", "_posted", "_taken", "_turn", "_view", "_world", "actor",
        "afters", "ended", "entity", "epoch", "head", "ids", "kind", "looks_up_ids", "marks", "position",
        "snapshot_offset", "timers", "waits_for",
    )  # fmt: skip

    def __init__(self, kind: Kind, entity: str, world: World, turn: Turn, head: Head | None = None) -> None:
        self.kind = kind
        self.entity = entity
        self.head = head  # the row that was claimed; None without a journal
        self.epoch = head.epoch if head is not None else world.new_epoch()
        self.actor: Actor[object] = kind.actor(entity, world)
        self.position = 0  # which message of the burst is being handled
        # What must be waited for before the message at `position` can be handled.
        self.waits_for: CoroutineType[object, object, object] | Unknown | None = None
        self.afters = 0  # pending `after` messages; sleeping would lose them
        self.ended = False
        self.snapshot_offset = 0
        self.looks_up_ids = False  # command ids that memory does not have are looked up before they are handled
        self.marks: Marks | None = None  # None until another's outbox speaks to it
        self.timers: DurableTimers | None = None
        self.ids: CommandIds | None = None
        self._world = world
        self._turn = turn
        self._events: list[StoredEvent] = []  # this and what follows belong to the burst under way
        self._departures: list[Departure] = []
        self._consequences: Consequences | None = None
        self._posted: tuple[list[Outgoing], list[Told]] | None = None
        self._taken = 0  # the actor's offset as of the last flight
        self._view: bytes | None = None  # JSON of view(), until the next message

    # Waking.

    def wake(self, claimed: Claimed) -> None:
        """From snapshot and events to the present state.

        Raises: msgspec.DecodeError when the snapshot is of an incompatible shape, and whatever `apply` raises.
        """
        actor = self.actor
        if claimed.snapshot is not None:
            actor.state = self.kind.decode_state(claimed.snapshot)
        actor.offset = self.snapshot_offset = claimed.snapshot_offset
        for event in claimed.events:
            if event.offset > actor.offset:
                assert event.offset == actor.offset + 1, f"{self.entity}: gap before offset {event.offset}"
                actor.offset = event.offset
                actor.at_ms = event.at_ms
                for present in self.kind.decode_events(event.payload):
                    actor.apply(present)
            if event.command_id is not None and event.reply is not None:
                self.remember(event.command_id, Remembered(event.reply, event.digest))
        self._taken = actor.offset
        if claimed.timers:
            self.timers = DurableTimers(claimed.timers)
            self._show_timers()

    def remember(self, command_id: str, what: Remembered) -> None:
        """What to answer when that command is repeated."""
        if self.ids is None:
            self.ids = CommandIds()
        self.ids.remember(command_id, what)

    # Handling.

    def handle(self, burst: Sequence[Item], position: int, now: float, *, in_flight: bool) -> int:
        """Handle messages from `position` on; returns the position of the first that was not handled.

        Stops before the end when a message must wait for something (`waits_for` says for what), and when the burst has
        taken long enough. `now` is trio's clock, `in_flight` says whether earlier bursts are not durable yet.
        Raises: whatever a handler raises, `self.position` then being its message's. Interrupted or not, what was
        recorded before that message is kept for `take`.
        """
        actor = self.actor
        effects = actor.effects
        turn = self._turn
        world = self._world
        until = world.monotonic() + BURST_S if len(burst) > LOOK_EVERY else math.inf
        turn.serial += 1
        turn.owner = self
        try:
            for item in burst if position == 0 else burst[position:]:
                if type(item) is Envelope:
                    waits_for = self._handle_envelope(item, now, in_flight)
                    if waits_for is not None:
                        self.waits_for = waits_for
                        return position
                else:
                    self._view = None
                    actor.principal = SYSTEM
                    turn.item = item
                    try:
                        waiting = actor.handle(item)
                        turn.item = None
                    except ActorError as error:
                        turn.item = None
                        self._refuse_bare(error)
                        waiting = None
                    if type(waiting) is CoroutineType:
                        self._check_unrecorded(waiting)
                        self.waits_for = waiting
                        return position
                    if effects.events or effects.others:
                        self._collect(None, None)
                position += 1
                if not position & LOOK_EVERY and world.monotonic() > until:
                    return position
            return position
        finally:
            turn.item = turn.owner = None
            self.position = position

    def _handle_envelope(
        self, envelope: Envelope, now: float, in_flight: bool
    ) -> "CoroutineType[object, object, object] | Unknown | None":
        """None when it was handled; otherwise what it waits for, and then nothing has happened."""
        if envelope.deadline < now:
            if envelope.slot is not None:
                envelope.slot.reject(DeadlineExceeded("expired in the mailbox; not handled"))
                envelope.slot = None  # should its flight be lost, it comes here again
            return None
        command_id = envelope.command_id
        if command_id is not None:
            known = self.ids.get(command_id) if self.ids is not None else None
            if known is not None:
                if envelope.slot is not None:
                    self._departures.append(repeated(envelope, envelope.slot, known))
                return None
            if self.looks_up_ids and (self.ids is None or self.ids.is_unknown(command_id)):
                return Unknown([], [command_id])
        actor = self.actor
        source = envelope.source
        if source is not None and actor.durable:
            if type(source) is Origin and (self.marks is None or source.sender not in self.marks):
                return Unknown([source.sender], [])
            if not self._admits(envelope, source):
                return None
        actor.principal = envelope.principal
        actor.chain = envelope.chain
        message = envelope.message
        if type(message) is Inspect:
            self._inspect(envelope, in_flight)
            return None
        turn = self._turn
        self._view = None
        turn.item = message
        try:
            if type(message) is AudienceChanged:
                actor.audience_changed(envelope.principal, message.joined)
                reply = None
            elif envelope.trace is None:
                reply = actor.handle(message)
            else:
                turn.item = None
                with self._world.trace(f"{self.kind.name}.handle", envelope.trace):
                    turn.item = message
                    reply = actor.handle(message)
                    turn.item = None
            turn.item = None
        except ActorError as error:
            turn.item = None
            self.refuse(envelope, error)
            return None
        if type(reply) is CoroutineType:
            self._check_unrecorded(reply)
            return reply
        effects = actor.effects
        if effects.events or effects.others or self._departures or self._events or in_flight or source is not None:
            self._collect(envelope, reply)
        else:  # nothing before it is still on its way to the disk
            _resolve(envelope, DONE if reply is None else reply)
        return None

    def _inspect(self, envelope: Envelope, in_flight: bool) -> None:
        """Reads are no business of the entity's: one that fails is its reader's trouble, never a crash or a letter."""
        actor = self.actor
        turn = self._turn
        answer: Inspected | ActorError
        turn.item = envelope.message
        try:
            actor.may_watch()
            if self._view is None:
                self._view = encode(actor.view())
            answer = Inspected(self._view, self.epoch, actor.offset)
            turn.item = None
        except ActorError as error:
            turn.item = None
            answer = error
        except Exception as error:
            turn.item = None
            log.exception("read_failed", entity=self.entity, error=repr(error))
            answer = HandlerFailed(f"reading failed: {error!r}")
            answer.__cause__ = error
        if actor.effects.events:
            self._drop_named()
            raise RuntimeError(f"{self.entity}: `view` and `may_watch` must not record")
        actor.effects.others = []
        if isinstance(answer, HandlerStuck):
            answer = HandlerFailed(f"reading failed: {answer!r}")
        slot = envelope.slot
        if isinstance(answer, ActorError):
            if slot is not None:
                self._departures.append(Rejection(slot, answer))
        elif self._departures or self._events or in_flight:
            if slot is not None:
                self._departures.append(Answer(slot, answer, None))
        else:
            _resolve(envelope, answer)

    def _check_unrecorded(self, waiting: "CoroutineType[object, object, object]") -> None:
        """Raises: RuntimeError when what returned this coroutine had recorded: that would commit ahead of its burst."""
        if self.actor.effects.events:
            waiting.close()
            raise RuntimeError(f"{self.entity}: record inside the coroutine that `handle` returns, not before it")

    def finish(self, envelope: Envelope, reply: object) -> None:
        """An async handler has returned. Raises: whatever encoding what it recorded and named raises."""
        self._collect(envelope, reply)

    def refuse(self, envelope: Envelope, error: ActorError) -> None:
        """The handler said no. Raises: RefusedTooLate, HandlerStuck again."""
        if isinstance(error, HandlerStuck):
            raise error
        actor = self.actor
        if actor.effects.events:
            # Events were applied and must not become facts: only a life anew takes them back.
            actor.effects.events = []
            raise RefusedTooLate(f"{error!r} after recording: refuse first, then record") from error
        actor.effects.others = []
        source = envelope.source
        if source is not None and actor.durable:
            actor.fired = None
            if not error.temporary:
                letter = DeadLetter.of(self.entity, envelope.message, "", error, envelope.trace, envelope.strikes)
                self._give_up(envelope, source, GivenUp(letter, error))
                return
            if isinstance(source, Firing):
                self._timers_needed().put_off(source)
        if envelope.slot is not None:
            self._departures.append(Rejection(envelope.slot, error))

    def _refuse_bare(self, error: ActorError) -> None:
        """Of a message without an envelope: nobody waits to hear it. Raises: as `refuse`."""
        effects = self.actor.effects
        if effects.events or isinstance(error, HandlerStuck):
            raise error
        effects.others = []
        log.info("tell_refused", entity=self.entity, error=repr(error))

    def strike(self, envelope: Envelope, error: Exception, strikes_max: int) -> bool:
        """Handling this message has killed the actor: is it to be tried again?

        What takes effect once ends by being given up, which is to be committed, and that only the next life can do.
        """
        envelope.strikes += 1
        if envelope.strikes < strikes_max and not isinstance(error, HandlerStuck):
            return True
        if envelope.source is not None and self.actor.durable:
            envelope.failure = DeadLetter.of(self.entity, envelope.message, "", error, envelope.trace, envelope.strikes)
            return True
        return False

    def drop_unfinished(self) -> None:
        """A handler raised: what it recorded and named never was. The state stays ahead, so this life is to end."""
        self._drop_named()
        self.actor.offset = self._events[-1].offset if self._events else self._taken

    def _drop_named(self) -> None:
        self.actor.effects.events, self.actor.effects.others = [], []

    # What handlers recorded and named, on its way out.

    def _collect(self, envelope: Envelope | None, reply: object, *, given_up: GivenUp | None = None) -> None:
        """Move what the handler recorded and named into the burst. Raises: whatever encoding it raises; then, as after
        any other exception of a handler, nothing of it may stay."""
        actor = self.actor
        effects = actor.effects
        source = envelope.source if envelope is not None and actor.durable else None
        gathered = Gathered(self.kind, effects.others, self.timers) if effects.others else None
        outgoing: list[Outgoing] = []
        told: list[Told] = []
        if gathered is not None or source is not None:
            told = gathered.told if gathered is not None else told
            if type(source) is Origin or told or given_up is not None or (gathered is not None and gathered.timers):
                # Handled without consequence is also something that only an append can know: a cell that was overtaken
                # decides from an old state, and the sender would take its word and forget the message.
                self._note_unless_recorded()
            sent = told
            if type(source) is Origin and source.about and given_up is None:
                sent = [*told, answer_to(source, self.entity, reply)]
            if sent:
                assert self.head is not None
                trace = envelope.trace if envelope is not None else None
                outgoing = encode_outgoing(self.head.position(actor.offset), sent, trace)
        stored: list[StoredEvent] = []
        encoded: bytes | None = None
        if effects.events:
            fence = self.head.fence if self.head is not None else 0
            stored, encoded = encode_events(actor, envelope, reply, fence)
        # From here on nothing raises: had something not been encodable, none of it may stay.
        if stored:
            if encoded is not None and envelope is not None and envelope.command_id is not None:
                self.remember(envelope.command_id, Remembered(encoded, envelope.digest))
            effects.events = []
            self._events += stored
            self._departures += stored
        if source is not None:
            self._mark(source)
        if outgoing:
            if self._posted is None:
                self._posted = ([], [])
            self._posted[0].extend(outgoing)
            self._posted[1].extend(told)
        if given_up is not None:
            self._consequences_needed().letters.append(given_up.letter)
            self._departures.append(given_up)
        if gathered is not None:
            effects.others = []
            if gathered.timers:
                self._change_timers(gathered.timers)
            self._departures += gathered.leaving
        if envelope is not None and envelope.slot is not None:
            self._departures.append(Answer(envelope.slot, DONE if reply is None else reply, encoded))
        if gathered is not None and gathered.kicks:
            self._departures += gathered.kicks

    def take(self, items: list[Item], *, clean: bool = True) -> Flight | None:
        """The flight of what `items` have decided; None when that is nothing. `through` is the actor's offset.

        Not `clean`: the state is ahead of the events, so it makes no snapshot.
        """
        events, departures, consequences = self._events, self._departures, self._consequences
        if not events and not departures and consequences is None and self._posted is None:
            return None
        self._events, self._departures, self._consequences = [], [], None
        actor = self.actor
        through = self._taken = actor.offset
        head = self.head
        if self._posted is not None:
            assert head is not None
            (outgoing, told), self._posted = self._posted, None
            row = OutboxRow(head.position(through), encode_body(outgoing), head.id, self.entity)
            consequences = consequences or Consequences()
            consequences.outbox.append(row)
            departures.append(Posted(row, outgoing, told))
        if consequences is not None and consequences.timers:
            set_ms = [row.due_ms for row in consequences.timers.values() if row is not None]
            if set_ms:
                departures.append(TimersSet(set_ms))
        if events and clean and head is not None and through - self.snapshot_offset >= self.kind.limits.snapshot_every:
            self.snapshot_offset = through
            body = self.encode_state()
            if body is not None:
                departures.append(SnapshotDue(through, body))
        return Flight(through, head.fence if head is not None else 0, events, consequences, departures, items)

    def encode_state(self) -> bytes | None:
        """None when the state can't be encoded: then waking replays the journal, which has it all."""
        try:
            return self.kind.encode_state(self.actor.state)
        except Exception as error:  # the entity's own types may raise anything
            log.exception("snapshot_failed", entity=self.entity, error=repr(error))
            return None

    # What takes effect once: messages from another entity's outbox, and those of durable timers.

    def unknown(self, items: Iterable[Item]) -> Unknown:
        """What the journal must be asked for these to be handled."""
        senders: set[int] = set()
        command_ids: set[str] = set()
        for item in items:
            if type(item) is Envelope:
                if type(item.source) is Origin and (self.marks is None or item.source.sender not in self.marks):
                    senders.add(item.source.sender)
                command_id = item.command_id
                if (
                    command_id is not None
                    and self.looks_up_ids
                    and (self.ids is None or self.ids.is_unknown(command_id))
                ):
                    command_ids.add(command_id)
        return Unknown(sorted(senders), sorted(command_ids))

    def learn(
        self, asked: Unknown, marks: dict[int, int], replies: dict[str, Remembered], *, under_way_max: int
    ) -> None:
        """What the journal said. `under_way_max`: messages that may be handled and not durable yet."""
        if asked.senders:
            if self.marks is None:
                self.marks = Marks(under_way_max=under_way_max)
            self.marks.learn(marks)
        if asked.command_ids:
            if self.ids is None:
                self.ids = CommandIds()
            self.ids.learn(asked.command_ids, replies)

    def due_timers(self, queued_at: float) -> list[Envelope]:
        """Messages of durable timers that are due and not in the mailbox; call `put_off` for those that don't fit."""
        if self.timers is None or not self.timers.rows:
            return []
        due: list[Envelope] = []
        for row in self.timers.take_due(int(self._world.now() * 1000)):
            try:
                message = self.kind.decode_message(decode_timer(row.body).message)
            except msgspec.MsgspecError as error:  # it stays, for a release that knows the message
                log.error("timer_unreadable", entity=self.entity, timer=row.name, error=str(error))
                continue
            due.append(Envelope(message=message, source=Firing(row.name, row.due_ms), queued_at=queued_at))
        return due

    def put_off(self, firing: Firing) -> None:
        """Not now: the next look for timers finds it again."""
        self._timers_needed().put_off(firing)

    def _admits(self, envelope: Envelope, source: Origin | Firing) -> bool:
        """Is the message to be handled? If not, it has been done with here."""
        if isinstance(source, Origin):
            return self._admits_delivery(envelope, source)
        return self._admits_firing(envelope, source)

    def _admits_delivery(self, envelope: Envelope, origin: Origin) -> bool:
        slot = envelope.slot
        if self._world.is_forgotten(slot):
            return False  # what caused it may have been lost; if not, it comes again
        marks = self.marks
        assert marks is not None
        if marks.has_handled(origin):
            if slot is not None:
                self._departures.append(Answer(slot, DONE, None))
            return False
        if marks.is_overtaken(origin):
            if slot is not None:
                self._departures.append(Rejection(slot, Unavailable("an earlier message of the sender was put off")))
            return False
        if envelope.failure is not None:
            self._give_up(envelope, origin, GivenUp(envelope.failure))
            return False
        return True

    def _admits_firing(self, envelope: Envelope, firing: Firing) -> bool:
        timers = self._timers_needed()
        timers.put_off(firing)
        if not timers.is_due(firing):
            return False  # moved, cancelled, or fired already
        occurrence = timers.fire(firing, int(self._world.now() * 1000))
        if envelope.failure is not None:
            self._give_up(envelope, firing, GivenUp(envelope.failure))
            return False
        if occurrence is None:
            self._mark(firing)
            return False
        self.actor.fired = Fired(firing.name, occurrence / 1000)
        return True

    def _give_up(self, envelope: Envelope, source: Origin | Firing, given_up: GivenUp) -> None:
        """Refuse for good: the dead letter, the mark and the report to the sender are committed together."""
        if type(source) is Origin and source.about:
            error = given_up.error
            name, detail = (HandlerFailed.name, "") if error is None else (error.name, getattr(error, "detail", ""))
            report = Undelivered(entity=self.entity, about=source.about, name=name, detail=detail)
            self.actor.effects.others.append(Told(source.entity, report))
        self._collect(envelope, None, given_up=given_up)

    def _note_unless_recorded(self) -> None:
        """Something becomes durable, even when the entity has recorded nothing itself."""
        actor = self.actor
        if actor.effects.events:
            return
        actor.offset += 1
        actor.at_ms = int(self._world.now() * 1000)
        actor.effects.events.append(Noted())

    def _mark(self, source: Origin | Firing) -> None:
        """It has been handled."""
        if isinstance(source, Origin):
            assert self.marks is not None
            self.marks.mark(source)
            self._consequences_needed().marks[source.sender] = source.seq
            return
        self.actor.fired = None
        timers = self._timers_needed()
        if timers.is_due(source):
            self._change_timers({source.name: timers.following(source)})

    def _change_timers(self, changes: dict[str, TimerRow | None]) -> None:
        timers = self._timers_needed()
        for name, row in changes.items():
            if timers.put(name, row):
                self._consequences_needed().timers[name] = row
        self._show_timers()

    def _show_timers(self) -> None:
        assert self.timers is not None
        self.actor.timers = self.timers.rows or NO_TIMERS

    def _timers_needed(self) -> DurableTimers:
        if self.timers is None:
            self.timers = DurableTimers()
        return self.timers

    def _consequences_needed(self) -> Consequences:
        if self._consequences is None:
            self._consequences = Consequences()
        return self._consequences


def _resolve(envelope: Envelope, reply: object) -> None:
    """Answer at once, since nothing before it is on its way to the disk."""
    if envelope.slot is not None:
        envelope.slot.resolve(reply, None)
        envelope.slot = None
    envelope.deadline = -math.inf  # done with, even if what follows in this burst is lost and handled again
