"""What a worker and a process of its own say to each other: JSON, a line a message."""

from typing import Literal

from msgspec import Raw, Struct, field

from greenroom.actors.jobs.queue.flows.messages import Child
from greenroom.actors.jobs.queue.flows.wanted import Wanted

LINE_BYTES_MAX = 2 << 20  # arguments, a result or a step's are within 256 KiB, but JSON may be escaped


class Begin(Struct, frozen=True, tag="begin"):
    """The first of all: where the worker imports from."""

    path: list[str]


class Do(Struct, frozen=True, tag="do"):
    """A job to be called, by its class."""

    module: str
    name: str
    id: str
    attempt: int
    attempts_max: int
    arguments: Raw
    traceparent: str = ""


class Stop(Struct, frozen=True, tag="stop"):
    """The job under way is to end; it is killed if it does not."""


class Known(Struct, frozen=True, tag="known"):
    """The answer to StepWanted and StepDone: the result, of a step that is through. And to SpawnWanted: the ids."""

    is_through: bool = False
    result: Raw = field(default_factory=lambda: Raw(b"null"))


class ChildrenKnown(Struct, frozen=True, tag="children_known"):
    """Some of the answer to ChildrenWanted: a line holds no more. Or, with `rests`, that it is to wait first."""

    children: list[Child]
    is_last: bool
    rests: bool = False


ToChild = Begin | Do | Stop | Known | ChildrenKnown


class Progress(Struct, frozen=True, tag="progress"):
    """See Work.progress."""

    share: float
    note: str = ""


class Log(Struct, frozen=True, tag="log"):
    """See Work.log."""

    line: str


class StepWanted(Struct, frozen=True, tag="step"):
    """Is that step through?"""

    name: str


class StepDone(Struct, frozen=True, tag="step_done"):
    """It is now."""

    name: str
    result: Raw


class ChildrenWanted(Struct, frozen=True, tag="children"):
    """See Work.children."""


class SpawnWanted(Struct, frozen=True, tag="spawn"):
    """See Work.spawn."""

    group: str
    jobs: list[Wanted]


class Returned(Struct, frozen=True, tag="returned"):
    """The job has returned."""

    result: Raw


class Raised(Struct, frozen=True, tag="raised"):
    """The job has raised."""

    what: Literal["error", "snooze", "pause", "discard", "cancel", "rests", "bad_result"]
    text: str = ""
    trace: str = ""
    seconds: float = 0.0


FromChild = Progress | Log | StepWanted | StepDone | ChildrenWanted | SpawnWanted | Returned | Raised
