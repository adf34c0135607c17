"""What a job can be told, and shows. Tags are wire names."""

from typing import Annotated, Any

from msgspec import Meta, Raw, Struct, field

from greenroom.actors.jobs.queue.messages import NULL
from greenroom.actors.jobs.queue.single.steering import Cancelling, Reason, Waits
from greenroom.actors.model.message import Ask, Event, Tell


class Cancel(Ask[Cancelling], tag="job.cancel"):
    """Nobody wants it any more: see `queue.cancel`. Also whoever it was added for may say so."""

    reason: Reason = ""


class Retry(Ask[Waits], tag="job.retry"):
    """Try it now, also if it has ended: see `queue.retry`."""

    detached: bool = False


class Edit(Ask[Waits], tag="job.edit"):
    """Change what is given, while it waits: see `queue.edit`."""

    arguments: Raw = field(default_factory=lambda: NULL)
    priority: Annotated[int, Meta(ge=0, le=9)] | None = None
    delay_s: Annotated[float, Meta(ge=0, le=366 * 86_400)] | None = None


class ErrorsKnown(Struct, frozen=True):
    """Of attempts that have failed, the newest; oldest first."""

    errors: list[Any]


class Errors(Ask[ErrorsKnown], tag="job.errors"):
    """Its errors with what the view leaves out: the worker of each, and where in the code it was. For staff."""


class LookAgain(Tell, tag="job.look_again"):
    """To itself: whoever watches goes on watching."""


class StateChanged(Event, tag="job.state"):
    """It waits, is worked on, or has ended."""

    state: str
    attempt: int
    attempts: int
    due_ms: int
    result: Raw = field(default_factory=lambda: NULL)  # once it is completed
    error: str = ""  # of its last attempt, once it has failed or was cancelled


class Progressed(Event, tag="job.progress"):
    """So much of it is done."""

    share: float
    note: str


class Logged(Event, tag="job.log"):
    """Lines of its present attempt."""

    lines: list[str]


class JobView(Struct, kw_only=True):
    """All that is known of it."""

    id: str
    queue: str
    job: str
    arguments: Raw
    state: str  # waiting, delayed, retrying, active, cancelling; completed, failed, cancelled
    attempt: int  # the one under way; 0: none is
    attempts: int  # that have failed
    attempts_max: int
    lost: int  # workers that ended with it in hand
    priority: int
    partition: str
    added_ms: int
    due_ms: int
    started_ms: int | None
    ended_ms: int | None
    worker: str
    by: str
    share: float | None
    note: str
    log: list[str]
    result: Any
    errors: list[Any]  # without workers and traces: see `job.errors`
    reason: str = ""
    waits_for: list[str] = field(default_factory=list)  # jobs that have not ended, the first hundred
    children: list[str] = field(default_factory=list)  # jobs that are done for this one, the first hundred
    weight: int = 1  # as so many jobs it counts in limits
    expires_ms: int | None = None  # not begun by then, it is not done any more
