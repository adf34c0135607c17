"""Expiries: jobs that are not to be begun any more after a moment of their own. Pure; time is an argument.

That counts for a job until it was begun, which is when a worker was given it and has not given it back as no attempt:
one that has failed, or whose worker was lost, or of which a step is through, is tried again however late.
"""

from collections.abc import Mapping
from heapq import heapify, heappop, heappush

from greenroom.actors.jobs.queue.waiting import Waiting

SPARE = 1_000  # entries of jobs that are no more, beside as many as there are of those that are


class Expiries:
    """Of one queue: true where there are some."""

    def __init__(self) -> None:
        self._of: dict[str, int] = {}  # when, by the job's id, of those that were not begun
        self._heap: list[tuple[int, str]] = []

    def __bool__(self) -> bool:
        return bool(self._of)

    def add(self, job: Waiting) -> None:
        """It is new here, is given back, or has another moment: nobody has it, or that is said by `due`."""
        expires_ms = job.expires_ms
        if not expires_ms:
            self._of.pop(job.id, None)
            return
        self._of[job.id] = expires_ms
        if len(self._heap) > 2 * len(self._of) + SPARE:
            self._heap = [(at_ms, job_id) for job_id, at_ms in self._of.items()]
            heapify(self._heap)
        else:
            heappush(self._heap, (expires_ms, job.id))

    def forget(self, job_id: str) -> None:
        self._of.pop(job_id, None)

    def due(self, now_ms: int, jobs: Mapping[str, Waiting], most: int) -> list[Waiting]:
        """Those that nobody is to begin any more, at most so many, once. Those that somebody has come again with
        `add`, if they come back."""
        found: list[Waiting] = []
        while self._heap and self._heap[0][0] <= now_ms and len(found) < most:
            expires_ms, job_id = heappop(self._heap)
            if self._of.get(job_id) == expires_ms and not jobs[job_id].token:
                del self._of[job_id]
                found.append(jobs[job_id])
        return found

    def next_ms(self) -> int | None:
        """When the next may be; None: there are none."""
        while self._heap and self._of.get(self._heap[0][1]) != self._heap[0][0]:
            heappop(self._heap)
        return self._heap[0][0] if self._heap else None
