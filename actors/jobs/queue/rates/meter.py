"""What measures a rate: a bucket, or a window. What is spent of it is one number, 0 where that is nothing."""

from typing import Protocol

from greenroom.actors.jobs.limits import Rate
from greenroom.actors.jobs.queue.rates.bucket import Bucket
from greenroom.actors.jobs.queue.rates.windows import FixedWindow, SlidingWindow


class Meter(Protocol):
    """Of one rate. Pure; time is an argument."""

    @property
    def burst(self) -> int:
        """Tokens that there are at most."""

    @property
    def ahead_ms(self) -> int | None:
        """Of a window: how long ahead it is told what is spent. None: a bucket is full again soon."""

    def tokens(self, spent: int, now_ms: int) -> int:
        """That there are now; below 0 where one that is heavier than all has taken them."""

    def spend(self, spent: int, now_ms: int, tokens: int) -> int:
        """What is spent with so many more."""

    def give_back(self, spent: int, then_ms: int, last_ms: int, tokens: int) -> int:
        """What would be spent now without so many of those that were then, as far as that is known. `last_ms`: when
        some were last."""

    def next_ms(self, spent: int, tokens: int = 1) -> int:
        """When there are so many, of `burst` at most, if none are spent meanwhile."""

    def drip(self, ms: int) -> int:
        """Tokens that come in so many ms, evenly; 0: they come at once."""

    def full_ms(self, spent: int) -> int:
        """When all are back."""

    def as_of(self, full_ms: int, now_ms: int, used: int | None = None) -> int:
        """Spent, where is known only that all are back by then, and that at most `used` were, also more than there are
        where these may be owed; None: all may be."""

    def used(self, spent: int, now_ms: int) -> int:
        """Tokens that are not back, `burst` at most."""

    def with_used(self, used: int, now_ms: int) -> int:
        """Spent, in place of what another rate has measured."""


def meter_of(rate: Rate) -> Meter:
    per_ms = max(1, round(rate.per_s * 1000))
    match rate.window:
        case "fixed":
            return FixedWindow(rate.n, per_ms)
        case "sliding":
            return SlidingWindow(rate.n, per_ms)
    return Bucket(rate.n, per_ms, rate.tokens)
