"""Wanted: jobs that a job under way adds, as its queue is told of them.

First in the clear, where the job's code makes them: a process of its own has no keys. The worker encrypts those whose
class says so, for the very ids that their queue is to give them. These follow from the take, the parent and the group,
so both sides come to the same without a word.
"""

from collections.abc import Iterable, Sequence
from hashlib import sha256

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from greenroom.actors.jobs.ids import new_id
from greenroom.actors.jobs.job import Job, sealed
from greenroom.actors.jobs.queue.flows.messages import Spawn, SpawnJob
from greenroom.actors.jobs.queue.sealed import sealed_by_others
from greenroom.actors.jobs.waits import OnFailure
from greenroom.actors.model.errors import Refused
from greenroom.store.jobs.sealing import ARGUMENTS, Place, is_for, is_sealed, named, unnamed
from greenroom.store.journal.consequences.jobs import JobRow


class Wanted(Struct, frozen=True):
    """One of them, in the clear."""

    job: SpawnJob
    encrypts: bool = False  # its class says so


def wanted(jobs: Iterable[Job], on_failure: OnFailure) -> list[Wanted]:
    """As their classes say. Raises: Refused."""
    return [Wanted(_spawn_job(job, on_failure), job.encrypts) for job in jobs]


def encrypted(some: Sequence[Wanted], parent: str, token: int, group: str) -> list[SpawnJob]:
    """As they are sent, by the worker that has taken the job `parent` with that token. Raises: Refused."""
    return [
        replace(one.job, arguments=Raw(_for_child(one.job, child_id(parent, token, group, number))))
        if one.encrypts
        else one.job
        for number, one in enumerate(some)
    ]


def _for_child(job: SpawnJob, job_id: str) -> bytes:
    return unnamed(sealed(job.arguments, job.job, job_id))


def child_id(parent: str, token: int, group: str, number: int) -> str:
    """Of the `number`th of a group whose arguments are encrypted. Its parent adds a group once in all its life, so no
    other job has it. As old as the take (see `Desk.take`), and in their order."""
    chance = sha256(msgspec.json.encode((parent, token, group, number))).digest()
    return new_id(token >> 10, number << 64 | int.from_bytes(chance[:8], "big"))


def stored_as(message: Spawn, rows: Sequence[JobRow]) -> None:
    """Of those that the worker has encrypted: under the ids that it has done so for. A worker of the release before
    has for none, but for their class. Raises: Refused."""
    for number, (job, row) in enumerate(zip(message.jobs, rows, strict=True)):
        if not is_sealed(job.arguments):
            continue
        job_id = child_id(message.id, message.token, message.group, number)
        if is_for(job.arguments, Place("", job_id, ARGUMENTS)):
            row.id, row.arguments = job_id, named(job.arguments, job.job)
        elif not is_for(job.arguments, Place(job.job, "", ARGUMENTS)):
            raise sealed_by_others()


def _spawn_job(job: Job, on_failure: OnFailure) -> SpawnJob:
    if job.unique is not None:
        raise Refused("queue.unique_in_flow", f"{type(job).__qualname__} has a `unique`: it is no child", status=422)
    row = job.to_row(now_ms=0, in_the_clear=True)
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
