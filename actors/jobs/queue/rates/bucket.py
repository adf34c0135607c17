"""A bucket: a rate whose tokens drip evenly. Integers alone, so that nothing is rounded away.

What is spent is one number: the moment at which it is full again, in the n-th parts of a ms, so that a job costs `per`
of them exactly. (It is GCRA's "theoretical arrival time".)
"""

from msgspec import Struct


class Bucket(Struct, frozen=True):
    """Of one rate."""

    n: int  # parts of a ms
    per: int  # of them, that a token takes to drip
    burst: int  # tokens in a full bucket

    @property
    def ahead_ms(self) -> int | None:
        return None

    def tokens(self, bucket: int, now_ms: int) -> int:
        """That it has now."""
        now = now_ms * self.n
        return (now - max(bucket, now)) // self.per + self.burst

    def spend(self, bucket: int, now_ms: int, tokens: int) -> int:
        """The bucket without so many, which it has."""
        return max(bucket, now_ms * self.n) + tokens * self.per

    def give_back(self, bucket: int, then_ms: int, last_ms: int, tokens: int) -> int:
        """Not where others were spent since: by then the bucket might have been full without these, and what drips into
        a full one is lost."""
        return bucket - tokens * self.per if then_ms == last_ms else bucket

    def next_ms(self, bucket: int, tokens: int = 1) -> int:
        """When it has so many, of `burst` at most, if none are spent meanwhile."""
        return -(((self.burst - tokens) * self.per - bucket) // self.n)

    def drip(self, ms: int) -> int:
        return ms * self.n // self.per

    def full_ms(self, bucket: int) -> int:
        return -(-bucket // self.n)

    def as_of(self, full_ms: int, now_ms: int, used: int | None = None) -> int:
        """A bucket of which is known that it is full by then at the latest. `used`: also more than there ever were, as
        one that is heavier than all has."""
        return min(full_ms * self.n, now_ms * self.n + (self.burst if used is None else used) * self.per)

    def used(self, bucket: int, now_ms: int) -> int:
        return min(self.burst, self.burst - self.tokens(bucket, now_ms))

    def with_used(self, used: int, now_ms: int) -> int:
        return now_ms * self.n + min(used, self.burst) * self.per
