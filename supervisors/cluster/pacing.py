"""Pacing: how many shards a node that stays hands over at once, and how long it rests between two batches.

Whoever comes is to have its part soon, and whoever is served meanwhile is not to notice. What the node's latencies were
before it began is what they are held against: where they rise it rests, then goes on with less at once; where they are
as before, with more. Where they do not fall while it rests, it is not the moving that has raised them: then these are
what later ones are held against, for it may be too much work that makes it slow, and that is what handing over ends.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

SHARE = 20  # of all shards, at most one in so many is on its way at once
LEAST_SHARE = 320  # and at least one in so many
PACE_S = 2.0  # between two batches
PAUSED_MAX_S = 6.0  # how long it rests for latencies to fall
RISEN = 2.0  # times what they were before
RISEN_S = 0.05  # and by so much, for what is short may be twice as long by chance, and nobody notices


class Latencies(Protocol):
    """Counted so far: a histogram."""

    @property
    def sum(self) -> float: ...

    @property
    def count(self) -> int: ...


def means(latencies: Sequence[Latencies]) -> Callable[[], list[float]]:
    """Gives, each time, the mean of each since the time before, in seconds; 0 where there was none."""
    before = [(one.sum, one.count) for one in latencies]

    def since() -> list[float]:
        found = []
        for number, one in enumerate(latencies):
            had_sum, had_count = before[number]
            before[number] = now_sum, now_count = one.sum, one.count
            found.append((now_sum - had_sum) / (now_count - had_count) if now_count > had_count else 0.0)
        return found

    return since


def lately(latency: Latencies) -> Callable[[], float]:
    """Gives, each time, the mean since the time before, in seconds; where there was none, that of the time before."""
    since = means((latency,))
    known = 0.0

    def newest() -> float:
        nonlocal known
        known = since()[0] or known
        return known

    return newest


class Pacing:
    """Of one node. Ask for each batch; each time PACE_S after the one before while there is something to be moved."""

    def __init__(self, latencies: Callable[[], list[float]]) -> None:
        """`latencies`: means since it was called last, in seconds."""
        self._latencies = latencies
        self._usual: list[float] | None = None  # None: nothing is being moved
        self._share = SHARE
        self._paused_s = 0.0

    def over(self) -> None:
        """There is nothing to be moved any more."""
        self._usual = None
        self._share = SHARE
        self._paused_s = 0.0

    def batch(self, shards: int) -> int:
        """How many of so many shards to move now; 0: rest on."""
        found = self._latencies()
        if self._usual is None:
            self._usual = found
        elif any(now > RISEN * usual + RISEN_S for now, usual in zip(found, self._usual, strict=True)):
            if self._paused_s < PAUSED_MAX_S:
                self._share = min(2 * self._share, LEAST_SHARE)
                self._paused_s += PACE_S
                return 0
            self._usual = found
        else:
            self._share = max(self._share // 2, SHARE)
        self._paused_s = 0.0
        return max(1, shards // self._share)
