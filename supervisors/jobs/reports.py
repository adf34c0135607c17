"""Reports: what a worker's jobs say of how far they are, until it is brought to their queue: the newest of each. And
how much of what it has to say one message holds."""

import math
from collections.abc import Iterable, Sequence

import msgspec
import trio

from greenroom.actors.jobs.queue.messages import AT_ONCE, LINE_MAX, LINES_MAX, NOTE_MAX, Finished, Said
from greenroom.supervisors.jobs.words import whole

# One message is half of what a server takes by itself (1 MiB). The largest single ones are within that as well.
FINISHED_BYTES = 384 << 10
SAID_BYTES = 128 << 10
REST_BYTES = 120  # of a finished job beside its result
_encode = msgspec.json.encode


def how_many(finished: Sequence[Finished]) -> int:
    """Of these, from the first, one message says; one at least."""
    return _within((_size(one) for one in finished), FINISHED_BYTES)


def _size(one: Finished) -> int:
    """As JSON. What has just returned, as nearly all have, is not encoded for that."""
    if one.error is None and not one.pause_reason:
        return REST_BYTES + len(one.result)
    return len(_encode(one))


def _within(sizes: Iterable[int], bytes_max: int) -> int:
    count = size = 0
    for one in sizes:
        size += one
        if count == AT_ONCE or (count and size > bytes_max):
            break
        count += 1
    return count


def _how_many_said(said: Iterable[Said]) -> int:
    return _within((len(_encode(one)) for one in said), SAID_BYTES)


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
        if not self._last:
            return []
        count = _how_many_said(self._last)
        last, self._last = self._last[:count], self._last[count:]
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

    def put_back(self, said: Iterable[Said]) -> None:
        """These were not heard: what of them still counts goes with what came since."""
        for one in said:
            later = self._of.get(one.id, one)
            newest = later if later.share is not None else one
            lines = one.lines if later is one else [*one.lines, *later.lines][-LINES_MAX:]
            self._of[one.id] = Said(one.id, newest.share, newest.note, lines)

    def take(self) -> list[Said]:
        """The oldest of them."""
        said = list(self._of.values())[: _how_many_said(self._of.values())]
        for one in said:
            del self._of[one.id]
        return said
