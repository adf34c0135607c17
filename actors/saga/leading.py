"""What a saga does: it tells steps, waits, undoes, and ends. What it is told is in actor.py.

Whatever follows from one message is decided here in one stretch, and so committed at once.
"""

from collections.abc import Callable
from typing import Any, ClassVar, Generic, TypeVar, assert_never, cast

import msgspec
import structlog

from greenroom.actors.jobs.job import Job
from greenroom.actors.jobs.queue.single.steering import CancelJob
from greenroom.actors.model.actor import Actor
from greenroom.actors.model.entity import split_entity
from greenroom.actors.model.errors import ActorError, Refused
from greenroom.actors.model.message import Ask, Done, Message
from greenroom.actors.saga.events import (
    Ended,
    Outcome,
    StepBegun,
    StepDropped,
    StepOverdue,
    StepPutOff,
    StepRefused,
    UndoBegun,
    UndoRefused,
    WentBack,
)
from greenroom.actors.saga.messages import StepDue
from greenroom.actors.saga.parts import Leaf, Plan
from greenroom.actors.saga.plan import Begin, Drop, End, GoBack, TakeBack, is_under_way, next_move
from greenroom.actors.saga.so_far import ReplyNotOpened, SoFar
from greenroom.actors.saga.state import SagaState, StepState
from greenroom.actors.saga.step import Step, To, Wait
from greenroom.config.telemetry.shown import said

STEP_TIMER, SAGA_TIMER = "saga.step", "saga.whole"
DO, UNDO, CANCEL = "do", "undo", "cancel"  # before the step's name, what a report is about
DETAIL_MAX = 500  # characters of a refusal's sentence that are kept
CANCEL_AGAIN_S = 5.0  # a queue that does not know of a job yet can't cancel it: so it is told until the job has ended
NO_KEY, NO_KEY_S = "saga.no_key", 60.0  # a step that is to read what is encrypted, where its key is not: put off
JITTER = 0.5  # none: sagas that are replayed come to the same

Input = TypeVar("Input", bound=Ask[Done])
Decided = TypeVar("Decided")
log = structlog.get_logger("greenroom.saga")


class Leading(Actor[SagaState], Generic[Input]):
    """A saga without what it is told."""

    plan: ClassVar[Plan]
    start: ClassVar[type[Ask[Done]]]
    deadline_s: ClassVar[float | None]

    @property
    def input(self) -> Input:
        """What began it, in `may_watch`, `ended` and the like. Raises: LookupError when nothing has yet."""
        if self.state.status == "new":
            raise LookupError(f"{self.entity} has not begun")
        found: Any = msgspec.json.decode(self.state.input, type=self.start)
        return cast(Input, found)

    def ended(self, outcome: Outcome) -> None:
        """It is over; tell whom it concerns. Runs once, with the last event recorded and not durable yet: once more
        where somebody has it retried or resumed.

        May use `input`, `state`, `tell` and `notify`. Must not raise: what the last answer brought is then lost with
        it, tried again, and given up at the third time, so that the saga never ends. A refusal is no better.
        """

    def go_on(self) -> None:
        """Whatever is to be done next, as far as it goes."""
        while (move := next_move(self.state, self.plan)) is not None:
            match move:
                case Begin(leaf=leaf):
                    self._begin(leaf)
                case Drop(step=step):
                    self.record(StepDropped(step=step.name))
                    self.cancel_job(step)
                case TakeBack(step=step):
                    self._take_back(step)
                case GoBack():
                    self.record(WentBack())
                case End(outcome=outcome):
                    self._end(outcome)
                case _:
                    assert_never(move)
        self._set_timer()

    # Forwards.

    def _begin(self, leaf: Leaf) -> None:
        if isinstance(leaf, Wait):
            self.record(StepBegun(step=leaf.name, entity="", deadline_s=leaf.within))
        else:
            self._tell(leaf)

    def _tell(self, step: Step[Any]) -> None:
        def tell() -> StepBegun:
            return self._tell_or_start(step.do(self._so_far()), step)

        told = self._decide(step.name, tell)
        match told:
            case ReplyNotOpened():
                self._put_off(step.name, told)
            case Refused():
                self.refused(step.name, told.name, told.detail)
            case _:
                self.record(told)

    def _tell_or_start(self, wanted: To | Job, step: Step[Any]) -> StepBegun:
        about = f"{DO}:{step.name}"
        if isinstance(wanted, Job):
            job = self.start_job(wanted, about=about)
            return StepBegun(step=step.name, entity=f"job:{job}", deadline_s=step.deadline_s, queue=wanted.queue)
        entity, message = wanted
        split_entity(entity)
        _check(message)
        self.tell(entity, message, about=about)
        return StepBegun(step=step.name, entity=entity, deadline_s=step.deadline_s)

    def _put_off(self, name: str, error: ReplyNotOpened, *, undo: bool = False) -> None:
        detail = str(error)[:DETAIL_MAX]
        self.record(StepPutOff(step=name, name=NO_KEY, detail=detail, again_s=NO_KEY_S, undo=undo, untried=True))

    def refused(self, name: str, refusal: str, detail: str, *, part: bool = False) -> None:
        """Of a step: it is told again later, or has failed. `part`: some of it may have been done."""
        declared = self.declared(name)
        found = self.state.find(name)
        if declared is not None and declared.retry is not None:
            tries = found.tries + (found.status == "resting") if found is not None else 1
            if tries < declared.retry.attempts:
                again_s = declared.retry.rest_s(tries, JITTER)
                self.record(StepPutOff(step=name, name=refusal, detail=detail[:DETAIL_MAX], again_s=again_s, part=part))
                return
        self.record(
            StepRefused(
                step=name,
                name=refusal,
                detail=detail[:DETAIL_MAX],
                part=part,
                goes_on=name in self.plan.optional,
            )
        )

    def overdue(self, step: StepState, *, whole: bool) -> None:
        """No answer in time, or nothing has come."""
        goes_on = not whole and step.name in self.plan.optional
        self.record(StepOverdue(step=step.name, whole=whole, goes_on=goes_on))
        self.cancel_job(step)

    # Back.

    def _take_back(self, step: StepState) -> None:
        refused = self.tell_undo(step, f"{UNDO}:{step.name}")
        match refused:
            case ReplyNotOpened():
                self._put_off(step.name, refused, undo=True)
            case Refused():
                self.record(UndoRefused(step=step.name, name=refused.name, detail=refused.detail[:DETAIL_MAX]))
            case None:
                self.record(UndoBegun(step=step.name))

    def tell_undo(self, step: StepState, about: str) -> Refused | ReplyNotOpened | None:
        """To the entity that was told the step, not to one computed anew: only so does this come after that. Of a job
        it is told once that has ended."""

        def tell() -> None:
            declared = self.declared(step.name)
            if declared is None or declared.undo is None:
                raise Refused("saga.no_such_step", "the code has no such step any more")
            wanted: Any = declared.undo(self._so_far())
            if step.queue and isinstance(wanted, Job):
                self.start_job(wanted, about=about)
                return
            entity, message = wanted if step.queue else (step.entity, wanted)
            split_entity(entity)
            _check(message)
            self.tell(entity, message, about=about)

        return self._decide(step.name, tell)

    def tell_undo_for_people(self, step: StepState) -> None:
        """Once more, and without a report: what is refused again is a dead letter, for people to retry. Where it can't
        be told, the log says so in its place."""
        refused = self.tell_undo(step, "")
        if refused is not None:
            name = NO_KEY if isinstance(refused, ReplyNotOpened) else refused.name
            log.warning("saga_undo_not_told", entity=self.entity, step=step.name, error=name)

    def undo_refused(self, step: StepState, refusal: str, detail: str) -> bool:
        """It is told again later, or never: True."""
        declared = self.declared(step.name)
        if declared is not None and declared.retry is not None and step.undo_tries < declared.retry.attempts:
            again_s = declared.retry.rest_s(step.undo_tries, JITTER)
            self.record(
                StepPutOff(step=step.name, name=refusal, detail=detail[:DETAIL_MAX], again_s=again_s, undo=True)
            )
            return False
        self.record(UndoRefused(step=step.name, name=refusal, detail=detail[:DETAIL_MAX]))
        return True

    def cancel_job(self, step: StepState) -> None:
        if step.queue and is_under_way(step):
            self.tell(f"queue:{step.queue}", CancelJob(id=step.entity.partition(":")[2]), about=f"{CANCEL}:{step.name}")

    # Time.

    def look(self, name: str) -> None:
        """At what is due. `name`: a step whose time has come, as earlier releases say it."""
        now_ms = int(self.now * 1000)
        for step in self.state.steps:
            self.cancel_job(step)  # once more, where it has not ended yet
        if self._whole_due_ms(now_ms + 1) <= now_ms:
            self.whole_overdue()
        for step in list(self.state.steps):
            due = (0 < step.due_ms <= now_ms) or (step.name == name and not step.due_ms)
            if not due:
                continue
            if step.status == "running":
                if self.state.status == "running":
                    self.overdue(step, whole=False)
            elif step.status == "resting":
                declared = self.declared(step.name)
                if self.state.status == "running" and declared is not None:
                    self._tell(declared)
            elif step.status == "undo_resting":
                self._take_back(step)
        self.go_on()

    def whole_overdue(self) -> None:
        """The deadline of all steps together has passed."""
        if self.state.status == "running" and (late := self._may_be_overdue()):
            self.overdue(late[-1], whole=True)

    def _whole_due_ms(self, never: int) -> int:
        """`never`: what it is where there is no such deadline."""
        state = self.state
        if self.deadline_s is None or state.status != "running" or not state.begun_ms:
            return never  # the last: in a snapshot of an earlier release, which has a timer for it
        return state.begun_ms + int(self.deadline_s * 1000) if self._may_be_overdue() else never

    def _may_be_overdue(self) -> list[StepState]:
        """What the deadline of the whole is about: all that is still to be done; unless something of it can't be taken
        back, and is therefore waited for."""
        found = [step for step in self.state.steps if step.is_open]
        for step in found:
            declared = self.declared(step.name)
            if declared is not None and declared.deadline_s is None:
                return []
        return found

    def _set_timer(self) -> None:
        """One for all that may become due. One that is set for an earlier time stays: most steps are answered soon,
        and a timer that moves with each would be written with each."""
        never = 1 << 62
        due_ms = self._whole_due_ms(never)
        for step in self.state.steps:
            if step.due_ms and (step.is_open or step.status == "undo_resting"):
                due_ms = min(due_ms, step.due_ms)
            elif is_under_way(step):
                due_ms = min(due_ms, int((self.now + CANCEL_AGAIN_S) * 1000))
        present = self.timers.get(STEP_TIMER)
        if self.state.status != "running" and SAGA_TIMER in self.timers:
            self.cancel_timer(SAGA_TIMER)
        if self.state.status not in ("running", "undoing") or (due_ms == never and self.state.begun_ms):
            if present is not None:
                self.cancel_timer(STEP_TIMER)
            return
        if due_ms == never:
            return
        fired = self.fired is not None and self.fired.name == STEP_TIMER
        if present is None or fired or due_ms < present.due_ms:
            self.set_timer(STEP_TIMER, StepDue(step=""), at=due_ms / 1000)

    # The end.

    def _end(self, outcome: Outcome) -> None:
        self.record(Ended(outcome=outcome))
        if outcome == "stuck":
            stuck = [step.name for step in self.state.steps if step.status == "stuck"]
            log.warning("saga_stuck", entity=self.entity, steps=stuck)
        self.ended(outcome)

    def _decide(self, step: str, decide: Callable[[], Decided]) -> Decided | Refused | ReplyNotOpened:
        """What the writer's function decided, and that it was told.

        What it raises becomes a refusal: a saga whose handler failed here would be told the same again, fail again, and
        never end.
        """
        try:
            return decide()
        except (Refused, ReplyNotOpened) as error:
            return error
        except ActorError as error:
            return Refused(error.name, said(error))
        except Exception:
            log.exception("saga_step_failed", entity=self.entity, step=step)
            return Refused("internal", "the step's own code failed")

    def _so_far(self) -> SoFar[Any]:
        return SoFar(self.entity, self.input, self.state)

    def declared(self, name: str) -> Step[Any] | None:
        found = self.plan.leaves.get(name)
        return found if isinstance(found, Step) else None


def _check(message: Message) -> None:
    """Raises: msgspec.ValidationError when it breaks its own bounds, so that its receiver could not read it."""
    msgspec.json.decode(msgspec.json.encode(message), type=type(message))
