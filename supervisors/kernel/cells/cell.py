"""A cell: one awake entity, its mailbox, its present life and what that has in flight. Hop 5 on the way of a message.

Here is what it is and does in one go, so that no message slips in between: to begin a life, to submit what a burst has
decided, to blame a message, to fall asleep, to close. `lives.py` has the task that runs it, `serving.py` what that does
with what has piled up. What a burst wants to leave the entity is a *flight*: it departs, in order, when the events
before it are durable (`in_flight.py`). What is decided on the way is decided in `actors/life/`.
"""

import math
from collections.abc import Callable

import structlog
import trio
from msgspec.structs import replace

from greenroom.actors.life.flights import answers_of, doubt, repeatable
from greenroom.actors.life.life import Life
from greenroom.actors.model.actor import Actor
from greenroom.actors.model.envelope import Envelope, Firing
from greenroom.actors.model.errors import HandlerFailed, HandlerStuck, Overloaded, StoreAway, is_away
from greenroom.actors.model.kinds import Kind
from greenroom.actors.model.lifecycle import Overreached
from greenroom.actors.model.mailbox import Item, Mailbox
from greenroom.actors.model.message import Message
from greenroom.config.telemetry.shown import shown
from greenroom.store.journal.records import Head, Outcome
from greenroom.supervisors.kernel.cells.again import Again, has_rested
from greenroom.supervisors.kernel.cells.ending import Ending, unanswered, unhandled
from greenroom.supervisors.kernel.cells.in_flight import FLIGHTS_MAX, InFlight
from greenroom.supervisors.kernel.cells.release import known_to_have_landed
from greenroom.supervisors.kernel.cells.waking import Waking
from greenroom.supervisors.kernel.host import Host, OwnRows
from greenroom.supervisors.supervision.strategy import RestartIntensity, RestartLedger

log = structlog.get_logger("greenroom.cell")

SNAPSHOT_WORTH = 32  # events since the last snapshot that make one worth writing on the way to sleep
PREPARED_WORTH = 64  # likewise, before it goes to another node: to read and apply them there takes some milliseconds
HANDED_OVER_WORTH = 256  # and on the way there, which waits for it


class Cell:
    """One awake entity: its mailbox, its present life, what that has in flight, its crashes so far.

    Owned by the system, whose nursery runs it. Bounded by its kind's limits and by FLIGHTS_MAX. `closed` is called
    once, when the cell has ended, with what it leaves to be handled elsewhere, in order.
    """

    __slots__ = (
        "_closed", "_ledger", "_looks_up_ids", "again", "entity", "host", "in_flight", "is_serving", "kind",
        "last_active", "left_unknown", "life", "mailbox", "shard", "suspects",
    )  # fmt: skip

    def __init__(
        self, host: Host, kind: Kind, entity: str, closed: "Callable[[Cell, Ending, list[Item]], None]"
    ) -> None:
        self.host = host
        self._closed = closed
        self.kind = kind
        self.entity = entity
        self.shard = -1  # not asked for yet: see System.survey
        bound, limits = host.mailbox, kind.limits
        self.mailbox = Mailbox(min(limits.mailbox_messages, bound.capacity), min(limits.mailbox_bytes, bound.bytes_max))
        self.last_active = trio.current_time()
        self.left_unknown = False  # ended with events that may have landed, which only the next life can tell watchers
        self.life: Life | None = None
        self.is_serving = False  # the present life: a former one stays in place until the next is made
        self.in_flight = InFlight(host, self.mailbox)
        # So many messages at the front of the mailbox are handled and committed one by one, since one of them is to
        # blame for a refusal.
        self.suspects = 0
        self._looks_up_ids = False  # a repeat was found that only the journal remembered: there may be more
        self.again: Again | None = None
        self._ledger: RestartLedger | None = None

    @property
    def waits_for_commit(self) -> bool:
        return bool(self.in_flight.flights)

    @property
    def is_at_rest(self) -> bool:
        """Is nothing being handled, committed or rebuilt? Then the state is what the journal says."""
        return self.mailbox.waits and not self.in_flight.flights and self.in_flight.failure is None

    def glance(self, message: Message) -> object:
        """What the entity would answer, see Actor.glance. Where its handler fails, whoever asks it hears what is wrong;
        where that has recorded something its state is ahead of the journal, and this life ends, as by any crash.
        Raises: HandlerStuck, which is about the turn of the one that glances."""
        life = self.life
        if (
            life is None
            or not self.is_serving
            or self.mailbox.control is not None
            or self.in_flight.failure is not None
        ):
            return None  # it may be over, or about to be
        if trio.current_time() > self.host.ownership.valid_until:
            return None  # somebody else may own it by now
        try:
            return life.glance(message)
        except Exception as error:
            if life.decided.is_ahead:
                self.mailbox.put_control(Overreached(error))
            else:
                log.exception("read_failed", entity=self.entity, error=shown(error))
            if isinstance(error, HandlerStuck):
                raise
            return None

    @property
    def head(self) -> Head | None:
        """As claimed; None without a journal, and before the first claim."""
        return self.life.head if self.life is not None else None

    @property
    def flights(self) -> int:
        """Bursts whose commit is awaited."""
        return len(self.in_flight.flights)

    def restarts(self, now: float) -> int:
        """Restarts that still count, `now` on the trio clock."""
        return self._ledger.count(now) if self._ledger is not None else 0

    @property
    def timers(self) -> int:
        """Durable ones, as of this life."""
        return len(self.life.actor.timers) if self.life is not None else 0

    @property
    def actor(self) -> Actor[object] | None:
        return self.life.actor if self.life is not None else None

    # Its lives.

    def begin(self, waking: Waking) -> None:
        """A life with a journal. Sync, so that nobody sees half of it: the former life's flights leave, or are handled
        again."""
        host = self.host
        life = waking.life
        in_flight = self.in_flight
        failure, submitted = in_flight.failure, in_flight.flights
        if failure is not None:  # as a rule there is none
            self._looks_up_ids = self._looks_up_ids or failure is Outcome.REPEATED
        life.once.looks_up_ids = self._looks_up_ids
        life.once.under_way_max = FLIGHTS_MAX * host.mailbox.burst
        ended = self.life
        self.adopt(life, waking.own_rows)
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
            self.fire_due()

    def adopt(self, life: Life, own_rows: OwnRows | None = None) -> None:
        """It is the present one from now on; nothing of the former one takes effect any more."""
        if self.life is None:
            self.host.instruments.activations += 1
        else:
            self._end_life(self.life)
        self.life = life
        life.once.begin(self.host.held.replies)
        self.in_flight.begin(life, own_rows)

    def _end_life(self, life: Life) -> None:
        life.ended = True
        life.once.end()
        self.host.afters.drop(life)

    def may_restart(self, error: Exception) -> bool:
        """A life has ended by this: may there be another?"""
        self.host.instruments.restarts += 1
        if self._ledger is None:
            config = self.host.supervision
            self._ledger = RestartLedger(RestartIntensity(restarts_max=config.restarts_max, window_s=config.window_s))
        if not self._ledger.allow(trio.current_time()):
            log.exception("entity_failed", entity=self.entity, error=shown(error))
            self.host.failures.note(self.entity, "failed", shown(error))
            return False
        log.warning("entity_restarted", entity=self.entity, error=shown(error), exc_info=error)
        self.host.failures.note(self.entity, "restarted", shown(error))
        return True

    def close(self, ending: Ending) -> None:
        """Forget the actor; whoever still waits for an answer gets one. Sync, so that no message slips in between."""
        left = self.mailbox.seal()
        assert not left or ending is not Ending.ASLEEP
        in_flight = self.in_flight
        flights, in_flight.flights = in_flight.flights, ()
        if self.life is not None:
            self._end_life(self.life)
        in_flight.forget_queued()
        self.left_unknown = any(flight.events for flight in flights)
        if self.left_unknown and self.host.inline is not None:
            self.host.inline.left_unknown(self.kind.name)
        moving: list[Item] = []
        if ending is Ending.MOVED:  # whoever owns it next learns from the journal which of them had landed
            moving = repeatable(flights)
        known = {id(one.slot) for one in moving if type(one) is Envelope}
        for answer in answers_of(flights):
            if id(answer.slot) not in known:
                answer.slot.reject(unanswered(ending))
        if self.life is not None:
            self.life.end_laters()
        resting: list[Envelope] = []
        if self.again is not None:
            resting, left = self.again.leave(left)
        if ending is Ending.MOVED:
            doubt(flights)
            moving += [*resting, *left]
            for item in moving:
                if has_rested(item):
                    item.rested = 0  # the next cell counts anew
        else:
            if ending is not Ending.ERASED:
                for envelope in resting:
                    self.host.letters.keep(self.entity, envelope, unhandled(ending))
            for item in left:
                if type(item) is Envelope and item.slot is not None:
                    item.slot.reject(unhandled(ending))
        self._closed(self, ending, moving)

    # What its messages come to.

    def take_off(self, items: list[Item]) -> None:
        """Submit what these messages have decided; what waits for it, or for what was earlier, becomes a flight."""
        assert self.life is not None
        flight = self.life.decided.take(items)
        if flight is not None:
            self.in_flight.launch(flight)

    def struck(self, handled: list[Item], item: Item, rest: list[Item], error: Exception) -> None:
        """A handler raised: what came before it goes out, the message gets a strike, the rest goes back."""
        life = self.life
        assert life is not None
        envelope = enveloped(item)
        back = [*handled, envelope, *rest]
        try:
            life.decided.drop_unfinished()
            self.take_off(handled)
            back = [envelope, *rest]
            if is_away(error):
                back = rest
                if envelope.slot is not None:
                    envelope.slot.reject(StoreAway(str(error)))
                elif envelope.source is None:
                    self.bring_again(envelope)
                return
            if not life.strike(envelope, error, self.host.supervision.strikes_max):
                back = rest
        finally:  # whatever fails here on top of it loses no message
            if self.suspects and back is not rest:
                self.suspects += 1  # it was counted off when it was taken
            self.mailbox.put_back(back)
        if back is rest:
            self._give_up(envelope, error)

    def _put_back(self, again: list[Item], *, lost: int, was_refused: bool) -> None:
        """What the former life's flights came from is handled again. So many messages were `lost` with them."""
        if was_refused and lost == 1:
            again = self._blamed(again)
        if was_refused or self.suspects:
            self.suspects += len(again)
        self.mailbox.put_back(again)

    def _blamed(self, items: list[Item]) -> list[Item]:
        """The store refuses what this one message wrote: a strike. Of several it can't be known which is to blame, so
        they are handled and committed one by one until it is."""
        life = self.life
        assert life is not None
        error = HandlerFailed("the store refuses what this message wrote")
        again: list[Item] = []
        for item in items:
            envelope = enveloped(item)
            if life.strike(envelope, error, self.host.supervision.strikes_max):
                again.append(envelope)
            else:
                self._give_up(envelope, error)
        return again

    def bring_again(self, envelope: Envelope) -> None:
        """The store is away, and nobody sends that message again: it is handled once more after a rest."""
        if self.again is None:
            self.again = Again()
        rests = replace(envelope)
        envelope.deadline = -math.inf  # done with: what was taken with it may be handled again, and it not twice
        if envelope.strikes >= self.host.supervision.strikes_max:
            self._give_up(envelope, StoreAway(f"so it was {envelope.strikes} times, after others had been asked"))
        elif not self.again.put(rests, trio.current_time()):
            self._give_up(envelope, StoreAway("too many wait for it"))

    def come_again(self) -> None:
        """The first that has rested is handled next, once the one before it is."""
        assert self.again is not None
        if any(has_rested(item) for item in self.mailbox):
            return
        if self.suspects:
            self.suspects += 1
        self.mailbox.put_back([self.again.take(trio.current_time())])

    def _give_up(self, envelope: Envelope, error: Exception) -> None:
        if envelope.slot is not None:
            envelope.slot.reject(HandlerFailed(shown(error)))
        self.host.letters.keep(self.entity, envelope, error)

    def fire_due(self) -> None:
        """Put the messages of durable timers that are due into the mailbox."""
        life = self.life
        assert life is not None
        for envelope in life.due_timers(trio.current_time()):
            try:
                self.mailbox.put(envelope)
            except Overloaded:
                assert isinstance(envelope.source, Firing)
                life.once.put_off(envelope.source)

    # Sleep, and what is saved.

    def fall_asleep(self) -> bool:
        """Seal the mailbox, unless there is something to do or to lose. Raises: whatever `may_sleep` raises."""
        life = self.life
        assert life is not None
        mailbox, actor = self.mailbox, life.actor
        has_plans = actor.afters or life.asides or self.again or not actor.may_sleep()
        if len(mailbox) > mailbox.nudges or self.in_flight.flights or has_plans:
            self.last_active = trio.current_time()  # to the end of the line, so that others are asked before it
            return False
        snapshot = self._snapshot(SNAPSHOT_WORTH)
        if snapshot is not None:  # written behind our back: whoever wakes us meanwhile need not wait for it
            self.host.snapshots.write_later(*snapshot, self.kind.limits)
        mailbox.seal()  # with it go nudges that wait
        self.host.instruments.passivations += 1
        return True

    def prepare(self) -> bool:
        """It is to go to another node in a moment: have a snapshot written meanwhile, so that little need be read there
        while somebody waits. False where that is little already."""
        life = self.life
        if life is None or life.head is None or life.actor.offset - life.decided.snapshot_offset < PREPARED_WORTH:
            return False
        snapshot = self._snapshot(PREPARED_WORTH) if self.is_at_rest else None
        if snapshot is None:  # with the next flight, which is to land before it
            life.decided.snapshot_soon(PREPARED_WORTH)
        else:
            life.decided.snapshot_taken(life.actor.offset)
            self.host.snapshots.write_later(*snapshot, self.kind.limits)
        return True

    def last_snapshot(self, *, is_stop: bool) -> tuple[Head, int, bytes] | None:
        """What is to be saved before it stops, or before another node has it."""
        return self._snapshot(SNAPSHOT_WORTH if is_stop else HANDED_OVER_WORTH)

    def _snapshot(self, worth: int) -> tuple[Head, int, bytes] | None:
        """What would be saved of the state: head, offset and body. None when so few events are not worth it."""
        life = self.life
        assert life is not None
        offset, head, decided = life.actor.offset, life.head, life.decided
        if head is None or self.in_flight.flights or offset - decided.snapshot_offset < worth:
            return None
        body = decided.encode_state()
        return None if body is None else (head, offset, body)


def enveloped(item: Item) -> Envelope:
    """A bare message as if it had come in an envelope: nobody waits for its answer."""
    return item if isinstance(item, Envelope) else Envelope(message=item)
