"""A saga: an entity that leads others through steps, and back again when one of them fails.

    class Checkout(Saga[Buy]):
        kind = "checkout"
        steps = (Step(name="reserve", do=reserve, undo=release, deadline_s=30), ...)

Every step is told, recorded and timed in one append, so after a crash it is either begun or not. The entities that
take part know nothing of sagas: they are told ordinary messages, and answer or refuse.
"""

import functools
from collections.abc import Callable
from typing import Any, ClassVar, Generic, Literal, get_args, get_origin

import msgspec
from msgspec import Raw, Struct

from greenroom.actors.model.errors import Forgotten, HandlerFailed, Refused
from greenroom.actors.model.lifecycle import Answered, Undelivered
from greenroom.actors.model.message import Done, Message
from greenroom.actors.model.principal import STAFF_ROLES
from greenroom.actors.saga.events import (
    EVENTS,
    Cancelled,
    ForkBegun,
    ForkBegunShown,
    Forked,
    ForkRefused,
    Heard,
    HeardShown,
    Resumed,
    Retried,
    SagaEvent,
    Started,
    StartedShown,
    StepAnsweredLate,
    StepDone,
    StepDoneShown,
    UndoDone,
)
from greenroom.actors.saga.leading import CANCEL, DO, UNDO, Input, Leading
from greenroom.actors.saga.messages import (
    INTERNAL,
    STEERING,
    BeginFork,
    CancelSaga,
    ForkedTo,
    ForkSaga,
    ResumeSaga,
    RetrySaga,
    SagaDue,
    Steered,
    StepDue,
)
from greenroom.actors.saga.parts import Plan
from greenroom.actors.saga.plan import is_under_way
from greenroom.actors.saga.state import SagaState, StepState
from greenroom.actors.saga.steering import check_cancel, check_resume, check_retry, taken_by_fork
from greenroom.actors.saga.step import Part, Wait
from greenroom.actors.saga.view import saga_view

FORK = "fork"  # before the entity, what a report is about
DONE = Done()
NOTHING_DONE = ("job.duplicate",)  # a job that failed otherwise may have done some of it


class Saga(Leading[Input], Generic[Input]):
    """`Input` is the message that begins it, with all that the steps need. The same once more changes nothing.

    Other entities begin it, which know what they ask for. With `starts = "users"` it is a command, that any client may
    send with any fields: then `may_start` says whose, and steps trust nothing in it that a client must not choose.
    """

    starts: ClassVar[Literal["entities", "users"]] = "entities"  # who may begin it
    steps: ClassVar[tuple[Part, ...]]
    deadline_s: ClassVar[float | None] = None  # how long all steps together may take; then it goes back
    commands: ClassVar[tuple[type[Message], ...]] = STEERING  # and what users begin it with, or tell it
    internal: ClassVar[tuple[type[Message], ...]] = INTERNAL  # and what entities begin it with, or tell it
    events = EVENTS
    base_tags = "saga"

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "commands" in vars(cls):
            raise ValueError(f"{cls.__qualname__}: `commands` is the start command alone, as in Saga[Start]")
        if cls.starts not in ("entities", "users"):
            raise ValueError(f'{cls.__qualname__}: `starts` is "entities" or "users", not {cls.starts!r}')
        for base in vars(cls).get("__orig_bases__", ()):
            if issubclass(get_origin(base) or object, Saga) and isinstance(get_args(base)[0], type):
                cls.start = get_args(base)[0]
        if "steps" in vars(cls):
            cls.plan = Plan(cls.steps)
        if hasattr(cls, "start"):
            if hasattr(cls, "kind") and str(cls.start.__struct_config__.tag).partition(".")[0] != cls.kind:
                raise ValueError(f"{cls.__qualname__}: {cls.start.__qualname__} needs tag='{cls.kind}.something'")
            waits = list(cls.plan.waits.values()) if hasattr(cls, "plan") else []
            told: dict[str, list[type[Message]]] = {"users": [], "entities": []}
            told[cls.starts].append(cls.start)
            for wait in waits:
                told[wait.sent_by].append(wait.message)
            if any(wait.sent_by == "users" for wait in waits) and cls.may_tell is Saga.may_tell:
                raise ValueError(f"{cls.__qualname__}: users may tell it what it waits for: `may_tell` must say which")
            cls.commands = (*told["users"], *STEERING)
            cls.internal = (*INTERNAL, *told["entities"])
        cls.state_type = SagaState  # Actor has taken Saga's argument for it
        if "may_watch" in vars(cls):
            cls.may_watch = _once_begun(cls.may_watch)  # type: ignore[assignment, method-assign]

    # For subclasses.

    def may_start(self, command: Input) -> None:
        """May `self.principal` begin this saga? Raise Refused if not.

        Runs before the saga begins, and for each repetition of its start. Nothing has been recorded then, so a refusal
        leaves no trace; any other exception is a crash of that message (see Actor).
        """

    def may_tell(self, message: Any) -> None:
        """May `self.principal` say what the saga waits for? Raise Refused if not. Of a saga that has begun. To be
        written where a wait is `sent_by="users"`: whoever may approve is not whoever has an account."""

    def may_steer(self, command: Message) -> None:
        """May `self.principal` cancel, retry, resume or fork it? By default the roles service and admin may, and other
        entities. Of a saga that has begun. Raises: Refused if not."""
        if not self.principal.system and STAFF_ROLES.isdisjoint(self.principal.roles):
            raise Refused("forbidden", "only the roles service and admin steer sagas", status=403)

    def may_watch(self) -> None:
        """May `self.principal` watch it? As with any entity, but asked only once the saga has begun: before that
        nobody may, since whose it will be is not known, and who is let in then would see every step. The roles service
        and admin may always, for they have to see what they steer."""
        self._must_have_begun()

    def _must_have_begun(self) -> None:
        if self.state.status == "new" and not self.principal.system:
            raise Refused("saga.not_begun", f"{self.entity} has not begun", status=404)

    @classmethod
    def publication(cls, event: Any) -> Struct | None:
        """As with any entity; unless the saga says otherwise, its input, what it waits for and the answers to its
        steps are not shown."""
        match event:
            case Started(by=by):
                return StartedShown(by)
            case StepDone(step=step):
                return StepDoneShown(step)
            case Heard(step=step, by=by):
                return HeardShown(step, by)
            case ForkBegun(of=of, from_step=from_step):
                return ForkBegunShown(of, from_step)
        return event  # type: ignore[no-any-return]

    # What it is told.

    def handle(self, message: Message) -> Any:
        match message:
            case Answered():
                self._answered(message)
            case Undelivered():
                self._undelivered(message)
            case StepDue():
                self.look(message.step)
            case SagaDue():
                self.whole_overdue()
                self.go_on()
            case CancelSaga() | RetrySaga() | ResumeSaga() | ForkSaga():
                return self._steer(message)
            case BeginFork():
                self._begin_fork(message)
                return DONE
            case _:
                wait = self.plan.waits.get(type(message))
                if wait is not None:
                    self._hear(wait, message)
                else:
                    self._start(message)
                return DONE
        return None

    def apply(self, event: SagaEvent) -> None:
        self.state.change(event, self.at_ms)

    def view(self) -> Any:
        return saga_view(self.state, self.plan)

    def _start(self, command: Any) -> None:
        self.may_start(command)
        command = msgspec.structs.replace(command, idempotency_key=None)
        begun = self.state.status != "new"
        if begun:
            if command != self.input or self.principal.user != self.state.by:
                raise Refused("saga.started", f"{self.entity} was started with something else", status=409)
            return
        self.record(Started(by=self.principal.user, input=_fields_of(command)))
        self.go_on()

    def _hear(self, wait: Wait, message: Message) -> None:
        if self.state.status == "new":
            raise Refused("saga.not_begun", f"{self.entity} has not begun", status=404)
        self.may_tell(message)
        fields = _fields_of(message)
        if (before := self.state.replies.get(wait.name)) is not None:
            if bytes(before) != bytes(fields):
                raise Refused("saga.heard", f"{self.entity} was told something else", status=409)
            return
        found = self.state.find(wait.name)
        if self.state.status != "running" or (found is not None and found.status != "running"):
            raise Refused("saga.too_late", f"{self.entity} does not wait for that any more", status=409)
        self.record(Heard(step=wait.name, message=fields, by=self.principal.user))
        self.go_on()

    # What became of steps.

    def _answered(self, message: Answered) -> None:
        phase, step = self._about(message)
        if step is None:
            return
        if phase == DO and step.status == "running":
            self.record(StepDone(step=step.name, reply=Raw(bytes(message.reply))))
            self.go_on()
        elif phase == UNDO and step.status == "undoing":
            self.record(UndoDone(step=step.name))
            self.go_on()
        elif phase == DO:
            self._late(step, "")

    def _undelivered(self, message: Undelivered) -> None:
        if message.about.startswith(f"{FORK}:"):
            self.record(ForkRefused(to=message.entity, name=message.name))
            return
        phase, step = self._about(message)
        if step is None:
            return
        if phase == DO and step.status == "running":
            self.refused(step.name, message.name, message.detail, part=_may_be_part(step, message.name))
            self.go_on()
        elif phase == UNDO and step.status == "undoing":
            for_good = self.undo_refused(step, message.name, message.detail)
            if for_good and message.name != HandlerFailed.name and not step.queue:  # these are dead letters already
                self.tell_undo_for_people(step)
            self.go_on()
        elif phase == DO or (phase == CANCEL and message.name == Forgotten.name and is_under_way(step)):
            self._late(step, message.name)  # the latter: it was erased, and will never report

    def _late(self, step: StepState, refused: str) -> None:
        if step.name not in self.state.replies and step.status not in ("refused", "failed") and not step.late:
            waited_for = is_under_way(step)
            part = bool(refused) and _may_be_part(step, refused)
            self.record(StepAnsweredLate(step=step.name, refused=refused, part=part))
            if waited_for:
                self.go_on()

    def _about(self, message: Answered | Undelivered) -> tuple[str, StepState | None]:
        phase, _, name = message.about.partition(":")
        step = self.state.find(name)
        if phase == DO and step is not None and step.queue and step.entity != message.entity:
            return phase, None  # of a job that was started before
        return phase, step

    # What people do.

    def _steer(self, message: CancelSaga | RetrySaga | ResumeSaga | ForkSaga) -> Steered | ForkedTo:
        if self.state.status == "new":
            raise Refused("saga.not_begun", f"{self.entity} has not begun", status=404)
        self.may_steer(message)
        by = self.principal.user
        match message:
            case ForkSaga():
                return self._fork(message, by)
            case CancelSaga():
                check_cancel(self.state, self.plan)
                if not self.state.cancelled:
                    self.record(Cancelled(by=by, reason=message.reason))
            case RetrySaga():
                check_retry(self.state)
                self.record(Retried(by=by, status="undoing" if self.state.back else "running"))
                self.look("")
            case ResumeSaga():
                check_resume(self.state, self.plan)
                self.record(Resumed(by=by))
        self.go_on()
        return Steered(self.state.status)

    def _fork(self, message: ForkSaga, by: str) -> ForkedTo:
        state = self.state
        taken = taken_by_fork(state, self.plan, message.from_step, self.key)
        to = f"{self.kind}:{message.key or f'{self.key}-fork-{len(state.forks) + 1}'}"
        if to == self.entity or any(fork.entity == to for fork in state.forks):
            raise Refused("saga.started", f"{to} was begun already", status=409)
        begin = BeginFork(of=self.entity, from_step=message.from_step, by=state.by, input=state.input, taken=taken)
        self.tell(to, begin, about=f"{FORK}:{message.from_step}")
        self.record(Forked(to=to, from_step=message.from_step, by=by))
        return ForkedTo(to)

    def _begin_fork(self, message: BeginFork) -> None:
        if self.state.status != "new":
            raise Refused("saga.started", f"{self.entity} has begun already", status=409)
        self.record(Started(by=message.by, input=Raw(bytes(message.input))))
        self.record(ForkBegun(of=message.of, from_step=message.from_step, taken=message.taken))
        self.go_on()


def _once_begun(may_watch: Callable[[Any], None]) -> Callable[[Any], None]:
    @functools.wraps(may_watch)
    def asked(self: Saga[Any]) -> None:
        self._must_have_begun()
        if self.state.status != "new" and STAFF_ROLES.isdisjoint(self.principal.roles):
            may_watch(self)

    return asked


def _may_be_part(step: StepState, refusal: str) -> bool:
    """May a step that was refused have been done in part?"""
    return bool(step.queue) and refusal not in NOTHING_DONE


def _fields_of(message: Message) -> Raw:
    """As JSON, as its class writes them, without what only its way here needed."""
    fields = msgspec.to_builtins(message)
    for name in _of_the_way(type(message)):
        fields.pop(name, None)
    return Raw(msgspec.json.encode(fields))


@functools.lru_cache(maxsize=1024)
def _of_the_way(message: type[Message]) -> tuple[str, ...]:
    """As they are written: looked up once a class, for that takes longer than writing a message."""
    keys = [field.encode_name for field in msgspec.structs.fields(message) if field.name == "idempotency_key"]
    return (str(message.__struct_config__.tag_field), *keys)
