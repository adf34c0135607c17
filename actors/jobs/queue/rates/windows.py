"""Windows: rates that are counted, where a bucket drips. What is spent is one number, as there.

A fixed window begins anew at each whole multiple of its length since 1970, by the clock of the queue's owner: whoever
begins `n` at the end of one and `n` at the beginning of the next has begun twice as many side by side.

In no span as long as a sliding one more than `n` begin: each start counts for the whole length. They are counted by
parts of it, and one counts until its whole part has gone: so a token comes back late by a part, and never early.
"""

from msgspec import Struct

COUNT_BITS = 32
COUNT = (1 << COUNT_BITS) - 1
SLICES = 50  # parts of a sliding window: as many counts are kept of each key


class FixedWindow(Struct, frozen=True):
    """What is spent: the window's number, and below it the count."""

    burst: int
    per_ms: int

    @property
    def ahead_ms(self) -> int | None:
        return 0

    def tokens(self, spent: int, now_ms: int) -> int:
        return self.burst - self.used(spent, now_ms)

    def used(self, spent: int, now_ms: int) -> int:
        return spent & COUNT if spent >> COUNT_BITS >= now_ms // self.per_ms else 0

    def spend(self, spent: int, now_ms: int, tokens: int) -> int:
        window = max(spent >> COUNT_BITS, now_ms // self.per_ms)
        return window << COUNT_BITS | min(self.burst, self.used(spent, now_ms) + tokens)

    def give_back(self, spent: int, then_ms: int, last_ms: int, tokens: int) -> int:
        return spent - min(tokens, spent & COUNT) if spent >> COUNT_BITS == then_ms // self.per_ms else spent

    def next_ms(self, spent: int, tokens: int = 1) -> int:
        return self.full_ms(spent) if self.burst - (spent & COUNT) < tokens else 0

    def drip(self, ms: int) -> int:
        return 0

    def full_ms(self, spent: int) -> int:
        return ((spent >> COUNT_BITS) + 1) * self.per_ms if spent & COUNT else 0

    def as_of(self, full_ms: int, now_ms: int, used: int | None = None) -> int:
        if full_ms <= now_ms:
            return 0
        window = min(-(-full_ms // self.per_ms) - 1, now_ms // self.per_ms + 1)  # our clock may be a little behind
        return window << COUNT_BITS | (self.burst if used is None else min(used, self.burst))

    def with_used(self, used: int, now_ms: int) -> int:
        return self.spend(0, now_ms, used)


class SlidingWindow(Struct, frozen=True):
    """What is spent: the number of the newest slice in which some were, and below it the counts, of the newest first
    from the right."""

    burst: int
    per_ms: int

    @property
    def ahead_ms(self) -> int | None:
        return self.per_ms // 10

    @property
    def _slice_ms(self) -> int:
        return -(-self.per_ms // SLICES)

    @property
    def _whole(self) -> int:
        """Slices behind the newest that are in the window, one in part."""
        return -(-self.per_ms // self._slice_ms)

    def _counts(self, spent: int, now_ms: int) -> tuple[int, int]:
        """The newest slice, which is now or later, and the counts as of it."""
        bits = (self._whole + 1) * COUNT_BITS
        newest, counts = spent >> bits, spent & (1 << bits) - 1
        present = now_ms // self._slice_ms
        if present > newest:
            passed = present - newest
            counts = counts << passed * COUNT_BITS & (1 << bits) - 1 if passed <= self._whole else 0
            newest = present
        return newest, counts

    def tokens(self, spent: int, now_ms: int) -> int:
        return self.burst - self.used(spent, now_ms)

    def used(self, spent: int, now_ms: int) -> int:
        return _sum(self._counts(spent, now_ms)[1]) if spent else 0

    def spend(self, spent: int, now_ms: int, tokens: int) -> int:
        newest, counts = self._counts(spent, now_ms)
        counts += min(tokens, self.burst - _sum(counts))
        return newest << (self._whole + 1) * COUNT_BITS | counts

    def give_back(self, spent: int, then_ms: int, last_ms: int, tokens: int) -> int:
        newest, counts = self._counts(spent, 0)
        behind = newest - then_ms // self._slice_ms
        if not 0 <= behind <= self._whole:
            return spent
        return spent - (min(tokens, counts >> behind * COUNT_BITS & COUNT) << behind * COUNT_BITS)

    def next_ms(self, spent: int, tokens: int = 1) -> int:
        newest, counts = self._counts(spent, 0)
        left = self.burst - _sum(counts)
        if left >= tokens:
            return 0
        for behind in range(self._whole, -1, -1):
            left += counts >> behind * COUNT_BITS & COUNT
            if left >= tokens:
                return self._back_ms(newest - behind)
        return self._back_ms(newest)

    def _back_ms(self, of_slice: int) -> int:
        """When those of that slice are back."""
        return (of_slice + self._whole + 1) * self._slice_ms

    def drip(self, ms: int) -> int:
        return 0

    def full_ms(self, spent: int) -> int:
        newest, counts = self._counts(spent, 0)
        if not counts:
            return 0
        behind = ((counts & -counts).bit_length() - 1) // COUNT_BITS
        return self._back_ms(newest - behind)

    def as_of(self, full_ms: int, now_ms: int, used: int | None = None) -> int:
        if full_ms <= now_ms:
            return 0
        newest = min(-(-full_ms // self._slice_ms) - self._whole - 1, now_ms // self._slice_ms + 1)
        return newest << (self._whole + 1) * COUNT_BITS | (self.burst if used is None else min(used, self.burst))

    def with_used(self, used: int, now_ms: int) -> int:
        return self.spend(0, now_ms, used)


def _sum(counts: int) -> int:
    total = 0
    while counts:
        total += counts & COUNT
        counts >>= COUNT_BITS
    return total
