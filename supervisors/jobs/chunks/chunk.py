"""A chunk: attempts at several jobs, made by one call of `run_many`. What becomes of each is its own: its item of what
that returns, or what that raises. One that is to end alone is marked, and the call goes on for the others; it is
cancelled once none is left that anybody wants."""

import trio

from greenroom.actors.jobs.job import Job
from greenroom.actors.jobs.queue.messages import Finished
from greenroom.supervisors.jobs.attempt import Attempt, Ending, Means, outcomes
from greenroom.supervisors.jobs.stepping import stepping


class Chunk:
    """Of one class."""

    def __init__(self, job: type[Job], means: Means) -> None:
        self.attempts: list[Attempt] = []
        self._jobs: list[Job] = []
        self._job = job
        self._means = means
        self._scope = trio.CancelScope()

    def add(self, attempt: Attempt) -> Finished | None:
        """It is one of them; or it has ended before: what became of it is not held up by the others."""
        prepared = attempt.prepared()
        if isinstance(prepared, Finished):
            return prepared
        self.attempts.append(attempt)
        self._jobs.append(prepared)
        attempt.begin(self._stopped)
        return None

    async def run(self) -> list[Finished]:
        """In the order of the attempts, of which there is one at least. Never raises but by cancellation from
        outside."""
        attempts = self.attempts
        self._scope.deadline = trio.current_time() + self._job.limits.timeout_s
        if all(attempt.ending is not None for attempt in attempts):
            self._scope.cancel()
        try:
            with self._scope:
                many = self._job.run_many(self._jobs, attempts)
                found = await stepping(many, self._means.turn, attempts[0], self._jobs[0])
            if self._scope.cancelled_caught:
                return [attempt.ended() for attempt in attempts]
            return [
                attempt.judged(item) for attempt, item in zip(attempts, outcomes(found, len(attempts)), strict=True)
            ]
        except (Exception, SystemExit, BaseExceptionGroup) as error:  # the edge: a job's code may raise anything
            return [attempt.judged(error) for attempt in attempts]

    def _stopped(self, ending: Ending) -> None:
        """One of them is to end."""
        if all(attempt.ending is not None for attempt in self.attempts):
            self._scope.cancel()
