"""The kit: an entity alone, in a test. No server, no database, and no event loop of yours.

    kit = Kit(Room, key="lobby")
    sent = kit.ask(SendMessage(text="hi"), user="ann")
    assert kit.publications[-1]["text"] == "hi"
    kit.restart()  # rebuilt from its events: is the state the same?

It runs the same `Life` as the server, with a journal that always answers at once: messages, replies, events and views
pass through their JSON; a repeated idempotency key gets the first reply; a handler that raises changes nothing; what is
not in `commands` or `internal` is refused; time stands still until `advance`.
"""

import heapq
from collections.abc import Callable, Iterable
from itertools import count
from types import CoroutineType
from typing import Any, Generic, TypeVar

import msgspec
import trio
from msgspec import Raw, Struct
from msgspec.structs import replace

from greenroom.actors.life.async_handler import await_handler, read_aside
from greenroom.actors.life.departures import (
    Answer,
    Departure,
    GivenUp,
    JobsStarted,
    Posted,
    Reading,
    Rejection,
    SnapshotDue,
    TimersSet,
)
from greenroom.actors.life.life import Life, RefusedTooLate
from greenroom.actors.life.turn import Turn
from greenroom.actors.model.actor import Actor
from greenroom.actors.model.effects import After, Ephemeral, Kick, Nudge, StartJob, Told
from greenroom.actors.model.entity import split_entity
from greenroom.actors.model.envelope import Envelope, Firing, digest_of, own_command_id
from greenroom.actors.model.errors import ActorError
from greenroom.actors.model.kinds import Kind, Kinds
from greenroom.actors.model.lifecycle import NOTED, Answered, AudienceChanged, Inspect, Inspected, Undelivered
from greenroom.actors.model.message import Ask, Done, Event, Message, Reply
from greenroom.actors.model.notice import Push
from greenroom.actors.model.principal import SYSTEM, Principal
from greenroom.actors.testing.sessions import with_sessions
from greenroom.actors.testing.started_jobs import StartedJobs
from greenroom.actors.testing.virtual_time import run_through
from greenroom.actors.testing.wire import Slot, arrived, reply_to
from greenroom.actors.testing.world import KitWorld
from greenroom.store.journal.consequences.timers import TimerRow
from greenroom.store.journal.dead_letters import DeadLetter
from greenroom.store.journal.records import Claimed, Head, StoredEvent
from greenroom.store.views.asked import Asked, Row, Rows

RETRY_S = 1.0  # until a durable timer that was refused for now fires again, about
EPOCH_S = 1_750_000_000.0  # where time begins unless told otherwise: fixed, so that tests repeat
encode = msgspec.json.encode
decode = msgspec.json.decode

State = TypeVar("State")
A_co = TypeVar("A_co", bound=Actor[object], covariant=True)


class Notice(Struct, frozen=True):
    """What an entity shows on a user's devices."""

    user: str
    data: Any  # as its JSON decodes


class Waiting(Generic[Reply]):
    """Whoever asked something that is answered with another message."""

    def __init__(self, message: Ask[Reply], slot: Slot) -> None:
        self._message = message
        self._slot = slot

    @property
    def is_answered(self) -> bool:
        return self._slot.is_answered

    @property
    def reply(self) -> Reply:
        """Raises: what it was refused with, AssertionError where it has not been answered."""
        reply: Reply = reply_to(self._message, self._slot.answer())
        return reply


class Kit(Generic[A_co]):
    """One entity under test. What it did piles up in the attributes, oldest first.

    `others` are the kinds that it speaks to: with them given, what it tells is checked as the server checks it. The
    built-in kind `session`, which `notify` tells, is always among them. `jobs`, a JobKit, runs the jobs that it starts.
    """

    def __init__(
        self,
        actor: type[A_co],
        key: str = "test",
        *,
        now: float = EPOCH_S,
        others: Iterable[type[Actor[object]]] | None = None,
        jobs: StartedJobs | None = None,
    ) -> None:
        self.kind = Kind(actor)
        self.entity = f"{self.kind.name}:{key}"
        split_entity(self.entity)
        self.events: list[Event] = []
        self.publications: list[Any] = []  # the JSON of the events, as subscribers receive it
        self.ephemerals: list[Any] = []  # the JSON of publications without an offset
        self.told: list[Told] = []  # messages to other entities, those to sessions too
        self.started: list[StartJob] = []  # jobs: `job` is the instance, `row` what is stored
        self.kicked: list[Kick] = []
        self.nudged: list[Nudge] = []
        self.letters: list[DeadLetter] = []  # timers' messages that were refused for good
        self._journal: list[StoredEvent] = []
        self._timers: dict[str, TimerRow] = {}  # durable timers, as stored
        self._afters: list[tuple[float, int, Life, Message]] = []
        self._refusal: ActorError | None = None  # what a timer's message was refused with: nobody else would hear of it
        self._asides: list[Reading] = []
        self._numbers = count(1)
        kinds = None if others is None else Kinds(with_sessions((actor, *others)))
        self._world = KitWorld(self.kind, kinds, now)
        self._jobs = jobs
        if jobs is not None:
            self._world.jobs = jobs.joined(self)
        self._life = self._wake(None)

    @property
    def actor(self) -> A_co:
        actor: A_co = self._life.actor  # type: ignore[assignment]
        return actor

    @property
    def state(self: "Kit[Actor[State]]") -> State:
        return self.actor.state

    @property
    def offset(self) -> int:
        return self._life.actor.offset

    @property
    def now(self) -> float:
        """Unix s, of a clock that `advance` and `miss` alone move."""
        return self._world.now_s

    @property
    def audience(self) -> list[Principal]:
        """Who watches it."""
        return self._world.watching

    @property
    def asked(self) -> list[Told]:
        """Questions to other entities, oldest first."""
        return self._world.asked

    @property
    def notified(self) -> list[Notice]:
        """What it showed on users' devices, by `notify` or otherwise: of what it told, the pushes to their sessions."""
        return [
            Notice(split_entity(told.entity)[1], decode(encode(told.message.data)))
            for told in self.told
            if isinstance(told.message, Push)
        ]

    # Speaking to it.

    def ask(
        self,
        message: Ask[Reply],
        *,
        user: str | None = None,
        roles: tuple[str, ...] = (),
        principal: Principal | None = None,
    ) -> Reply:
        """The reply to a command of `user`; with no user, of Greenroom itself. Raises: Refused and its like."""
        reply: Reply = self._run(message, principal or _principal(user, roles))
        return reply

    def tell(
        self,
        message: Message,
        *,
        user: str | None = None,
        roles: tuple[str, ...] = (),
        principal: Principal | None = None,
    ) -> None:
        """As `ask`, for messages without a reply. Raises: Refused and its like."""
        self._run(message, principal or _principal(user, roles))

    async def ask_async(
        self,
        message: Message,
        *,
        user: str | None = None,
        roles: tuple[str, ...] = (),
        principal: Principal | None = None,
    ) -> Any:
        """As `ask`, of an entity with async handlers from a test that is async itself."""
        envelope = self._envelope(message, principal or _principal(user, roles))
        slot = envelope.slot
        waiting = self._handle(envelope)
        if waiting is not None:
            await self._await(waiting, envelope)
        if self._asides:
            envelope.slot = slot
            await self._read_asides()
        return _reply_of(envelope)

    def ask_later(
        self,
        message: Ask[Reply],
        *,
        user: str | None = None,
        roles: tuple[str, ...] = (),
        principal: Principal | None = None,
    ) -> Waiting[Reply]:
        """As `ask`, of a question that the entity may answer with another message."""
        envelope = self._envelope(message, principal or _principal(user, roles))
        slot = envelope.slot
        assert isinstance(slot, Slot)
        self._finish(envelope)
        return Waiting(message, slot)

    def bring(self, message: Message) -> None:
        """What the runtime itself brings it, which passes no wire."""
        self._finish(Envelope(message=message, principal=SYSTEM, slot=Slot()))

    def when_asked(self, entity: str, answer: Callable[[Any], Any]) -> None:
        """Play another entity: `answer(message)` returns the reply to what ours asks it, or raises."""
        self._world.answers[entity] = answer

    def when_glanced(self, entity: str, answer: Callable[[Any], Any]) -> None:
        """Play another entity that is awake beside ours: `answer(message)` returns what it replies at once,
        or None where it has to be asked."""
        self._world.glanced[entity] = answer

    def when_queried(self, row: type[Row], find: Callable[[str, Asked], Rows[Row]]) -> None:
        """Play a view: `find(key, asked)` returns the rows that a query of ours finds; of many pages, of each."""
        self._world.found[row] = find

    def answered(self, told: Told, reply: Any = None) -> None:
        """What it told another entity, with `about`, has been done there."""
        reply = Done() if reply is None else reply
        self._run(Answered(entity=told.entity, about=told.about, reply=Raw(encode(reply))), SYSTEM)

    def undelivered(self, told: Told, name: str, detail: str = "") -> None:
        """What it told another entity, with `about`, was refused there for good."""
        self._run(Undelivered(entity=told.entity, about=told.about, name=name, detail=detail), SYSTEM)

    # Watching it.

    def view(self) -> Any:
        """The view, as its JSON decodes."""
        return decode(encode(self._life.actor.view()))

    def watch(
        self,
        *,
        user: str | None = None,
        roles: tuple[str, ...] = (),
        client: str = "",
        principal: Principal | None = None,
    ) -> Any:
        """Subscribe, and see the view. Raises: Refused when `may_watch` says no."""
        if principal is None:
            client = client or f"client-{next(self._numbers)}"
            principal = replace(_principal(user, roles), client=client)
        envelope = Envelope(message=Inspect(), principal=principal, slot=Slot())
        self._handle(envelope)
        inspected = _answer_of(envelope)
        assert isinstance(inspected, Inspected)
        self._world.watching.append(principal)
        self._handle(Envelope(message=AudienceChanged(joined=True), principal=principal))
        return decode(inspected.view)

    def unwatch(self, *, client: str) -> None:
        """That connection ceases to watch."""
        for principal in self.audience[:]:
            if principal.client == client:
                self._world.watching.remove(principal)
                self._handle(Envelope(message=AudienceChanged(joined=False), principal=principal))

    # Time, and the end of it.

    def advance(self, seconds: float) -> None:
        """Let time pass. Timers, durable ones too, fire in order, each at its time.

        Raises: what a handler raises or refuses with; what it refuses for good is among `letters` too.
        """
        until = self.now + seconds
        while True:
            first = min(self._timers.values(), key=lambda row: row.due_ms, default=None)
            if self._afters and (first is None or self._afters[0][0] * 1000 < first.due_ms):
                if self._afters[0][0] > until:
                    break
                at, _, life, message = heapq.heappop(self._afters)
                if life is self._life:
                    life.actor.afters -= 1
                    self._world.now_s = max(self.now, at)
                    self._run(message, SYSTEM)
            elif first is not None and max(self.now, first.due_ms / 1000) <= until:
                self._world.now_s = max(self.now, first.due_ms / 1000)
                self._fire(first)
            else:
                break
        self._world.now_s = until

    def leap(self, seconds: float) -> None:
        """The same as where a clock is set: what has come due by then comes late, and once."""
        self._world.now_s += seconds
        self.advance(0.0)

    def _fire(self, row: TimerRow) -> None:
        due = self._life.due_timers(0.0)
        assert due, f"{row.name} is due and has no message that its kind knows"
        before = dict(self._timers)
        life = self._life
        while due:
            try:
                self._finish(due.pop(0))
            except Exception:
                for later in due if life is self._life else ():
                    assert isinstance(later.source, Firing)
                    life.once.put_off(later.source)
                raise
        if self._timers == before:
            self._world.now_s += RETRY_S  # all were refused for now

    def miss(self, seconds: float) -> None:
        """Let time pass while nobody runs: what of durable timers comes late, comes with the next `advance`."""
        self._world.now_s += seconds
        self.restart()

    def restart(self, *, from_snapshot: bool = False) -> None:
        """Build the actor anew from its events, or from its state as a snapshot. Only durable timers are kept.

        Raises: AssertionError when it wakes with another state than it fell asleep with.
        """
        before = self._life.actor
        snapshot = self.kind.encode_state(before.state) if from_snapshot and before.durable else None
        self._life = self._wake(snapshot)
        if before.durable:
            assert self._life.actor.state == before.state, (
                f"{self.entity} woke up changed.\nbefore: {before.state}\nafter:  {self._life.actor.state}"
            )

    def _wake(self, snapshot: bytes | None) -> Life:
        if not self.kind.actor.durable:
            life = Life(self.kind, self.entity, self._world, Turn())
            if self.kind.begins:
                run_through(life.actor.begin)
            return life
        head = Head(1, self.entity, 1, "kit", len(self._journal))
        life = Life(self.kind, self.entity, self._world, Turn(), head)
        offset = 0 if snapshot is None else head.offset
        life.wake(Claimed(head, snapshot, offset, self._journal, timers=list(self._timers.values())))
        if self.kind.begins:
            run_through(life.actor.begin)
        return life

    # As a cell does it.

    def _run(self, message: Message, principal: Principal) -> Any:
        envelope = self._envelope(message, principal)
        self._finish(envelope)
        return _reply_of(envelope)

    def _finish(self, envelope: Envelope) -> None:
        slot = envelope.slot
        waiting = self._handle(envelope)
        if waiting is not None:
            run_through(self._await, waiting, envelope)
        if self._asides:
            envelope.slot = slot
            run_through(self._read_asides)

    async def _read_asides(self) -> None:
        while self._asides:
            due = self._asides.pop(0)
            try:
                await read_aside(due, due.read(None), trio.lowlevel.checkpoint)
            finally:
                self._life.asides -= 1

    def _envelope(self, message: Message, principal: Principal) -> Envelope:
        """As `message` arrives when it is sent as JSON. Raises: InvalidCommand, UnknownCommand."""
        message = arrived(message, principal, self.kind)
        envelope = Envelope(message=message, principal=principal, slot=Slot())
        if message.idempotency_key is not None:
            envelope.command_id = own_command_id(principal, message.idempotency_key)
            envelope.digest = digest_of(message)
        return envelope

    def _handle(self, envelope: Envelope) -> "CoroutineType[object, object, object] | None":
        """Handle it; a coroutine when the handler is async."""
        life = self._life
        try:
            life.handle([envelope], 0, 0.0, in_flight=True)
        except Exception as error:
            self._fail(error)
            raise
        waiting, life.waits_for = life.waits_for, None
        if isinstance(waiting, CoroutineType):
            return waiting
        assert waiting is None, "the kit's journal has nothing that its life does not know"
        self._let_out(envelope)
        return None

    async def _await(self, waiting: "CoroutineType[object, object, object]", envelope: Envelope) -> None:
        try:
            await await_handler(self._life, waiting, envelope)
        except Exception as error:
            self._fail(error)
            raise
        self._let_out(envelope)

    def _fail(self, error: Exception) -> None:
        """A handler raised: nothing that it recorded or named shall have been."""
        self._life.end_laters()
        self._life = self._wake(None)
        if isinstance(error, RefusedTooLate):
            raise AssertionError(str(error)) from error.__cause__

    def _let_out(self, envelope: Envelope) -> None:
        """What the handler recorded and named: all of it is durable at once."""
        flight = self._life.decided.take([envelope])
        if flight is None:
            if self._jobs is not None:  # it may have asked for something to be read
                self._jobs.committed(self, None)
            return
        if self.kind.actor.durable:
            self._journal += flight.events
        if flight.consequences is not None:
            for name, row in (flight.consequences.timers or {}).items():
                if row is None:
                    self._timers.pop(name, None)
                else:
                    self._timers[name] = row
        for departure in flight.departures:
            self._depart(departure)
        refusal, self._refusal = self._refusal, None
        if self._jobs is not None:
            self._jobs.committed(self, flight.consequences.jobs if flight.consequences is not None else None)
        if refusal is not None:
            raise refusal

    def _depart(self, departure: Departure) -> None:
        match departure:
            case StoredEvent():
                self._publish(departure)
            case Answer():
                departure.slot.resolve(departure.reply, departure.encoded)
            case Rejection():
                departure.slot.reject(departure.error)
            case Ephemeral():
                self.ephemerals.append(decode(encode(departure.data)))
            case Reading():
                self._asides.append(departure)
            case Told():
                self.told.append(departure)
            case Posted():
                self.told += departure.told
            case After():
                at = self.now + departure.seconds
                heapq.heappush(self._afters, (at, next(self._numbers), self._life, departure.message))
            case Kick():
                self.kicked.append(departure)
            case Nudge():
                self.nudged.append(departure)
            case GivenUp():
                self.letters += [] if departure.letter is None else [departure.letter]
                self._refusal = departure.error
            case JobsStarted():
                self.started += departure.started
            case TimersSet() | SnapshotDue():
                pass  # the kit looks at all timers, and keeps all events

    def _publish(self, event: StoredEvent) -> None:
        if event.payload == NOTED:
            return  # the runtime's own
        tags = [one.__struct_config__.tag for one in self.kind.actor.events]
        data = decode(event.payload)
        assert data["type"] in tags, f"{data['type']} is not among `events`"
        self.events += self.kind.decode_events(event.payload)
        shown = self.kind.showing.shown(event)
        if shown is not None:
            self.publications.append(decode(shown.payload))


def _answer_of(envelope: Envelope) -> Any:
    """Raises: what it was refused with."""
    assert envelope.slot is not None, "it is answered with another message: use `ask_later`"
    assert isinstance(envelope.slot, Slot)
    return envelope.slot.answer()


def _reply_of(envelope: Envelope) -> Any:
    """The reply, through its JSON. Raises: what it was refused with, AssertionError for a reply of another type."""
    return reply_to(envelope.message, _answer_of(envelope))


def _principal(user: str | None, roles: tuple[str, ...]) -> Principal:
    return SYSTEM if user is None else Principal(user=user, roles=frozenset(roles))
