"""The actor: an entity while it is awake. Subclass it, decide in `handle`, change state in `apply`, show it in `view`.

    class Counter(Actor[CounterState]):
        kind = "counter"
        commands = (Add,)
        events = (Added,)

        def handle(self, message: Message) -> Total: ...
        def apply(self, event: Event) -> None: ...

Handlers do no I/O behind the runtime's back: they record events and name effects, and the runtime carries those out
once the events are durable. An `async def handle` is for entities whose work is I/O; it takes one message at a time.
"""

from collections.abc import Awaitable, Collection, Iterable, Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Generic, TypeVar, get_args, get_origin

from msgspec import Struct

from greenroom.actors.model.actor.limits import KindLimits
from greenroom.actors.model.actor.querying import Querying
from greenroom.actors.model.actor.runtime import Answer, ReadTurn, Runtime
from greenroom.actors.model.effects import (
    After,
    AnswerLater,
    CancelTimer,
    Effects,
    Ephemeral,
    Kick,
    Nudge,
    SetTimer,
    Startable,
    StartJob,
    Told,
)
from greenroom.actors.model.errors import CallCycle, Refused
from greenroom.actors.model.message import Ask, Event, Later, Message, Reply, Tell
from greenroom.actors.model.notice import SESSION_KIND, Push
from greenroom.actors.model.principal import STAFF_ROLES, SYSTEM, Principal
from greenroom.actors.model.schedule import BadSchedule, Fired, WhenMissed, schedule_of
from greenroom.actors.model.upcasters import Upcaster
from greenroom.store.journal.consequences.timers import TimerRow

State_co = TypeVar("State_co", covariant=True)  # so that any actor is an Actor[object]
TIMER_NAME_MAX = 512  # characters
NO_TIMERS: Mapping[str, TimerRow] = MappingProxyType({})  # one for all that have none: there are many


class Actor(Querying, Generic[State_co]):
    """An entity while it is awake; the class attributes say what its kind takes, records and may use.

    Owned by the life that built it (`actors/life/life.py`), which calls it for one message at a time and replaces it
    after a crash: so whatever it must not forget is in `state`. What it may use is bounded by `limits`.

    A hook that raises what is no refusal has crashed. For `handle`, `audience_changed` and whatever these call, `apply`
    too, nothing of that message has happened: the actor is built anew from its journal, the message is tried again
    after a backoff, and at the third time it becomes a dead letter and its sender hears `internal`. Reads, which are
    `view` and `may_watch`, crash nobody: the reader alone hears it.
    """

    kind: ClassVar[str]  # [a-z][a-z0-9_]*, the part of the name before the colon
    commands: ClassVar[tuple[type[Message], ...]] = ()  # what clients may send
    internal: ClassVar[tuple[type[Message], ...]] = ()  # what only other entities may
    events: ClassVar[tuple[type[Event], ...]] = ()
    hidden: ClassVar[tuple[type[Event], ...]] = ()  # of these events, those of which nobody is shown anything
    upcasters: ClassVar[Mapping[str, Upcaster]] = {}  # stored tag -> what makes present events of it
    ephemerals: ClassVar[tuple[type[Struct], ...]] = ()  # publications without an offset, for the generated docs
    publish_with: ClassVar[type[Message] | None] = None  # the command that a client's `publish` into the channel is
    base_tags: ClassVar[str] = ""  # `saga`: a base class brings events and internal messages tagged `saga.something`
    publishes_info: ClassVar[bool] = True  # do publications say which user caused the event?
    key_is_user: ClassVar[bool] = False  # the key is a user's id: the entity is forgotten with them
    durable: ClassVar[bool] = True  # False: no journal, state ends with the actor
    limits: ClassVar[KindLimits] = KindLimits()
    state_type: ClassVar[type[Any]]

    trace: str | None = None  # while a message of a recorded trace is handled: its W3C traceparent
    reading: ReadTurn | None = None  # while a message is handled by an async handler on a node

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        if "state_type" in vars(cls):
            return
        for base in vars(cls).get("__orig_bases__", ()):  # its own, not a parent's, whose subclasses may say otherwise
            arguments = get_args(base)
            if issubclass(get_origin(base) or object, Actor) and isinstance(arguments[0], type):
                cls.state_type = arguments[0]

    def __init__(self, entity: str, runtime: Runtime) -> None:
        self.entity = entity
        self.state: State_co = self.state_type()
        self.offset = 0  # the newest event's number; inside `apply`, that of the event being applied
        self.at_ms = 0  # the moment that event was recorded, Unix ms
        self.lineage = ""  # the database's history in this life: another one after a standby has taken over
        self.principal: Principal = SYSTEM  # the one on whose behalf the present message came
        self.chain: tuple[str, ...] = ()
        self.fired: Fired | None = None  # the durable timer whose message this is
        self.timers: Mapping[str, TimerRow] = NO_TIMERS  # durable timers by name, as the message before left them
        self.afters = 0  # messages to oneself by `after` that are on their way
        self.runtime = runtime
        self.effects = Effects()

    # What an entity decides.

    async def begin(self) -> None:
        """Fetch what it begins with beside its events, before its first message. Messages wait meanwhile, and whoever
        watched a former life starts over once this has returned. Of an entity with a journal nobody else writes any
        more by then, and its state is that of its events.

        Must not record or name anything. Raises: StoreUnavailable, and then it is tried again with backoff; anything
        else is a crash, as in `handle`.
        """

    def handle(self, message: Any) -> Any:
        """Answer one message: return the reply (None for a tell), or raise Refused before anything is recorded.

        Runs once for each message, after the events before it were applied; again where its flight was lost, from the
        state without it. May use all of `self`: record, tell, publish, timers, `now`, `audience`, `principal`; no I/O,
        unless it is an `async def`, which alone may `ask`, and keeps the entity's other messages waiting. What is only
        read need not keep them: see `Aside`.
        Raises: Refused to say no, with nothing recorded; after `record` it is a crash, as any other exception is.
        """
        raise NotImplementedError

    def apply(self, event: Any) -> None:
        """Change the state by one event: from `record` now, and from the journal when the actor is rebuilt.

        May use the event, `state`, `offset` and `at_ms` alone, or replay comes to another state: no `now`, no chance,
        no `principal`, nothing recorded or named. Raising inside `record`, it is the handler that has crashed; raising
        on the way up it keeps the entity down, tried again with backoff, until code comes that can apply the event.
        """

    def view(self) -> Any:
        """What a subscriber sees first: the same for everyone, JSON-able, bounded.

        Runs when somebody subscribes or reads, and its JSON is kept until the next message: so it must not depend on
        `principal`. Must not record, which is a crash; what it publishes or tells is dropped. When it raises, that
        reader is told `internal` (500), or the refusal, and nothing else happens.
        """
        return {}

    @classmethod
    def publication(cls, event: Any) -> Struct | None:
        """What watchers see of `event`, live and in the history alike: by default all of it.

        Another struct instead shows less, None hides the event, whose offset stays its own. It is called for every
        event that is shown, whoever asks and however old, in its present shape: decide from the event alone. An event
        for which this raises is hidden.
        """
        return event  # type: ignore[no-any-return]

    def may_watch(self) -> None:
        """May `self.principal` subscribe to the channel and read view, history and presence? Raise Refused if not.

        Runs before each subscribe and read, from the present state. Must not record, as `view` must not. When it raises
        something else, that reader is told `internal` (500), and nothing else happens.
        """

    def may_watch_granted(self) -> None:
        """In place of `may_watch` for who brings a subscription token for this channel: whom to refuse even so.

        Nobody by default: whoever signs tokens has said that they may watch. A room keeps out whom it has banned.
        """

    def answers_by(self, message: Any) -> int:
        """Of which event at the latest comes what is answered to somebody who glances with `message`? Once that one is
        durable, it is answered: of an entity that records all the time, hence of less than all that it has recorded."""
        return self.offset

    def audience_changed(self, who: Principal, joined: bool) -> None:
        """Somebody began or ceased to watch the channel; `self.audience` says already who does now.

        Told like a message, and may do what `handle` may, but not durable: it is dropped where the mailbox is full, and
        after a crash of the node nobody ceases. Refusing does nothing; what else it raises is a crash, as in `handle`.
        """

    def may_sleep(self) -> bool:
        """False keeps an idle actor awake, for state that only memory holds.

        Runs when the actor has been idle for `limits.idle_s`, or too many are awake; must change nothing. Raising
        builds the actor anew, as a crash that no message is to blame for.
        """
        return True

    # What it can have done. Nothing happens before the events recorded so far are durable.

    def record(self, event: Event) -> int:
        """Make `event` a fact: applied at once, durable before anybody hears of it. Returns its offset."""
        self.offset += 1
        effects = self.effects
        if effects.events:
            effects.events.append(event)
        else:  # the events of one message share one moment, as they will when they are replayed
            self.at_ms = int(self.runtime.now() * 1000)
            effects.events = [event]
        self.apply(event)
        return self.offset

    def tell(self, entity: str, message: Message, *, about: str = "") -> None:
        """Send another entity a message.

        Between durable entities it is committed with the events recorded here, delivered after that until it has been
        handled, in order for each receiver, and takes effect once. With `about`, a label of one's own, one is told what
        became of it: `Answered` with the reply, or `Undelivered` with the reason. To or from an entity without a
        journal it is delivered at most once.

        Raises: BadEntity for what is no `kind:key`, TypeError when no kind of that name is installed, when it takes no
        such message, or when `about` asks for a report that nobody could give, for want of a journal.
        """
        durable = self.runtime.is_durable(entity, message) and self.durable
        if about and not durable and self.durable:  # its sender would wait for a report that never comes
            raise TypeError(f"{entity} has no journal: tell it without `about`, for nobody could report")
        self.effects.name(Told(entity, message, about, durable))

    def nudge(self, entities: Iterable[str], message: Tell) -> None:
        """Tell those of these entities that are awake, on whichever node, what they may as well not hear: at most 1,000
        at once.

        It wakes nobody and keeps nobody awake. It takes a quarter of a mailbox at most, so that commands find room, and
        is lost where that is full or a node is out of reach. `message` is one of their kind's `internal`.
        Raises: BadEntity; TypeError for another message, ValueError for more entities.
        """
        self.effects.name(Nudge(self.runtime.nudged(entities, message), message))

    def start_job(
        self,
        job: Startable,
        *,
        about: str = "",
        delay_s: float = 0.0,
        priority: int | None = None,
        partition: str | None = None,
        attempts: int | None = None,
        expires_s: float | None = None,
        weight: int | None = None,
        after: Iterable[Any] = (),
        children: Iterable[Any] = (),
        when: str = "",
        by: str = "",
    ) -> str:
        """Have a job done: added with the events recorded here, or not at all. Returns its id.

        `priority` (0 to 9, 0 goes first), `partition`, `attempts`, `expires_s` (not begun in that time it is not done
        any more) and `weight` (as so many jobs it counts in limits) are the class's unless given. It waits for the
        jobs `after`, ids or `WaitFor`, and for its `children`, which are cancelled where it does not succeed; `when`,
        which is `success`, `failure` or `ended`, makes it a callback of these: see actors/jobs/waits.py. `by`: the
        user whom it is for, who may watch `job:ID` and cancel it.

        With `about`, a label of one's own, one is told once what became of it, by `entity` `job:ID`: `Answered` with
        the result, or `Undelivered`: `job.failed`, `job.cancelled`, `job.expired`, or `job.duplicate` where another
        with the same key is done.

        Raises: Refused `job.arguments_too_long`, `job.out_of_bounds`, `job.unique_waits` and `job.waits_for_nothing`;
        TypeError when one has no journal.
        """
        if not self.durable:
            raise TypeError(f"{self.kind} has no journal: it can't start jobs")
        row = job.to_row(
            now_ms=int(self.now * 1000),
            origin=self.entity,
            about=about,
            delay_s=delay_s,
            priority=priority,
            partition=partition,
            attempts=attempts,
            expires_s=expires_s,
            weight=weight,
            after=after,
            children=children,
            when=when,
            queues={one.id: one.row.queue for one in self.effects.others if type(one) is StartJob},
            trace=self.trace or "",
            by=by,
        )
        self.effects.name(StartJob(job, row, about))
        return row.id

    def notify(self, user: str, data: Any) -> None:
        """Show `data`, any JSON of at most 16 KiB, on every device of `user`: now, or when it next connects.

        It tells `session:{user}` the message `Push`, which the kind `session` takes, as durably as any tell. More than
        16 KiB the session refuses, and the message becomes a dead letter.
        Raises: BadEntity for a user id that can be no key, the empty one of the anonymous too; TypeError when no kind
        `session` is installed.
        """
        self.tell(f"{SESSION_KIND}:{user}", Push(data=data, by=self.principal.user))

    def publish(self, data: Struct, *, key: str = "") -> None:
        """Show `data` to whoever watches now. Of what is shown together, and where a client is slow, the newest of each
        `key` is enough; without a key all is shown, but for a client that is slow."""
        self.effects.name(Ephemeral(data, key))

    def kick(
        self,
        code: int,
        reason: str,
        *,
        user: str | None = None,
        everywhere: bool = False,
        but: Iterable[str] = (),
        but_roles: Iterable[str] = (),
    ) -> None:
        """End what watches this entity: 2000 to 2499 the subscription, 3000 to 4999 the whole connection.

        Of everybody, or of one `user`; `everywhere` also where that user watches other entities on this node. Never of
        the users `but`, nor of whoever has one of `but_roles`: one kick for all others, however many watch. Raises:
        ValueError for another code, and for `everywhere` without a user, which would be everybody on this node.
        """
        if not (2000 <= code <= 2499 or 3000 <= code <= 4999):
            raise ValueError(f"{self.entity}: kicks with {code}, which is neither 2000 to 2499 nor 3000 to 4999")
        if everywhere and not user:
            raise ValueError(f"{self.entity}: kicks everywhere without saying whom")
        self.effects.name(Kick(code, reason, user, everywhere, frozenset(but), frozenset(but_roles)))

    def answer(self, later: Later, reply: Any = None) -> None:
        """Answer a message that was handled before, and for which `handle` had returned this `Later`. Leaves behind
        what is recorded here. Nothing happens where it has been answered."""
        self.effects.name(AnswerLater(later, reply))

    def after(self, seconds: float, message: Message) -> None:
        """Send `message` to oneself later, unless the actor restarts before. Keeps it awake until then.

        Raises: Refused `afters.too_many` when `limits.afters_max` are on their way.
        """
        others, limit = self.effects.others, self.limits.afters_max
        if self.afters + len(others) >= limit and self.afters + sum(type(one) is After for one in others) >= limit:
            raise Refused("afters.too_many", f"{self.entity} waits for {limit} messages to itself", status=429)
        self.effects.name(After(seconds, message))

    def set_timer(
        self,
        name: str,
        message: Message,
        *,
        at: float | None = None,
        after: float | None = None,
        every: float | None = None,
        cron: str | None = None,
        timezone: str = "UTC",
        missed: WhenMissed = "last",
    ) -> None:
        """Send oneself `message` at the Unix time `at` or `after` so many seconds, even if everything stops meanwhile.

        With `every` (seconds) or `cron` again and again. Committed with the events recorded here; takes effect once for
        each occurrence. Of occurrences that came while nobody ran, `missed` says which come late: the last, all, or
        none ("skip"). A timer of the same name is moved. Inside the handler `self.fired` says which timer it is.
        Raises: BadSchedule, Refused `timers.too_many`.
        """
        if not self.durable:
            raise BadSchedule(f"{self.kind} has no journal: use `after`")
        due_ms, schedule = schedule_of(
            self.now, at=at, after=after, every=every, cron=cron, timezone=timezone, missed=missed
        )
        if not 1 <= len(name) <= TIMER_NAME_MAX:
            raise BadSchedule(f"a timer's name has 1 to {TIMER_NAME_MAX} characters")
        timers, limit = self.timers, self.limits.timers_max
        if name not in timers and len(timers) + sum(type(one) is SetTimer for one in self.effects.others) >= limit:
            raise Refused("timers.too_many", f"{self.entity} has {limit} timers", status=429)
        self.effects.name(SetTimer(name, due_ms, message, schedule))

    def cancel_timer(self, name: str) -> None:
        """No more of that durable timer; nothing happens when there is none."""
        self.effects.name(CancelTimer(name))

    async def ask(self, entity: str, message: Ask[Reply]) -> Reply:
        """Ask another entity, from an async handler. Raises: CallCycle when it waits, through others, for us."""
        if entity == self.entity or entity in self.chain:
            raise CallCycle(" -> ".join((*self.chain, self.entity, entity)))
        if self.reading is not None:
            self.reading.has_asked = True
        chain = (*self.chain, self.entity)
        return await self.runtime.ask(entity, message, chain=chain, principal=SYSTEM, trace=self.trace)

    def glance(self, entity: str, message: Ask[Reply]) -> Reply | None:
        """What another entity would answer just now, where it is awake on this node and what it answers by is durable:
        then there is nothing to wait for. None of any other: that one may be asked.

        Its `handle` must answer such a message at once, and record and name nothing. See `answers_by`.
        """
        return self.runtime.glance(entity, message)

    @property
    def has_line_to_read(self) -> bool:
        """Do clients' commands wait on this node for their turn to read views? Then what nobody waits for, and is let
        in past all of them, is better done later. False outside of async handlers."""
        return self.reading is not None and self.reading.has_line

    def _in_turn(self, answer: Awaitable[Answer]) -> Awaitable[Answer]:
        """A client can come again, and is turned away where too many read; but not once something is recorded, or
        another entity was asked, which may have done something."""
        if self.reading is None:
            return answer
        return self.reading.read(answer, may_refuse=not (self.effects.events or self.reading.has_asked))

    # What it may look at.

    @property
    def key(self) -> str:
        """The part of the name behind the colon."""
        return self.entity.partition(":")[2]

    @property
    def now(self) -> float:
        """Unix time in seconds."""
        return self.runtime.now()

    @property
    def audience(self) -> Collection[Principal]:
        """Who watches this entity's channel now. `len` is cheap however many they are; going through them is not."""
        return self.runtime.audience(self.entity)

    @property
    def anonymous(self) -> bool:
        """Has nobody said on whose behalf this is? Then the principal's user is ""."""
        return not self.principal.user and not self.principal.system

    def limit_user(self, rule: str, per_h: int) -> None:
        """Let the user on whose behalf this is do it `per_h` times an hour at most, over all entities of this node.

        Call it before anything is recorded. Greenroom itself and the roles `service` and `admin` are free.
        Raises: Refused `rule` (429, temporary), saying how long to wait.
        """
        who = self.principal
        if who.system or not STAFF_ROLES.isdisjoint(who.roles):
            return
        wait_s = self.runtime.spend(rule, who.user, per_h)
        if wait_s > 0:
            raise Refused(rule, f"a user may do this {per_h} times an hour: wait {wait_s:.0f} s", status=429)

    def require_user(self) -> str:
        """The principal's user id. Raises: Refused `unauthenticated` (401) for the anonymous."""
        if not self.principal.user:
            raise Refused("unauthenticated", "this command needs a user", status=401)
        return self.principal.user
