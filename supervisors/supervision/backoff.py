"""Backoff: how long to wait before trying again, longer after each failure in a row.

Exponential, because what is broken for long is not mended by asking often; with full jitter, because a thousand
that failed together must not come back together.
Source: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
"""

import math
from collections.abc import Callable
from random import Random


class Backoff:
    """One row of failures. `next` gives the wait after a failure, `reset` ends the row after calm."""

    def __init__(
        self,
        *,
        random: Random,  # given, so that a seeded run repeats itself
        first_s: float = 0.1,
        max_s: float = 10.0,
        factor: float = 2.0,
        jitter: float = 1.0,  # the share of each wait that is left to chance: 0 none, 1 all of it ("full")
    ) -> None:
        if not 0 < first_s <= max_s < math.inf:
            raise ValueError(f"first_s is {first_s} and max_s {max_s}, must be 0 < first_s <= max_s, finite")
        if not 1 <= factor < math.inf:
            raise ValueError(f"factor is {factor}, must be >= 1 and finite")
        if not 0 <= jitter <= 1:
            raise ValueError(f"jitter is {jitter}, must be within 0..1")
        self._random = random
        self._first_s = first_s
        self._max_s = max_s
        self._factor = factor
        self._jitter = jitter
        self._ceiling_s = first_s

    def next(self) -> float:
        """Seconds to wait now: at most the ceiling, at least its share without chance. Raises the ceiling."""
        ceiling_s = self._ceiling_s
        # Kept as a product, not computed as factor ** failures: that overflows in the second hour of an outage.
        self._ceiling_s = min(self._max_s, ceiling_s * self._factor)
        return ceiling_s * (1 - self._jitter * self._random.random())

    def reset(self, *, calm_s: float = math.inf) -> None:
        """Begin anew if things went well for `calm_s` seconds, and that was at least `max_s`; else change nothing.

        Anything shorter proves little: a thing that dies each time after a second would never be waited for.
        """
        if calm_s >= self._max_s:
            self._ceiling_s = self._first_s


NewBackoff = Callable[[], Backoff]  # one for each row of failures


def new_backoff() -> Backoff:
    """Before a part of a node starts again."""
    return Backoff(random=Random(), first_s=0.05, max_s=2.0)
