"""A rate, as it is measured: when which bucket has how many tokens. Integers alone, so that nothing is rounded away.

A bucket is one number: the moment at which it is full again, in the n-th parts of a ms, so that a job costs `per` of
them exactly. (It is GCRA's "theoretical arrival time".)
"""

from msgspec import Struct

from greenroom.actors.jobs.limits import Rate


class Meter(Struct, frozen=True):
    """Of one rate."""

    n: int  # parts of a ms
    per: int  # of them, that a token takes to drip
    burst: int  # tokens in a full bucket

    @classmethod
    def of(cls, rate: Rate) -> "Meter":
        return cls(rate.n, max(1, round(rate.per_s * 1000)), rate.tokens)

    def tokens(self, bucket: int, now_ms: int) -> int:
        """That it has now."""
        now = now_ms * self.n
        return (now - max(bucket, now)) // self.per + self.burst

    def spent(self, bucket: int, now_ms: int, tokens: int) -> int:
        """The bucket without so many, which it has."""
        return max(bucket, now_ms * self.n) + tokens * self.per

    def next_ms(self, bucket: int, tokens: int = 1) -> int:
        """When it has so many, of `burst` at most, if none are spent meanwhile."""
        return -(((self.burst - tokens) * self.per - bucket) // self.n)

    def full_ms(self, bucket: int) -> int:
        return -(-bucket // self.n)

    def as_of(self, full_ms: int, now_ms: int) -> int:
        """A bucket of which is known that it is full by then at the latest."""
        return min(full_ms * self.n, now_ms * self.n + self.burst * self.per)

    def taken_over(self, bucket: int, was: "Meter", now_ms: int) -> int:
        """This rate's bucket in place of another one's: with as many tokens spent."""
        spent = -(-max(0, bucket - now_ms * was.n) // was.per)
        return now_ms * self.n + min(spent, self.burst) * self.per
