"""What people do about single jobs of a queue. Tags are wire names."""

from typing import Annotated, Literal

from msgspec import Meta, Raw, Struct, field

from greenroom.actors.jobs.queue.messages import NULL
from greenroom.actors.jobs.texts import TEXT_PATTERN, JobId
from greenroom.actors.model.message import Ask

Reason = Annotated[str, Meta(max_length=1_000, pattern=TEXT_PATTERN)]


class Cancelling(Struct, frozen=True):
    """`cancelling`: a worker has it, and is told to give it up."""

    state: Literal["cancelled", "cancelling"]


class CancelJob(Ask[Cancelling], tag="queue.cancel"):
    """Nobody wants that job any more. One that is worked on is told so, and has its grace; it is not tried again."""

    id: JobId
    reason: Reason = ""


class Waits(Struct, frozen=True):
    """The job waits, to be worked on from then on."""

    due_ms: int


class RetryJob(Ask[Waits], tag="queue.retry"):
    """Try that job now: one that waits, or one that has ended, however it did; it has all its attempts again.

    One that an entity has started and hears of, such as a step of a saga, that has gone on when the job ended: it would
    be done behind its back. So that has to be said with `detached`, and the entity hears nothing of it. The same holds
    for children that would be tried again with it.
    """

    id: JobId
    detached: bool = False


class EditJob(Ask[Waits], tag="queue.edit"):
    """Change a job that waits: what is given."""

    id: JobId
    arguments: Raw = field(default_factory=lambda: NULL)  # JSON object; null: as they are
    priority: Annotated[int, Meta(ge=0, le=9)] | None = None
    delay_s: Annotated[float, Meta(ge=0, le=366 * 86_400)] | None = None  # from now
