"""What a queue counts of its jobs, from what it hands out and writes. Pure but for the counts themselves.

Jobs come and go by hundreds that were added or taken together: what they have alike is counted once.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Protocol

from greenroom.config.telemetry.job_instruments import QueueCounts
from greenroom.store.journal.consequences.jobs import EndRow, Jobs


class Due(Protocol):
    """A job that is handed out."""

    due_ms: int


def count_taken(counts: QueueCounts, jobs: Sequence[Due], now_ms: int) -> None:
    """These are handed out now."""
    due_ms, alike = 0, 0
    for job in jobs:
        if job.due_ms != due_ms:
            if alike:
                counts.begun(max(0, now_ms - due_ms), alike)
            due_ms, alike = job.due_ms, 0
        alike += 1
    if alike:
        counts.begun(max(0, now_ms - due_ms), alike)


def count_written(counts: QueueCounts, writes: Jobs) -> None:
    """That is written of them."""
    if added := len(writes.added) + len(writes.over) + len(writes.revived):  # whatever ends was added
        counts.added(added)
    if writes.ended:
        _count_ended(counts, writes.ended.values())
    if writes.over:
        _count_ended(counts, [end for _, end in writes.over])
    if writes.back:
        failed = sum([row.error is not None for row in writes.back.values()])
        if failed:
            counts.retried(failed)


def _count_ended(counts: QueueCounts, rows: Iterable[EndRow]) -> None:
    like: EndRow | None = None
    alike = 0
    for row in rows:
        if like is None or row.started_ms != like.started_ms or row.state != like.state:  # they end at one moment
            if like is not None:
                _count_alike(counts, like, alike)
            like, alike = row, 0
        alike += 1
    if like is not None:
        _count_alike(counts, like, alike)


def _count_alike(counts: QueueCounts, row: EndRow, jobs: int) -> None:
    counts.ended(row.state, jobs)
    if row.started_ms is not None:
        counts.ran(max(0, row.ended_ms - row.started_ms), jobs)


def is_limited(ready: int, classes: Collection[str], knows: Collection[str] | None) -> bool:
    """A worker found none: was there one for it but for limits? `classes`: of those that are ready."""
    return ready > 0 and (knows is None or any(tag in classes for tag in knows))
