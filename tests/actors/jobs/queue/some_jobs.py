"""Jobs to put into an order."""

from greenroom.actors.jobs.queue.waiting import Waiting


def a_job(
    number: int,
    key: str = "",
    *,
    job: str = "job.a",
    due_ms: int = 0,
    priority: int = 4,
    attempts: int = 0,
    added_ms: int = 0,
    weight: int = 1,
) -> Waiting:
    return Waiting(0, f"{number:032x}", job, b"{}", key, priority, added_ms, due_ms, attempts, 5, 0, weight=weight)
