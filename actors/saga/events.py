"""What happened in a saga. All kinds of sagas record these."""

from typing import Literal

from msgspec import Raw, Struct

from greenroom.actors.model.message import Event

Outcome = Literal["done", "undone", "stuck"]


class Started(Event, tag="saga.started"):
    """The saga was begun."""

    by: str  # the user, or ""
    input: Raw  # the command's fields


class StartedShown(Struct, frozen=True, tag_field="type", tag="saga.started"):
    """As watchers see it: what the steps need is often not theirs to know."""

    by: str


class StepBegun(Event, tag="saga.step_begun"):
    """A step's message is on its way to its entity."""

    step: str
    entity: str
    deadline_s: float | None


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


class StepOverdue(Event, omit_defaults=True, tag="saga.step_overdue"):
    """No answer in time: it may have been done, may be done yet, or never."""

    step: str
    whole: bool = False  # it was the deadline of the saga, not that of the step


class StepAnsweredLate(Event, omit_defaults=True, tag="saga.step_answered_late"):
    """After its deadline, so it changes nothing; its undo comes after it."""

    step: str
    refused: str = ""  # the refusal's name; "" when it had been done


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


class Ended(Event, tag="saga.ended"):
    """The saga is over: done, undone, or stuck."""

    outcome: Outcome


SagaEvent = (
    Started
    | StepBegun
    | StepDone
    | StepRefused
    | StepOverdue
    | StepAnsweredLate
    | UndoBegun
    | UndoDone
    | UndoRefused
    | Ended
)
EVENTS: tuple[type[Event], ...] = SagaEvent.__args__
