"""Blocked: which jobs of a queue wait for which others, and what follows for them when one of those has ended. Pure.

Nothing of it is stored but what each waits for, with its row. How the others have ended is in their rows: so a life
that begins anew comes to the same, and it does not matter how often anybody is told.
"""

from enum import Enum
from typing import Final

from msgspec import Struct

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


class Waiter(Struct):
    """A job that waits."""

    when: When
    open: dict[str, OnFailure]  # what it waits for still, by id


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
    return Decided(Then.CANCEL, "not called: none has failed") if when == "failure" else GO


class Blocked:
    """Of one queue."""

    def __init__(self) -> None:
        self.jobs: dict[str, Waiter] = {}
        self.awaited: dict[str, dict[str, None]] = {}  # by the id of one that is waited for: who waits
        self.due: dict[str, Decided] = {}  # decided, and to be carried out

    def block(self, job_id: str, waits: Waits) -> None:
        """That job waits."""
        waiter = self.jobs[job_id] = Waiter(waits.when, {})
        for one in waits.jobs:
            waiter.open[one.id] = one.on_failure
            self.awaited.setdefault(one.id, {})[job_id] = None

    def ended(self, job_id: str, state: str) -> None:
        """A job has, which others may wait for."""
        for waiting in self.awaited.pop(job_id, ()):
            waiter = self.jobs[waiting]
            on_failure = waiter.open.pop(job_id)
            decided = judge(waiter.when, on_failure, job_id, state, len(waiter.open))
            if decided is not None:
                self.due.setdefault(waiting, decided)

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
