"""A cell: one awake entity with its mailbox, its actor and the trio task that runs it. Hop 5 on the way of a message.

The task takes what has piled up as one burst, runs the handlers, submits all events of the burst as one append, and
goes on with the next burst while that commits. What the burst wants to leave the entity (replies, publications,
messages) is a *flight*: it departs, in order, when the events before it are durable.

When a handler raises, or an append fails, memory may be ahead of the journal. Then the actor is thrown away and built
anew from a fresh claim, whose offset tells which flights had landed: those depart, the others' messages are handled
again. A message that keeps killing its actor goes to the dead letters, and the rest of the mailbox goes on.
"""

import math
from enum import Enum
from types import CoroutineType
from typing import TYPE_CHECKING, Any

import msgspec
import structlog
import trio

from actors.actor import NO_TIMERS, Actor
from actors.effects import Kick, SetTimer, Told
from actors.envelope import Envelope, Firing, Origin
from actors.errors import (
    ActorError,
    DeadlineExceeded,
    HandlerFailed,
    HandlerStuck,
    OutcomeUnknown,
    Overloaded,
    Unavailable,
)
from actors.kinds import Kind
from actors.lifecycle import (
    AudienceChanged,
    Inspect,
    Inspected,
    Noted,
    Passivate,
    Rebuild,
    Reclaim,
    Stop,
    TimersDue,
    Undelivered,
)
from actors.mailbox import Item, Mailbox
from actors.message import Done
from actors.principal import SYSTEM
from actors.schedule import Fired
from store.dead_letters import DeadLetter
from store.errors import NotOwner, StoreUnavailable
from store.journal import Claimed, Head, Outcome, Remembered, StoredEvent
from supervisors.departures import Flight, SnapshotDue, let_out, repeated_reply
from supervisors.exactly_once import ExactlyOnce, Gathered, decode_timer, is_durable_effect, outgoing, timer_changes
from supervisors.strategy import RestartLedger
from supervisors.watched_steps import watched_steps

if TYPE_CHECKING:
    from supervisors.system import System

log = structlog.get_logger("greenroom.cell")
encode = msgspec.json.encode

REMEMBERED_MAX = 1024  # command ids answered from memory; older ones are found in the journal
SNAPSHOT_WORTH = 32  # events since the last snapshot that make one worth writing on the way to sleep
CALM_S = 10.0  # without trouble for so long, the next restart is quick again
FLIGHTS_MAX = 64  # bursts whose commit is awaited; beyond, the actor pauses and its mailbox fills


LEARN = object()  # marks must be read before this message can be handled
DROPPED = object()  # there is nothing to do for this message


class Verdict(Enum):
    """Why a cell stopped serving."""

    ASLEEP = "asleep"
    STOPPED = "stopped"
    REBUILD = "rebuild"


class Cell:
    __slots__ = (
        "_actor",
        "_departures",
        "_events",
        "_failure",
        "_flights",
        "_ledger",
        "_once",
        "_remembered",
        "_settled",
        "_snapshot_offset",
        "_system",
        "_view",
        "entity",
        "epoch",
        "head",
        "kind",
        "last_active",
        "life",
        "mailbox",
        "timers",
    )

    def __init__(self, system: "System", kind: Kind, entity: str) -> None:
        self._system = system
        self.kind = kind
        self.entity = entity
        bound = system.mailbox_config
        self.mailbox = Mailbox(
            min(kind.limits.mailbox_messages, bound.capacity), min(kind.limits.mailbox_bytes, bound.bytes_max)
        )
        self.last_active = system.time()
        self.life = 0  # counts rebuilds; a timer of an earlier life is void
        self.timers = 0  # pending `after` messages; sleeping would lose them
        self._actor: Actor[Any] | None = None
        self.head: Head | None = None  # as claimed; None without a journal
        self.epoch = ""  # of the journal, or of this life when there is none
        self._snapshot_offset = 0
        self._events: list[StoredEvent] = []  # of the burst under way
        self._departures: list[Any] = []  # likewise
        self._flights: list[Flight] = []
        self._failure: Exception | Outcome | None = None
        self._settled: trio.Event | None = None
        self._remembered: dict[str, Remembered] | None = None  # by command id
        self._once: ExactlyOnce | None = None  # when others or timers speak to it, or it to others
        self._view: bytes | None = None  # JSON of view(), until the next message
        self._ledger: RestartLedger | None = None

    @property
    def waits_for_commit(self) -> bool:
        return bool(self._flights)

    @property
    def at_rest(self) -> Actor[Any] | None:
        """The actor while nothing is being handled, committed or rebuilt: its state then is what its journal says."""
        return self._actor if self.mailbox.waits and not self._flights and self._failure is None else None

    # The life of an entity's task.

    async def run(self) -> None:
        """Wake, serve, sleep. Owner: the system's nursery. Never raises but by cancellation."""
        backoff = self._system.new_backoff()
        rebuilt_at = -math.inf
        reason = "stopped"
        try:
            while True:
                try:
                    await self._awaken()
                    verdict = await self._serve()
                    if verdict is not Verdict.REBUILD:
                        reason = verdict.value
                        return
                except NotOwner as error:
                    log.info("entity_moved", entity=self.entity, reason=str(error))
                    return
                except Exception as error:  # the supervisor's one place: a handler, `apply` or a snapshot failed
                    self._system.instruments.restarts += 1
                    if not self._may_restart():
                        reason = "failed"
                        log.exception("entity_failed", entity=self.entity, error=repr(error))
                        await self._catch_up_all()  # what is on its way to the disk need not have an unknown outcome
                        return
                    log.warning("entity_restarted", entity=self.entity, error=repr(error), exc_info=error)
                if trio.current_time() - rebuilt_at > CALM_S:
                    backoff = self._system.new_backoff()
                rebuilt_at = trio.current_time()
                await trio.sleep(backoff.next())
        finally:
            self._close(reason)

    def _may_restart(self) -> bool:
        if self._ledger is None:
            self._ledger = self._system.new_ledger()
        return self._ledger.allow(trio.current_time())

    def _close(self, reason: str) -> None:
        """Forget the actor; whoever still waits for an answer gets one. Sync, so that no message slips in between."""
        left = self.mailbox.seal()
        assert not left or reason != "asleep"
        flights, self._flights = self._flights, []
        if self.head is not None:
            self._system.committer.forget(self.head.id, self.head.fence)
        for flight in flights:
            for departure in flight.departures:
                if type(departure) is tuple:
                    departure[0].reject(OutcomeUnknown("the entity stopped before its commit was known"))
        why = "the entity failed" if reason == "failed" else "the entity stopped here"
        for item in left:
            if type(item) is Envelope and item.slot is not None:
                item.slot.reject(Unavailable(why))
        self._system.closed(self, reason)

    # Waking.

    async def _awaken(self) -> None:
        """Build the actor anew. Until that has succeeded, flights and failure of the former life stay as they are."""
        if not self.kind.actor.durable:
            self.epoch = self._system.new_epoch()
            self._adopt(self.kind.actor(self.entity, self._system))
            return
        while self._flights and self._failure is None:
            self._settled = trio.Event()  # appends of the former life are under way: their outcome comes first
            await self._settled.wait()
            self._settled = None
        if self.head is not None:
            self._system.committer.forget(self.head.id, self.head.fence)  # what the new fence would refuse anyway
        backoff = self._system.new_backoff()
        while True:
            try:
                await self._rebuild()
                return
            except StoreUnavailable as error:
                self._system.note_store_unavailable(error)
            await trio.sleep(backoff.next())

    async def _rebuild(self) -> None:
        """The actor from its journal, under a new fence; then sort the flights of the life before."""
        claimed = await self._system.claim(self.entity)
        head = claimed.head
        events = claimed.events
        actor = self.kind.actor(self.entity, self._system)
        if claimed.snapshot is not None:
            try:
                actor.state = self.kind.decode_state(claimed.snapshot)
            except msgspec.DecodeError as error:
                if head.trimmed:
                    raise
                log.warning("snapshot_unreadable", entity=self.entity, error=str(error))
                claimed.snapshot_offset = 0
                events = await self._system.read_all(self.entity, head.offset)
        actor.offset = claimed.snapshot_offset
        self._remembered = None  # may hold replies whose events were lost
        for event in events:
            if event.offset > actor.offset:
                assert event.offset == actor.offset + 1, f"{self.entity}: gap before offset {event.offset}"
                actor.offset = event.offset
                actor.at_ms = event.at_ms
                for present in self.kind.decode_events(event.payload):
                    actor.apply(present)
            if event.command_id is not None and event.reply is not None:
                self._remember(event.command_id, Remembered(event.reply, event.digest))
        assert actor.offset == head.offset, f"{self.entity}: journal ends at {actor.offset}, head at {head.offset}"
        if self.head is not None and head.offset < self.head.offset:
            log.error("journal_lost_tail", entity=self.entity, first=head.offset + 1, last=self.head.offset)
        self.head = head
        self.epoch = head.epoch
        self._snapshot_offset = claimed.snapshot_offset
        stored: dict[int, StoredEvent] = {}
        replies: dict[str, Remembered] = {}
        if self._flights:
            ours = [one.offset for flight in self._flights for one in flight.departures if type(one) is StoredEvent]
            if ours:
                found = await self._system.read_between(self.entity, ours[0], ours[-1])
                stored = {event.offset: event for event in found}
            if self._failure is Outcome.REPEATED:
                ids = [item.command_id for flight in self._flights for item in flight.items if type(item) is Envelope]
                replies = await self._system.journal.replies(head.id, [one for one in ids if one is not None])
        self._adopt(actor)  # no await from here on
        self._adopt_consequences(claimed)
        flights, self._flights = self._flights, []
        self._failure = None
        landed = self._let_out_landed(flights, stored)
        self._system.audiences.began(self.entity, self.epoch, head.offset)
        again: list[Item] = []
        for flight in flights[landed:]:
            for item in flight.items:
                if type(item) is Envelope and item.command_id is not None and item.command_id in replies:
                    if item.slot is not None:
                        self._depart([repeated_reply(item, item.slot, replies[item.command_id])])
                else:
                    again.append(item)
        self.mailbox.put_back(again)
        self._fire_due()

    def _adopt_consequences(self, claimed: Claimed) -> None:
        """What was committed with the events of former lives and is not done with: messages on their way, timers."""
        held = self._once.held if self._once is not None else {}
        self._once = None
        if claimed.timers or held:
            self._once = ExactlyOnce(claimed.timers)
            self._once.held = held
            self._show_timers()
        if claimed.outbox:
            self._system.relay.adopt(claimed.outbox)

    def _let_out_landed(self, flights: list[Flight], stored: dict[int, StoredEvent]) -> int:
        """Let depart those of the former life's flights whose events are in the journal; says how many.

        Compares what is stored, since somebody else may have written at these offsets in between.
        """
        landed = 0
        for flight in flights:
            events = [one for one in flight.departures if type(one) is StoredEvent]
            if any(stored.get(event.offset) != event for event in events):
                break
            if not events and landed == 0:
                break  # nothing before it is known to have landed: handling it again is as good
            landed += 1
            self._depart(flight.departures)
        return landed

    def _adopt(self, actor: Actor[Any]) -> None:
        if self.life == 0:
            self._system.instruments.activations += 1
        self._actor = actor
        self.life += 1
        self.timers = 0  # those of earlier lives are void
        self._view = None
        self._events = []
        self._departures = []

    # Serving.

    async def _serve(self) -> Verdict:
        system = self._system
        mailbox = self.mailbox
        actor = self._actor
        assert actor is not None
        effects = actor.effects
        handle = actor.handle
        turn = system.turn
        task = trio.lowlevel.current_task()
        burst_max = system.mailbox_config.burst
        while True:
            if mailbox._control is not None:
                verdict = await self._obey(mailbox.take_control())
                if verdict is not None:
                    return verdict
            if self._failure is not None:
                return Verdict.REBUILD
            if len(self._flights) >= FLIGHTS_MAX or system.committer.congested:
                await self._catch_up()
                continue
            burst = mailbox.take(burst_max)
            if not burst:
                if mailbox._control is not None:
                    continue  # came while the last one was obeyed
                mailbox.park(task)
                await trio.lowlevel.wait_task_rescheduled(mailbox.abandon)
                continue
            now = trio.current_time()
            self.last_active = now
            position = 0  # of the message being handled
            departed = 0  # messages before this one have been taken care of
            turn.serial += 1
            turn.owner = self
            try:
                for position, item in enumerate(burst):
                    turn.item = item
                    if type(item) is Envelope:
                        waiting = self._answer(item, now)
                    else:
                        actor.principal = SYSTEM
                        self._view = None
                        waiting = handle(item)
                        if type(waiting) is not CoroutineType:
                            if effects.events or effects.others:
                                self._collect(None, None)
                            continue
                        actor.chain = ()
                        item = Envelope(message=item)  # type: ignore[arg-type]
                    if waiting is not None:
                        turn.item = turn.owner = None
                        self._take_off(burst[departed:position])  # those before need not wait for this one
                        departed = position
                        if waiting is LEARN:
                            await self._learn(burst[position:])
                            turn.owner, turn.item = self, item
                            waiting = self._answer(item, trio.current_time())
                            turn.item = turn.owner = None
                            assert waiting is not LEARN
                        if waiting is not None:
                            await self._await_handler(waiting, item)
                        turn.owner = self
            except Exception as error:
                turn.item = turn.owner = None
                handled = burst[departed:position]
                if isinstance(error, ActorError) and not effects.events and not isinstance(error, HandlerStuck):
                    # A bare tell was refused: nobody waits to hear it, and nothing happened.
                    log.info("tell_refused", entity=self.entity, error=repr(error))
                    effects.others = []
                    self._take_off(handled)
                    mailbox.put_back(burst[position + 1 :])
                    continue
                self._struck(handled, burst[position], burst[position + 1 :], error)
                raise
            except BaseException:  # cancelled inside an async handler: nobody knows how far it came
                turn.item = turn.owner = None
                item = burst[position]
                if type(item) is Envelope and item.slot is not None:
                    item.slot.reject(OutcomeUnknown("the entity stopped while it handled this"))
                mailbox.put_back(burst[departed:position] + burst[position + 1 :])
                raise
            turn.item = turn.owner = None
            system.handled += len(burst)
            if self._events or self._departures or (self._once is not None and self._once.has_consequences):
                self._take_off(burst[departed:] if departed else burst)
            if len(mailbox):
                await trio.lowlevel.checkpoint()

    def _answer(self, envelope: Envelope, now: float) -> Any:
        """Handle one envelope; a coroutine when the handler is async and has still to run, LEARN when marks must be
        read before (then nothing was done)."""
        actor = self._actor
        assert actor is not None
        if envelope.deadline < now:
            if envelope.slot is not None:
                envelope.slot.reject(DeadlineExceeded("expired in the mailbox; not handled"))
                envelope.slot = None  # should its flight be lost, it comes here again
            return None
        command_id = envelope.command_id
        if command_id is not None and self._remembered is not None and command_id in self._remembered:
            if envelope.slot is not None:
                self._departures.append(repeated_reply(envelope, envelope.slot, self._remembered[command_id]))
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
            self._refuse(envelope, error)
            return None
        if type(reply) is CoroutineType:
            return reply
        effects = actor.effects
        if effects.events or effects.others or self._departures or self._events or self._flights or source is not None:
            self._collect(envelope, reply)
        else:  # nothing before it is still on its way to the disk
            if envelope.slot is not None:
                envelope.slot.resolve(reply if reply is not None else Done(), None)
                envelope.slot = None
            envelope.deadline = -math.inf  # done with, even if what follows in this burst is lost and handled again
        return None

    async def _await_handler(self, waiting: "CoroutineType[Any, Any, Any]", envelope: Envelope) -> None:
        """Run an async handler under its deadline. Other messages of this entity wait; other entities don't."""
        started = trio.current_time()
        deadline = min(envelope.deadline, started + self.kind.limits.async_handler_s)
        with trio.CancelScope(deadline=deadline) as scope:
            try:
                reply = await watched_steps(waiting, self._system.turn, self, envelope)
            except ActorError as error:
                self._refuse(envelope, error)
                return
        if scope.cancelled_caught:
            late = DeadlineExceeded(f"the handler took longer than {deadline - started:.3g} s")
            self._refuse(envelope, late)
            return
        self._collect(envelope, reply)

    def _inspect(self) -> Inspected:
        actor = self._actor
        assert actor is not None
        actor.may_watch()
        if self._view is None:
            self._view = encode(actor.view())
        return Inspected(self._view, self.epoch, actor.offset)

    def _refuse(self, envelope: Envelope, error: ActorError) -> None:
        actor = self._actor
        assert actor is not None
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
                self._once_needed().firing.discard(source.name)  # the next look for timers finds it again
                return
            self._once_needed().put_off(source)
        if envelope.slot is not None:
            self._departures.append((envelope.slot, error, None))

    # Effects that happen once: what comes from another entity's outbox, or from a durable timer.

    def _once_needed(self) -> ExactlyOnce:
        if self._once is None:
            self._once = ExactlyOnce()
        return self._once

    def _admit(self, envelope: Envelope, source: Origin | Firing) -> Any:
        """None when the message is to be handled, LEARN when marks must be read first, DROPPED when it is done with."""
        once = self._once_needed()
        slot = envelope.slot
        actor = self._actor
        assert actor is not None
        if isinstance(source, Origin):
            seen = once.seen.get(source.sender)
            if seen is None:
                return LEARN
            if source.seq <= seen:
                if slot is not None:
                    self._departures.append((slot, Done(), None))
                return DROPPED
            if once.overtakes(source):
                if slot is not None:
                    self._departures.append((slot, Unavailable("an earlier message of the sender was put off"), None))
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

    async def _learn(self, items: list[Item]) -> None:
        """Read how far the senders of these messages have been handled."""
        assert self.head is not None
        once = self._once_needed()
        senders = {item.source.sender for item in items if type(item) is Envelope and type(item.source) is Origin}
        backoff = self._system.new_backoff()
        while True:
            try:
                once.learn(await self._system.journal.received(self.head.id, sorted(senders - once.seen.keys())))
                return
            except StoreUnavailable as error:
                self._system.note_store_unavailable(error)
            await trio.sleep(backoff.next())

    def _give_up(self, envelope: Envelope, source: Origin | Firing, letter: DeadLetter, name: str, detail: str) -> None:
        """Refuse for good: the dead letter, the mark and the report to the sender are committed together."""
        actor = self._actor
        assert actor is not None
        log.error("dead_letter", entity=self.entity, message_type=letter.message_type, error=letter.error)
        self._system.instruments.dead_letters += 1
        if type(source) is Origin and source.about:
            report = Undelivered(entity=self.entity, about=source.about, name=name, detail=detail)
            actor.effects.others.append(Told(source.entity, report))
        self._note()
        self._collect(envelope, None, refused=True)
        self._once_needed().consequences.letters.append(letter)

    def _note(self) -> None:
        """Something becomes durable of which the entity has recorded nothing itself."""
        actor = self._actor
        assert actor is not None
        actor.offset += 1
        actor.at_ms = int(self._system.now() * 1000)
        actor.effects.events.append(Noted())

    def _gather_once(self, envelope: Envelope | None, reply: Any, *, refused: bool) -> Gathered | None:
        """Of what the handler named, what must be committed with its events, encoded. Raises: whatever that raises."""
        actor = self._actor
        assert actor is not None
        effects = actor.effects
        is_durable = self._system.is_durable
        lasting: list[Any] = []
        passing: list[Any] = []
        for one in effects.others:
            (lasting if is_durable_effect(one, is_durable) else passing).append(one)
            if type(one) is SetTimer and type(one.message) not in self.kind.messages:
                raise TypeError(f"{self.kind.name} takes no {type(one.message).__qualname__}: name it in `internal`")
        source = envelope.source if envelope is not None else None
        origin = source if type(source) is Origin else None
        answers = origin is not None and bool(origin.about) and not refused
        if not lasting and source is None:
            return None
        # Handled without consequence is also something that only an append can know: a cell that was overtaken decides
        # from an old state, and the sender would take its word and forget the message.
        if (lasting or origin is not None) and not effects.events:
            self._note()
        told = [one for one in lasting if type(one) is Told]
        changes = timer_changes(one for one in lasting if type(one) is not Told)
        trace = envelope.trace if envelope is not None else None
        answer = (origin, self.entity, reply) if answers and origin is not None else None
        assert self.head is not None
        position = self.head.position(actor.offset)
        sent = outgoing(told, position, trace, answer=answer) if told or answer is not None else []
        return Gathered(source, sent, changes, passing)

    def _collect_once(self, gathered: Gathered, *, durably: bool) -> None:
        """Move that into the burst's consequences."""
        actor = self._actor
        assert actor is not None
        actor.effects.others = gathered.passing
        once = self._once_needed()
        source = gathered.source
        if type(source) is Firing:
            actor.fired = None
            once.fired(source)
        once.gather(gathered.sent, gathered.timers)
        if type(source) is Origin:
            once.mark(source, durably=durably)
        if gathered.timers or type(source) is Firing:
            self._show_timers()

    def _show_timers(self) -> None:
        assert self._actor is not None and self._once is not None
        self._actor.timers = self._once.timers or NO_TIMERS

    def _fire_due(self) -> None:
        """Put the messages of timers that are due into the mailbox."""
        once = self._once
        if once is None or not once.timers:
            return
        for row in once.due(int(self._system.now() * 1000)):
            try:
                message = self.kind.decode_message(decode_timer(row.body).message)
            except msgspec.MsgspecError as error:  # it stays, for a release that knows the message
                log.error("timer_unreadable", entity=self.entity, timer=row.name, error=str(error))
                continue
            source = Firing(row.name, row.due_ms)
            try:
                self.mailbox.put(Envelope(message=message, source=source, queued_at=trio.current_time()))
            except Overloaded:
                once.firing.discard(row.name)

    def _collect(self, envelope: Envelope | None, reply: Any, *, refused: bool = False) -> None:
        """Move what the handler recorded and named into the burst."""
        actor = self._actor
        assert actor is not None
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
                encoded = encode(reply if reply is not None else Done())
                stored[-1].command_id = envelope.command_id
                stored[-1].reply = encoded
                stored[-1].digest = envelope.digest
        # From here on nothing raises: had something not been encodable, none of it may stay.
        if stored:
            if envelope is not None and envelope.command_id is not None and encoded is not None:
                self._remember(envelope.command_id, Remembered(encoded, envelope.digest))
            effects.events = []
            self._events += stored
            self._departures += stored
        if once is not None:
            self._collect_once(once, durably=bool(stored))
        kicks: list[Any] = []
        if effects.others:
            others, effects.others = effects.others, []
            kicks = [one for one in others if type(one) is Kick]
            self._departures += [one for one in others if type(one) is not Kick] if kicks else others
        if envelope is not None and envelope.slot is not None:
            self._departures.append((envelope.slot, reply if reply is not None else Done(), encoded))
        self._departures += kicks  # behind the reply: one may close the connection that asked

    def _take_off(self, burst: list[Item], *, clean: bool = True) -> None:
        """Submit the burst's events; what waits for them, or for earlier ones, becomes a flight.

        Not `clean`: the state is ahead of the events, so it makes no snapshot.
        """
        actor = self._actor
        assert actor is not None
        departures, self._departures = self._departures, []
        once = self._once
        if not self._events:
            if once is not None and once.has_consequences:
                # A timer went on without anything becoming durable: should this be lost, it does so again.
                assert self.head is not None
                taken = once.take(self.head.id, self.entity, self.head.position(actor.offset), departures)
                self._system.committer.submit(self.head.id, self.head.fence, actor.offset, [], 0, self, taken)
            if not departures:
                return
            if self._flights:
                self._flights.append(Flight(actor.offset, departures, burst))
            else:
                self._depart(departures)
            return
        events, self._events = self._events, []
        if not actor.durable:
            self._depart(departures)
            return
        assert self.head is not None
        if clean and actor.offset - self._snapshot_offset >= self.kind.limits.snapshot_every:
            self._snapshot_offset = actor.offset
            body = self._encode_state()
            if body is not None:
                departures.append(SnapshotDue(actor.offset, body))
        consequences = None
        size = sum(len(event.payload) for event in events)
        if once is not None and once.has_consequences:
            consequences = once.take(self.head.id, self.entity, self.head.position(events[-1].offset), departures)
            assert consequences is not None
            size += sum(len(row.body) for row in consequences.outbox)
        self._flights.append(Flight(actor.offset, departures, burst))
        self._system.committer.submit(
            self.head.id, self.head.fence, events[0].offset - 1, events, size, self, consequences
        )

    def _struck(self, handled: list[Item], item: Item, rest: list[Item], error: Exception) -> None:
        """A handler raised: what came before it goes out, the message gets a strike, the rest goes back."""
        actor = self._actor
        assert actor is not None
        actor.effects.events, actor.effects.others = [], []
        # `actor.offset` may count events of the message that raised; those never existed.
        if self._events:
            actor.offset = self._events[-1].offset
        elif self._flights:
            actor.offset = self._flights[-1].through
        elif self.head is not None:
            actor.offset = self.head.offset
        self._take_off(handled, clean=False)
        envelope = item if type(item) is Envelope else Envelope(message=item)  # type: ignore[arg-type]
        envelope.strikes += 1
        if envelope.strikes < self._system.strikes_max and not isinstance(error, HandlerStuck):
            self.mailbox.put_back([envelope, *rest])
            return
        if (
            envelope.source is not None and actor.durable
        ):  # its end is to be committed, and that only the next life can do
            envelope.failure = DeadLetter.of(self.entity, envelope.message, "", error, envelope.trace, envelope.strikes)
            self.mailbox.put_back([envelope, *rest])
            return
        self.mailbox.put_back(rest)
        if envelope.slot is not None:
            envelope.slot.reject(HandlerFailed(repr(error)))
        self._system.dead_letter(self.entity, envelope, error)

    async def _obey(self, signals: list[object]) -> Verdict | None:
        verdict: Verdict | None = None
        for signal in signals:
            match signal:
                case Rebuild():
                    pass  # `_failure` says it
                case TimersDue():
                    self._fire_due()
                case Reclaim():
                    verdict = Verdict.REBUILD  # after the others, one of which may end us
                case Passivate():
                    if await self._fall_asleep():
                        return Verdict.ASLEEP
                case Stop():
                    await self._catch_up_all()
                    if self._failure is None:
                        await self._save_snapshot()
                        return Verdict.STOPPED
                    self.mailbox.put_control(signal)  # again, after the rebuild
        return verdict

    async def _fall_asleep(self) -> bool:
        actor = self._actor
        assert actor is not None
        if len(self.mailbox) or self._flights or self.timers or not actor.may_sleep():
            self.last_active = self._system.time()  # to the end of the line, so that others are asked before it
            return False
        await self._save_snapshot()
        if len(self.mailbox) or self._flights or self.timers or self._failure is not None:
            return False
        self.mailbox.seal()
        self._system.instruments.passivations += 1
        return True

    async def _save_snapshot(self) -> None:
        actor = self._actor
        assert actor is not None
        if self.head is None or self._flights or actor.offset - self._snapshot_offset < SNAPSHOT_WORTH:
            return
        body = self._encode_state()
        if body is None:
            return
        try:
            if await self._system.journal.save_snapshot(
                self.head.id, fence=self.head.fence, offset=actor.offset, body=body
            ):
                self._snapshot_offset = actor.offset
        except StoreUnavailable as error:
            self._system.note_store_unavailable(error)  # the journal has it all; waking will replay more

    def _encode_state(self) -> bytes | None:
        """None when the state can't be encoded: then waking replays the journal, which has it all."""
        assert self._actor is not None
        try:
            return self.kind.encode_state(self._actor.state)
        except Exception as error:  # of the entity's own types
            log.exception("snapshot_failed", entity=self.entity, error=repr(error))
            return None

    # Commits.

    def committed(self, through: int) -> None:
        flights = self._flights
        if self.head is not None:
            self.head.offset = max(self.head.offset, through)
        landed = 0
        for flight in flights:
            if flight.through > through:
                break
            landed += 1
        ready = flights[:landed]
        del flights[:landed]
        for flight in ready:
            self._depart(flight.departures)
        if self._settled is not None and (not flights or len(flights) < FLIGHTS_MAX // 2):
            self._settled.set()

    def commit_failed(self, fence: int, error: Exception | Outcome) -> None:
        if self.head is None or self.head.fence != fence:
            return  # of a former life, whose flights have been sorted since
        if self._failure is None:
            self._failure = error
        if isinstance(error, Exception):
            self._system.note_store_unavailable(error)
        else:
            if error is Outcome.FENCED:
                self._system.instruments.fenced_appends += 1
            log.warning("append_refused", entity=self.entity, outcome=error.value)
        self.mailbox.put_control(Rebuild())
        if self._settled is not None:
            self._settled.set()

    async def _catch_up(self) -> None:
        """Wait until commits have caught up with this actor: how a slow disk slows the senders."""
        if self._system.committer.congested:
            await self._system.committer.uncongested()
        if len(self._flights) >= FLIGHTS_MAX and self._failure is None:
            self._settled = trio.Event()
            await self._settled.wait()
            self._settled = None

    async def _catch_up_all(self) -> None:
        while self._flights and self._failure is None:
            self._settled = trio.Event()
            await self._settled.wait()
            self._settled = None

    def _depart(self, departures: list[Any]) -> None:
        """Let out what the durable events allow."""
        let_out(self, self._system, departures)

    def _remember(self, command_id: str, what: Remembered) -> None:
        if self._remembered is None:
            self._remembered = {}
        elif len(self._remembered) >= REMEMBERED_MAX:
            del self._remembered[next(iter(self._remembered))]
        self._remembered[command_id] = what


RUNNERS = tuple(
    method.__code__
    for method in (
        Cell._serve,
        Cell._answer,
        Cell._collect,
        Cell._gather_once,
        Cell._collect_once,
        ExactlyOnce.gather,
        ExactlyOnce.fired,
        ExactlyOnce.mark,
        ExactlyOnce._move,
        Cell._refuse,
        Cell._inspect,
        watched_steps,
    )
)  # whose own lines the watchdog may not interrupt, only the handlers that they call
