"""How far a saga is."""

from typing import Literal, assert_never

from msgspec import Raw, Struct, field

from greenroom.actors.saga.events import (
    Ended,
    SagaEvent,
    Started,
    StepAnsweredLate,
    StepBegun,
    StepDone,
    StepOverdue,
    StepRefused,
    UndoBegun,
    UndoDone,
    UndoRefused,
)

Status = Literal["new", "running", "undoing", "done", "undone", "stuck"]
StepStatus = Literal["running", "done", "refused", "overdue", "undoing", "undone", "stuck"]
NOTHING = Raw(b"null")


class StepState(Struct):
    """A step that was begun, or refused before it could be."""

    name: str
    entity: str = ""
    status: StepStatus = "running"
    late: bool = False  # answered after its deadline


class LogLine(Struct):
    """What the view shows of one event."""

    at_ms: int  # Unix
    text: str


class SagaState(Struct):
    """How far the saga has come. Bounded by the number of its steps."""

    status: Status = "new"
    by: str = ""
    input: Raw = NOTHING
    steps: list[StepState] = field(default_factory=list)  # one a step, in their order
    replies: dict[str, Raw] = field(default_factory=dict)  # step -> what it was answered
    log: list[LogLine] = field(default_factory=list)  # bounded: at most 6 lines a step and 3 of the whole

    @property
    def newest(self) -> StepState | None:
        return self.steps[-1] if self.steps else None

    def find(self, name: str) -> StepState | None:
        return next((step for step in self.steps if step.name == name), None)

    def change(self, event: SagaEvent, at_ms: int) -> None:
        self.log.append(LogLine(at_ms, self._change(event)))

    def _change(self, event: SagaEvent) -> str:
        """Gives the line of the log."""
        match event:
            case Started():
                self.status, self.by, self.input = "running", event.by, Raw(bytes(event.input))
                return f"started by {event.by}" if event.by else "started"
            case StepBegun():
                self.steps.append(StepState(event.step, event.entity))
                within = "" if event.deadline_s is None else f", answer within {event.deadline_s:g} s"
                return f"{event.step}: told {event.entity}{within}"
            case StepDone():
                self.replies[event.step] = Raw(bytes(event.reply))
                self._step(event.step).status = "done"
                return f"{event.step}: done"
            case StepRefused():
                self.status = "undoing"
                if self.find(event.step) is None:
                    self.steps.append(StepState(event.step))
                self._step(event.step).status = "refused"
                return f"{event.step}: refused, {_reason(event)}"
            case StepOverdue():
                self.status = "undoing"
                self._step(event.step).status = "overdue"
                until = "the saga's deadline" if event.whole else "its deadline"
                return f"{event.step}: no answer until {until}, so it may happen or not"
            case StepAnsweredLate():
                self._step(event.step).late = True
                what = f"refused, {event.refused}" if event.refused else "done"
                return f"{event.step}: {what}, after the deadline"
            case UndoBegun():
                self._step(event.step).status = "undoing"
                return f"{event.step}: undo told {self._step(event.step).entity}"
            case UndoDone():
                self._step(event.step).status = "undone"
                return f"{event.step}: undone"
            case UndoRefused():
                self._step(event.step).status = "stuck"
                return f"{event.step}: undo refused, {_reason(event)}"
            case Ended():
                self.status = event.outcome
                return event.outcome
            case _:
                assert_never(event)

    def _step(self, name: str) -> StepState:
        found = self.find(name)
        assert found is not None, f"no step {name!r} was begun"
        return found


def _reason(event: StepRefused | UndoRefused) -> str:
    return f"{event.name}: {event.detail}" if event.detail else event.name
