"""A chunk: attempts at several jobs, made by one call of `run_many`. What becomes of each is its own: its item of what
that returns, or what that raises. One that is to end alone is marked, and the call goes on for the others; it is
cancelled once none is left that anybody wants."""

from collections.abc import Sequence

import trio

from greenroom.actors.jobs.job import Job
from greenroom.actors.jobs.queue.messages import Finished
from greenroom.supervisors.jobs.attempt import Attempt, Ending, Means, outcomes
from greenroom.supervisors.jobs.stepping import stepping


class Chunk:
    """Of one class."""

    def __init__(self, job: type[Job], attempts: Sequence[Attempt], means: Means) -> None:
        self._job = job
        self._attempts = attempts
        self._means = means
        self._scope = trio.CancelScope()

    async def run(self) -> list[Finished]:
        """In the order of the attempts. Never raises but by cancellation from outside."""
        finished: dict[str, Finished] = {}
        ready: list[tuple[Attempt, Job]] = []
        for attempt in self._attempts:
            prepared = attempt.prepared()
            if isinstance(prepared, Finished):
                finished[attempt.id] = prepared
            else:
                ready.append((attempt, prepared))
                attempt.begin(self._stopped)
        if ready:
            finished |= zip([attempt.id for attempt, _ in ready], await self._run(ready), strict=True)
        return [finished[attempt.id] for attempt in self._attempts]

    async def _run(self, ready: list[tuple[Attempt, Job]]) -> list[Finished]:
        attempts = [attempt for attempt, _ in ready]
        self._scope.deadline = trio.current_time() + self._job.limits.timeout_s
        if all(attempt.ending is not None for attempt in attempts):
            self._scope.cancel()
        try:
            with self._scope:
                many = self._job.run_many([job for _, job in ready], attempts)
                found = await stepping(many, self._means.turn, attempts[0], ready[0][1])
            if self._scope.cancelled_caught:
                return [attempt.ended() for attempt in attempts]
            return [
                attempt.judged(item) for attempt, item in zip(attempts, outcomes(found, len(attempts)), strict=True)
            ]
        except (Exception, SystemExit, BaseExceptionGroup) as error:  # the edge: a job's code may raise anything
            return [attempt.judged(error) for attempt in attempts]

    def _stopped(self, ending: Ending) -> None:
        """One of them is to end."""
        if all(attempt.ending is not None for attempt in self._attempts):
            self._scope.cancel()
