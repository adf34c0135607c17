"""A cell: one awake entity with its mailbox, its life and the trio task that runs it. Hop 5 on the way of a message.

The task takes what has piled up as one burst, has it handled, submits all events of the burst as one append, and goes
on with the next burst while that commits. What the burst wants to leave the entity is a *flight*: it departs, in order,
when the events before it are durable (`in_flight.py`). What is decided on the way is decided in `actors/life/`.

When a handler raises, or an append fails, memory may be ahead of the journal. Then the life ends, and the next one
begins from a fresh claim (`waking.py`), whose events tell which flights had landed. A message that keeps killing its
actor goes to the dead letters, and the rest of the mailbox goes on.
"""

import math
from collections.abc import Callable
from enum import Enum
from types import CoroutineType

import structlog
import trio

from greenroom.actors.life.async_handler import await_handler
from greenroom.actors.life.flights import Flight, answers_of, doubt, repeatable
from greenroom.actors.life.life import Life
from greenroom.actors.life.once import Unknown
from greenroom.actors.model.actor import Actor
from greenroom.actors.model.envelope import Envelope, Firing
from greenroom.actors.model.errors import (
    ActorError,
    Forgotten,
    HandlerFailed,
    HandlerStuck,
    NotHere,
    NotInRelease,
    OutcomeUnknown,
    Overloaded,
    Unavailable,
)
from greenroom.actors.model.kinds import Kind
from greenroom.actors.model.lifecycle import BeginAnew, Forget, HandOver, Passivate, Rebuild, Reclaim, Stop, TimersDue
from greenroom.actors.model.mailbox import Item, Mailbox
from greenroom.actors.model.upcasters import UnreadableEvent
from greenroom.config.telemetry.shown import shown
from greenroom.store.errors import Erased, JournalDamaged, NotOwner, StoreUnavailable
from greenroom.store.journal.epoch import lineage_of
from greenroom.store.journal.records import Head, Outcome, Remembered
from greenroom.supervisors.kernel.cells.in_flight import FLIGHTS_MAX, InFlight
from greenroom.supervisors.kernel.cells.release import known_to_have_landed
from greenroom.supervisors.kernel.cells.waking import Waking, wake
from greenroom.supervisors.kernel.host import Host, OwnRows
from greenroom.supervisors.kernel.ownership import lease_or_fast
from greenroom.supervisors.supervision.strategy import RestartIntensity, RestartLedger
from greenroom.supervisors.supervision.watched_steps import watched_steps

log = structlog.get_logger("greenroom.cell")

SNAPSHOT_WORTH = 32  # events since the last snapshot that make one worth writing on the way to sleep
PREPARED_WORTH = 64  # likewise, before it goes to another node: to read and apply them there takes some milliseconds
HANDED_OVER_WORTH = 256  # and on the way there, which waits for it
TURN = 16  # messages after which others have a turn; fewer came of one another, as presence does of a connect
CALM_S = 10.0  # without trouble for so long, the next restart is quick again


class Ending(Enum):
    """Why a cell stopped serving."""

    ASLEEP = "asleep"
    STOPPED = "stopped"
    MOVED = "moved"  # another node owns the entity, or is about to
    REFUSED = "refused"  # its claim, though nobody else is known to own it
    FAILED = "failed"
    DAMAGED = "damaged"  # what is stored of it contradicts itself, or is refused: somebody must look
    ERASED = "erased"  # for good
    BEHIND = "behind"  # a newer release has recorded what this one can't read
    REBUILD = "rebuild"  # only this life ends


class Cell:
    """One awake entity: its mailbox, its present life, what that has in flight, its crashes so far.

    Owned by the system, whose nursery runs it. Bounded by its kind's limits and by FLIGHTS_MAX. `closed` is called
    once, when the cell has ended, with what it leaves to be handled elsewhere, in order.
    """

    __slots__ = (
        "_closed", "_host", "_in_flight", "_ledger", "_life", "_looks_up_ids", "_suspects", "entity", "kind",
        "last_active", "left_unknown", "mailbox", "shard",
    )  # fmt: skip

    def __init__(
        self, host: Host, kind: Kind, entity: str, closed: "Callable[[Cell, Ending, list[Item]], None]"
    ) -> None:
        self._host = host
        self._closed = closed
        self.kind = kind
        self.entity = entity
        self.shard = -1  # not asked for yet: see System.survey
        bound, limits = host.mailbox, kind.limits
        self.mailbox = Mailbox(min(limits.mailbox_messages, bound.capacity), min(limits.mailbox_bytes, bound.bytes_max))
        self.last_active = trio.current_time()
        self.left_unknown = False  # ended with events that may have landed, which only the next life can tell watchers
        self._life: Life | None = None
        self._in_flight = InFlight(host, self.mailbox)
        self._suspects = 0  # so many messages at the front of the mailbox are handled and committed one by one
        self._looks_up_ids = False  # a repeat was found that only the journal remembered: there may be more
        self._ledger: RestartLedger | None = None

    @property
    def waits_for_commit(self) -> bool:
        return bool(self._in_flight.flights)

    @property
    def is_at_rest(self) -> bool:
        """Is nothing being handled, committed or rebuilt? Then the state is what the journal says."""
        return self.mailbox.waits and not self._in_flight.flights and self._in_flight.failure is None

    @property
    def head(self) -> Head | None:
        """As claimed; None without a journal, and before the first claim."""
        return self._life.head if self._life is not None else None

    @property
    def flights(self) -> int:
        """Bursts whose commit is awaited."""
        return len(self._in_flight.flights)

    @property
    def suspects(self) -> int:
        """Messages that are handled and committed one by one, since one of them is to blame for a refusal."""
        return self._suspects

    def restarts(self, now: float) -> int:
        """Restarts that still count, `now` on the trio clock."""
        return self._ledger.count(now) if self._ledger is not None else 0

    @property
    def timers(self) -> int:
        """Durable ones, as of this life."""
        return len(self._life.actor.timers) if self._life is not None else 0

    @property
    def actor(self) -> Actor[object] | None:
        return self._life.actor if self._life is not None else None

    # The life of an entity's task.

    async def run(self) -> None:
        """Wake, serve, sleep. Owner: the system's nursery. Never raises but by cancellation."""
        rebuilt_at = -math.inf
        ending: Ending | None = None  # cancelled
        try:
            while True:
                woken = False
                try:
                    await self._awaken()
                    woken = True
                    found = await self._serve()
                    if found is not Ending.REBUILD:
                        ending = found
                        return
                    if self._in_flight.failure is Outcome.REPEATED:
                        continue  # nothing is broken
                except NotOwner as error:
                    log.info("entity_moved", entity=self.entity, reason=str(error))
                    ending = Ending.MOVED if self._host.ownership.lost(self.entity) else Ending.REFUSED
                    return
                except Erased:
                    log.info("entity_erased", entity=self.entity)
                    ending = Ending.ERASED
                    return
                except JournalDamaged as error:
                    log.error("entity_damaged", entity=self.entity, error=str(error))
                    self._host.failures.note(self.entity, "damaged", str(error))
                    ending = Ending.DAMAGED
                    return
                except Exception as error:  # the supervisor's one place: a handler, `apply` or a snapshot failed
                    if isinstance(error, UnreadableEvent) and self.kind.is_behind:
                        log.warning("entity_of_newer_release", entity=self.entity, error=str(error))
                        ending = Ending.BEHIND
                        return
                    hangs = isinstance(error, HandlerStuck) and not woken  # in `apply`, and would again
                    if not self._may_restart(error) or hangs:
                        ending = Ending.FAILED
                        await self._in_flight.catch_up_all()  # what is on its way to the disk need not be unknown
                        return
                if trio.current_time() - rebuilt_at > CALM_S:
                    backoff = self._host.new_backoff()
                rebuilt_at = trio.current_time()
                await trio.sleep(backoff.next())
        finally:
            self._close(Ending.STOPPED if ending is None else ending)

    def _may_restart(self, error: Exception) -> bool:
        self._host.instruments.restarts += 1
        if self._ledger is None:
            config = self._host.supervision
            self._ledger = RestartLedger(RestartIntensity(restarts_max=config.restarts_max, window_s=config.window_s))
        if not self._ledger.allow(trio.current_time()):
            log.exception("entity_failed", entity=self.entity, error=shown(error))
            self._host.failures.note(self.entity, "failed", shown(error))
            return False
        log.warning("entity_restarted", entity=self.entity, error=shown(error), exc_info=error)
        self._host.failures.note(self.entity, "restarted", shown(error))
        return True

    def _close(self, ending: Ending) -> None:
        """Forget the actor; whoever still waits for an answer gets one. Sync, so that no message slips in between."""
        left = self.mailbox.seal()
        assert not left or ending is not Ending.ASLEEP
        in_flight = self._in_flight
        flights, in_flight.flights = in_flight.flights, ()
        if self._life is not None:
            self._end_life(self._life)
        in_flight.forget_queued()
        self.left_unknown = any(flight.events for flight in flights)
        if self.left_unknown and self._host.inline is not None:
            self._host.inline.left_unknown(self.kind.name)
        moving: list[Item] = []
        if ending is Ending.MOVED:  # whoever owns it next learns from the journal which of them had landed
            moving = repeatable(flights)
        known = {id(one.slot) for one in moving if type(one) is Envelope}
        for answer in answers_of(flights):
            if id(answer.slot) not in known:
                answer.slot.reject(_unanswered(ending))
        if self._life is not None:
            self._life.end_laters()
        if ending is Ending.MOVED:
            doubt(flights)
            moving += left
        else:
            for item in left:
                if type(item) is Envelope and item.slot is not None:
                    item.slot.reject(_why_not(ending))
        self._closed(self, ending, moving)

    # Waking.

    async def _awaken(self) -> None:
        """Begin the next life. Until that has succeeded, flights and failure of the former one stay as they are."""
        host = self._host
        if not self.kind.actor.durable:
            life = Life(self.kind, self.entity, host.world, host.turn)
            if self.kind.begins:
                await host.insist(life.actor.begin)
            ended = self._life
            self._adopt(life)
            if ended is not None:
                ended.end_laters()
            if self.kind.begins:
                host.audiences.began(self.entity, life.epoch, 0)
            return
        in_flight = self._in_flight
        former = self._life
        if former is not None:
            await in_flight.catch_up_all()  # its appends are under way: their outcome comes first
            in_flight.forget_queued()  # what the new fence would refuse anyway
        flights, failure = in_flight.flights, in_flight.failure
        self._begin(await host.insist(lambda: wake(host, self.kind, self.entity, former, flights, failure)))

    def _begin(self, waking: Waking) -> None:
        """Sync from here on, so that nobody sees half of it: the former life's flights leave, or are handled again."""
        host = self._host
        life = waking.life
        in_flight = self._in_flight
        failure, submitted = in_flight.failure, in_flight.flights
        if failure is not None:  # as a rule there is none
            self._looks_up_ids = self._looks_up_ids or failure is Outcome.REPEATED
        life.once.looks_up_ids = self._looks_up_ids
        life.once.under_way_max = FLIGHTS_MAX * host.mailbox.burst
        ended = self._life
        self._adopt(life, waking.own_rows)
        if waking.outbox:
            host.relay.adopt(waking.outbox)
        former = waking.sorted
        if former is not None:
            for flight in former.landed:
                # What of it lay in the outbox may have come with the claim, and be handled since.
                in_flight.release([known_to_have_landed(one) for one in flight.departures])
        assert life.head is not None
        if former is not None and former.landed:
            host.committer.found(self.entity, [flight.append(life.head.id) for flight in former.landed])
        host.audiences.began(self.entity, life.epoch, life.head.offset)
        if former is not None:
            in_flight.release(former.answers)
        if ended is not None:
            ended.end_laters()
        if former is not None:
            lost = sum(len(one.items) for one in submitted) - sum(len(one.items) for one in former.landed)
            self._put_back(former.again, lost=lost, was_refused=failure is Outcome.DAMAGED)
        if life.once.timers is not None:
            for item in self.mailbox:
                if type(item) is Envelope and type(item.source) is Firing:
                    life.once.timers.expect(item.source)
            self._fire_due()

    def _put_back(self, again: list[Item], *, lost: int, was_refused: bool) -> None:
        """What the former life's flights came from is handled again. So many messages were `lost` with them."""
        if was_refused and lost == 1:
            again = self._blamed(again)
        if was_refused or self._suspects:
            self._suspects += len(again)
        self.mailbox.put_back(again)

    def _blamed(self, items: list[Item]) -> list[Item]:
        """The store refuses what this one message wrote: a strike. Of several it can't be known which is to blame, so
        they are handled and committed one by one until it is."""
        life = self._life
        assert life is not None
        error = HandlerFailed("the store refuses what this message wrote")
        again: list[Item] = []
        for item in items:
            envelope = _enveloped(item)
            if life.strike(envelope, error, self._host.supervision.strikes_max):
                again.append(envelope)
            else:
                self._give_up(envelope, error)
        return again

    def _adopt(self, life: Life, own_rows: OwnRows | None = None) -> None:
        if self._life is None:
            self._host.instruments.activations += 1
        else:
            self._end_life(self._life)
        self._life = life
        life.once.begin(self._host.held.replies)
        self._in_flight.begin(life, own_rows)

    def _end_life(self, life: Life) -> None:
        life.ended = True
        life.once.end()
        self._host.afters.drop(life)

    def _fire_due(self) -> None:
        """Put the messages of durable timers that are due into the mailbox."""
        life = self._life
        assert life is not None
        for envelope in life.due_timers(trio.current_time()):
            try:
                self.mailbox.put(envelope)
            except Overloaded:
                assert isinstance(envelope.source, Firing)
                life.once.put_off(envelope.source)

    # Serving.

    async def _serve(self) -> Ending:
        mailbox = self.mailbox
        committer = self._host.committer
        burst_max = self._host.mailbox.burst
        ownership = self._host.ownership
        in_flight = self._in_flight
        life = self._life
        assert life is not None
        task = trio.lowlevel.current_task()
        flight: Flight | None = None
        since = 0  # messages handled since others had a turn
        while True:
            if mailbox.control is not None:
                ending = await self._obey(mailbox.take_control())
                if ending is not None:
                    return ending
            if in_flight.failure is not None:
                return Ending.REBUILD
            if len(in_flight.flights) >= FLIGHTS_MAX or committer.congested:
                await in_flight.catch_up()
                continue
            if self._suspects and in_flight.flights:
                await in_flight.catch_up_all()  # each alone in its append
                continue
            burst = mailbox.take(1 if self._suspects else burst_max)
            if burst:
                now = trio.current_time()
                if mailbox.nudges < len(burst):
                    self.last_active = now
                if mailbox.nudges:
                    mailbox.nudges = max(mailbox.nudges - len(burst), 0)
                if now > ownership.valid_until:  # somebody else may own it by now: what we remember may be old
                    mailbox.put_back(burst)
                    fast = await lease_or_fast(mailbox, ownership)
                    if fast and in_flight.failure is None:
                        self._answer_fast(life, fast)
                    else:
                        mailbox.put_back(fast)
                    continue
                if self._suspects:
                    self._suspects -= 1
                try:
                    handled = life.handle(burst, 0, now, in_flight=bool(in_flight.flights))
                except Exception as error:
                    self._struck(burst[: life.position], burst[life.position], burst[life.position + 1 :], error)
                    raise
                if handled == len(burst):
                    flight = life.decided.take(burst)
                    if flight is not None:
                        in_flight.launch(flight)
                else:
                    await self._serve_rest(life, burst, handled)
                    since = TURN  # it has taken long
                since += handled
                if len(mailbox):
                    if since >= TURN:
                        await trio.lowlevel.checkpoint()
                        since = 0
                    continue
            if mailbox.control is None:  # which may have come while the last one was obeyed
                since = 0
                del burst  # or the frame of an idle entity keeps what that did last
                flight = None
                mailbox.park(task)
                await trio.lowlevel.wait_task_rescheduled(mailbox.abandon)

    async def _serve_rest(self, life: Life, burst: list[Item], position: int) -> None:
        """A burst that has stopped at a message which waits for something, or because it has taken long enough."""
        departed = 0  # messages before this one have been taken care of
        try:
            while life.waits_for is not None:
                waits_for, life.waits_for = life.waits_for, None
                self._take_off(burst[departed:position])  # those before need not wait for this one
                departed = position
                if isinstance(waits_for, Unknown):
                    await self._learn(life, burst[position:])
                else:
                    await self._await_handler(life, waits_for, burst[position])
                    position += 1
                    if self._has_to_look_up:
                        break  # that took its time: what has happened meanwhile comes before the next one
                position = life.handle(burst, position, trio.current_time(), in_flight=bool(self._in_flight.flights))
        except Exception as error:
            position = life.position
            self._struck(burst[departed:position], burst[position], burst[position + 1 :], error)
            raise
        except BaseException:  # cancelled: nobody knows how far an async handler came
            item = burst[position]
            if type(item) is Envelope and item.slot is not None:
                item.slot.reject(OutcomeUnknown("the entity stopped while it handled this"))
            self.mailbox.put_back(burst[departed:position] + burst[position + 1 :])
            raise
        self._take_off(burst[departed:position])
        self.mailbox.put_back(burst[position:])

    def _answer_fast(self, life: Life, looks: list[Item]) -> None:
        """From memory, whoever owns the entity by now."""
        try:
            handled = life.handle(looks, 0, trio.current_time(), in_flight=bool(self._in_flight.flights))
        except Exception as error:
            self._struck(looks[: life.position], looks[life.position], looks[life.position + 1 :], error)
            raise
        self._take_off(looks[:handled])
        self.mailbox.put_back(looks[handled:])

    @property
    def _has_to_look_up(self) -> bool:
        """Is there what `_serve` looks at between two bursts? A failed append, a signal, too much on its way."""
        in_flight = self._in_flight
        return (
            in_flight.failure is not None
            or self.mailbox.told
            or len(in_flight.flights) >= FLIGHTS_MAX
            or self._host.committer.congested
        )

    async def _await_handler(self, life: Life, waiting: "CoroutineType[object, object, object]", item: Item) -> None:
        envelope = _enveloped(item)
        actor = life.actor
        actor.chain = envelope.chain
        reading = actor.reading = self._host.admission.turn(envelope)
        try:
            await await_handler(life, watched_steps(waiting, self._host.turn, life, envelope.message), envelope)
        finally:
            actor.reading = None
            reading.end()
        await self._host.ownership.fresh()  # that took its time, and the answer is not out yet

    async def _learn(self, life: Life, items: list[Item]) -> None:
        """Ask the journal what must be known before these messages are handled."""
        assert life.head is not None
        unknown, head_id, journal = life.once.unknown(items), life.head.id, self._host.journal

        async def ask() -> tuple[dict[int, int], dict[str, Remembered]]:
            marks = await journal.received(head_id, unknown.senders) if unknown.senders else {}
            replies = await journal.replies(head_id, unknown.command_ids) if unknown.command_ids else {}
            return marks, replies

        marks, replies = await self._host.insist(ask)
        life.once.learn(unknown, marks, replies, under_way_max=FLIGHTS_MAX * self._host.mailbox.burst)
        await self._host.ownership.fresh()  # that took its time too

    def _take_off(self, items: list[Item], *, clean: bool = True) -> None:
        """Submit what these messages have decided; what waits for it, or for what was earlier, becomes a flight."""
        assert self._life is not None
        flight = self._life.decided.take(items, clean=clean)
        if flight is not None:
            self._in_flight.launch(flight)

    def _struck(self, handled: list[Item], item: Item, rest: list[Item], error: Exception) -> None:
        """A handler raised: what came before it goes out, the message gets a strike, the rest goes back."""
        life = self._life
        assert life is not None
        envelope = _enveloped(item)
        back = [*handled, envelope, *rest]
        try:
            life.decided.drop_unfinished()
            self._take_off(handled, clean=False)
            back = [envelope, *rest]
            if not life.strike(envelope, error, self._host.supervision.strikes_max):
                back = rest
        finally:  # whatever fails here on top of it loses no message
            if self._suspects and back is not rest:
                self._suspects += 1  # it was counted off when it was taken
            self.mailbox.put_back(back)
        if back is rest:
            self._give_up(envelope, error)

    def _give_up(self, envelope: Envelope, error: Exception) -> None:
        if envelope.slot is not None:
            envelope.slot.reject(HandlerFailed(shown(error)))
        self._host.letters.keep(self.entity, envelope, error)

    async def _obey(self, signals: list[object]) -> Ending | None:
        """In their order; when one fails, those behind it are for the next life, and a stop is however far it came."""
        ending: Ending | None = None
        try:
            while signals:
                match signals[0]:
                    case Rebuild():
                        pass  # what is in flight has failed, and says so
                    case TimersDue():
                        self._fire_due()
                    case BeginAnew():
                        ending = Ending.REBUILD
                    case Forget():
                        return Ending.ERASED
                    case Reclaim():
                        head = self.head  # perhaps claimed anew since that was asked; None of one without a journal
                        if head is None or lineage_of(head.epoch) != self._host.lineage():
                            ending = Ending.REBUILD  # after the others, one of which may end us
                    case Passivate():
                        # Not while anything else is asked: asleep it would be forgotten.
                        if ending is None and len(signals) == 1 and self._fall_asleep():
                            return Ending.ASLEEP
                    case Stop() | HandOver():
                        await self._in_flight.catch_up_all()
                        if self._in_flight.failure is None:
                            is_stop = isinstance(signals[0], Stop)
                            await self._save_snapshot(SNAPSHOT_WORTH if is_stop else HANDED_OVER_WORTH)
                            return Ending.STOPPED if is_stop else Ending.MOVED
                        self.mailbox.put_control(signals[0])  # again, after the rebuild
                del signals[0]
        except Exception:
            for signal in signals if isinstance(signals[0], Stop | HandOver) else signals[1:]:
                self.mailbox.put_control(signal)
            raise
        return ending

    def _fall_asleep(self) -> bool:
        """Seal the mailbox, unless there is something to do or to lose. Raises: whatever `may_sleep` raises."""
        life = self._life
        assert life is not None
        mailbox, actor = self.mailbox, life.actor
        has_plans = actor.afters or life.asides or not actor.may_sleep()
        if len(mailbox) > mailbox.nudges or self._in_flight.flights or has_plans:
            self.last_active = trio.current_time()  # to the end of the line, so that others are asked before it
            return False
        snapshot = self._snapshot(SNAPSHOT_WORTH)
        if snapshot is not None:  # written behind our back: whoever wakes us meanwhile need not wait for it
            self._host.snapshots.write_later(*snapshot, self.kind.limits)
        mailbox.seal()  # with it go nudges that wait
        self._host.instruments.passivations += 1
        return True

    def prepare(self) -> bool:
        """It is to go to another node in a moment: have a snapshot written meanwhile, so that little need be read there
        while somebody waits. False where that is little already."""
        life = self._life
        if life is None or life.head is None or life.actor.offset - life.decided.snapshot_offset < PREPARED_WORTH:
            return False
        snapshot = self._snapshot(PREPARED_WORTH) if self.is_at_rest else None
        if snapshot is None:  # with the next flight, which is to land before it
            life.decided.snapshot_soon(PREPARED_WORTH)
        else:
            life.decided.snapshot_taken(life.actor.offset)
            self._host.snapshots.write_later(*snapshot, self.kind.limits)
        return True

    def _snapshot(self, worth: int) -> tuple[Head, int, bytes] | None:
        """What would be saved of the state: head, offset and body. None when so few events are not worth it."""
        life = self._life
        assert life is not None
        offset, head, decided = life.actor.offset, life.head, life.decided
        if head is None or self._in_flight.flights or offset - decided.snapshot_offset < worth:
            return None
        body = decided.encode_state()
        return None if body is None else (head, offset, body)

    async def _save_snapshot(self, worth: int) -> None:
        snapshot = self._snapshot(worth)
        if snapshot is None:
            return
        try:
            await self._host.snapshots.write(*snapshot)
        except StoreUnavailable as error:
            self._host.note_store_unavailable(error)  # the journal has it all; waking will replay more


def _unanswered(ending: Ending) -> ActorError:
    """What those hear whose messages were handled, and may be in the journal or not."""
    if ending is Ending.ERASED:  # there is none any more
        return Forgotten("the entity was erased")
    return OutcomeUnknown("the entity stopped before its commit was known")


def _why_not(ending: Ending) -> ActorError:
    """What those hear whose messages were not handled."""
    if ending is Ending.REFUSED:
        return NotHere("the entity's claim was refused")
    if ending is Ending.ERASED:
        return Forgotten("the entity was erased")
    if ending is Ending.BEHIND:
        return NotInRelease("a newer release has recorded what this node's can't read")
    return Unavailable(f"the entity {'stopped here' if ending is Ending.STOPPED else ending.value}")


def _enveloped(item: Item) -> Envelope:
    """A bare message as if it had come in an envelope: nobody waits for its answer."""
    return item if isinstance(item, Envelope) else Envelope(message=item)
