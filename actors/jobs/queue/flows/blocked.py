"""Blocked: which jobs of a queue wait for which others, and what follows for them when one of those has ended. Pure.

Nothing of it is stored but what each waits for, with its row. How the others have ended is in their rows: so a life
that begins anew comes to the same, and it does not matter how often anybody is told. Those rows are dropped one day:
so what still waits has it written down after a while that one of them is settled.
"""

from collections.abc import Iterator
from enum import Enum
from typing import Final

from msgspec import Struct, field
from msgspec.structs import replace

from greenroom.actors.jobs.waits import OnFailure, Waits, When

UNKNOWN: Final = "unknown"  # as how a job has ended of which there is no row, or none any more
HOW = {
    "failed": "has failed",
    "cancelled": "was cancelled",
    UNKNOWN: "is not known, or was forgotten since it ended",
}


class Then(Enum):
    """What follows for a job that waits."""

    GO = "go"
    FAIL = "fail"
    CANCEL = "cancel"


class Decided(Struct, frozen=True):
    """And why, where it is not to go."""

    then: Then
    why: str = ""


GO = Decided(Then.GO)


class Open(Struct):
    """A job that is waited for."""

    on_failure: OnFailure
    past_ms: int  # an end at that time is a former one
    names: list[str]  # its own id, or those of jobs in whose place it is done


class Waiter(Struct):
    """A job that waits."""

    when: When
    open: dict[str, Open]  # what it waits for still, by id
    settled: set[str] = field(default_factory=set)  # what it has named and has ended, where that is not stored yet


def judge(when: When, on_failure: OnFailure, job_id: str, state: str, left: int) -> Decided | None:
    """One that it waits for has ended in that state, and so many are left. None: it goes on waiting."""
    has_failed = state != "completed"
    if has_failed and when == "success":
        return Decided(Then.CANCEL, f"not called: {job_id} {HOW[state]}")
    if has_failed and when == "failure":
        return GO
    if has_failed and not when and on_failure == "fail":
        return Decided(Then.FAIL, f"{job_id}, which it waited for, {HOW[state]}")
    if has_failed and not when and on_failure == "continue":
        return GO
    if left:
        return None
    return _at_last(when)


def _at_last(when: When) -> Decided:
    """Nothing is left, and nothing of it has decided."""
    return Decided(Then.CANCEL, "not called: none has failed") if when == "failure" else GO


class Blocked:
    """Of one queue."""

    def __init__(self) -> None:
        self.jobs: dict[str, Waiter] = {}
        self.awaited: dict[str, dict[str, None]] = {}  # by the id of one that is waited for: who waits
        self.due: dict[str, Decided] = {}  # decided, and to be carried out

    def block(self, job_id: str, waits: Waits) -> None:
        """That job waits."""
        waiter = self.jobs[job_id] = Waiter("" if waits.rests else waits.when, {})
        for one in waits.jobs[waits.past :]:
            if not one.is_settled:
                waiter.open[one.id] = Open(one.on_failure, one.past_ms, [one.id])
                self.awaited.setdefault(one.id, {})[job_id] = None
        if not waiter.open:
            self.due[job_id] = _at_last(waiter.when)

    def ended(self, job_id: str, state: str, ended_ms: int | None = None) -> None:
        """A job has, which others may wait for. `ended_ms`: where it may have done so long ago."""
        for waiting in self.awaited.pop(job_id, ()):
            waiter = self.jobs[waiting]
            open_ = waiter.open[job_id]
            if ended_ms is not None and ended_ms == open_.past_ms:  # it is to be tried again
                self.awaited.setdefault(job_id, {})[waiting] = None
                continue
            del waiter.open[job_id]
            waiter.settled.update(open_.names)
            decided = judge(waiter.when, open_.on_failure, job_id, state, len(waiter.open))
            if decided is not None:
                self.due.setdefault(waiting, decided)

    def replaced(self, job_id: str, instead: str) -> None:
        """That job is not done, as another one is in its place: whoever has waited for it waits for that."""
        for waiting in self.awaited.pop(job_id, ()):
            waiter = self.jobs[waiting]
            before = waiter.open.pop(job_id)
            open_ = waiter.open.setdefault(instead, Open(before.on_failure, 0, []))
            open_.names += before.names
            self.awaited.setdefault(instead, {})[waiting] = None

    def settle(self, job_id: str, waits: Waits) -> Waits | None:
        """What is to be stored of that waiting job, with what has ended since; None: as it is."""
        waiter = self.jobs.get(job_id)
        if waiter is None or not waiter.settled or not waiter.open:
            return None
        settled, waiter.settled = waiter.settled, set()
        jobs = [replace(one, is_settled=True) if one.id in settled else one for one in waits.jobs]
        return replace(waits, jobs=jobs)

    def unstored(self) -> Iterator[str]:
        """Those of which something is settled that is not stored."""
        return (job_id for job_id, waiter in self.jobs.items() if waiter.settled and waiter.open)

    def forget(self, job_id: str) -> Waiter | None:
        """That job waits no more, whatever the reason; as what it was."""
        waiter = self.jobs.pop(job_id, None)
        if waiter is None:
            return None
        self.due.pop(job_id, None)
        for one in waiter.open:
            waiting = self.awaited[one]
            del waiting[job_id]
            if not waiting:
                del self.awaited[one]
        return waiter

    def waits_for(self, job_id: str) -> list[str]:
        """What that job waits for still."""
        waiter = self.jobs.get(job_id)
        return list(waiter.open) if waiter is not None else []
