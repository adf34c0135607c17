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

from greenroom.actors.model.actor import Actor
from greenroom.actors.model.envelope import Envelope, Firing
from greenroom.actors.model.errors import (
    ActorError,
    DeadlineExceeded,
    HandlerFailed,
    HandlerStuck,
    OutcomeUnknown,
    Overloaded,
    Unavailable,
)
from greenroom.actors.model.kinds import Kind
from greenroom.actors.model.lifecycle import (
    Passivate,
    Rebuild,
    Reclaim,
    Stop,
    TimersDue,
)
from greenroom.actors.model.mailbox import Item, Mailbox
from greenroom.store.errors import NotOwner, StoreUnavailable
from greenroom.store.journal.dead_letters import DeadLetter
from greenroom.store.journal.journal import Head, Outcome, Remembered, StoredEvent
from greenroom.supervisors.kernel.departures import Flight, SnapshotDue, let_out, repeated_reply
from greenroom.supervisors.kernel.exactly_once import ExactlyOnce
from greenroom.supervisors.kernel.handling import LEARN, Handling
from greenroom.supervisors.supervision.strategy import RestartLedger
from greenroom.supervisors.supervision.watched_steps import watched_steps

if TYPE_CHECKING:
    from greenroom.supervisors.kernel.system import System

log = structlog.get_logger("greenroom.cell")
encode = msgspec.json.encode

SNAPSHOT_WORTH = 32  # events since the last snapshot that make one worth writing on the way to sleep
CALM_S = 10.0  # without trouble for so long, the next restart is quick again
FLIGHTS_MAX = 64  # bursts whose commit is awaited; beyond, the actor pauses and its mailbox fills


class Verdict(Enum):
    """Why a cell stopped serving."""

    ASLEEP = "asleep"
    STOPPED = "stopped"
    REBUILD = "rebuild"


class Cell:
    __slots__ = (
        "_failure",
        "_flights",
        "_handling",
        "_ledger",
        "_settled",
        "_snapshot_offset",
        "_system",
        "entity",
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
        self._handling: Handling | None = None  # of this life
        self.head: Head | None = None  # as claimed; None without a journal
        self._snapshot_offset = 0
        self._flights: list[Flight] = []
        self._failure: Exception | Outcome | None = None
        self._settled: trio.Event | None = None
        self._ledger: RestartLedger | None = None

    @property
    def waits_for_commit(self) -> bool:
        return bool(self._flights)

    @property
    def epoch(self) -> str:
        """Of the journal; without one, of this life."""
        return self._handling.epoch if self._handling is not None else ""

    @property
    def actor(self) -> Actor[Any] | None:
        return self._handling.actor if self._handling is not None else None

    @property
    def at_rest(self) -> Actor[Any] | None:
        """The actor while nothing is being handled, committed or rebuilt: its state then is what its journal says."""
        return self.actor if self.mailbox.waits and not self._flights and self._failure is None else None

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
            self._adopt(self._new_handling(None))
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
        claimed = await self._system.claim(self.entity, above=0 if self.head is None else self.head.fence)
        head = claimed.head
        events = claimed.events
        handling = self._new_handling(head)
        actor = handling.actor
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
        handling.replay(events)
        assert actor.offset == head.offset, f"{self.entity}: journal ends at {actor.offset}, head at {head.offset}"
        if self.head is not None and head.offset < self.head.offset:
            log.error("journal_lost_tail", entity=self.entity, first=head.offset + 1, last=self.head.offset)
        self.head = head
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
        handling.adopt_timers(claimed.timers)
        self._adopt(handling)  # no await from here on
        if claimed.outbox:
            self._system.relay.adopt(claimed.outbox)
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
                elif type(item) is not Envelope or type(item.source) is not Firing or item.strikes:
                    again.append(item)  # a timer that is due still fires below: once, and not once for each life
        self.mailbox.put_back(again)
        self._fire_due()

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

    def _new_handling(self, head: Head | None) -> Handling:
        return Handling(self._system, self.kind, self.entity, self.kind.actor(self.entity, self._system), head)

    def _adopt(self, handling: Handling) -> None:
        if self.life == 0:
            self._system.instruments.activations += 1
        self._handling = handling
        self.life += 1
        self.timers = 0  # those of earlier lives are void

    def _fire_due(self) -> None:
        """Put the messages of durable timers that are due into the mailbox."""
        assert self._handling is not None
        for firing, envelope in self._handling.due_timers():
            try:
                self.mailbox.put(envelope)
            except Overloaded:
                self._handling.put_off(firing)

    # Serving.

    async def _serve(self) -> Verdict:
        system = self._system
        mailbox = self.mailbox
        handling = self._handling
        assert handling is not None
        effects = handling.actor.effects
        answer, tell = handling.answer, handling.tell
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
                    waiting = answer(item, now, self._flights) if type(item) is Envelope else tell(item)
                    if waiting is not None:
                        turn.item = turn.owner = None
                        self._take_off(burst[departed:position])  # those before need not wait for this one
                        departed = position
                        if waiting is LEARN:
                            assert type(item) is Envelope
                            await self._learn(handling, burst[position:])
                            turn.owner, turn.item = self, item
                            waiting = answer(item, trio.current_time(), self._flights)
                            turn.item = turn.owner = None
                            assert waiting is not LEARN
                        if waiting is not None:
                            if type(item) is not Envelope:
                                handling.actor.chain = ()
                                item = Envelope(message=item)  # type: ignore[arg-type]
                            await self._await_handler(handling, waiting, item)
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
            if not handling.is_empty:
                self._take_off(burst[departed:] if departed else burst)
            if len(mailbox):
                await trio.lowlevel.checkpoint()

    async def _await_handler(
        self, handling: Handling, waiting: "CoroutineType[Any, Any, Any]", envelope: Envelope
    ) -> None:
        """Run an async handler under its deadline. Other messages of this entity wait; other entities don't."""
        started = trio.current_time()
        deadline = min(envelope.deadline, started + self.kind.limits.async_handler_s)
        with trio.CancelScope(deadline=deadline) as scope:
            try:
                reply = await watched_steps(waiting, self._system.turn, self, envelope)
            except ActorError as error:
                handling.refuse(envelope, error)
                return
        if scope.cancelled_caught:
            late = DeadlineExceeded(f"the handler took longer than {deadline - started:.3g} s")
            handling.refuse(envelope, late)
            return
        handling.collect(envelope, reply)

    async def _learn(self, handling: Handling, items: list[Item]) -> None:
        """Read how far the senders of these messages have been handled."""
        assert self.head is not None
        backoff = self._system.new_backoff()
        while True:
            try:
                handling.learn(await self._system.journal.received(self.head.id, handling.unknown_senders(items)))
                return
            except StoreUnavailable as error:
                self._system.note_store_unavailable(error)
            await trio.sleep(backoff.next())

    def _take_off(self, burst: list[Item], *, clean: bool = True) -> None:
        """Submit the burst's events; what waits for them, or for earlier ones, becomes a flight.

        Not `clean`: the state is ahead of the events, so it makes no snapshot.
        """
        handling = self._handling
        assert handling is not None
        actor = handling.actor
        events, departures = handling.take()
        if not events:
            if self.head is not None:
                # A timer goes on without anything becoming durable: should this be lost, it does so again.
                consequences = handling.take_consequences(actor.offset, departures)
                if consequences is not None:
                    self._system.committer.submit(
                        self.head.id, self.head.fence, actor.offset, [], 0, self, consequences
                    )
            if not departures:
                return
            if self._flights:
                self._flights.append(Flight(actor.offset, departures, burst))
            else:
                self._depart(departures)
            return
        if not actor.durable:
            self._depart(departures)
            return
        assert self.head is not None
        if clean and actor.offset - self._snapshot_offset >= self.kind.limits.snapshot_every:
            self._snapshot_offset = actor.offset
            body = handling.encode_state()
            if body is not None:
                departures.append(SnapshotDue(actor.offset, body))
        size = sum(len(event.payload) for event in events)
        consequences = handling.take_consequences(events[-1].offset, departures)
        if consequences is not None:
            size += sum(len(row.body) for row in consequences.outbox)
        self._flights.append(Flight(actor.offset, departures, burst))
        self._system.committer.submit(
            self.head.id, self.head.fence, events[0].offset - 1, events, size, self, consequences
        )

    def _struck(self, handled: list[Item], item: Item, rest: list[Item], error: Exception) -> None:
        """A handler raised: what came before it goes out, the message gets a strike, the rest goes back."""
        handling = self._handling
        assert handling is not None
        actor = handling.actor
        actor.effects.events, actor.effects.others = [], []
        # `actor.offset` may count events of the message that raised; those never existed.
        if handling.events:
            actor.offset = handling.events[-1].offset
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
        actor = self.actor
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
        actor = self.actor
        assert actor is not None
        if self.head is None or self._flights or actor.offset - self._snapshot_offset < SNAPSHOT_WORTH:
            return
        assert self._handling is not None
        body = self._handling.encode_state()
        if body is None:
            return
        try:
            if await self._system.journal.save_snapshot(
                self.head.id, fence=self.head.fence, offset=actor.offset, body=body
            ):
                self._snapshot_offset = actor.offset
        except StoreUnavailable as error:
            self._system.note_store_unavailable(error)  # the journal has it all; waking will replay more

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
            # A repeat that only the journal remembers is nothing special: the first answer is found and given.
            say = log.info if error is Outcome.REPEATED else log.warning
            say("append_refused", entity=self.entity, outcome=error.value)
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


RUNNERS = tuple(
    method.__code__
    for method in (
        Cell._serve,
        Handling.answer,
        Handling.tell,
        Handling.collect,
        Handling._gather_once,
        Handling._collect_once,
        ExactlyOnce.gather,
        ExactlyOnce.fired,
        ExactlyOnce.mark,
        ExactlyOnce._move,
        Handling.refuse,
        Handling._inspect,
        watched_steps,
    )
)  # whose own lines the watchdog may not interrupt, only the handlers that they call
