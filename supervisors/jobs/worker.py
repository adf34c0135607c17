"""A worker: takes jobs from one queue, runs so many at once, and says what became of them.

What it has finished goes with the message that takes more, so a busy worker asks once for many. A lone job is taken by
a message that waits at the queue, and answered as soon as it has run.
"""

from collections import deque
from typing import Protocol

import structlog
import trio

from greenroom.actors.jobs.installed import Jobs
from greenroom.actors.jobs.queue.messages import Beat, Beaten, Finished, Leave, Take, Taken, TakenJob
from greenroom.actors.model.errors import ActorError
from greenroom.actors.model.message import Ask, Reply
from greenroom.config.telemetry.shown import shown
from greenroom.supervisors.jobs.attempt import Attempt
from greenroom.supervisors.supervision.backoff import Backoff, NewBackoff

log = structlog.get_logger("greenroom.jobs")

BEAT_S = 3.0
WAIT_S = 20.0  # that a message waits at the queue for jobs
ANSWER_S = 10.0  # beyond that
SLICE_S = 0.002  # what runs without waiting for anything has the loop for so long at once
LEAVE_S = 2.0


class Asking(Protocol):
    """Router.ask."""

    async def __call__(self, entity: str, message: Ask[Reply], /) -> Reply:
        """Raises: ActorError."""


class Worker:
    """Of one queue, on one node. A supervised child: `run`."""

    def __init__(self, queue: str, slots: int, jobs: Jobs, *, name: str, ask: Asking, new_backoff: NewBackoff) -> None:
        """`slots`: jobs that run at once. `name` tells it from all other workers, also from those that were here
        before."""
        self.name = name
        self._entity = f"queue:{queue}"
        self._queue = queue
        self._slots = slots
        self._jobs = jobs
        self._knows = sorted(jobs.of_queue(queue))
        self._ask = ask
        self._new_backoff = new_backoff
        self._todo: deque[tuple[TakenJob, int]] = deque()  # taken, with the token
        self._idle: list[trio.Event] = []  # runners without a job
        self._running: dict[str, Attempt] = {}  # by the job's id
        self._tokens: dict[int, int] = {}  # how many of each are not finished
        self._finished: list[Finished] = []
        self._wanted = 0  # slots that are promised to what may be taken
        self._asking = 0  # messages on their way that bring what is finished
        self._stir = trio.Event()  # there is something to say, or room

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Until cancelled; then it gives back what it has."""
        try:
            async with trio.open_nursery() as nursery:  # owner: this call
                for _ in range(self._slots):
                    nursery.start_soon(self._run_jobs)
                nursery.start_soon(self._beat)
                nursery.start_soon(self._wait_for_jobs)
                task_status.started()
                while True:
                    self._stir = trio.Event()
                    if not self._finished or self._asking >= 2:
                        await self._stir.wait()
                        continue
                    self._asking += 1
                    nursery.start_soon(self._say)
                    await trio.lowlevel.checkpoint()
        finally:
            with trio.move_on_after(LEAVE_S, shield=True):
                await self._leave()

    async def _leave(self) -> None:
        try:
            if self._finished:
                await self._ask(self._entity, Take(worker=self.name, most=0, finished=self._finished))
            await self._ask(self._entity, Leave(worker=self.name))
        except ActorError as error:
            log.info("job_worker_left", queue=self._queue, error=shown(error))

    # Taking, and saying what became of it.

    @property
    def _free(self) -> int:
        return self._slots - len(self._running) - len(self._todo) - self._wanted

    async def _say(self) -> None:
        finished, self._finished = self._finished, []
        backoff: Backoff | None = None
        try:
            while finished:
                try:
                    await self._take(finished, 0.0)
                    return
                except ActorError as error:  # what it was may have landed: said again it is refused, and no harm done
                    log.warning("job_results_not_said", queue=self._queue, error=shown(error))
                backoff = backoff or self._new_backoff()
                await trio.sleep(backoff.next())
        finally:
            self._asking -= 1
            self._stir.set()

    async def _wait_for_jobs(self) -> None:
        backoff = self._new_backoff()
        while True:
            if self._free <= 0 or self._asking:
                self._room = trio.Event()
                await self._room.wait()
                continue
            try:
                await self._take([], WAIT_S)
                backoff = self._new_backoff()
            except ActorError as error:
                log.warning("jobs_not_taken", queue=self._queue, error=shown(error))
                await trio.sleep(backoff.next())

    async def _take(self, finished: list[Finished], wait_s: float) -> None:
        """Raises: ActorError."""
        most = max(0, min(self._free, 1_000))
        self._wanted += most
        try:
            message = Take(worker=self.name, most=most, wait_s=wait_s, knows=self._knows, finished=finished)
            taken: Taken | None = None
            with trio.move_on_after(wait_s + ANSWER_S):
                taken = await self._ask(self._entity, message)
        finally:
            self._wanted -= most
        if taken is None:
            return
        for one in finished:
            self._tokens[one.token] -= 1
            if not self._tokens[one.token]:
                del self._tokens[one.token]
        if taken.refused:
            log.warning("job_results_refused", queue=self._queue, jobs=taken.refused)
        if taken.jobs:
            self._tokens[taken.token] = len(taken.jobs)
            self._todo.extend([(job, taken.token) for job in taken.jobs])
            self._wake_runner()
        elif self._free > 0 and not self._finished:
            self._room.set()

    _room = trio.Event()

    async def _beat(self) -> None:
        while True:
            await trio.sleep(BEAT_S)
            if not self._tokens:
                continue
            try:
                beaten: Beaten = await self._ask(self._entity, Beat(worker=self.name, tokens=list(self._tokens)))
            except ActorError as error:
                log.info("job_worker_not_heard", queue=self._queue, error=shown(error))
                continue
            void = set(beaten.void)
            for attempt in list(self._running.values()):
                if attempt.token in void or attempt.id in beaten.cancel:
                    attempt.cancel()

    # Running.

    def _wake_runner(self) -> None:
        if self._idle and self._todo:
            self._idle.pop().set()

    async def _run_jobs(self) -> None:
        """One slot."""
        while True:
            if not self._todo:
                self._room.set()
                event = trio.Event()
                self._idle.append(event)
                await event.wait()
                continue
            until = trio.current_time() + SLICE_S
            while self._todo:
                job, token = self._todo.popleft()
                if self._todo and self._idle:  # this one may wait for something
                    self._wake_runner()
                await self._run_job(job, token)
                if trio.current_time() > until:
                    await trio.lowlevel.checkpoint()
                    until = trio.current_time() + SLICE_S

    async def _run_job(self, job: TakenJob, token: int) -> None:
        attempt = self._running[job.id] = Attempt(job, token, self._jobs.get(job.job))
        try:
            finished = await attempt.run()
        finally:
            del self._running[job.id]
        self._finished.append(finished)
        if not self._stir.is_set():
            self._stir.set()
