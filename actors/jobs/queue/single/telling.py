"""What a queue is told of jobs under way, and tells whoever watches one. Tags are wire names."""

from typing import Annotated

from msgspec import Meta, Raw, Struct, field

from greenroom.actors.jobs.queue.messages import AT_ONCE, Said, WorkerName
from greenroom.actors.jobs.texts import JobId, Name
from greenroom.actors.model.message import Ask, Done, Tell

STEPS_MAX = 1_000  # of one job
WAITS_SHOWN_MAX = 100

StepName = Name


class Listened(Struct, frozen=True):
    """When the worker may say more: soon where somebody watches."""

    again_s: float


class Progress(Ask[Listened], tag="queue.progress"):
    """How far jobs are, in the newest words of each."""

    worker: WorkerName
    said: Annotated[list[Said], Meta(max_length=AT_ONCE)]


class StepDone(Ask[Done], tag="queue.step_done"):
    """A step of a job is through: its result is durable, and brought to attempts that come after."""

    worker: WorkerName
    id: JobId
    token: int
    name: StepName
    result: Raw


class StepsKnown(Struct, frozen=True):
    """Results by the step's name."""

    results: dict[str, Raw] = field(default_factory=dict)


class Steps(Ask[StepsKnown], tag="queue.steps"):
    """The steps that are through of a job that this worker has."""

    worker: WorkerName
    id: JobId
    token: int


class Standing(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A job that is not finished, as its queue knows it now."""

    state: str
    attempt: int = 0  # the one under way
    attempts: int = 0  # that have failed
    attempts_max: int = 0
    lost: int = 0  # workers that ended with it in hand
    due_ms: int = 0
    priority: int = 4
    worker: str = ""
    started_ms: int | None = None
    share: float | None = None
    note: str = ""
    lines: list[str] = []
    first_line: int = 0  # the number of the first of them, since the attempt began
    reason: str = ""  # of a cancel
    waits_for: list[str] = []  # ids of jobs that have not ended: the first hundred


class Looked(Struct, frozen=True):
    """None: the queue has no such job, any more or yet."""

    standing: Standing | None = None


class Look(Ask[Looked], tag="queue.look"):
    """How is that job? And for a while its channel is told of what changes."""

    id: JobId


class JobChanged(Tell, tag="job.changed"):
    """To a job's channel: how it is now. None: it has ended, and its row says how."""

    standing: Standing | None = None
    last_lines: list[str] = field(default_factory=list)  # of the attempt that has ended just now
    last_line: int = 0  # the number of the first of them
