"""A life: one actor from waking until it sleeps, stops or is built anew, and what its handlers decide. Never waits.

Messages go in as bursts; what they record and name piles up in `decided` until it is taken as a flight: events to
append, consequences to commit with them, and what departs once both are durable. What takes effect once is known to
`once`. What the outside must do is the shell's (`supervisors/kernel/cells/`, `actors/testing/kit.py`): to append, to
read marks, to await a handler that is async.
"""

import math
from collections.abc import Callable, Sequence
from types import CoroutineType

import structlog
from msgspec.structs import replace

from greenroom.actors.life.command_ids import repeated
from greenroom.actors.life.decided import Decided
from greenroom.actors.life.departures import Answer, GivenUp, Reading, Rejection
from greenroom.actors.life.durable_timers import DurableTimers
from greenroom.actors.life.gathered import undelivered_to
from greenroom.actors.life.once import DONE, Once, Unknown
from greenroom.actors.life.reading import inspected
from greenroom.actors.life.turn import Turn
from greenroom.actors.life.world import World
from greenroom.actors.model.actor import Actor, Aside, Reads
from greenroom.actors.model.envelope import Envelope, Firing, Origin
from greenroom.actors.model.errors import ActorError, DeadlineExceeded, HandlerStuck, Overloaded, Unavailable
from greenroom.actors.model.kinds import Kind
from greenroom.actors.model.lifecycle import AudienceChanged, Inspect, Inspected
from greenroom.actors.model.mailbox import Item
from greenroom.actors.model.message import Later, Message
from greenroom.actors.model.principal import SYSTEM
from greenroom.actors.model.schedule import Fired
from greenroom.config.telemetry.shown import shown
from greenroom.store.journal.dead_letters import DeadLetter
from greenroom.store.journal.epoch import lineage_of
from greenroom.store.journal.records import Claimed, Head, Remembered

log = structlog.get_logger("greenroom.cell")

BURST_S = 0.002  # what one burst may take before others get the loop
ASIDES_MAX = 256  # answers of one entity that are being read
LOOK_EVERY = 15  # a mask: the clock is read after every 16th message


class RefusedTooLate(RuntimeError):
    """A handler recorded, and then said no."""


class Life:
    """One life of one entity.

    The shell calls `handle` with a burst, `decided.take` when the burst, or the part before a wait, is to leave, and
    after `handle` has stopped at a message: `once.learn` when `waits_for` says Unknown, `finish` or `refuse` with the
    outcome of a handler that is async.
    """

    __slots__ = (
        "_laters", "_turn", "_view", "_world", "actor", "asides", "decided", "ended", "entity", "epoch", "head", "kind",
        "looks", "once", "position", "waits_for",
    )  # fmt: skip

    def __init__(self, kind: Kind, entity: str, world: World, turn: Turn, head: Head | None = None) -> None:
        self.kind = kind
        self.entity = entity
        self.head = head  # the row that was claimed; None without a journal
        self.epoch = head.epoch if head is not None else world.new_epoch()
        self.actor: Actor[object] = kind.actor(entity, world)
        if head is not None:
            self.actor.lineage = lineage_of(head.epoch)
        self.once = Once()
        self.decided = Decided(kind, self.actor, head, self.once, turn)
        self.position = 0  # which message of the burst is being handled
        # What must be waited for before the message at `position` can be handled.
        self.waits_for: CoroutineType[object, object, object] | Unknown | None = None
        self.ended = False
        self.asides = 0  # answers that are being read: see Aside
        self.looks: list[Callable[[], None]] | tuple[()] = ()  # of those that wait until more is durable, each once
        self._world = world
        self._turn = turn
        self._view: bytes | None = None  # JSON of view(), until the next message
        self._laters: dict[Later, None] | None = None  # whose answer is to come with another message

    def wake(self, claimed: Claimed) -> None:
        """From snapshot and events to the present state.

        Raises: msgspec.DecodeError when the snapshot is of an incompatible shape, and whatever `apply` raises, of which
        HandlerStuck is one.
        """
        actor = self.actor
        if claimed.snapshot is not None:
            actor.state = self.kind.decode_state(claimed.snapshot)
        actor.offset = claimed.snapshot_offset
        turn = self._turn
        turn.serial += 1
        turn.owner = self
        try:
            for event in claimed.events:
                if event.offset > actor.offset:
                    assert event.offset == actor.offset + 1, f"{self.entity}: gap before offset {event.offset}"
                    actor.offset = event.offset
                    actor.at_ms = event.at_ms
                    turn.item = event
                    for present in self.kind.decode_events(event.payload):
                        actor.apply(present)
                    turn.item = None
                if event.command_id is not None and event.reply is not None:
                    self.once.remember(event.command_id, Remembered(event.reply, event.digest))
        finally:
            turn.item = turn.owner = None
        self.once.is_new = claimed.head.offset == 0
        self.once.woken_at = turn.serial
        if claimed.timers:
            self.once.timers = DurableTimers(claimed.timers)
        self.decided.begin(claimed.snapshot_offset)

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
                        self.decided.collect(None, None)
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
        once = self.once
        command_id = envelope.command_id
        if command_id is not None:
            ids = once.ids
            if ids is not None and (known := ids.replies.get(command_id)) is not None:
                if envelope.slot is not None:
                    self.decided.depart(repeated(envelope, envelope.slot, known))
                return None
            if once.looks_up_ids and (ids is None or ids.is_unknown(command_id)):
                return Unknown([], [command_id])
        actor = self.actor
        source = envelope.source
        if source is not None and actor.durable:
            if type(source) is Origin and not once.knows(source.sender, is_first=envelope.first_at > once.woken_at):
                return Unknown([source.sender], [])
            if not self._admits(envelope, source):
                return None
        actor.principal = envelope.principal
        actor.chain = envelope.chain
        message = envelope.message
        turn = self._turn
        if type(message) is Inspect:
            fence = self.head.fence if self.head is not None else 0
            answer = inspected(actor, message, self._view, self.epoch, fence, turn)
            if isinstance(answer, ActorError):
                if envelope.slot is not None:
                    self.decided.depart(Rejection(envelope.slot, answer))
                return None
            if type(answer) is Inspected and not message.bare:
                self._view = answer.view
            if not self.decided.departures and not in_flight:
                _resolve(envelope, answer)
            elif envelope.slot is not None:
                self.decided.depart(Answer(envelope.slot, answer, None))
            return None
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
                with self._world.trace(f"{self.kind.name}.handle", envelope.trace, actor.entity):
                    actor.trace = envelope.trace
                    turn.item = message
                    try:
                        reply = actor.handle(message)
                    finally:
                        actor.trace = None
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
        if type(reply) is Later:
            self._keep_waiting(envelope, reply)
            reply = None
        elif type(reply) is Aside:
            self._read_aside(envelope, reply, now)
            return None
        if effects.events or effects.others or in_flight or source is not None or self.decided.departures:
            self.decided.collect(envelope, reply)
        else:  # nothing before it is still on its way to the disk
            _resolve(envelope, DONE if reply is None else reply)
        return None

    def glance(self, message: Message) -> object:
        """What its actor answers from memory, see Actor.glance; None where it refuses, or would by what may be lost.

        Raises: TypeError for what it does not answer at once, without recording or naming anything; and whatever the
        handler raises, HandlerStuck among it. Nothing of it stays then; but where it had recorded something, or was
        interrupted, the state is ahead of the journal, and this life is to end.
        """
        actor = self.actor
        effects = actor.effects
        if effects.events or effects.others:
            return None  # its handler waits for something, and goes on after that
        if self.ended or not self.is_durable(actor.answers_by(message)):
            return None
        offset = actor.offset
        whose = actor.principal, actor.chain  # of the message whose handler may wait for something
        actor.principal, actor.chain = SYSTEM, ()
        try:
            reply = actor.handle(message)
        except Exception as error:
            if isinstance(error, HandlerStuck) or not isinstance(error, ActorError):
                self._take_back(offset, interrupted=isinstance(error, HandlerStuck))
                raise
            reply = None  # it refuses
        finally:
            actor.principal, actor.chain = whose
        if type(reply) is CoroutineType:
            reply.close()  # it would have to wait
            reply = None
        if effects.events or effects.others or type(reply) in (Later, Aside):
            self._take_back(offset)
            raise TypeError(f"{self.entity}: {type(message).__qualname__} is no message to glance with")
        return reply

    def _take_back(self, offset: int, *, interrupted: bool = False) -> None:
        """What a glance has recorded and named, which began at that offset."""
        if interrupted or self.actor.offset != offset:
            self.decided.drop_unfinished()
        else:
            self.actor.effects.drop()

    def _check_unrecorded(self, waiting: "CoroutineType[object, object, object]") -> None:
        """Raises: RuntimeError when what returned this coroutine had recorded: that would commit ahead of its burst."""
        if self.actor.effects.events:
            waiting.close()
            raise RuntimeError(f"{self.entity}: record inside the coroutine that `handle` returns, not before it")

    def finish(self, envelope: Envelope, reply: object) -> None:
        """An async handler has returned. Raises: whatever encoding what it recorded and named raises."""
        if type(reply) is Later:
            self._keep_waiting(envelope, reply)
            reply = None
        self.decided.collect(envelope, reply)

    def _read_aside(self, envelope: Envelope, aside: Aside[object], now: float) -> None:
        """Have it read once what was recorded before it is durable, while other messages are handled.

        Raises: RuntimeError where its handler has recorded or named something.
        """
        actor = self.actor
        if actor.effects.events or actor.effects.others:
            raise RuntimeError(f"{self.entity}: what is answered by an Aside must record and name nothing")
        if self.asides >= ASIDES_MAX:
            self.refuse(envelope, Overloaded(f"{ASIDES_MAX} answers are being read"))
            return
        self.asides += 1
        seconds = min(envelope.deadline - now, self.kind.limits.async_handler_s)
        world, chain, is_command, later = self._world, envelope.chain, envelope.is_command, Later()
        self._keep_waiting(envelope, later)
        self.decided.collect(envelope, None)
        self.decided.depart(Reading(later, lambda turn: aside.read(Reads(world, chain, turn)), seconds, is_command))

    def is_durable(self, offset: int) -> bool:
        """Up to there, and is the state as of events?"""
        return not self.decided.is_ahead and (self.head is None or self.head.offset >= offset)

    def progressed(self) -> None:
        """More is durable, or this life has ended: whoever waits for either looks again."""
        looks, self.looks = self.looks, ()
        for look in looks:
            look()

    def _keep_waiting(self, envelope: Envelope, later: Later) -> None:
        """Whoever asked hears of it by another message, or when this life ends."""
        slot, envelope.slot = envelope.slot, None
        envelope.deadline = -math.inf  # lost with its flight it need not be handled again: nobody would be answered
        if self._laters is None:
            self._laters = {}
        later.wait(slot, self._laters)

    def end_laters(self) -> None:
        """This life has ended, and what it had in flight has been taken care of: whoever still waits is told."""
        if self._laters:
            for later in list(self._laters):
                later.reject(Unavailable("the entity began anew; ask again"))
        self.progressed()

    def refuse(self, envelope: Envelope, error: ActorError) -> None:
        """The handler said no. Raises: RefusedTooLate, HandlerStuck again."""
        if isinstance(error, HandlerStuck):
            raise error
        actor = self.actor
        if actor.effects.events:
            # Events were applied and must not become facts: only a life anew takes them back.
            actor.effects.events = ()
            raise RefusedTooLate(f"{shown(error)} after recording: refuse first, then record") from error
        actor.effects.others = ()
        source = envelope.source
        if source is not None and actor.durable:
            actor.fired = None
            if not error.temporary:
                # A sender that asked to be told hears of it and decides what follows: then nobody else has to.
                heard = isinstance(source, Origin) and bool(source.about)
                self._give_up(envelope, source, GivenUp(None if heard else self._letter(envelope, error), error))
                return
            if isinstance(source, Firing):
                self.once.put_off(source)
        if envelope.slot is not None:
            self.decided.depart(Rejection(envelope.slot, error))

    def _refuse_bare(self, error: ActorError) -> None:
        """Of a message without an envelope: nobody waits to hear it. Raises: as `refuse`."""
        effects = self.actor.effects
        if effects.events or isinstance(error, HandlerStuck):
            raise error
        effects.others = ()
        log.info("tell_refused", entity=self.entity, error=shown(error))

    def strike(self, envelope: Envelope, error: Exception, strikes_max: int) -> bool:
        """Handling this message has killed the actor: is it to be tried again?

        What takes effect once ends by being given up, which is to be committed, and that only the next life can do.
        """
        envelope.strikes += 1
        if envelope.strikes < strikes_max and not isinstance(error, HandlerStuck):
            return True
        if envelope.source is not None and self.actor.durable:
            envelope.failure = self._letter(envelope, error)
            return True
        return False

    def _letter(self, envelope: Envelope, error: Exception) -> DeadLetter:
        letter = DeadLetter.of(self.entity, envelope.message, "", error, envelope.trace, envelope.strikes)
        source = envelope.source
        if isinstance(source, Origin) and source.about:  # a saga, say: what is tried again is done behind its back
            letter = replace(letter, error=f"{letter.error}; {source.entity} has heard of it, and gone on")
        return letter

    # What takes effect once.

    def due_timers(self, queued_at: float) -> list[Envelope]:
        """As Once.due_timers, now."""
        now_ms = int(self._world.now() * 1000)
        return self.once.due_timers(self.kind, self.entity, now_ms=now_ms, queued_at=queued_at)

    def _admits(self, envelope: Envelope, source: Origin | Firing) -> bool:
        """Is the message to be handled? If not, it has been done with here."""
        if type(source) is Origin:
            if not self._shares_history(source):
                if envelope.slot is not None:
                    error = Unavailable("what caused it may have been lost; if not, it comes again")
                    self.decided.depart(Rejection(envelope.slot, error))
                return False
            if not self.once.admits(envelope, source, self.decided.depart):
                return False
        elif type(source) is Firing:
            timers = self.once.timers_needed()
            timers.put_off(source)
            if not timers.is_due(source):
                return False  # moved, cancelled, or fired already
            try:
                occurrence = timers.fire(source, int(self._world.now() * 1000))
            except Exception as error:  # such as a time zone that this system has no more: it can't come again either
                letter = envelope.failure or self._letter(envelope, error)
                self._give_up(envelope, source, GivenUp(letter))
                return False
            if occurrence is None and envelope.failure is None:
                self.decided.mark(source)  # missed, and skipped
                return False
            if occurrence is not None:
                self.actor.fired = Fired(source.name, occurrence / 1000)
        if envelope.failure is not None:
            self._give_up(envelope, source, GivenUp(envelope.failure))
            return False
        return True

    def _shares_history(self, source: Origin) -> bool:
        """Is what caused the message durable in the history that this life's appends land in? They land in no other."""
        return source.lineage == lineage_of(self.epoch)

    def _give_up(self, envelope: Envelope, source: Origin | Firing, given_up: GivenUp) -> None:
        """Refuse for good: the mark, the dead letter and the report to the sender are committed together."""
        if type(source) is Origin and source.about:
            self.actor.effects.name(undelivered_to(source, self.entity, given_up.error))
        self.decided.collect(envelope, None, given_up)


def _resolve(envelope: Envelope, reply: object) -> None:
    """Answer at once, since nothing before it is on its way to the disk."""
    if envelope.slot is not None:
        envelope.slot.resolve(reply, None)
        envelope.slot = None
    envelope.deadline = -math.inf  # done with, even if what follows in this burst is lost and handled again
