"""What each user has left of what they may do so often an hour, over all entities of a node: a bucket each.

In memory, so a restart forgives: it bounds how fast somebody can fill a store and bother others, and counts nothing
that must be right. Buckets fill evenly; one is forgotten when it must be full again, or when there are too many.
"""

from collections import OrderedDict
from collections.abc import Callable

from msgspec import Struct

HOUR_S = 3600.0
BUCKETS_MAX = 50_000


class _Bucket(Struct, gc=False):
    left: float
    at: float  # monotonic s, when that was so


class Budgets:
    """`spend` takes one from a user's bucket for a rule."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._buckets: OrderedDict[tuple[str, str], _Bucket] = (
            OrderedDict()
        )  # (rule, user), spent from longest ago first

    def spend(self, rule: str, user: str, per_h: int) -> float:
        """Returns 0.0, or how many seconds it takes until there is one again; then nothing was taken."""
        now = self._monotonic()
        buckets = self._buckets
        while buckets and (next(iter(buckets.values())).at + HOUR_S <= now or len(buckets) > BUCKETS_MAX):
            buckets.popitem(last=False)
        bucket = buckets.get((rule, user))
        if bucket is None:
            buckets[rule, user] = _Bucket(per_h - 1.0, now)
            return 0.0
        left = min(float(per_h), bucket.left + (now - bucket.at) * per_h / HOUR_S)
        if left < 1.0:
            return (1.0 - left) * HOUR_S / per_h
        bucket.left, bucket.at = left - 1.0, now
        buckets.move_to_end((rule, user))
        return 0.0
