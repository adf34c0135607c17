"""What a saga is told beside its start: by its timers, by other sagas, and by whoever steers it."""

from typing import Annotated, Literal

from msgspec import Meta, Raw, Struct

from greenroom.actors.model.message import Ask, Done, Message, Tell
from greenroom.actors.saga.events import Taken

KEY_MAX = 255  # bytes, as of any entity
Text = Annotated[str, Meta(max_length=500)]


class StepDue(Tell, tag="saga.step_due"):
    """A deadline has passed, or a step is to be tried again: look which."""

    step: str  # "": any of them


class SagaDue(Tell, tag="saga.due"):
    """The deadline of the whole has passed. Only of timers that earlier releases have set."""


class BeginFork(Ask[Done], tag="saga.begin_fork"):
    """Of another saga of the kind: begin where it had come to `from_step`."""

    of: str
    from_step: str
    by: str
    input: Raw
    taken: list[Taken]


class Steered(Struct, frozen=True):
    """How the saga stands now."""

    status: Literal["new", "running", "undoing", "done", "undone", "stuck"]


class ForkedTo(Struct, frozen=True):
    """The other saga, which begins now."""

    entity: str


class CancelSaga(Ask[Steered], tag="saga.cancel"):
    """Go back: what is under way is dropped, what was done is undone."""

    reason: Text = ""


class RetrySaga(Ask[Steered], tag="saga.retry"):
    """Try again now what was refused: the undos of a saga that is stuck, or steps that were put off."""


class ResumeSaga(Ask[Steered], tag="saga.resume"):
    """Of a saga that has ended undone or stuck: go forward again. What was undone is begun anew."""


class ForkSaga(Ask[ForkedTo], tag="saga.fork"):
    """Begin another saga at a step of this one, with the answers that came before it; this one stays as it is."""

    from_step: Annotated[str, Meta(min_length=1, max_length=100)]
    key: Annotated[str, Meta(max_length=KEY_MAX)] = ""  # of the other one; "": this one's, with the fork's number


STEERING: tuple[type[Message], ...] = (CancelSaga, RetrySaga, ResumeSaga, ForkSaga)
INTERNAL: tuple[type[Message], ...] = (StepDue, SagaDue, BeginFork)
