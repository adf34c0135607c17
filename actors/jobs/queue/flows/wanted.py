"""Wanted: jobs that a job under way adds, as its queue is told of them. The same in a worker and in a process of its
own."""

from collections.abc import Iterable

from msgspec import Raw

from greenroom.actors.jobs.job import Job
from greenroom.actors.jobs.queue.flows.messages import SpawnJob
from greenroom.actors.jobs.waits import OnFailure
from greenroom.actors.model.errors import Refused


def spawn_jobs(jobs: Iterable[Job], on_failure: OnFailure) -> list[SpawnJob]:
    """As their classes say, encrypted where those do. Raises: Refused."""
    return [_spawn_job(job, on_failure) for job in jobs]


def _spawn_job(job: Job, on_failure: OnFailure) -> SpawnJob:
    if job.unique is not None:
        raise Refused("queue.unique_in_flow", f"{type(job).__qualname__} has a `unique`: it is no child", status=422)
    row = job.to_row(now_ms=0)
    assert row.arguments is not None
    return SpawnJob(
        job=row.job,
        arguments=Raw(row.arguments),
        queue=row.queue,
        partition=row.partition,
        priority=row.priority,
        attempts=row.attempts_max,
        expires_s=job.limits.expires_s,
        weight=job.limits.weight,
        on_failure=on_failure,
    )
