"""The stopwatch: by which whoever fills views measures how long things take, and so how much comes next.

In a simulated world it is the world's own, so that a seed decides what is measured too.
"""

from collections.abc import Callable
from time import perf_counter, thread_time

from msgspec import Struct


class Stopwatch(Struct, frozen=True):
    """Two clocks, of which only differences count."""

    elapsed: Callable[[], float] = perf_counter  # seconds
    cpu: Callable[[], float] = thread_time  # seconds that this thread has worked: a busy host is not the view's matter


STOPWATCH = Stopwatch()
