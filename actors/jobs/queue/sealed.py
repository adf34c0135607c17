"""Arguments of a class that is encrypted which others have added in the clear, as SQL does, which knows of no key: they
are encrypted before anybody is handed the job, and written so. And those that come encrypted. Pure but for chance.

Where the key is not here they stay as they are, as they would where nobody knows the class.
"""

from collections.abc import Container, Iterable
from itertools import islice

from greenroom.actors.jobs.installed import Jobs
from greenroom.actors.jobs.queue.desk import Desk
from greenroom.actors.jobs.queue.flows.messages import SpawnJob
from greenroom.actors.jobs.queue.messages import NewJob
from greenroom.actors.model.errors import Refused
from greenroom.store.jobs.sealing import is_sealed, removed
from greenroom.store.journal.consequences.jobs import BackRow, JobRow
from greenroom.store.journal.consequences.jobs import Jobs as Writes

CLEAR_MAX = 16  # jobs whose arguments are read at once: each may have 256 KiB, and is written again by one append
AGAIN_MS = 5_000  # after which what was asked for is taken for lost


class ToRead:
    """Of one queue: jobs whose arguments may be in the clear and are not in memory. A few at a time are asked for, and
    the next once those are handled: no more of them are on their way. What does not come is asked for again."""

    def __init__(self) -> None:
        self._ids: dict[str, None] = {}
        self._asked: list[str] = []
        self._asked_ms: int | None = None

    def add(self, ids: Iterable[str]) -> None:
        self._ids.update(dict.fromkeys(ids))

    def came(self, ids: list[str]) -> None:
        """What was asked for; what was given up, and comes late, is none of it."""
        if ids == self._asked:
            self._asked, self._asked_ms = [], None
            for one in ids:
                self._ids.pop(one, None)

    def next_ids(self, now_ms: int, jobs: Container[str]) -> list[str]:
        """Those to be asked for now. `jobs`: which there still are."""
        if not self._ids or (self._asked_ms is not None and now_ms < self._asked_ms + AGAIN_MS):
            return []
        while self._ids and (first := next(iter(self._ids))) not in jobs:
            del self._ids[first]
        self._asked = list(islice(self._ids, CLEAR_MAX))
        self._asked_ms = now_ms if self._asked else None
        return self._asked


def require_in_the_clear(job: NewJob) -> None:
    """Unless it is a child, which the worker of its parent has encrypted (see flows/wanted.py): what others have of
    encrypted arguments they have copied, and nobody but who wrote them knows what they say. Raises: Refused."""
    if is_sealed(job.arguments) and not isinstance(job, SpawnJob):
        raise sealed_by_others()


def sealed_by_others() -> Refused:
    return Refused("queue.sealed", "`arguments` are encrypted already: give them in the clear", status=422)


def in_place(tag: str, job_id: str, arguments: bytes | None, installed: Jobs) -> bytes | None:
    """Of a job that ends: what is to be kept in place of arguments that are stored in the clear; None: they may stay.
    Long ones, which are not in memory (None), can't be encrypted: they go, where others have added them."""
    of = installed.get(tag)
    if of is None or not of.job.encrypts or (arguments is not None and is_sealed(arguments)):
        return None
    return (_sealed(tag, job_id, arguments, installed) if arguments is not None else None) or removed(tag)


def may_be_clear(row: JobRow, installed: Jobs) -> bool:
    """Is what this job was given to be looked at? Long arguments are not brought along."""
    of = installed.get(row.job)
    return of is not None and of.job.encrypts and (row.arguments is None or not is_sealed(row.arguments))


def seal_found(desk: Desk, ids: Iterable[str], installed: Jobs, writes: Writes) -> list[str]:
    """Of those of these jobs whose arguments are in memory. Longer ones are to be read, and are encrypted then: their
    ids."""
    unread: list[str] = []
    for job_id in ids:
        job = desk.jobs.get(job_id)
        if job is None:
            continue
        if job.arguments is None:
            unread.append(job_id)
        else:
            sealed = _sealed(job.job, job_id, job.arguments, installed)
            if sealed is not None:
                desk.jobs.give(job, sealed)
                _write(desk, job_id, sealed, writes)
    return unread


def seal_read(desk: Desk, arguments: dict[str, bytes], installed: Jobs, writes: Writes) -> None:
    """Of jobs as they were read just now; not of one that was edited since."""
    for job_id, text in arguments.items():
        job = desk.jobs.get(job_id)
        sealed = _sealed(job.job, job_id, text, installed) if job is not None and job.arguments is None else None
        if sealed is not None:
            arguments[job_id] = sealed
            _write(desk, job_id, sealed, writes)


def _sealed(tag: str, job_id: str, arguments: bytes, installed: Jobs) -> bytes | None:
    """None: they stay as they are."""
    of = installed.get(tag)
    if of is None or not of.job.encrypts or is_sealed(arguments):
        return None
    try:
        return of.sealed(arguments, job_id)
    except Refused:
        return None


def _write(desk: Desk, job_id: str, sealed: bytes, writes: Writes) -> None:
    job = desk.jobs[job_id]
    back = BackRow(job_id, job.due_ms, job.attempts, job.lost, arguments=sealed)
    writes.merge(Writes(back={job_id: back}))
