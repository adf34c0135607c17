"""Settling: what follows for jobs of flows from how others have ended, in the append that ended those."""

from msgspec.structs import replace

from greenroom.actors.jobs.queue.desk.desk import Desk
from greenroom.actors.jobs.queue.desk.endings import error_of
from greenroom.actors.jobs.queue.flows.blocked import Decided, Then
from greenroom.actors.jobs.queue.waiting import Waiting
from greenroom.store.journal.consequences.jobs import FREED, BackRow, Ended, EndRow, Jobs

SETTLED_MAX = 1_000  # jobs of flows that one message releases, fails or cancels


def settle(desk: Desk, now_ms: int, writes: Jobs) -> None:
    """Jobs that have waited go on or end, and children that nobody wants are cancelled: SETTLED_MAX of them.

    Of the others jobs are for the next time, as they would be for a next life; and children for whoever takes them
    from `desk.unwanted`.
    """
    after = Jobs()  # some of them may be added by the same message
    for _ in range(SETTLED_MAX):
        child = desk.unwanted.pop(desk.jobs)
        if child is not None:
            _cancel(desk, desk.jobs[child.id], child.reason, now_ms, after)
        elif desk.blocked.due:
            job_id, decided = next(iter(desk.blocked.due.items()))
            _carry_out(desk, desk.jobs[job_id], decided, now_ms, after)
        else:
            break
    writes.merge(after)


def write_down(desk: Desk, job_id: str, writes: Jobs) -> None:
    """It still waits, and what has ended of all that it waits for is written down: rows of those may be dropped."""
    job = desk.jobs[job_id]
    if job.options is None or job.options.waits is None:
        return
    waits = desk.blocked.settle(job_id, job.options.waits)
    if waits is not None:
        job.options = replace(job.options, waits=waits)
        back = BackRow(job_id, job.due_ms, job.attempts, job.lost, options=job.options.encode())
        writes.merge(Jobs(back={job_id: back}))


def _cancel(desk: Desk, job: Waiting, reason: str, now_ms: int, writes: Jobs) -> None:
    if job.id in desk.cancelling:
        return
    held = desk.hands.held_of(job) if job.token else None
    if not desk.cancel(job, reason, now_ms, writes) and held is not None:
        desk.unwanted.hurried.add(held.worker)


def _rested(job: Waiting) -> bytes | None:
    """Its options, where it has waited for jobs that it had added itself: it does so no more."""
    waits = job.options.waits if job.options is not None else None
    if job.options is None or waits is None or not waits.rests:
        return None
    job.options = replace(job.options, waits=replace(waits, past=len(waits.jobs), rests=False))
    return job.options.encode()


def _carry_out(desk: Desk, job: Waiting, decided: Decided, now_ms: int, writes: Jobs) -> None:
    if decided.then is Then.GO:
        desk.blocked.forget(job.id)
        desk.order.put(job, now_ms)
        writes.back[job.id] = BackRow(job.id, job.due_ms, job.attempts, job.lost, let_go=FREED, options=_rested(job))
        if job.id in desk.shown.looked_at:
            desk.changed.add(job.id)
        return
    state: Ended = "failed" if decided.then is Then.FAIL else "cancelled"
    desk.end(job, EndRow(job.id, state, now_ms, error=error_of(now_ms, "", job.attempts, decided.why)), writes)
