"""Others: jobs that a queue's own wait for, and that are not here: in another queue, or ended already. Pure.

How they stand is asked of the store, where it is written. The queue that has one is asked to say so as it ends, which
spares both waiting; what is never said is found when the store is asked again.

Of one whose row is on its way there nobody knows yet, and it would be taken for gone. So one is asked about only once a
message has come that this queue has sent itself since it waits for it: that comes behind all that was written before,
however long that takes, and whatever clocks are set to meanwhile.
"""

from collections.abc import Collection, Iterable, Mapping
from itertools import islice

from msgspec import Struct

from greenroom.store.jobs.jobs import JobOutcome

ASK_MS = 2_000  # until one that had not ended is asked about again
LONG_MS = 10_000  # the same, from the second time on: its queue is to say when it ends
ASK_AT_ONCE = 500
ANSWER_MS = 40_000  # after which an answer is not waited for


class Other(Struct):
    """One of them."""

    queue: str = ""  # that has it, as far as is known
    asked_ms: int = 0
    asks: int = 0  # how often the answer was that it is under way


class Others:
    """Of one queue."""

    def __init__(self) -> None:
        self._new: dict[str, Other] = {}  # rows of these may be on their way
        self._fresh: dict[str, Other] = {}  # not asked about yet
        self._asked: dict[str, Other] = {}  # by rising `asked_ms`
        self._long: dict[str, Other] = {}  # those whose queue is to say so, likewise
        self._asking_until_ms = 0

    def __len__(self) -> int:
        return sum(map(len, self._all))

    @property
    def _all(self) -> tuple[dict[str, Other], ...]:
        return self._new, self._fresh, self._asked, self._long

    def _get(self, job_id: str) -> Other | None:
        return next((some[job_id] for some in self._all if job_id in some), None)

    def wait(self, job_id: str, queue: str = "") -> None:
        """Somebody here waits for that one."""
        if self._get(job_id) is None:
            self._new[job_id] = Other(queue)

    def new(self) -> list[str]:
        """Those that are stored once the message comes which is sent to oneself now."""
        return list(islice(self._new, ASK_AT_ONCE))

    def stored(self, ids: Iterable[str]) -> None:
        """It has come."""
        for job_id in ids:
            if (other := self._new.pop(job_id, None)) is not None:
                self._fresh[job_id] = other

    def queue_of(self, job_id: str) -> str:
        """ "" where nobody has said."""
        found = self._get(job_id)
        return found.queue if found is not None else ""

    def next_ms(self) -> int | None:
        """When the store is to be asked; None: not at all."""
        if self._new or self._fresh:
            return self._asking_until_ms
        due = [
            next(iter(some.values())).asked_ms + rest_ms
            for some, rest_ms in ((self._asked, ASK_MS), (self._long, LONG_MS))
            if some
        ]
        return max(min(due), self._asking_until_ms) if due else None

    def is_due(self, now_ms: int) -> bool:
        """Is somebody to ask now? Then they are, until they are `answered`. They are told of those that are `new`."""
        next_ms = self.next_ms()
        if next_ms is None or next_ms > now_ms:
            return False
        self._asking_until_ms = now_ms + ANSWER_MS
        return True

    def take(self, now_ms: int, here: Collection[str], awaited: Collection[str]) -> list[str]:
        """Those to ask about. Of what is `here` by now one hears anyway, and what nobody has `awaited` is forgotten."""
        ids: list[str] = []
        for some, rest_ms in ((self._fresh, 0), (self._asked, ASK_MS), (self._long, LONG_MS)):
            for job_id, other in list(some.items()):
                if len(ids) == ASK_AT_ONCE or other.asked_ms + rest_ms > now_ms:
                    break
                del some[job_id]
                if job_id in here or job_id not in awaited:
                    continue
                other.asked_ms = now_ms
                self._asked[job_id] = other
                ids.append(job_id)
        return ids

    def answered(
        self, ids: Iterable[str], outcomes: Mapping[str, JobOutcome]
    ) -> tuple[dict[str, JobOutcome | None], dict[str, list[str]]]:
        """How those have ended that have, None: nobody knows; and by queue those that have not."""
        self._asking_until_ms = 0
        ended: dict[str, JobOutcome | None] = {}
        under_way: dict[str, list[str]] = {}
        for job_id in ids:
            other = self._asked.get(job_id) or self._long.get(job_id)
            if other is None:
                continue
            outcome = outcomes.get(job_id)
            if outcome is None:
                ended[job_id] = None
                self._forget(job_id)
            elif outcome.has_ended:
                ended[job_id] = outcome
                self._forget(job_id)
            else:
                other.queue = outcome.queue
                under_way.setdefault(outcome.queue, []).append(job_id)
                self._rest(job_id, other)
        return ended, under_way

    def rest(self, job_id: str, queue: str, now_ms: int) -> None:
        """It has ended, but it is to be tried again: it is under way to us."""
        self._rest(job_id, Other(queue, now_ms))

    def _rest(self, job_id: str, other: Other) -> None:
        other.asks += 1
        if other.asks > 1:
            self._asked.pop(job_id, None)
            self._long[job_id] = other
        else:
            self._asked[job_id] = other

    def look_again(self, job_id: str) -> None:
        """Its queue has said something that the store knows better."""
        other = self._asked.pop(job_id, None) or self._long.pop(job_id, None)
        if other is not None:
            other.asked_ms = 0
            self._fresh[job_id] = other

    def ended(self, job_id: str) -> None:
        """Its queue has said so."""
        self._forget(job_id)

    def _forget(self, job_id: str) -> None:
        for some in self._all:
            some.pop(job_id, None)
