"""What the jobs' audit knows of one job, and of one queue: from what was committed, in the order in which it was."""

from collections import deque
from typing import Any

import msgspec
from msgspec import Struct, field

from greenroom.actors.jobs.limits import NO_LIMITS, Rate
from greenroom.actors.jobs.limits import QueueLimits as Limits
from greenroom.actors.jobs.options import Options, decode_options
from greenroom.actors.jobs.queue.order import AGEING_MS, PRIORITY
from greenroom.store.journal.consequences.jobs import BackRow, JobRow, TakeRow
from tests.simulation.jobs.chores import INSTALLED

decode = msgspec.json.decode


class Known(Struct):
    """A job that is not finished."""

    id: str
    queue: str
    arguments: bytes
    partition: str
    priority: int
    due_ms: int
    attempts: int
    attempts_max: int
    lost: int
    options: Options
    is_of_others: bool
    job: str
    takes: list[TakeRow] = field(default_factory=list)  # that have had it, the newest last
    let_go: int = 0
    is_cancelling: bool = False
    steps: dict[str, bytes] = field(default_factory=dict)

    @classmethod
    def of(cls, row: JobRow, *, is_of_others: bool) -> "Known":
        assert row.arguments is not None
        options = decode_options(row.options) or Options()
        return cls(
            row.id, row.queue, row.arguments, row.partition, row.priority, row.due_ms, row.attempts, row.attempts_max,
            row.lost, options, is_of_others, row.job,
        )  # fmt: skip

    @property
    def holder(self) -> TakeRow | None:
        """Who has it, by the rows."""
        newest = self.takes[-1] if self.takes else None
        return newest if newest is not None and newest.token > self.let_go else None

    @property
    def fate(self) -> str:
        return str(decode(self.arguments).get("fate", "keep"))

    @property
    def rank(self) -> int:
        return self.due_ms + (self.priority - PRIORITY) * AGEING_MS

    @property
    def is_tried(self) -> bool:
        return self.attempts > 0 or self.lost > 0

    @property
    def place(self) -> "Place":
        """By what it is in the order."""
        has_it = self.holder
        return Place(self.rank, self.due_ms, self.is_tried, has_it.token if has_it is not None else 0)

    def change(self, back: BackRow) -> None:
        """As the store does it."""
        self.due_ms, self.attempts, self.lost = back.due_ms, back.attempts, back.lost
        self.let_go = max(self.let_go, back.let_go)
        self.is_cancelling |= back.cancel is not None
        if back.arguments is not None:
            self.arguments = back.arguments
        if back.priority is not None:
            self.priority = back.priority


class Place(Struct, frozen=True):
    """Of a job, at one moment."""

    rank: int
    due_ms: int
    is_tried: bool
    token: int  # of who has it; 0: nobody


class KnownQueue(Struct):
    """How it is set, by its events."""

    name: str
    limits: Limits = NO_LIMITS  # that staff has set
    is_paused: bool = False  # until somebody says otherwise
    taken: deque[tuple[int, int]] = field(default_factory=deque)  # under the present rate: when, and how many

    @property
    def effective(self) -> Limits:
        return (INSTALLED.limits_of(self.name) or NO_LIMITS).under(self.limits)

    def happened(self, event: Any) -> None:
        match event:
            case {"type": "queue.limited", "limits": limits}:
                before = self.effective.rate
                self.limits = msgspec.convert(limits, Limits)
                if self.effective.rate != before:
                    self.taken.clear()
            case {"type": "queue.paused"}:
                self.is_paused = event.get("until_ms") is None
            case {"type": "queue.resumed"}:
                self.is_paused = False

    def exceeds(self, rate: Rate, at_ms: int, count: int) -> str:
        """By what so many more do that have begun at that moment; "": by nothing."""
        self.taken.append((at_ms, count))
        while self.taken and self.taken[0][0] <= at_ms - rate.per_s * 1000:
            self.taken.popleft()
        begun = sum(number for _, number in self.taken)
        most = rate.n + rate.tokens - 1
        return f"{begun} have begun in {rate.per_s} s, of {most}" if begun > most else ""
