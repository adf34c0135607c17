"""What the burst under way has decided: recorded and named by its handlings, encoded, and held until it is a flight."""

import msgspec
import structlog

from greenroom.actors.life.departures import Answer, Departure, GivenUp, JobsStarted, Posted, SnapshotDue, TimersSet
from greenroom.actors.life.flights import Flight
from greenroom.actors.life.gathered import NOTHING, answer_to, encode_outgoing, gather
from greenroom.actors.life.once import DONE, Once
from greenroom.actors.life.outgoing import Outgoing, encode_body
from greenroom.actors.life.turn import Turn
from greenroom.actors.model.actor import NO_TIMERS, Actor
from greenroom.actors.model.effects import Ephemeral, StartJob, Told
from greenroom.actors.model.envelope import Envelope, Firing, Origin
from greenroom.actors.model.kinds import Kind
from greenroom.actors.model.lifecycle import Noted
from greenroom.actors.model.mailbox import Item
from greenroom.config.telemetry.shown import shown
from greenroom.store.journal.consequences.consequences import Consequences
from greenroom.store.journal.consequences.letters import Letters
from greenroom.store.journal.consequences.marks import Marks
from greenroom.store.journal.consequences.outbox import Outbox, OutboxRow
from greenroom.store.journal.consequences.timers import TimerRow, Timers
from greenroom.store.journal.records import Head, Remembered, StoredEvent

log = structlog.get_logger("greenroom.cell")
encode = msgspec.json.encode

NOBODY: frozenset[str] = frozenset()
MET_MAX = 100  # receivers of an entity that was new with its life


class Decided:
    """Of one life: `collect` after each handling, `take` when the burst, or the part before a wait, is to leave.

    What takes effect once is noted in `once` as it is collected.
    """

    __slots__ = (
        "_actor",
        "_consequences",
        "_events",
        "_fence",
        "_head",
        "_kind",
        "_met",
        "_once",
        "_posted",
        "_snapshot_worth",
        "_started",
        "_taken",
        "_turn",
        "departures",
        "is_ahead",
        "snapshot_offset",
    )  # fmt: skip

    def __init__(self, kind: Kind, actor: Actor[object], head: Head | None, once: Once, turn: Turn) -> None:
        self.departures: list[Departure] | tuple[()] = ()  # among them all events: while there are none, nothing waits
        self.snapshot_offset = 0  # of the newest snapshot
        self.is_ahead = False  # the state is of what never was: no snapshot is made of it
        self._snapshot_worth = kind.limits.snapshot_every  # events since then, from which on another is made
        self._kind = kind
        self._actor = actor
        self._head = head
        self._fence = head.fence if head is not None else 0  # 0 is nobody's fence: without a journal
        self._once = once
        self._turn = turn
        self._events: list[StoredEvent] | tuple[()] = ()
        self._consequences: Consequences | None = None
        self._posted: tuple[list[Outgoing], list[Told]] | None = None
        self._started: list[StartJob] | None = None
        self._taken = 0  # the actor's offset as of the last flight
        self._met: set[str] | tuple[()] | None = None  # see `_met_with`; no set where nothing was told, as by most

    def begin(self, snapshot_offset: int) -> None:
        """The actor has been built from what is stored."""
        self.snapshot_offset = snapshot_offset
        self._taken = self._actor.offset
        if self._head is not None and self._head.offset == 0:
            self._met = ()
        self.show_timers()

    def snapshot_taken(self, offset: int) -> None:
        """A snapshot of the state as of `offset` is being written."""
        self.snapshot_offset = offset
        self._snapshot_worth = self._kind.limits.snapshot_every

    def snapshot_soon(self, worth: int) -> None:
        """Make the next one already after so many events."""
        self._snapshot_worth = min(worth, self._snapshot_worth)

    def collect(self, envelope: Envelope | None, reply: object, given_up: GivenUp | None = None) -> None:
        """Move what the handler recorded and named into the burst. Raises: whatever encoding it raises; then, as after
        any other exception of a handler, nothing of it may stay."""
        actor = self._actor
        effects = actor.effects
        source = envelope.source if envelope is not None and actor.durable else None
        others = effects.others
        is_shown = len(others) == 1 and type(others[0]) is Ephemeral  # alone, as a session's presence is
        if source is None and (is_shown or not others):  # as most are
            encoded = self._store_events(envelope, reply) if effects.events else None
            if is_shown:
                effects.others = ()
                self.depart(others[0])  # type: ignore[misc, arg-type]
            if envelope is not None and envelope.slot is not None:
                self.depart(Answer(envelope.slot, DONE if reply is None else reply, encoded))
            return
        gathered = gather(self._kind, effects.others, self._once.timers) if effects.others else NOTHING
        told = gathered.told
        if (
            type(source) is Origin
            or told
            or gathered.timers
            or gathered.jobs is not None
            or given_up is not None
            or (type(source) is Firing and effects.others)
        ):
            # What a timer does waits until that it has fired is durable, or it would be done again.
            # Handled without consequence is also something that only an append can know: a cell that was overtaken
            # decides from an old state, and the sender would take its word and forget the message.
            self._note_unless_recorded()
        sent = told
        if type(source) is Origin and source.about and given_up is None:
            sent = [*told, answer_to(source, actor.entity, reply)]
        outgoing: list[Outgoing] | None = None
        if sent:
            assert self._head is not None
            trace = envelope.trace if envelope is not None else None
            outgoing = encode_outgoing(self._head.position(actor.offset), sent, trace)
        encoded = self._store_events(envelope, reply) if effects.events else None
        # From here on nothing raises: had something not been encodable, none of it may stay.
        effects.others = ()
        if source is not None:
            self.mark(source)
        if outgoing is not None:
            if self._posted is None:
                self._posted = (outgoing, [*told])  # none of them is anybody's to add to
            else:
                self._posted[0].extend(outgoing)
                self._posted[1].extend(told)
        if given_up is not None:
            if given_up.letter is not None:
                consequences = self._consequences_needed()
                if consequences.letters is None:
                    consequences.letters = Letters()
                consequences.letters.append(given_up.letter)
            self.depart(given_up)
        if gathered.timers:
            self._change_timers(gathered.timers)
        if gathered.jobs is not None:
            consequences = self._consequences_needed()
            if consequences.jobs is None:
                consequences.jobs = gathered.jobs
            else:
                consequences.jobs.merge(gathered.jobs)
            if gathered.started:
                self._started = [*(self._started or ()), *gathered.started]
        if gathered.leaving:
            self._depart_all(gathered.leaving)
            actor.afters += gathered.afters
        if envelope is not None and envelope.slot is not None:
            self.depart(Answer(envelope.slot, DONE if reply is None else reply, encoded))
        if gathered.kicks:
            self._depart_all(gathered.kicks)

    def _depart_all(self, departures: list[Departure]) -> None:
        if self.departures:
            self.departures += departures
        else:
            self.departures = [*departures]

    def depart(self, departure: Departure) -> None:
        """What leaves the entity with the burst, behind what does so already."""
        if self.departures:
            self.departures.append(departure)
        else:
            self.departures = [departure]

    def _store_events(self, envelope: Envelope | None, reply: object) -> bytes | None:
        """Move what the handler recorded into the burst, as it will be stored; returns the reply as JSON, where a
        command id wants it kept with the events. Raises: whatever encoding them raises, and then none of them is moved.
        """
        actor = self._actor
        effects = actor.effects
        recorded = effects.events
        offset = actor.offset - len(recorded)
        at_ms = actor.at_ms
        fence = self._fence
        info = envelope.principal.info if envelope is not None else None
        stored = [
            StoredEvent(number, at_ms, encode(event), info, None, None, None, fence)
            for number, event in enumerate(recorded, offset + 1)
        ]
        encoded: bytes | None = None
        if envelope is not None and (command_id := envelope.command_id) is not None:
            encoded = encode(DONE if reply is None else reply)
            last = stored[-1]
            last.command_id, last.reply, last.digest = command_id, encoded, envelope.digest
            self._once.remember(command_id, Remembered(encoded, envelope.digest))
        effects.events = ()
        if self._events:
            self._events += stored
        else:
            self._events = stored
        if self.departures:
            self.departures += stored
        else:
            self.departures = [*stored]
        return encoded

    def mark(self, source: Origin | Firing) -> None:
        """It has been handled."""
        once = self._once
        if type(source) is Origin:
            assert once.marks is not None
            once.marks.mark(source)
            consequences = self._consequences_needed()
            if consequences.marks is None:
                consequences.marks = Marks()
            consequences.marks[source.sender] = source.seq
        elif type(source) is Firing:
            self._actor.fired = None
            timers = once.timers_needed()
            if timers.is_due(source):
                self._change_timers({source.name: timers.following(source)})

    def take(self, items: list[Item]) -> Flight | None:
        """The flight of what `items` have decided; None when that is nothing. `through` is the actor's offset."""
        events, departures, consequences = self._events or [], self.departures or [], self._consequences
        if not departures and consequences is None and self._posted is None:
            return None
        self._events, self.departures, self._consequences = (), (), None
        through = self._taken = self._actor.offset
        if self._posted is not None:
            head = self._head
            assert head is not None
            (outgoing, told), self._posted = self._posted, None
            row = OutboxRow(head.position(through), encode_body(outgoing), head.id, self._actor.entity, head.shard)
            consequences = consequences or Consequences()
            consequences.outbox = Outbox([row])
            departures.append(Posted(row, outgoing, told, self._met_with(outgoing), self._turn.serial))
        if self._started:
            departures.append(JobsStarted(self._started))
            self._started = None
        if consequences is not None and consequences.timers:
            set_ms = [row.due_ms for row in consequences.timers.values() if row is not None]
            if set_ms:
                departures.append(TimersSet(set_ms))
        if events and self._fence and through - self.snapshot_offset >= self._snapshot_worth:
            self.snapshot_taken(through)
            body = self.encode_state()
            if body is not None:
                departures.append(SnapshotDue(through, body))
        return Flight(through, self._fence, events, consequences, departures, items)

    def _met_with(self, outgoing: list[Outgoing]) -> frozenset[str]:
        """Which receivers its entity tells something for the first time: only of one that was new with this life, and
        has told few, is that certain."""
        met = self._met
        if met is None:
            return NOBODY
        new = frozenset([one.entity for one in outgoing if one.entity not in met])
        if len(met) + len(new) > MET_MAX:
            self._met = None
            return NOBODY
        self._met = {*met, *new}
        return new

    def drop_unfinished(self) -> None:
        """A handler raised: what it recorded and named never was. The state stays ahead, so this life is to end."""
        self.is_ahead = True
        self._actor.effects.drop()
        self._actor.offset = self._events[-1].offset if self._events else self._taken

    def encode_state(self) -> bytes | None:
        """None when the state can't be encoded, is ahead, or may lack what a newer release has recorded: then waking
        replays the journal, which has it all."""
        if self._kind.is_behind or self.is_ahead:
            return None
        try:
            return self._kind.encode_state(self._actor.state)
        except Exception as error:  # the entity's own types may raise anything
            log.exception("snapshot_failed", entity=self._actor.entity, error=shown(error))
            return None

    def show_timers(self) -> None:
        """What the actor sees of its durable timers."""
        timers = self._once.timers
        self._actor.timers = NO_TIMERS if timers is None else timers.rows or NO_TIMERS

    def _note_unless_recorded(self) -> None:
        """Something becomes durable, even when the entity has recorded nothing itself."""
        actor = self._actor
        if actor.effects.events:
            return
        actor.offset += 1
        actor.at_ms = int(actor.runtime.now() * 1000)
        actor.effects.record(Noted())

    def _change_timers(self, changes: dict[str, TimerRow | None]) -> None:
        timers = self._once.timers_needed()
        for name, row in changes.items():
            if timers.put(name, row):
                consequences = self._consequences_needed()
                if consequences.timers is None:
                    consequences.timers = Timers()
                consequences.timers[name] = row
        self._actor.timers = timers.rows or NO_TIMERS

    def _consequences_needed(self) -> Consequences:
        if self._consequences is None:
            self._consequences = Consequences()
        return self._consequences
