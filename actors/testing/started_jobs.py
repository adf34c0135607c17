"""Where the jobs go that the entities of a test start: see `JobKit` in supervisors/testing, which runs them."""

from typing import Any, Protocol

from greenroom.actors.testing.world import KitJobs
from greenroom.store.journal.consequences.jobs import Jobs


class StartedJobs(Protocol):
    """Shared by the kits of one test."""

    def joined(self, kit: Any) -> KitJobs:
        """An entity that may start some; what it reads of jobs, where it is a queue."""

    def committed(self, kit: Any, jobs: Jobs | None) -> None:
        """It has committed these, and let out what follows. Raises: AssertionError where it may not start them."""
