"""What happened in a saga. All kinds of sagas record these."""

from typing import Literal

from msgspec import Raw, Struct, field

from greenroom.actors.model.message import Event

Outcome = Literal["done", "undone", "stuck"]


class Started(Event, tag="saga.started"):
    """The saga was begun."""

    by: str  # the user, or ""
    input: Raw  # the command's fields


class StartedShown(Struct, frozen=True, tag_field="type", tag="saga.started"):
    """As watchers see it: what the steps need is often not theirs to know."""

    by: str


class StepBegun(Event, omit_defaults=True, tag="saga.step_begun"):
    """A step's message is on its way to its entity, a job was started, or a message is waited for."""

    step: str
    entity: str  # `job:ID` of a job, "" of a wait
    deadline_s: float | None
    queue: str = ""  # of a job


class StepDone(Event, tag="saga.step_done"):
    """A step was answered."""

    step: str
    reply: Raw


class StepDoneShown(Struct, frozen=True, tag_field="type", tag="saga.step_done"):
    """As watchers see it: answers are meant for the saga."""

    step: str


class StepRefused(Event, omit_defaults=True, tag="saga.step_refused"):
    """It did nothing. Refused by its entity, or by the step's own `do` before anything was told."""

    step: str
    name: str
    detail: str = ""
    part: bool = False  # of a job that has failed: some of it may have been done, so it is undone
    goes_on: bool = False  # the saga does not go back for it: something else may be done instead


class StepPutOff(Event, omit_defaults=True, tag="saga.step_put_off"):
    """Refused, and tried again later."""

    step: str
    name: str
    again_s: float
    detail: str = ""
    undo: bool = False  # it was the undo that was refused
    part: bool = False  # as of `saga.step_refused`
    untried: bool = False  # what it is to read could not be opened here, so that it was no try


class StepOverdue(Event, omit_defaults=True, tag="saga.step_overdue"):
    """No answer in time: it may have been done, may be done yet, or never."""

    step: str
    whole: bool = False  # it was the deadline of the saga, not that of the step
    goes_on: bool = False  # as of `saga.step_refused`


class StepDropped(Event, tag="saga.step_dropped"):
    """Nobody waits for it any more: another branch was first, or the saga goes back. It may be done yet, or never."""

    step: str


class StepAnsweredLate(Event, omit_defaults=True, tag="saga.step_answered_late"):
    """After its deadline, or dropped: so it changes nothing; its undo comes after it."""

    step: str
    refused: str = ""  # the refusal's name; "" when it had been done
    part: bool = False  # as of `saga.step_refused`


class UndoBegun(Event, tag="saga.undo_begun"):
    """The message that takes a step back is on its way."""

    step: str


class UndoDone(Event, tag="saga.undo_done"):
    """A step was taken back."""

    step: str


class UndoRefused(Event, omit_defaults=True, tag="saga.undo_refused"):
    """A step can't be taken back: its entity refuses. The saga ends `stuck`."""

    step: str
    name: str
    detail: str = ""


class Heard(Event, tag="saga.heard"):
    """What a step waits for, or will wait for, has come."""

    step: str
    message: Raw  # its fields
    by: str  # the user who sent it, or ""


class HeardShown(Struct, frozen=True, tag_field="type", tag="saga.heard"):
    """As watchers see it."""

    step: str
    by: str


class WentBack(Event, tag="saga.went_back"):
    """What had gone on without a step that failed can't be done at all."""


class Cancelled(Event, omit_defaults=True, tag="saga.cancelled"):
    """Somebody wants it no more: it goes back."""

    by: str
    reason: str = ""


class Retried(Event, tag="saga.retried"):
    """What was refused is tried once more, at once: undos of a saga that was stuck, steps that were put off."""

    by: str
    status: Literal["running", "undoing"]  # as it is now


class Resumed(Event, tag="saga.resumed"):
    """It had gone back, and goes forward again: what was undone is begun anew."""

    by: str


class Forked(Event, tag="saga.forked"):
    """Another saga begins where this one had come to a step, with what this one knew then."""

    to: str
    from_step: str
    by: str


class ForkRefused(Event, tag="saga.fork_refused"):
    """That other saga could not begin."""

    to: str
    name: str


class Taken(Struct, frozen=True):
    """What a fork takes over of a step: it was done by the saga with that key, and is not undone by the fork."""

    step: str
    key: str
    reply: Raw = field(default_factory=lambda: Raw(b"null"))
    in_vain: bool = False  # it was waited for, and did not come
    queue: str = ""  # of a job
    no_job: bool = False  # it is known to be none: earlier releases do not say what it was
    job: str = ""  # the id of a job, with which its result opens


class ForkBegun(Event, tag="saga.fork_begun"):
    """It is a fork."""

    of: str  # the other saga
    from_step: str
    taken: list[Taken]


class ForkBegunShown(Struct, frozen=True, tag_field="type", tag="saga.fork_begun"):
    """As watchers see it."""

    of: str
    from_step: str


class Ended(Event, tag="saga.ended"):
    """The saga is over: done, undone, or stuck."""

    outcome: Outcome


SagaEvent = (
    Started
    | ForkBegun
    | StepBegun
    | StepDone
    | StepRefused
    | StepPutOff
    | StepOverdue
    | StepDropped
    | StepAnsweredLate
    | Heard
    | WentBack
    | UndoBegun
    | UndoDone
    | UndoRefused
    | Cancelled
    | Retried
    | Resumed
    | Forked
    | ForkRefused
    | Ended
)
EVENTS: tuple[type[Event], ...] = SagaEvent.__args__
