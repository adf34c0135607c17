"""Limits of a queue: how many of its jobs are under way at once, how many begin in what time, and whose turn it is.

    media = Queue("media", concurrency=8, per_key=2, rate=Rate(30, per_s=60))

    class Transcode(Job, queue=media, tag="job.transcode"): ...

They hold over all nodes and workers: one mailbox hands the queue's jobs out.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

KEYS_MAX = 1_000  # keys of which one can say something of their own
WEIGHT_MAX = 1_000
AtOnce = Annotated[int, Meta(ge=1, le=1_000_000)]
KeyName = Annotated[str, Meta(max_length=255)]
Weight = Annotated[int, Meta(ge=1, le=WEIGHT_MAX)]
OnRetry = Literal["overtake", "block"]
Window = Literal["fixed", "sliding"]
BURST_MS = 50


class Rate(Struct, frozen=True, omit_defaults=True):
    """`n` jobs begin in `per_s` seconds: a bucket of `burst` tokens, into which they drip evenly.

    In no span of `per_s` begin more than n + burst - 1. Without `burst` it is what comes in 50 ms, 1 at least.

    With `window` they need not begin evenly: `n` at once, and no more until the clock is at a multiple of `per_s`
    (`fixed`), or until they are `per_s` ago (`sliding`: in no span of `per_s` begin more than n).
    """

    n: AtOnce
    per_s: Annotated[float, Meta(ge=0.001, le=366 * 86_400)] = 1.0
    burst: AtOnce | None = None
    window: Window | None = None

    def __post_init__(self) -> None:
        if self.window is not None and self.burst is not None:
            raise ValueError("a rate with a `window` has no `burst`: `n` may begin at once")

    @property
    def tokens(self) -> int:
        """That there are at most."""
        if self.window is not None:
            return self.n
        return self.burst or max(1, int(self.n * BURST_MS / (self.per_s * 1000)))


class QueueLimits(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Of one queue. A key is what `Job.partition` names; jobs without one have the key ""."""

    concurrency: AtOnce | None = None  # under way at once, of the whole queue
    per_key: AtOnce | None = None  # of each key
    tiers: Annotated[Mapping[KeyName, AtOnce], Meta(max_length=KEYS_MAX)] = field(default_factory=dict)  # of that key
    rate: Rate | None = None  # of the whole queue
    per_key_rate: Rate | None = None
    weights: Annotated[Mapping[KeyName, Weight], Meta(max_length=KEYS_MAX)] = field(default_factory=dict)  # else 1
    on_retry: OnRetry | None = None  # "block": those of its key wait behind a job that is tried again

    def under(self, above: "QueueLimits") -> "QueueLimits":
        """What `above` says, and of what it is silent about, this."""
        return QueueLimits(
            concurrency=above.concurrency or self.concurrency,
            per_key=above.per_key or self.per_key,
            tiers={**self.tiers, **above.tiers},
            rate=above.rate or self.rate,
            per_key_rate=above.per_key_rate or self.per_key_rate,
            weights={**self.weights, **above.weights},
            on_retry=above.on_retry or self.on_retry,
        )


class JobQueue(QueueLimits, frozen=True):
    """A queue with what it is limited to, unless staff says otherwise. It is what `queue=` of a job's class takes."""

    name: str


NO_LIMITS = QueueLimits()
