"""How far a saga is."""

from typing import Literal, assert_never

from msgspec import Raw, Struct, field

from greenroom.actors.saga.events import (
    Cancelled,
    Ended,
    ForkBegun,
    Forked,
    ForkRefused,
    Heard,
    Resumed,
    Retried,
    SagaEvent,
    Started,
    StepAnsweredLate,
    StepBegun,
    StepDone,
    StepDropped,
    StepOverdue,
    StepPutOff,
    StepRefused,
    UndoBegun,
    UndoDone,
    UndoRefused,
    WentBack,
)

Status = Literal["new", "running", "undoing", "done", "undone", "stuck"]
StepStatus = Literal[
    "running",  # told, or waited for
    "resting",  # refused, and to be told again
    "done",
    "refused",  # it did nothing
    "failed",  # a job that may have done some of it
    "overdue",  # not answered in time
    "dropped",  # nobody waits for it any more
    "undoing",
    "undo_resting",  # its undo was refused, and is to be told again
    "undone",
    "stuck",  # its undo was refused for good
]
NOTHING = Raw(b"null")
LOG_MAX = 500  # lines
FORKS_MAX = 100


class StepState(Struct, omit_defaults=True):
    """A step that was begun, or refused before it could be."""

    name: str
    entity: str = ""  # that was told it; `job:ID` of a job; "" of a wait
    status: StepStatus = "running"
    late: bool = False  # a report came after its deadline, or after it was dropped
    late_refused: bool = False  # and said that it was refused
    ended: bool = False  # of a job: what became of it is known
    part: bool = False  # a job that was started for it has failed, and may have done some of it
    due_ms: int = 0  # Unix: when it is overdue, or told again; 0: never
    tries: int = 1  # how often it was told, or its own `do` has refused
    undo_tries: int = 0
    undo_told: bool = False  # ever, also before it was retried
    error: str = ""  # the name of the last refusal
    queue: str = ""  # of a job
    taken: str = ""  # the key of the saga that did it, which this one is a fork of
    no_job: bool = False  # of one that was taken over: it is known to be none
    job: str = ""  # of one that was taken over: its id, where it was a job and that is known

    @property
    def is_open(self) -> bool:
        """Is it still to be done?"""
        return self.status in ("running", "resting")

    @property
    def may_be_job(self) -> bool:
        """Also of one that was taken over under an earlier release, which has not said what it was."""
        return bool(self.queue) or (bool(self.taken) and not self.no_job)

    @property
    def job_id(self) -> str:
        """ "": it was none, or nobody knows any more."""
        return self.job or (self.entity.removeprefix("job:") if self.queue else "")

    @property
    def may_be_undone(self) -> bool:
        """Of one that is stuck: may its undo have taken effect all the same? It is told once more without a report, and
        a job that was to undo it may have failed half way."""
        return self.undo_told or self.undo_tries > 0  # the latter: in a snapshot of an earlier release


class LogLine(Struct):
    """What the view shows of one event."""

    at_ms: int  # Unix
    text: str


class Fork(Struct):
    """Another saga that begins at a step of this one."""

    entity: str
    from_step: str
    refused: str = ""


class SagaState(Struct, omit_defaults=True):
    """How far the saga has come. Bounded by the number of its steps."""

    status: Status = "new"
    by: str = ""
    input: Raw = NOTHING
    steps: list[StepState] = field(default_factory=list)  # one a step, in the order in which they were begun
    replies: dict[str, Raw] = field(default_factory=dict)  # step -> what it was answered, or waited for
    log: list[LogLine] = field(default_factory=list)  # the newest LOG_MAX
    begun_ms: int = 0  # when it began, or went forward again
    back: bool = False  # it goes back, or has gone: what a stuck one was about
    cancelled: bool = False
    of: str = ""  # the saga that it is a fork of
    from_step: str = ""
    forks: list[Fork] = field(default_factory=list)  # at most FORKS_MAX

    def find(self, name: str) -> StepState | None:
        for step in self.steps:  # no generator: each event looks for its step, some of them twice
            if step.name == name:
                return step
        return None

    def change(self, event: SagaEvent, at_ms: int) -> None:
        self.log.append(LogLine(at_ms, self._change(event, at_ms)))
        if len(self.log) > LOG_MAX:
            del self.log[0]

    def _change(self, event: SagaEvent, at_ms: int) -> str:
        """Gives the line of the log."""
        match event:
            case Started():
                self.status, self.by, self.input = "running", event.by, Raw(bytes(event.input))
                self.begun_ms = at_ms
                return f"started by {event.by}" if event.by else "started"
            case StepBegun():
                return self._begun(event, at_ms)
            case StepDone():
                self.replies[event.step] = Raw(bytes(event.reply))
                step = self._step(event.step)
                step.status, step.ended = "done", True
                return f"{event.step}: done"
            case StepRefused():
                if self.find(event.step) is None:
                    self.steps.append(StepState(event.step))
                step = self._step(event.step)
                step.tries += step.status == "resting"  # its own `do` has refused, so it was not told
                step.part, step.ended = step.part or event.part, True
                step.status, step.error = "failed" if step.part else "refused", event.name
                self._go_back(unless=event.goes_on)
                return f"{event.step}: refused, {_reason(event)}"
            case StepPutOff():
                if self.find(event.step) is None:
                    self.steps.append(StepState(event.step, tries=0 if event.untried else 1))
                step = self._step(event.step)
                step.tries += step.status == "resting" and not event.untried  # as above
                step.status, step.error = "undo_resting" if event.undo else "resting", event.name
                step.due_ms = at_ms + int(event.again_s * 1000)
                if not event.undo:
                    step.part, step.ended = step.part or event.part, True
                what = "undo refused" if event.undo else "refused"
                return f"{event.step}: {what}, {_reason(event)}; again in {event.again_s:g} s"
            case StepOverdue():
                step = self._step(event.step)
                step.status = "overdue"
                self._go_back(unless=event.goes_on)
                if not step.entity:
                    return f"{event.step}: nothing came until {_until(event)}"
                return f"{event.step}: no answer until {_until(event)}, so it may happen or not"
            case StepDropped():
                step = self._step(event.step)
                if step.status == "running":
                    step.status = "dropped"
                else:  # it rests
                    step.status = "failed" if step.part else "refused"
                return f"{event.step}: dropped"
            case StepAnsweredLate():
                step = self._step(event.step)
                step.late, step.late_refused = True, bool(event.refused)
                step.part, step.ended = step.part or event.part, True
                what = f"refused, {event.refused}" if event.refused else "done"
                in_time = at_ms < step.due_ms or not step.due_ms
                return f"{event.step}: {what}, after {'it was dropped' if in_time else 'the deadline'}"
            case UndoBegun():
                step = self._step(event.step)
                step.status = "undoing"
                step.undo_tries += 1
                step.undo_told = True
                return f"{event.step}: undo told {self._step(event.step).entity}"
            case UndoDone():
                self._step(event.step).status = "undone"
                return f"{event.step}: undone"
            case UndoRefused():
                step = self._step(event.step)
                step.status, step.error = "stuck", event.name
                return f"{event.step}: undo refused, {_reason(event)}"
            case _:
                return self._steered(event, at_ms)

    def _begun(self, event: StepBegun, at_ms: int) -> str:
        step = self.find(event.step)
        if step is None:
            step = StepState(event.step)
            self.steps.append(step)
        else:
            step.tries += 1
        step.entity, step.queue, step.status, step.ended = event.entity, event.queue, "running", False
        step.due_ms = 0 if event.deadline_s is None else at_ms + int(event.deadline_s * 1000)
        if event.entity:
            within = "" if event.deadline_s is None else f", answer within {event.deadline_s:g} s"
            return f"{event.step}: {'started' if event.queue else 'told'} {event.entity}{within}"
        if event.step in self.replies:  # it came before
            step.status = "done"
            return f"{event.step}: had come before"
        return f"{event.step}: waits{'' if event.deadline_s is None else f' {event.deadline_s:g} s'}"

    def _steered(
        self,
        event: "Heard | WentBack | Cancelled | Retried | Resumed | Forked | ForkRefused | ForkBegun | Ended",
        at_ms: int,
    ) -> str:
        match event:
            case Heard():
                self.replies[event.step] = Raw(bytes(event.message))
                step = self.find(event.step)
                if step is not None and step.status == "running":
                    step.status = "done"
                return f"{event.step}: came{_from(event.by)}"
            case WentBack():
                self._go_back(unless=False)
                return "no way is left: goes back"
            case Cancelled():
                self._go_back(unless=False)
                self.cancelled = True
                return f"cancelled{_from(event.by)}{': ' if event.reason else ''}{event.reason}"
            case Retried():
                self.status = event.status
                self._retry(at_ms)
                return f"tried again{_from(event.by)}"
            case Resumed():
                self._resume(at_ms)
                return f"goes forward again{_from(event.by)}"
            case Forked():
                self.forks.append(Fork(event.to, event.from_step))
                return f"forked from {event.from_step} to {event.to}{_from(event.by)}"
            case ForkRefused():
                for fork in self.forks:
                    if fork.entity == event.to:
                        fork.refused = event.name
                return f"{event.to} could not begin: {event.name}"
            case ForkBegun():
                self.of, self.from_step = event.of, event.from_step
                for one in event.taken:
                    status: StepStatus = "overdue" if one.in_vain else "done"
                    taken = StepState(
                        one.step, status=status, taken=one.key, queue=one.queue, no_job=one.no_job, job=one.job
                    )
                    self.steps.append(taken)
                    if not one.in_vain:
                        self.replies[one.step] = Raw(bytes(one.reply))
                return f"a fork of {event.of}, from {event.from_step}"
            case Ended():
                self.back = self.back or self.status == "undoing"
                self.status = event.outcome
                return event.outcome
            case _:
                assert_never(event)

    def _go_back(self, *, unless: bool) -> None:
        if not unless:
            self.status, self.back = "undoing", True

    def _retry(self, at_ms: int) -> None:
        for step in self.steps:
            if step.status == "stuck":
                step.status = "done" if step.name in self.replies else "overdue"
                step.undo_told, step.undo_tries = step.may_be_undone, 0
                step.ended = True  # a job is undone once it has ended
            elif step.status in ("resting", "undo_resting"):
                step.due_ms = at_ms

    def _resume(self, at_ms: int) -> None:
        """What stands is kept, and the rest forgotten, so that it is begun anew."""
        kept = [step for step in self.steps if step.status == "done" or step.status == "stuck" or step.taken]
        for step in kept:
            if step.status == "stuck":
                step.status = "done"
        names = {step.name for step in kept}
        gone = [step.name for step in self.steps if step.name not in names]
        for name in gone:
            self.replies.pop(name, None)
        self.steps = kept
        self.status, self.back, self.cancelled, self.begun_ms = "running", False, False, at_ms

    def _step(self, name: str) -> StepState:
        found = self.find(name)
        assert found is not None, f"no step {name!r} was begun"
        return found


def _reason(event: StepRefused | StepPutOff | UndoRefused) -> str:
    return f"{event.name}: {event.detail}" if event.detail else event.name


def _until(event: StepOverdue) -> str:
    return "the saga's deadline" if event.whole else "its deadline"


def _from(by: str) -> str:
    return f" by {by}" if by else ""
