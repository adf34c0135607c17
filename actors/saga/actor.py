"""A saga: an entity that leads others through steps, and back again when one of them fails.

    class Checkout(Saga[Buy]):
        kind = "checkout"
        steps = (Step(name="reserve", do=reserve, undo=release, deadline_s=30), ...)

Every step is told, recorded and timed in one append, so after a crash it is either begun or not. The entities that
take part know nothing of sagas: they are told ordinary messages, and answer or refuse.
"""

import functools
from collections.abc import Callable
from typing import Any, ClassVar, Generic, Literal, TypeVar, assert_never, cast, get_args, get_origin

import msgspec
import structlog
from msgspec import Raw, Struct

from greenroom.actors.model.actor import Actor
from greenroom.actors.model.entity import split_entity
from greenroom.actors.model.errors import ActorError, HandlerFailed, Refused
from greenroom.actors.model.lifecycle import Answered, Undelivered
from greenroom.actors.model.message import Ask, Done, Message
from greenroom.actors.saga.events import (
    EVENTS,
    Ended,
    Outcome,
    SagaEvent,
    Started,
    StartedShown,
    StepAnsweredLate,
    StepBegun,
    StepDone,
    StepDoneShown,
    StepOverdue,
    StepRefused,
    UndoBegun,
    UndoDone,
    UndoRefused,
)
from greenroom.actors.saga.messages import SagaDue, StepDue
from greenroom.actors.saga.plan import Begin, End, TakeBack, next_move
from greenroom.actors.saga.so_far import SoFar
from greenroom.actors.saga.state import SagaState, StepState
from greenroom.actors.saga.step import Step, check_steps
from greenroom.actors.saga.view import saga_view
from greenroom.config.telemetry.shown import said

STEP_TIMER, SAGA_TIMER = "saga.step", "saga.whole"
DO, UNDO = "do", "undo"  # before the step's name, what a report is about
DETAIL_MAX = 500  # characters of a refusal's sentence that are kept
DONE = Done()

Input = TypeVar("Input", bound=Ask[Done])
Decided = TypeVar("Decided")
log = structlog.get_logger("greenroom.saga")


class Saga(Actor[SagaState], Generic[Input]):
    """`Input` is the message that begins it, with all that the steps need. The same once more changes nothing.

    Other entities begin it, which know what they ask for. With `starts = "users"` it is a command, that any client may
    send with any fields: then `may_start` says whose, and steps trust nothing in it that a client must not choose.
    """

    starts: ClassVar[Literal["entities", "users"]] = "entities"  # who may begin it
    start: ClassVar[type[Ask[Done]]]  # the `Input`, read off the class
    steps: ClassVar[tuple[Step[Any], ...]]
    deadline_s: ClassVar[float | None] = None  # how long all steps together may take; then it goes back
    internal: ClassVar[tuple[type[Message], ...]] = (StepDue, SagaDue)  # a saga that entities begin adds its `start`
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
        if hasattr(cls, "start"):
            if hasattr(cls, "kind") and str(cls.start.__struct_config__.tag).partition(".")[0] != cls.kind:
                raise ValueError(f"{cls.__qualname__}: {cls.start.__qualname__} needs tag='{cls.kind}.something'")
            public = cls.starts == "users"
            cls.commands = (cls.start,) if public else ()
            cls.internal = (StepDue, SagaDue) if public else (StepDue, SagaDue, cls.start)
        cls.state_type = SagaState  # Actor has taken Saga's argument for it
        if "may_watch" in vars(cls):
            cls.may_watch = _once_begun(cls.may_watch)  # type: ignore[assignment, method-assign]
        if "steps" in vars(cls):
            check_steps(cls.steps)

    # For subclasses.

    @property
    def input(self) -> Input:
        """What began it, in `may_watch`, `ended` and the like. Raises: LookupError when nothing has yet."""
        if self.state.status == "new":
            raise LookupError(f"{self.entity} has not begun")
        found: Any = msgspec.json.decode(self.state.input, type=self.start)
        return cast(Input, found)

    def may_start(self, command: Input) -> None:
        """May `self.principal` begin this saga? Raise Refused if not.

        Runs before the saga begins, and for each repetition of its start. Nothing has been recorded then, so a refusal
        leaves no trace; any other exception is a crash of that message (see Actor).
        """

    def may_watch(self) -> None:
        """May `self.principal` watch it? As with any entity, but asked only once the saga has begun: before that
        nobody may, since whose it will be is not known, and who is let in then would see every step."""
        self._must_have_begun()

    def _must_have_begun(self) -> None:
        if self.state.status == "new" and not self.principal.system:
            raise Refused("saga.not_begun", f"{self.entity} has not begun", status=404)

    @classmethod
    def publication(cls, event: Any) -> Struct | None:
        """As with any entity; unless the saga says otherwise, its input and the answers to its steps are not shown."""
        match event:
            case Started(by=by):
                return StartedShown(by)
            case StepDone(step=step):
                return StepDoneShown(step)
        return event  # type: ignore[no-any-return]

    def ended(self, outcome: Outcome) -> None:
        """It is over; tell whom it concerns. Runs once, with the last event recorded and not durable yet.

        May use `input`, `state`, `tell` and `notify`. Must not raise: what the last answer brought is then lost with
        it, tried again, and given up at the third time, so that the saga never ends. A refusal is no better.
        """

    # What it is told.

    def handle(self, message: Message) -> Done | None:
        match message:
            case Answered():
                self._answered(message)
            case Undelivered():
                self._undelivered(message)
            case StepDue():
                self._overdue(message.step, whole=False)
            case SagaDue():
                self._overdue(None, whole=True)
            case _:
                self._start(message)
                return DONE
        return None

    def apply(self, event: SagaEvent) -> None:
        self.state.change(event, self.at_ms)

    def view(self) -> Any:
        return saga_view(self.state, self.steps)

    def _start(self, command: Any) -> None:
        self.may_start(command)
        command = msgspec.structs.replace(command, idempotency_key=None)
        begun = self.state.status != "new"
        if begun:
            if command != self.input or self.principal.user != self.state.by:
                raise Refused("saga.started", f"{self.entity} was started with something else", status=409)
            return
        self.record(Started(by=self.principal.user, input=_input_of(command)))
        self._go_on()
        if self.deadline_s is not None and self.state.status == "running":
            self.set_timer(SAGA_TIMER, SagaDue(), after=self.deadline_s)

    def _answered(self, message: Answered) -> None:
        phase, step = self._about(message.about)
        if step is None:
            return
        if phase == DO and step.status == "running":
            self.record(StepDone(step=step.name, reply=Raw(bytes(message.reply))))
            self._go_on()
        elif phase == UNDO and step.status == "undoing":
            self.record(UndoDone(step=step.name))
            self._go_on()
        elif phase == DO:
            self._late(step, "")

    def _undelivered(self, message: Undelivered) -> None:
        phase, step = self._about(message.about)
        if step is None:
            return
        detail = message.detail[:DETAIL_MAX]
        if phase == DO and step.status == "running":
            self.record(StepRefused(step=step.name, name=message.name, detail=detail))
            self._go_on()
        elif phase == UNDO and step.status == "undoing":
            self.record(UndoRefused(step=step.name, name=message.name, detail=detail))
            if message.name != HandlerFailed.name:  # a failure is a dead letter already
                self._leave_to_people(step)
            self._go_on()
        elif phase == DO:
            self._late(step, message.name)

    def _late(self, step: StepState, refused: str) -> None:
        if step.name not in self.state.replies and step.status != "refused" and not step.late:
            self.record(StepAnsweredLate(step=step.name, refused=refused))

    def _overdue(self, name: str | None, *, whole: bool) -> None:
        step = self.state.newest
        if step is None or step.status != "running" or name not in (None, step.name):
            return
        declared = self._declared(step.name)
        if whole and declared is not None and declared.deadline_s is None:
            return  # it can't be taken back, so it is waited for
        self.record(StepOverdue(step=step.name, whole=whole))
        self._go_on()

    # What it does.

    def _go_on(self) -> None:
        begun: Step[Any] | None = None
        while (move := next_move(self.state, self.steps)) is not None:
            match move:
                case Begin(step=step):
                    begun = step if self._begin(step) else None
                case TakeBack(step=done):
                    self._take_back(done)
                case End(outcome=outcome):
                    self._end(outcome)
                case _:
                    assert_never(move)
        if begun is not None and begun.deadline_s is not None:
            self.set_timer(STEP_TIMER, StepDue(step=begun.name), after=begun.deadline_s)
        elif STEP_TIMER in self.timers:
            self.cancel_timer(STEP_TIMER)
        if self.state.status != "running" and SAGA_TIMER in self.timers:
            self.cancel_timer(SAGA_TIMER)

    def _begin(self, step: Step[Any]) -> bool:
        def tell() -> str:
            entity, message = step.do(self._so_far())
            split_entity(entity)
            _check(message)
            self.tell(entity, message, about=f"{DO}:{step.name}")
            return entity

        told = self._decide(step.name, tell)
        if isinstance(told, Refused):
            self.record(StepRefused(step=step.name, name=told.name, detail=told.detail[:DETAIL_MAX]))
            return False
        self.record(StepBegun(step=step.name, entity=told, deadline_s=step.deadline_s))
        return True

    def _tell_undo(self, done: StepState, about: str) -> Refused | None:
        """To the entity that was told the step, not to one computed anew: only so does this come after that."""

        def tell() -> None:
            step = self._declared(done.name)
            if step is None or step.undo is None:
                raise Refused("saga.no_such_step", "the code has no such step any more")
            message = step.undo(self._so_far())
            _check(message)
            self.tell(done.entity, message, about=about)

        return self._decide(done.name, tell)

    def _take_back(self, done: StepState) -> None:
        refused = self._tell_undo(done, f"{UNDO}:{done.name}")
        if refused is not None:
            self.record(UndoRefused(step=done.name, name=refused.name, detail=refused.detail[:DETAIL_MAX]))
            return
        self.record(UndoBegun(step=done.name))

    def _leave_to_people(self, stuck: StepState) -> None:
        """Tell the undo that was refused once more, and ask for no report: so what is refused again is a dead letter,
        which somebody can retry when its reason is gone."""
        self._tell_undo(stuck, "")

    def _end(self, outcome: Outcome) -> None:
        self.record(Ended(outcome=outcome))
        if outcome == "stuck":
            stuck = [step.name for step in self.state.steps if step.status == "stuck"]
            log.warning("saga_stuck", entity=self.entity, steps=stuck)
        self.ended(outcome)

    def _decide(self, step: str, decide: Callable[[], Decided]) -> Decided | Refused:
        """What the writer's function decided, and that it was told.

        What it raises becomes a refusal: a saga whose handler failed here would be told the same again, fail again, and
        never end.
        """
        try:
            return decide()
        except Refused as error:
            return error
        except ActorError as error:
            return Refused(error.name, said(error))
        except Exception:
            log.exception("saga_step_failed", entity=self.entity, step=step)
            return Refused("internal", "the step's own code failed")

    def _so_far(self) -> SoFar[Any]:
        return SoFar(self.entity, self.input, self.state)

    def _declared(self, name: str) -> Step[Any] | None:
        return next((step for step in self.steps if step.name == name), None)

    def _about(self, about: str) -> tuple[str, StepState | None]:
        phase, _, name = about.partition(":")
        return phase, self.state.find(name)


def _once_begun(may_watch: Callable[[Any], None]) -> Callable[[Any], None]:
    @functools.wraps(may_watch)
    def asked(self: Saga[Any]) -> None:
        self._must_have_begun()
        if self.state.status != "new":
            may_watch(self)

    return asked


def _input_of(command: Message) -> Raw:
    """Its fields as JSON, as its class writes them, without what only its way here needed."""
    fields = msgspec.to_builtins(command)
    fields.pop(command.__struct_config__.tag_field, None)
    for field in msgspec.structs.fields(command):
        if field.name == "idempotency_key":
            fields.pop(field.encode_name, None)
    return Raw(msgspec.json.encode(fields))


def _check(message: Message) -> None:
    """Raises: msgspec.ValidationError when it breaks its own bounds, so that its receiver could not read it."""
    msgspec.json.decode(msgspec.json.encode(message), type=type(message))
