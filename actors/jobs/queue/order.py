"""The order of a queue: which job is next, and when the next one may be.

Pure: time comes as an argument, and nothing is remembered but jobs.
"""

import heapq
from collections.abc import Collection
from itertools import count

from greenroom.actors.jobs.queue.waiting import Waiting

AGEING_MS = 60_000  # a job that has waited for so long goes before one that comes with one priority better


class Order:
    """Jobs that nobody has, each in here once."""

    def __init__(self) -> None:
        self._ready: list[tuple[int, int, Waiting]] = []
        self._later: list[tuple[int, int, Waiting]] = []
        self._numbers = count()
        self._removed: set[Waiting] = set()  # one that comes again does so as a copy

    def __len__(self) -> int:
        return len(self._ready) + len(self._later) - len(self._removed)

    def put(self, job: Waiting, now_ms: int) -> None:
        if job.due_ms > now_ms:
            heapq.heappush(self._later, (job.due_ms, next(self._numbers), job))
        else:
            heapq.heappush(self._ready, (self._rank(job), next(self._numbers), job))

    def _rank(self, job: Waiting) -> int:
        """Ageing without a clock: all grow old at the same pace."""
        return job.due_ms + job.priority * AGEING_MS

    def take(self, now_ms: int, most: int, knows: Collection[str] | None = None) -> list[Waiting]:
        """The next ones, at most so many, of classes that the worker knows; None: of all."""
        later = self._later
        while later and later[0][0] <= now_ms:
            job = heapq.heappop(later)[2]
            heapq.heappush(self._ready, (self._rank(job), next(self._numbers), job))
        found: list[Waiting] = []
        left: list[tuple[int, int, Waiting]] = []
        while self._ready and len(found) < most:
            entry = heapq.heappop(self._ready)
            job = entry[2]
            if job in self._removed:
                self._removed.discard(job)
            elif knows is not None and job.job not in knows:
                left.append(entry)
            else:
                found.append(job)
        for entry in left:
            heapq.heappush(self._ready, entry)
        return found

    def remove(self, job: Waiting) -> None:
        """It is in here, and nobody is to have it."""
        self._removed.add(job)

    def ended(self, job: Waiting) -> None:
        """One that was taken is not under way any more."""

    def next_ms(self) -> int | None:
        """When one may be ready that is not, without anything else happening; None: nothing waits for time."""
        return self._later[0][0] if self._later else None
