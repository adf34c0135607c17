"""What is read of jobs: all of a queue's when it wakes, those that others have added since, and one by its id."""

from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from msgspec import Struct

from greenroom.config.telemetry.job_instruments import QueueCounts
from greenroom.store.jobs.filter import Match
from greenroom.store.jobs.kept import Kept
from greenroom.store.journal.consequences.jobs import JobRow, TakeRow, WindowRow

PAGE = 2_000  # jobs read at once when a queue wakes
LOOK_ROWS = 500  # of one queue, read by one look
LOOKS_MAX = 32  # queues that one look is for
UNFINISHED: Final = "unfinished"  # as a job's state
LONG = 2_048  # bytes of arguments from which on they are read when the job is taken


class Seen(Struct, frozen=True):
    """Which transactions a queue has seen the jobs of: those that were visible at a moment, and of those that are in
    between that and a later one the first jobs. Where transactions end in another order than they have begun in, a
    number would not do."""

    before: str  # a snapshot, as the store writes it
    now: str | None = None  # the later one; None: whatever it is by then
    xid: str | None = None  # the last job seen in between: its transaction
    id: str | None = None  # and itself


class Begun(Struct):
    """What a queue begins with, beside its jobs."""

    seen: Seen
    takes: list[TakeRow]
    windows: list[WindowRow]  # that are open


class Look(Struct):
    """Jobs that others have added since, at most LOOK_ROWS."""

    seen: Seen  # with these
    rows: list[JobRow]

    @property
    def is_whole(self) -> bool:
        """Are these all that there are?"""
        return self.seen.now is None


class JobFound(Struct):
    """One job, wherever it is."""

    row: JobRow
    state: str  # unfinished; active: a worker has it; or how it has ended
    ended_ms: int | None = None
    started_ms: int | None = None
    worker: str = ""
    result: bytes | None = None  # JSON
    errors: bytes | None = None  # JSON list


class JobOutcome(Struct):
    """How one job stands, for those that wait for it."""

    queue: str
    state: str  # unfinished; or how it has ended
    result: bytes | None = None  # JSON
    error: str = ""  # of its last attempt, where it has not succeeded
    ended_ms: int | None = None
    instead: str = ""  # the id of the one that is done in its place
    is_cancelling: bool = False  # it has not ended, and is to be given up
    of: str = ""  # the id of the job that this has come of, where that was done in its place

    @property
    def has_ended(self) -> bool:
        return self.state != UNFINISHED


class Question(Struct, frozen=True):
    """What a queue wants to know of jobs that its own wait for."""

    number: int  # by which it tells it from others
    ids: tuple[str, ...]
    results: bool = False  # and errors


class QueueReads(Protocol):
    """What a queue has of whoever runs it: what is read for it, and where it counts."""

    def counts(self, queue: str) -> QueueCounts:
        """Of that queue, for one life of it."""

    async def begin(self, queue: str, now_ms: int) -> Begun:
        """Raises: StoreUnavailable."""

    async def page(self, queue: str, seen: Seen, after: str, *, arguments: bool) -> list[JobRow]:
        """The next jobs, at most PAGE, by rising id, of those visible at `seen.before`. `arguments`: bring them along
        where they are not long. [] at the end. Raises: StoreUnavailable."""

    def look(self, queue: str, seen: Seen) -> None:
        """Look for jobs that others have added since. They come to the queue as a message, sooner or never."""

    def read(self, queue: str, ids: Sequence[str]) -> None:
        """Read these jobs' arguments. They come to the queue as a message, sooner or never."""

    def read_clear(self, queue: str, ids: Sequence[str]) -> None:
        """The same, of those alone whose arguments are stored in the clear. Those that the queue has asked for before
        and that were not read yet are not read any more."""

    def match(self, queue: str, match: Match) -> bool:
        """Look for these jobs. They come to the queue as a message, later or never. False: too many are looked for."""

    def ask(self, queue: str, question: Question) -> bool:
        """Read that. It comes to the queue as a message, later or never. False: too much is asked."""

    async def find(self, job_id: str) -> JobFound | None:
        """One job, finished or not; None where there is none, or none any more. Raises: StoreUnavailable."""

    async def outcomes(self, ids: Sequence[str], *, results: bool = False) -> dict[str, JobOutcome]:
        """By id, of one moment; a job that is not among them there is not, or not any more. `results`: and errors, and
        of one in whose place another is done what has come of that. Raises: StoreUnavailable."""

    async def ended(self, ids: Sequence[str]) -> list[JobFound]:
        """Those of these jobs that have ended, whole but for results and errors. Raises: StoreUnavailable."""

    async def forgotten(self, queues: Sequence[str]) -> list[str]:
        """Those of these queues that were forgotten, and take no more jobs. Raises: StoreUnavailable."""

    async def with_steps(self, queue: str) -> list[str]:
        """Ids of the queue's jobs of which steps are through. Raises: StoreUnavailable."""

    async def steps(self, job_id: str) -> dict[str, bytes]:
        """Results of the steps that are through, by their names. Raises: StoreUnavailable."""


class JobStore(Protocol):
    """All of it raises StoreUnavailable."""

    async def begin(self, queue: str, now_ms: int) -> Begun:
        """See QueueReads."""

    async def page(self, queue: str, seen: Seen, after: str, *, arguments: bool) -> list[JobRow]:
        """See QueueReads."""

    async def look(self, wanted: Mapping[str, Seen]) -> dict[str, Look]:
        """By queue, LOOKS_MAX at most: jobs that others have added since, by their transactions."""

    async def arguments(self, ids: Sequence[str]) -> dict[str, bytes]:
        """Of those jobs that are not finished, by id."""

    async def clear_arguments(self, ids: Sequence[str]) -> dict[str, bytes]:
        """Likewise, of those whose arguments are not encrypted."""

    async def find(self, job_id: str) -> JobFound | None:
        """One job, finished or not; None where there is none, or none any more."""

    async def outcomes(self, ids: Sequence[str], *, results: bool = False) -> dict[str, JobOutcome]:
        """See QueueReads."""

    async def ended(self, ids: Sequence[str]) -> list[JobFound]:
        """See QueueReads."""

    async def forgotten(self, queues: Sequence[str]) -> list[str]:
        """See QueueReads."""

    async def with_steps(self, queue: str) -> list[str]:
        """See QueueReads."""

    async def steps(self, job_id: str) -> dict[str, bytes]:
        """See QueueReads."""

    async def step_names(self, job_id: str, most: int) -> list[str]:
        """Of steps that are through, at most so many, by rising names."""

    async def version(self, job_id: str) -> str:
        """Another one whenever what `find` brings of it has changed, but for who has it; "": there is none."""

    async def keep_days(self, kept: Kept) -> int:
        """Drop finished jobs that are not kept any more, by the day, and make the days to come; how many days, or parts
        of days, went."""
