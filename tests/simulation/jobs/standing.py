"""What the jobs' audit knows of one job, and of one queue: from what was committed, in the order in which it was."""

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from msgspec import Struct, field

from greenroom.actors.jobs.limits import NO_LIMITS, Rate
from greenroom.actors.jobs.limits import QueueLimits as Limits
from greenroom.actors.jobs.options import Options, decode_options
from greenroom.actors.jobs.queue.order import AGEING_MS, PRIORITY
from greenroom.store.jobs import sealing
from greenroom.store.journal.consequences.jobs import BackRow, JobRow, TakeRow
from tests.simulation.jobs.classes import INSTALLED

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
    def wanted(self) -> Any:
        """Its arguments."""
        return decode(sealing.opened_if_sealed(self.arguments, sealing.Place(self.job, self.id, sealing.ARGUMENTS)))

    @property
    def fate(self) -> str:
        return str(self.wanted.get("fate", "keep"))

    @property
    def weight(self) -> int:
        return self.options.weight

    @property
    def expires_ms(self) -> int:
        """By when it is to have begun, its owner's clock; 0: it has, or need not."""
        return 0 if self.is_tried or self.steps else self.options.expires_ms

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
        if back.options is not None:
            self.options = decode_options(back.options) or Options()
        if back.priority is not None:
            self.priority = back.priority


class Place(Struct, frozen=True):
    """Of a job, at one moment."""

    rank: int
    due_ms: int
    is_tried: bool
    token: int  # of who has it; 0: nobody


class Handed(Struct, frozen=True):
    """A job, as it was handed out."""

    job: str
    token: int
    at_ms: int
    partition: str
    weight: int


Counts = Callable[[Handed], bool]  # has it begun, or may it still?


class Begun(Struct):
    """What has begun under one rate."""

    rate: Rate | None = None
    jobs: deque[Handed] = field(default_factory=deque)

    def exceeds(
        self, rate: Rate | None, at_ms: int, handed: Iterable[Handed], counts: Counts, *, forgets_debts: bool = False
    ) -> str:
        """By what these do, which were handed out at that moment; "": by nothing. `forgets_debts`: another life does
        not know what one that was heavier than all tokens has taken."""
        if rate is None:
            return ""
        if rate != self.rate:
            self.rate, self.jobs = rate, deque()
        self.jobs.extend(handed)
        span_ms = round(rate.per_s * 1000)
        last_ms = at_ms // span_ms * span_ms - 1 if rate.window == "fixed" else at_ms - span_ms
        while self.jobs and self.jobs[0].at_ms <= last_ms:
            self.jobs.popleft()
        self.jobs = deque(filter(counts, self.jobs))
        begun = sum(one.weight for one in self.jobs)
        if rate.window is not None:
            most = rate.n if len(self.jobs) > 1 else begun  # the heaviest goes alone
        else:
            owed = max(0, max((one.weight for one in self.jobs), default=0) - rate.tokens)
            most = begun if owed and forgets_debts else rate.n + rate.tokens - 1 + owed
        return f"{begun} have begun in {rate.per_s} s, of {most}" if begun > most else ""


class KnownQueue(Struct):
    """How it is set, by its events."""

    name: str
    limits: Limits = NO_LIMITS  # that staff has set
    is_paused: bool = False  # until somebody says otherwise
    begun: Begun = field(default_factory=Begun)
    begun_of: dict[str, Begun] = field(default_factory=dict)  # by the key

    @property
    def effective(self) -> Limits:
        return (INSTALLED.limits_of(self.name) or NO_LIMITS).under(self.limits)

    def happened(self, event: Any) -> None:
        match event:
            case {"type": "queue.limited", "limits": limits}:
                before = self.effective
                self.limits = msgspec.convert(limits, Limits)
                if self.effective.rate != before.rate:
                    self.begun = Begun()
                if self.effective.per_key_rate != before.per_key_rate:
                    self.begun_of.clear()
            case {"type": "queue.paused"}:
                self.is_paused = event.get("until_ms") is None
            case {"type": "queue.resumed"}:
                self.is_paused = False

    def exceeds(self, at_ms: int, handed: list[Handed], counts: Counts) -> str:
        """By what these do that were handed out at that moment; "": by nothing."""
        limits = self.effective
        wrong = self.begun.exceeds(limits.rate, at_ms, handed, counts)
        for name in dict.fromkeys(one.partition for one in handed):
            key = self.begun_of.setdefault(name, Begun())
            its = [one for one in handed if one.partition == name]
            over = key.exceeds(limits.per_key_rate, at_ms, its, counts, forgets_debts=True)
            wrong = wrong or (over and f"of the key {name} {over}")
        return wrong
