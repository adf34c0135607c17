"""What is read of jobs."""

from typing import Protocol

from greenroom.store.journal.consequences.jobs import JobRow, TakeRow


class JobStore(Protocol):
    """All of it raises StoreUnavailable."""

    async def load(self, queue: str) -> tuple[list[JobRow], list[TakeRow]]:
        """A queue's jobs that are not finished, and what workers have taken of them."""
