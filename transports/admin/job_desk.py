"""The desk's part for queues, jobs and sagas. Kept by the node (supervisors/admin/jobs/desk.py); all answers are JSON.

What is done is done as `by`, an admin: see roles.py.
"""

from collections.abc import Mapping
from typing import Any, Final, Protocol

from greenroom.actors.jobs.queue.control import Limit
from greenroom.store.jobs.filter import JobFilter

QUEUES: Final = "queues"  # what is watched: all queues; or one, a job or a saga, by its page and its name
QUEUE, JOB, SAGA = "queue/", "job/", "saga/"


class JobDesk(Protocol):
    """All of it raises StoreUnavailable and ActorError: as the queue or the saga says, and Refused for what there is
    not. `full`: also what people have written."""

    async def looked(self, what: str, full: bool, viewer: bool) -> tuple[bytes, bytes]:
        """What is shown live to those who see all, and to the others; b"" for whom nobody is there. Of QUEUES, or of a
        page and a name."""

    async def queues(self) -> bytes:
        """All, with what waits in each, who works on it, and how much ends a second. No content."""

    async def queue(self, queue: str, *, full: bool) -> bytes:
        """One, which is woken where it sleeps."""

    async def jobs(self, asked: JobFilter, after: str | None, limit: int, *, who: str, full: bool) -> bytes:
        """`{"jobs", "next"}`: the last added first; `next` is what to go on after, null at the end. Raises: BadRequest
        for a cursor that is none."""

    async def job(self, job_id: str, *, full: bool) -> bytes:
        """One: how it is, how it got there, and with `full` why it waits."""

    async def saga(self, saga: str, *, full: bool) -> bytes:
        """`{"entity", "can", "view"}`."""

    async def pause(self, queue: str, until_ms: int | None, reason: str, *, by: str) -> bytes:
        """`{"queue", "paused"}`"""

    async def resume(self, queue: str, *, by: str) -> bytes:
        """Likewise."""

    async def limit(self, queue: str, limits: Limit, *, by: str) -> bytes:
        """`{"queue"}`"""

    async def retry(self, job_id: str, *, by: str) -> bytes:
        """`{"id", "due_ms"}`: one that waits is due now, one that has ended begins anew."""

    async def cancel(self, job_id: str, reason: str, *, by: str) -> bytes:
        """`{"id", "state"}`"""

    async def drop(self, job_id: str, *, by: str) -> bytes:
        """`{"id", "dropped"}`: one that has ended is forgotten, if it is still there."""

    async def edit(
        self, job_id: str, arguments: Any, shown: Any, priority: int | None, delay_s: float | None, *, by: str
    ) -> bytes:
        """`{"id", "due_ms"}`. `arguments`: None: as they are; else what somebody has made of `shown`, in which secrets
        are hidden: what was left alone stays."""

    async def steer_saga(self, saga: str, step: str, fields: Mapping[str, Any], *, by: str) -> bytes:
        """`{"entity"}`. Raises: Refused for what that saga can't be told."""
