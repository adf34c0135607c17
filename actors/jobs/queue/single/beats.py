"""Beats that wait: each worker has one at its queue, answered when there is something to give up, or in time."""

from collections.abc import Mapping

from msgspec import Struct

from greenroom.actors.jobs.queue.messages import WAIT_MAX_S, Beat
from greenroom.actors.model.message import Later

SILENT_MS = 4_000  # from a worker's last word: beats come every three seconds
HEARD_MAX = 10_000  # workers of which that is remembered; others are given jobs as long as they wait
REMEMBERED_MS = int(WAIT_MAX_S * 1000)  # nothing waits longer in its name


class Waiting(Struct):
    """One of them."""

    later: Later
    until_ms: int


class Beats:
    """Of one queue; at most one a worker."""

    def __init__(self) -> None:
        self._of: dict[str, Waiting] = {}  # by the worker's name
        self._heard_ms: dict[str, int] = {}  # by worker: when its last one came; of those that are not silent, about
        self._told: set[str] = set()  # jobs whose cancel their worker was told: once at once, then with each beat

    def heard(self, worker: str, now_ms: int) -> None:
        """One has come."""
        if len(self._heard_ms) < HEARD_MAX or worker in self._heard_ms:
            self._heard_ms[worker] = now_ms

    def is_silent(self, worker: str, asked_ms: int, now_ms: int) -> bool:
        """Who has asked for jobs then: has it ceased to beat, and may have ended? Of one that beats only while it has
        something nobody knows."""
        heard_ms = self._heard_ms.get(worker)
        return heard_ms is not None and max(asked_ms, heard_ms) <= now_ms - SILENT_MS

    def wait(self, beat: Beat, now_ms: int) -> tuple[Later, Later | None]:
        """The one, and the worker's former one, which it does not listen to any more."""
        former = self._of.pop(beat.worker, None)
        later = Later()
        self._of[beat.worker] = Waiting(later, now_ms + int(beat.wait_s * 1000))
        return later, former.later if former is not None else None

    def end(self, worker: str) -> Later | None:
        """Take the one of that worker."""
        found = self._of.pop(worker, None)
        return found.later if found is not None else None

    def due(self, now_ms: int) -> list[str]:
        """Workers whose beats have waited long enough."""
        silent = [name for name, heard_ms in self._heard_ms.items() if heard_ms <= now_ms - REMEMBERED_MS]
        for name in silent:
            del self._heard_ms[name]
        return [name for name, one in self._of.items() if one.until_ms <= now_ms]

    def news(self, jobs: list[str], cancelling: Mapping[str, str]) -> bool:
        """Is the worker of these, which are to be cancelled, yet to be told of one?"""
        self._told &= cancelling.keys()
        is_new = not self._told.issuperset(jobs)
        self._told.update(jobs)
        return is_new

    def __len__(self) -> int:
        return len(self._of)
