"""Reports: what a worker's jobs say of how far they are, until it is brought to their queue: the newest of each."""

import math

import trio

from greenroom.actors.jobs.queue.messages import AT_ONCE, LINE_MAX, LINES_MAX, NOTE_MAX, Said
from greenroom.supervisors.jobs.words import whole


class Reports:
    """Of one worker. A job has one report, with its newest lines: so there are no more of them than jobs."""

    def __init__(self) -> None:
        self._of: dict[str, Said] = {}  # by the job's id
        self._is_some = trio.Event()
        self._is_wanted_now = trio.Event()
        self._last: list[Said] = []

    def note(self, job: str, share: float | None, note: str, line: str | None) -> None:
        """Raises: TypeError, ValueError for what is no share, or no text: to the job, whose mistake it is."""
        former = self._of.get(job)
        lines = former.lines if former is not None else []
        if line is not None:
            lines = [*lines[-LINES_MAX + 1 :], whole(str(line)[:LINE_MAX])]
        if share is not None:
            share = float(share)
            if not math.isfinite(share):
                raise ValueError(f"a share is 0 to 1, not {share}")
            share, note = min(1.0, max(0.0, share)), whole(str(note)[:NOTE_MAX])
        elif former is not None:
            share, note = former.share, former.note
        self._of[job] = Said(job, share, note, lines)
        self._is_some.set()

    def end(self, job: str) -> None:
        """It has ended: what it said goes with that."""
        said = self._of.pop(job, None) if self._of else None
        if said is not None:
            self._last.append(said)

    def last(self) -> list[Said]:
        """Of those that have ended, once."""
        last, self._last = self._last[:AT_ONCE], self._last[AT_ONCE:]
        return last

    def hurry(self) -> None:
        """Somebody watches: the next report is wanted now."""
        self._is_wanted_now.set()

    async def rest(self, seconds: float) -> None:
        """Between two reports."""
        self._is_wanted_now = trio.Event()
        with trio.move_on_after(seconds):
            await self._is_wanted_now.wait()

    async def wanted(self) -> None:
        """Return when there is something to say."""
        while not self._of:
            self._is_some = trio.Event()
            await self._is_some.wait()

    def take(self) -> list[Said]:
        """The oldest of them."""
        said = list(self._of.values())[:AT_ONCE]
        for one in said:
            del self._of[one.id]
        return said
