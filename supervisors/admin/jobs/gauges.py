"""Gauges: how the queues that are awake here are now, for the gauges of whoever asks. Looked up, never kept up."""

from typing import Protocol

from greenroom.actors.jobs.queue import Queue
from greenroom.config.telemetry.job_instruments import JobInstruments
from greenroom.supervisors.kernel.cell import Cell


class Awake(Protocol):
    """Who is awake here: see supervisors/kernel/system.py."""

    def cell(self, entity: str) -> Cell | None: ...


def fill_in(instruments: JobInstruments, awake: Awake) -> None:
    """Of the queues that are told apart. One that sleeps, or lives elsewhere, has none."""
    gauges = (
        instruments.jobs_waiting,
        instruments.jobs_later,
        instruments.jobs_active,
        instruments.job_oldest_s,
        instruments.job_workers,
    )
    for gauge in gauges:
        gauge.clear()
    for (name,) in list(instruments.job_wait_s):
        cell = awake.cell(f"queue:{name}")
        queue = cell.actor if cell is not None else None
        if not isinstance(queue, Queue):
            continue
        now_ms = queue.now_ms
        order, label = queue.desk.order, (name,)
        order.advance(now_ms)
        instruments.jobs_waiting[label] = order.ready
        instruments.jobs_later[label] = len(order.later)
        instruments.jobs_active[label] = order.running
        instruments.job_oldest_s[label] = (order.ages.oldest_ms(now_ms) or 0) / 1000
        instruments.job_workers[label] = len(queue.workers)
