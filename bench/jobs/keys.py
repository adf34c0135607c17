"""How long do a few jobs of many keys wait beside very many of one?"""

import tempfile
import time
from array import array
from pathlib import Path
from statistics import median
from typing import Protocol

from bench.load.queueing import LEFT_S
from bench.question import Results
from bench.reporting.percentiles import ms
from bench.work import AT

SMALL_KEYS = 100
SMALL_JOBS = 10  # of each
SETTLE_S = 0.2  # in which work on the one key's jobs comes up to speed
LOOK_S = 0.005
BIG = "big"


class Keyed(Protocol):
    """A queue whose jobs have keys."""

    def fill_key(self, jobs: int) -> None:
        """Add so many of the key BIG while nobody works, then have them worked on."""

    def add_small(self, keys: list[str], file: Path) -> None:
        """A job for each of these, by one message; each appends to `file` for how long it has waited."""

    def finish(self) -> None:
        """Wait until nothing is left."""


def small_keys(queue: Keyed, jobs: int, runs: int) -> Results:
    """The wait of their jobs, p99, in a queue without others and beside so many of one key; medians of those runs."""
    empty = median(_wait_ms(queue, 0) for _ in range(runs))
    beside = median(_wait_ms(queue, jobs) for _ in range(runs))
    return {
        "small_keys_alone_p99_ms": round(empty, 1),
        "small_keys_p99_ms": round(beside, 1),
        "small_keys_ratio": round(beside / empty, 2),
    }


def small_jobs() -> int:
    """How many of them one run adds to the queue."""
    return SMALL_KEYS * SMALL_JOBS


def _wait_ms(queue: Keyed, beside: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "waits"
        if beside:
            queue.fill_key(beside)
            time.sleep(SETTLE_S)
        queue.add_small([f"k{number % SMALL_KEYS}" for number in range(small_jobs())], file)
        waits = read_waits(file, small_jobs())
        queue.finish()
    return ms(waits, 0.99)


def read_waits(file: Path, count: int) -> "array[int]":
    """Once there are so many: nanoseconds, ascending."""
    until = time.monotonic() + LEFT_S
    while not file.exists() or file.stat().st_size < AT * count:
        assert time.monotonic() < until, f"of {count} jobs not all have run within {LEFT_S:g} s"
        time.sleep(LOOK_S)
    data = file.read_bytes()
    return array("q", sorted(int.from_bytes(data[at : at + AT], "little") for at in range(0, len(data), AT)))
