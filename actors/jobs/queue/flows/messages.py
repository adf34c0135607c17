"""What a queue is told of flows, and what queues tell each other. Tags are wire names."""

from typing import Annotated

from msgspec import Meta, Raw, Struct, field

from greenroom.actors.jobs.queue.messages import AT_ONCE, NULL, NewJob, WorkerName
from greenroom.actors.jobs.texts import JobId, Name, NameOrNone
from greenroom.actors.jobs.waits import WAITS_MAX, OnFailure, WaitFor, When
from greenroom.actors.model.message import Ask, Tell

Awaits = Annotated[list[WaitFor], Meta(max_length=WAITS_MAX)]


class FlowJob(NewJob, frozen=True, kw_only=True, omit_defaults=True):
    """One job of a flow. What it waits for are names in the flow, or ids of jobs that there are already."""

    name: Name
    queue: NameOrNone = ""  # "": the one that is asked
    after: Awaits = field(default_factory=list)
    children: Awaits = field(default_factory=list)  # the same; cancelled where this one does not succeed
    when: When = ""  # `success`, `failure` or `ended` of all of these: else as `on_failure` says


class FlowAdded(Struct, frozen=True):
    """All of it is durable."""

    ids: dict[str, str]  # by the name in the flow


class AddFlow(Ask[FlowAdded], tag="queue.add_flow"):
    """Add jobs that wait for each other, of this queue or of several: all of them, or none."""

    jobs: Annotated[list[FlowJob], Meta(min_length=1, max_length=AT_ONCE)]


class Child(Struct, frozen=True, omit_defaults=True):
    """How a job has ended that another has waited for."""

    id: str
    state: str  # completed, failed, cancelled; unfinished; unknown: it was forgotten since
    result: Raw = field(default_factory=lambda: NULL)
    error: str = ""
    of: str = ""  # the id of the job whose result that is, where another was done in its place


class ChildrenKnown(Struct, frozen=True, omit_defaults=True):
    """In the order in which the job names them, as many as one answer holds."""

    children: list[Child]
    next: int | None = None  # where the others begin
    rests: bool = False  # none are told: it is to rest first, until those that it has added have ended


class Children(Ask[ChildrenKnown], tag="queue.children"):
    """The jobs that a job has waited for which this worker has."""

    worker: WorkerName
    id: JobId
    token: int
    first: Annotated[int, Meta(ge=0, le=WAITS_MAX)] = 0


class SpawnJob(NewJob, frozen=True, kw_only=True, omit_defaults=True):
    """A child that a job adds."""

    queue: NameOrNone = ""  # "": the one that is asked
    on_failure: OnFailure = "fail"


class Spawned(Struct, frozen=True):
    """They are durable, with what is remembered of them."""

    ids: list[str]  # in the order in which they were given, by whoever has added the group


class Spawn(Ask[Spawned], tag="queue.spawn"):
    """Add children of a job that this worker has, once for each group: of one that was added before, it is said what
    that was. The job is not completed before they have ended."""

    worker: WorkerName
    id: JobId
    token: int
    group: Name
    jobs: Annotated[list[SpawnJob], Meta(max_length=WAITS_MAX)]


class AskOthers(Tell, tag="queue.ask_others"):
    """To itself: look how jobs of others are, which jobs of one's own wait for. This comes behind all that was written
    before it was sent, `stored` with it."""

    stored: list[str] = field(default_factory=list)


class WaitedFor(Tell, tag="queue.waited_for"):
    """From a queue: its jobs wait for these of yours, and it wants to hear when they end. A hint."""

    queue: str
    ids: list[str]


class OthersEnded(Tell, tag="queue.others_ended"):
    """To a queue that wanted to hear of it: these have ended so. A hint that is true."""

    states: dict[str, str]


class RetryChildren(Tell, tag="queue.retry_children"):
    """The job that these are children of is tried again, or they are themselves. One that has not ended then is not."""

    ends: dict[str, int]  # by id: when it had ended


class CancelChildren(Tell, tag="queue.cancel_children"):
    """The job that these are children of has ended: they are not wanted any more. Those that have ended stay so."""

    ids: list[str]
    reason: str
