"""What a queue can be told, and answers. Tags are wire names: never renamed, fields only ever added, with defaults."""

from typing import Annotated, Any

from msgspec import Meta, Raw, Struct, field

from greenroom.actors.jobs.options import ExpiresS, JobWeight, UniqueKey
from greenroom.actors.jobs.texts import JobId, Name, NameOrNone
from greenroom.actors.model.message import Ask, Done, Tell

AT_ONCE = 1_000  # jobs added or taken by one message
WAIT_MAX_S = 30.0
LINES_MAX = 100  # of a job's log that are kept
LINE_MAX = 1_000  # characters
NOTE_MAX = 1_000

Tag = Name
WorkerName = Name
ProcessName = NameOrNone  # `host/process`, as supervisors/cluster/evidence.py names them
NO_ARGUMENTS = Raw(b"{}")
NULL = Raw(b"null")


class NewJob(Struct, frozen=True, omit_defaults=True):
    """One job to be added."""

    job: Tag
    arguments: Raw = field(default_factory=lambda: NO_ARGUMENTS)  # JSON object
    priority: Annotated[int, Meta(ge=0, le=9)] | None = None  # 0 goes first; None: as its class says
    delay_s: Annotated[float, Meta(ge=0, le=366 * 86_400)] = 0.0
    partition: NameOrNone = ""
    attempts: Annotated[int, Meta(ge=1, le=1_000)] | None = None  # None: as its class says
    unique: UniqueKey | None = None
    by: NameOrNone = ""  # the user on whose behalf, who may watch and cancel it
    expires_s: ExpiresS | None = None  # not begun in that time, it is not done any more; None: as its class says
    weight: JobWeight | None = None  # as so many jobs it counts in limits; None: as its class says


class Added(Struct, frozen=True, omit_defaults=True):
    """The job is durable."""

    id: str
    duplicate: bool = False  # of that one, which was there: nothing was added


class Add(Ask[Added], tag="queue.add"):
    """Add a job."""

    job: Tag
    arguments: Raw = field(default_factory=lambda: NO_ARGUMENTS)
    priority: Annotated[int, Meta(ge=0, le=9)] | None = None
    delay_s: Annotated[float, Meta(ge=0, le=366 * 86_400)] = 0.0
    partition: NameOrNone = ""
    attempts: Annotated[int, Meta(ge=1, le=1_000)] | None = None
    unique: UniqueKey | None = None
    by: NameOrNone = ""  # the user on whose behalf, who may watch and cancel it
    expires_s: ExpiresS | None = None  # not begun in that time, it is not done any more; None: as its class says
    weight: JobWeight | None = None  # as so many jobs it counts in limits; None: as its class says


class AddedMany(Struct, frozen=True, omit_defaults=True):
    """In the order in which they were given."""

    ids: list[str]
    duplicates: list[int] = []  # which of them, from 0, were not added: their ids are of those that were there


class AddMany(Ask[AddedMany], tag="queue.add_many"):
    """Add several jobs, or none of them."""

    jobs: Annotated[list[NewJob], Meta(max_length=AT_ONCE)]


class Finished(Struct, frozen=True, omit_defaults=True):
    """One job of which a worker says what became of it."""

    id: JobId
    token: int
    result: Raw = field(default_factory=lambda: NULL)  # JSON
    error: str | None = None  # of a failed attempt
    trace: str = ""
    retry_s: float | None = None  # tried again after so long; None: as the queue sees fit
    final: bool = False  # failed for good
    cancelled: bool = False
    refund: bool = False  # this was no attempt
    pause_s: float | None = None  # the queue is to rest for so long
    pause_reason: str = ""
    lost: bool = False  # the process that ran it ended with it in hand: as when the worker itself does
    unbegun: bool = False  # nobody has begun it: what it has taken of a rate is given back
    rests: bool = False  # with `refund`: it waits until the jobs that it has added have ended, and is begun again
    lineage: str | None = None  # as it was taken: what is done across a failover is done again. None: is not known


class Said(Struct, frozen=True, omit_defaults=True):
    """What a job says of itself while it is worked on."""

    id: JobId
    share: Annotated[float, Meta(ge=0, le=1)] | None = None
    note: Annotated[str, Meta(max_length=NOTE_MAX)] = ""
    lines: Annotated[list[Annotated[str, Meta(max_length=LINE_MAX)]], Meta(max_length=LINES_MAX)] = []


class TakenJob(Struct, frozen=True, omit_defaults=True):
    """One job to work on."""

    id: str
    job: str
    arguments: Raw
    attempt: int  # 1 is the first
    attempts_max: int
    steps: bool = False  # of an attempt before there are results, which `queue.steps` answers
    traceparent: str = ""  # W3C, of who has added it, where that trace is recorded: an attempt is a span below it
    lost: int = 0  # workers that have ended with it in hand
    lineage: str | None = None  # the database's history, in which it is taken; None: of a release that does not say


class Taken(Struct, frozen=True, omit_defaults=True):
    """What was taken, under one token; and which of the finished ones were refused: the worker's lease had ended."""

    token: int = 0
    jobs: list[TakenJob] = []
    refused: list[str] = []
    waited_s: float | None = None  # that the take waited here until it had them: their lease began no later than then


class Take(Ask[Taken], tag="queue.take"):
    """Finish some jobs, and have others to work on. Waits for them where there are none."""

    worker: WorkerName
    most: Annotated[int, Meta(ge=0, le=AT_ONCE)] = 1
    wait_s: Annotated[float, Meta(ge=0, le=WAIT_MAX_S)] = 0.0
    knows: Annotated[list[Tag], Meta(max_length=AT_ONCE)] | None = None  # tags of jobs that it can work on; None: all
    finished: Annotated[list[Finished], Meta(max_length=AT_ONCE)] = field(default_factory=list)
    said: Annotated[list[Said], Meta(max_length=AT_ONCE)] = field(default_factory=list)  # by those, last
    process: ProcessName = ""  # the worker's: seen to have ended on the queue's own host, its jobs go on at once


class Beaten(Struct, frozen=True, omit_defaults=True):
    """What it is to give up: tokens that hold no more, and jobs that are to be cancelled."""

    void: list[int] = []
    cancel: list[str] = []
    watched: bool = False  # somebody has begun to watch one of its jobs: what these say is wanted soon


class Beat(Ask[Beaten], tag="queue.beat"):
    """The worker is there, and works on these. What it does not name it has lost.

    Answered after `wait_s`, or as soon as there is something to give up.
    """

    worker: WorkerName
    tokens: Annotated[list[int], Meta(max_length=10_000)] = field(default_factory=list)
    wait_s: Annotated[float, Meta(ge=0, le=WAIT_MAX_S)] = 0.0


class Complete(Ask[Done], tag="queue.complete"):
    """A job has succeeded."""

    worker: WorkerName
    id: JobId
    token: int
    result: Any = None


class Fail(Ask[Done], tag="queue.fail"):
    """An attempt at a job has failed."""

    worker: WorkerName
    id: JobId
    token: int
    error: Annotated[str, Meta(max_length=16_384)] = ""
    retry_s: Annotated[float, Meta(ge=0)] | None = None
    final: bool = False


class Leave(Ask[Done], tag="queue.leave"):
    """The worker has ended: what it has goes to others, and was no attempt. Or, with `keeps`, it takes nothing more and
    ends when it is through with that."""

    worker: WorkerName
    keeps: bool = False


class Tick(Tell, tag="queue.tick"):
    """To itself: time has passed."""


class Found(Tell, tag="queue.found"):
    """Others have added jobs: a hint, which may be lost."""
