"""What a queue counts of its jobs, from what it hands out and writes. Pure but for the counts themselves.

Jobs come and go by hundreds that were added or taken together: what they have alike is looked at once.
"""

from collections.abc import Collection, Iterable, Sequence
from itertools import groupby
from typing import Protocol, TypeVar

from greenroom.config.telemetry.job_instruments import QueueCounts
from greenroom.store.journal.consequences.jobs import Jobs

Value = TypeVar("Value", int, str)


class Due(Protocol):
    """A job that is handed out."""

    due_ms: int


def count_taken(counts: QueueCounts, jobs: Sequence[Due], now_ms: int) -> None:
    """These are handed out now."""
    for due_ms, many in _alike(job.due_ms for job in jobs):
        counts.begun(max(0, now_ms - due_ms), many)


def count_written(counts: QueueCounts, writes: Jobs) -> None:
    """That is written of them."""
    if writes.added:
        counts.added(len(writes.added))
    if writes.ended:
        rows = writes.ended.values()
        for outcome, many in _alike(row.state for row in rows):
            counts.ended(outcome, many)
        for ran_ms, many in _alike(max(0, row.ended_ms - row.started_ms) for row in rows if row.started_ms is not None):
            counts.ran(ran_ms, many)
    if writes.back and (failed := sum(row.error is not None for row in writes.back.values())):
        counts.retried(failed)


def is_limited(ready: int, classes: Collection[str], knows: Collection[str] | None) -> bool:
    """A worker found none: was there one for it but for limits? `classes`: of those that are ready."""
    return ready > 0 and (knows is None or any(tag in classes for tag in knows))


def _alike(values: Iterable[Value]) -> Iterable[tuple[Value, int]]:
    """Runs of equal ones, and how long each is."""
    return ((value, len(list(run))) for value, run in groupby(values))
