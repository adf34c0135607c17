"""What is shown of jobs under way: how far each says that it is, and who wants to hear of it. In memory alone.

Pure; time is an argument. Of a job that nobody looks at the newest words are kept, and nobody is told.
"""

from collections import deque

from msgspec import Struct

from greenroom.actors.jobs.queue.messages import LINES_MAX, Said

LOOK_MS = 30_000  # a look counts for so long; whoever goes on watching looks again before
LOOKS_MAX = 10_000  # jobs looked at; of more, watchers see what is new when they look again
SAID_MAX = 10_000  # jobs that have said something; those that began to first are forgotten
LINES_CHARACTERS_MAX = 8 << 20  # of all logs of a queue together; likewise
SOON_S = 0.2  # between two reports of a worker that somebody watches a job of
SELDOM_S = 3.0


class Heard(Struct):
    """What a job has said in its present attempt."""

    share: float | None = None
    note: str = ""
    lines: deque[str] = deque(maxlen=LINES_MAX)
    count: int = 0  # of lines, those that are gone included
    told: int = 0  # of these, how many its watchers were told


class Shown:
    """Of one queue."""

    def __init__(self) -> None:
        self.looked_at: dict[str, int] = {}  # by the job's id: until when, Unix ms
        self._heard: dict[str, Heard] = {}
        self._last: dict[str, tuple[list[str], int]] = {}  # of attempts that have ended and are told of next
        self._characters = 0

    def look(self, job: str, now_ms: int) -> None:
        """Somebody wants to hear of it for a while."""
        if job in self.looked_at or len(self.looked_at) < LOOKS_MAX:
            self.looked_at[job] = now_ms + LOOK_MS

    def lapse(self, now_ms: int) -> None:
        """Whoever has not looked again does not watch any more."""
        if self.looked_at:
            for job in [job for job, until_ms in self.looked_at.items() if until_ms <= now_ms]:
                del self.looked_at[job]

    def said(self, one: Said) -> None:
        heard = self._heard.get(one.id)
        if heard is None:
            heard = self._heard[one.id] = Heard(lines=deque(maxlen=LINES_MAX))
        if one.share is not None:
            heard.share, heard.note = one.share, one.note
        for line in one.lines:
            if len(heard.lines) == LINES_MAX:
                self._characters -= len(heard.lines[0])
            heard.lines.append(line)
            heard.count += 1
            self._characters += len(line)
        while len(self._heard) > SAID_MAX or (self._characters > LINES_CHARACTERS_MAX and len(self._heard) > 1):
            self._forget(next(iter(self._heard)))

    def ended(self, job: str) -> None:
        """Its attempt has: what its watchers were not told yet they are told with that."""
        if job in self._heard:
            if job in self.looked_at:
                _, _, lines, first = self.of(job, since_told=True)
                self._last[job] = lines, first
            self._forget(job)

    def last_of(self, job: str) -> tuple[list[str], int]:
        """Lines, and the number of the first; once."""
        return self._last.pop(job, ([], 0))

    def _forget(self, job: str) -> None:
        heard = self._heard.pop(job, None)
        if heard is not None:
            self._characters -= sum(map(len, heard.lines))

    def of(self, job: str, *, since_told: bool) -> tuple[float | None, str, list[str], int]:
        """Share, note, lines and the number of the first of these: all that are kept, or those that watchers were not
        told yet, and are told now."""
        heard = self._heard.get(job)
        if heard is None:
            return None, "", [], 0
        first = heard.count - len(heard.lines)
        if since_told:
            first = max(first, heard.told)
            heard.told = heard.count
        return heard.share, heard.note, list(heard.lines)[first - heard.count + len(heard.lines) :], first

    def __len__(self) -> int:
        return len(self._heard)
