"""Bells: which other queues want to hear when a job of this one ends. A hint, in memory alone: who is not told looks by
itself after a while. Pure; time is an argument."""

from collections.abc import Iterable

BELLS_MAX = 10_000  # jobs that others want to hear of; who asks for more looks by itself
LAPSE_MS = 25_000  # whoever still wants to hear of it asks again before


class Bells:
    """Of one queue."""

    def __init__(self) -> None:
        self.of: dict[str, dict[str, int]] = {}  # by the job's id: the queue's name, and until when
        self.rung: dict[str, dict[str, str]] = {}  # by queue: how jobs have ended, to be told

    def hang(self, ids: Iterable[str], queue: str, now_ms: int) -> None:
        """That queue wants to hear of these."""
        for job_id in ids:
            if job_id in self.of or len(self.of) < BELLS_MAX:
                self.of.setdefault(job_id, {})[queue] = now_ms + LAPSE_MS

    def ring(self, job_id: str, state: str) -> None:
        """It has ended."""
        for queue in self.of.pop(job_id, ()):
            self.rung.setdefault(queue, {})[job_id] = state

    def lapse(self, now_ms: int) -> None:
        """Who has not asked again does not want to hear of it any more."""
        for job_id, queues in list(self.of.items()):
            left = {queue: until_ms for queue, until_ms in queues.items() if until_ms > now_ms}
            if left:
                self.of[job_id] = left
            else:
                del self.of[job_id]

    def take(self) -> dict[str, dict[str, str]]:
        """What is to be told, once."""
        rung, self.rung = self.rung, {}
        return rung
