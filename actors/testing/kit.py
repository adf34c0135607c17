"""The kit: an entity alone, in a test. No server, no database, and no event loop of yours.

    kit = Kit(Room, key="lobby")
    sent = kit.ask(SendMessage(text="hi"), user="ann")
    assert kit.publications[-1]["text"] == "hi"
    kit.restart()  # rebuilt from its events: is the state the same?

It keeps the runtime's promises: messages, replies, events and views pass through their JSON; a repeated idempotency
key gets the first reply; a handler that raises changes nothing; time stands still until `advance`.
"""

import heapq
from collections.abc import Callable
from itertools import count
from types import CoroutineType
from typing import Any

import msgspec
import trio
from msgspec import Raw

from greenroom.actors.model.actor import Actor
from greenroom.actors.model.effects import CancelTimer, Ephemeral, Kick, SetTimer, Timer, Told, Watch
from greenroom.actors.model.envelope import digest_of, own_command_id
from greenroom.actors.model.errors import ActorError, DeadlineExceeded, InvalidCommand, Refused, UnknownCommand
from greenroom.actors.model.kinds import Kind
from greenroom.actors.model.lifecycle import REPORTS, Answered, Terminated, Undelivered
from greenroom.actors.model.message import Ask, Done, Event, Message, Reply, reply_type
from greenroom.actors.model.principal import SYSTEM, Principal
from greenroom.actors.model.schedule import DurableTimer, Fired, encode_timer
from greenroom.store.journal.journal import Remembered, TimerRow

EPOCH_S = 1_750_000_000.0  # where time begins unless told otherwise: fixed, so that tests repeat
encode = msgspec.json.encode
decode = msgspec.json.decode


class Kit:
    """One entity under test. What it did piles up in the attributes, oldest first."""

    def __init__(self, actor: type[Actor[Any]], key: str = "test", *, now: float = EPOCH_S) -> None:
        self.kind = Kind(actor)
        self.entity = f"{self.kind.name}:{key}"
        self.now = now  # Unix s
        self.events: list[Event] = []
        self.publications: list[Any] = []  # the JSON of the events, as subscribers receive it
        self.ephemerals: list[Any] = []  # likewise of publications without an offset
        self.told: list[Told] = []  # messages to other entities
        self.asked: list[Told] = []  # questions to other entities
        self.kicked: list[Kick] = []
        self.watched: list[str] = []
        self.audience: list[Principal] = []
        self._answers: dict[str, Callable[[Any], Any]] = {}
        self._journal: list[tuple[int, bytes]] = []  # when (Unix ms), JSON
        self._remembered: dict[str, Remembered] = {}  # by command id
        self._timers: list[tuple[float, int, Timer]] = []
        self._timer_keys: dict[str, int] = {}
        self._durable_timers: dict[str, TimerRow] = {}
        self._numbers = count(1)
        self._runtime = _Runtime(self)
        self.actor = actor(self.entity, self._runtime)
        self.actor.timers = self._durable_timers

    @property
    def state(self) -> Any:
        return self.actor.state

    @property
    def offset(self) -> int:
        return self.actor.offset

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
        reply = self._begin(message, principal or _principal(user, roles))
        return await reply if isinstance(reply, CoroutineType) else reply

    def when_asked(self, entity: str, answer: Callable[[Any], Any]) -> None:
        """Play another entity: `answer(message)` returns the reply to what ours asks it, or raises."""
        self._answers[entity] = answer

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
        return decode(encode(self.actor.view()))

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
            principal = msgspec.structs.replace(_principal(user, roles), client=client)
        self.actor.principal = principal
        self.actor.may_watch()
        view = self.view()
        self.audience.append(principal)
        self._change_audience(principal, joined=True)
        return view

    def unwatch(self, *, client: str) -> None:
        """That connection ceases to watch."""
        for principal in self.audience[:]:
            if principal.client == client:
                self.audience.remove(principal)
                self._change_audience(principal, joined=False)

    # Time, and the end of it.

    def advance(self, seconds: float) -> None:
        """Let time pass. Timers, durable ones too, fire in order, each at its time."""
        until = self.now + seconds
        while True:
            first = min(self._durable_timers.values(), key=lambda row: row.due_ms, default=None)
            if self._timers and (first is None or self._timers[0][0] * 1000 < first.due_ms):
                if self._timers[0][0] > until:
                    break
                at, number, timer = heapq.heappop(self._timers)
                if timer.key and self._timer_keys.get(timer.key) != number:
                    continue  # a later one took its place
                self._timer_keys.pop(timer.key, None)
                self.now = max(self.now, at)
                self._run(timer.message, SYSTEM)
            elif first is not None and first.due_ms / 1000 <= until:
                self.now = max(self.now, first.due_ms / 1000)
                self._fire(first)
            else:
                break
        self.now = until

    def miss(self, seconds: float) -> None:
        """Let time pass while nobody runs: what of durable timers comes late, comes with the next `advance`."""
        self.now += seconds
        self.restart()

    def _fire(self, row: TimerRow) -> None:
        timer = decode(row.body, type=DurableTimer)
        occurrence, following = timer.schedule.fire(row.due_ms, int(self.now * 1000))
        self.actor.timers = self._durable_timers.copy()  # the handler sees those of the message before
        if following is None:
            del self._durable_timers[row.name]
        else:
            self._durable_timers[row.name] = TimerRow(row.name, following, row.body)
        try:
            if occurrence is not None:
                self.actor.fired = Fired(row.name, occurrence / 1000)
                self._run(self.kind.decode_message(timer.message), SYSTEM)
        finally:
            self.actor.fired = None
            self.actor.timers = self._durable_timers

    def restart(self, *, from_snapshot: bool = False) -> None:
        """Build the actor anew from its events, or from its state as a snapshot. Only durable timers are kept.

        Raises: AssertionError when it wakes with another state than it fell asleep with.
        """
        before = self.actor
        self._rebuild(before.state if from_snapshot else None)
        if before.durable:
            assert self.actor.state == before.state, (
                f"{self.entity} woke up changed.\nbefore: {before.state}\nafter:  {self.actor.state}"
            )

    def _rebuild(self, snapshot: Any) -> None:
        actor = type(self.actor)(self.entity, self._runtime)
        if actor.durable and snapshot is not None:
            actor.state = self.kind.decode_state(self.kind.encode_state(snapshot))
            actor.offset = len(self._journal)
        else:
            for at_ms, payload in self._journal:
                assert self.kind.decode_event is not None
                actor.offset += 1
                actor.at_ms = at_ms
                actor.apply(self.kind.decode_event(payload))
        self._timers, self._timer_keys = [], {}
        actor.timers = self._durable_timers
        self.actor = actor

    # As a cell does it.

    def _run(self, message: Message, principal: Principal) -> Any:
        reply = self._begin(message, principal)
        if isinstance(reply, CoroutineType):
            from trio.testing import MockClock  # here, since a node imports this module too and never needs it

            waiting = reply

            async def wait() -> Any:
                return await waiting

            return trio.run(wait, clock=MockClock(autojump_threshold=0))
        return reply

    def _begin(self, message: Message, principal: Principal) -> Any:
        """Handle a message: the reply, or a coroutine that ends with it."""
        message = self._check(message, principal)
        if message.idempotency_key is not None:
            known = self._remembered.get(own_command_id(principal, message.idempotency_key))
            if known is not None:
                if known.digest != digest_of(message):
                    raise Refused("command_id.reused", "used before, with other fields", status=409)
                return decode(known.reply, type=reply_type(type(message)) or Done)
        self.actor.principal = principal
        try:
            reply = self.actor.handle(message)
        except Exception as error:
            self._fail(error)
            raise
        if isinstance(reply, CoroutineType):
            return self._finish(message, reply)
        return self._settle(message, reply)

    async def _finish(self, message: Message, waiting: Any) -> Any:
        limit_s = self.kind.limits.async_handler_s
        with trio.move_on_after(limit_s):
            try:
                reply = await waiting
            except Exception as error:
                self._fail(error)
                raise
            return self._settle(message, reply)
        late = DeadlineExceeded(f"the handler took longer than {limit_s:.3g} s")
        self._fail(late)
        raise late

    def _check(self, message: Message, principal: Principal) -> Message:
        """What arrives when `message` is sent as JSON. Raises: InvalidCommand, UnknownCommand."""
        if isinstance(message, (Terminated, *REPORTS)):
            return message
        allowed = [command.message for command in self.kind.commands.values()]
        if principal.system:
            allowed.extend(self.kind.actor.internal)
        if type(message) not in allowed:
            raise UnknownCommand(f"{self.kind.name} takes no {type(message).__qualname__} from {principal.user!r}")
        try:
            return decode(encode(message), type=type(message))
        except msgspec.ValidationError as error:
            raise InvalidCommand(str(error)) from None

    def _fail(self, error: Exception) -> None:
        """A handler raised: nothing that it recorded or named shall have been."""
        effects = self.actor.effects
        effects.others = []
        if not effects.events and isinstance(error, ActorError):
            return
        refused_late = bool(effects.events) and isinstance(error, ActorError)
        self._rebuild(None)
        if refused_late:
            raise AssertionError(f"{error!r} after recording: refuse first, then record") from error

    def _settle(self, message: Message | None, reply: Any) -> Any:
        """Let out what the handler recorded and named."""
        actor = self.actor
        recorded, actor.effects.events = actor.effects.events, []
        for event in recorded:
            assert type(event) in actor.events, f"{type(event).__qualname__} is not among `events`"
            payload = encode(event)
            self._journal.append((actor.at_ms, payload))
            self.events.append(event)
            self.publications.append(decode(payload))
        others, actor.effects.others = actor.effects.others, []
        for effect in others:
            self._carry_out(effect)
        if message is None:
            return None
        wanted = reply_type(type(message)) or Done
        encoded = encode(Done() if reply is None else reply)
        if message.idempotency_key is not None and recorded:
            command_id = own_command_id(actor.principal, message.idempotency_key)
            self._remembered[command_id] = Remembered(encoded, digest_of(message))
        try:
            return decode(encoded, type=wanted)
        except msgspec.ValidationError as error:
            raise AssertionError(f"{type(message).__qualname__} promises another reply than {reply!r}") from error

    def _carry_out(self, effect: Any) -> None:
        match effect:
            case Ephemeral():
                self.ephemerals.append(decode(encode(effect.data)))
            case Told():
                self.told.append(effect)
            case Timer():
                number = next(self._numbers)
                if effect.key:
                    self._timer_keys[effect.key] = number
                heapq.heappush(self._timers, (self.now + effect.seconds, number, effect))
            case Kick():
                self.kicked.append(effect)
            case SetTimer():
                assert type(effect.message) in self.kind.messages, f"{effect.message!r} is not among its messages"
                body = encode_timer(effect.message, effect.schedule)
                self._durable_timers[effect.name] = TimerRow(effect.name, effect.due_ms, body)
            case CancelTimer():
                self._durable_timers.pop(effect.name, None)
            case Watch():
                self.watched.append(effect.entity)

    def _change_audience(self, who: Principal, *, joined: bool) -> None:
        self.actor.principal = who
        self.actor.audience_changed(who, joined)
        self._settle(None, None)

    async def _answer(self, entity: str, message: Ask[Any]) -> Any:
        await trio.lowlevel.checkpoint()
        self.asked.append(Told(entity, message))
        assert entity in self._answers, f"{self.entity} asks {entity}: say kit.when_asked({entity!r}, ...)"
        return self._answers[entity](message)


class _Runtime:
    """What the actor sees of the kit."""

    def __init__(self, kit: Kit) -> None:
        self._kit = kit

    def now(self) -> float:
        return self._kit.now

    def audience(self, entity: str) -> list[Principal]:
        return self._kit.audience

    async def ask(self, entity: str, message: Ask[Reply], *, chain: tuple[str, ...], principal: Principal) -> Reply:
        reply: Reply = await self._kit._answer(entity, message)
        return reply


def _principal(user: str | None, roles: tuple[str, ...]) -> Principal:
    return SYSTEM if user is None else Principal(user=user, roles=frozenset(roles))
