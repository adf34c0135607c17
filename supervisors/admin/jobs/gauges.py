"""Gauges: how the queues that are awake here are now, for whoever scrapes or looks. Looked up, never kept up."""

from typing import Protocol

from greenroom.actors.jobs.queue import Queue
from greenroom.config.telemetry.job_instruments import JobInstruments
from greenroom.supervisors.admin.told import QueueTold
from greenroom.supervisors.kernel.cells.cell import Cell


class Awake(Protocol):
    """Who is awake here: see supervisors/kernel/system.py."""

    def cell(self, entity: str) -> Cell | None: ...


def fill_in(instruments: JobInstruments, awake: Awake) -> None:
    """Of queues that are told apart, and of the others together. One that sleeps, or lives elsewhere, has none."""
    gauges = (
        instruments.jobs_waiting,
        instruments.jobs_later,
        instruments.jobs_active,
        instruments.job_oldest_s,
        instruments.job_workers,
    )
    for gauge in gauges:
        gauge.clear()
    apart = (one for (one,) in instruments.job_wait_s)
    for name in dict.fromkeys((*apart, *instruments.reserved, *instruments.others)):
        cell = awake.cell(f"queue:{name}")
        queue = cell.actor if cell is not None else None
        if not isinstance(queue, Queue):
            continue
        told, label = queue_told(queue), (instruments.label(name),)
        for gauge, count in (
            (instruments.jobs_waiting, told.waiting),
            (instruments.jobs_later, told.later),
            (instruments.jobs_active, told.active),
            (instruments.job_workers, told.workers),
        ):
            gauge[label] = gauge.get(label, 0) + count
        instruments.job_oldest_s[label] = max(instruments.job_oldest_s.get(label, 0.0), told.oldest_s)


def queue_told(queue: Queue) -> QueueTold:
    """As it is now: what has become due since its last message counts."""
    now_ms, state, order = queue.now_ms, queue.state, queue.desk.order
    order.advance(now_ms)
    is_paused = state.is_paused(now_ms)
    return QueueTold(
        queue=queue.key,
        waiting=order.ready,
        later=len(order.later),
        retrying=order.retrying,
        active=order.running,
        oldest_s=(order.ages.oldest_ms(now_ms) or 0) / 1000,
        workers=len(queue.workers),
        paused=is_paused,
        paused_until_ms=state.paused_until_ms if is_paused else None,
        limited=queue.is_limited,
    )


def ended_by_queue(instruments: JobInstruments) -> dict[str, dict[str, int]]:
    """How many have, by outcome."""
    found: dict[str, dict[str, int]] = {}
    for (queue, outcome), count in instruments.jobs_ended.items():
        found.setdefault(queue, {})[outcome] = count
    return found
