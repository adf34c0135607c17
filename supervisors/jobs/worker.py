"""A worker: takes jobs from one queue, runs so many at once, and says what became of them.

What it has finished goes with the message that takes more, so a busy worker asks once for many. A lone job is taken by
a message that waits at the queue, and answered as soon as it has run. Its beat waits there too, and is answered at once
when a job of its is to be cancelled.
"""

from collections import deque
from collections.abc import Callable, Iterable
from math import inf

import structlog
import trio
from msgspec import Raw

from greenroom.actors.jobs.installed import InstalledJob, Jobs
from greenroom.actors.jobs.queue.desk import LEASE_MS
from greenroom.actors.jobs.queue.flows.messages import Child, Children, Spawn, SpawnJob
from greenroom.actors.jobs.queue.messages import Beat, Beaten, Finished, Leave, Take, Taken, TakenJob
from greenroom.actors.jobs.queue.single.telling import Progress, StepDone, Steps
from greenroom.actors.jobs.work import WaitsForChildren
from greenroom.actors.model.errors import ActorError, Unavailable
from greenroom.actors.model.message import Ask, Reply
from greenroom.config.telemetry.shown import said, shown
from greenroom.supervisors.jobs.attempt import Attempt, Ending, Means
from greenroom.supervisors.jobs.chunks.chunk import Chunk
from greenroom.supervisors.jobs.chunks.gathering import Gathering, wants_of
from greenroom.supervisors.jobs.chunks.gathering import Taken as Gathered
from greenroom.supervisors.jobs.reach.reach import Asking
from greenroom.supervisors.jobs.reports import Reports, how_many
from greenroom.supervisors.jobs.words import whole
from greenroom.supervisors.supervision.backoff import Backoff, NewBackoff

log = structlog.get_logger("greenroom.jobs")

BEAT_S = 3.0
REST_S = 0.05  # between two beats, whatever is answered
LEASE_S = LEASE_MS / 1000
LATE_S = LEASE_S / 2  # for an answer: by then a beat may have said that its jobs never came
WAIT_S = 20.0  # that a message waits at the queue for jobs
ANSWER_S = 10.0  # beyond that
SLICE_S = 0.002  # what runs without waiting for anything has the loop for so long at once
AHEAD_MAX = 900  # jobs that are taken beyond what runs at once
AHEAD_S = 0.1  # for an answer that takes longer no more are
LAIN_S = 1.0  # after which what was taken ahead is given back: those before it take longer than was known
SHARE = 0.05  # of a new measure in what is known of how long jobs and answers take
LEAVE_S = 2.0
CANCEL_S = 2.0  # what jobs may take over their end when their worker ends: others begin them anew then
OF_NO_USE = (400, 413, 422)  # statuses that a message has for what is in it, however often it is sent
LOOK_S = 0.5  # between two looks for what has not ended in its grace


class Worker:
    """Of one queue. A supervised child: `run`."""

    def __init__(
        self,
        queue: str,
        slots: int,
        jobs: Jobs,
        *,
        name: str,
        ask: Asking,
        new_backoff: NewBackoff,
        means: Means,
        process: str = "",
    ) -> None:
        """`slots`: jobs that run at once. `name` tells it from all other workers, also from those that were here
        before. `process`: the one it runs in, as `host/process`."""
        self.name = name
        self._entity = f"queue:{queue}"
        self._queue = queue
        self._slots = slots
        self._jobs = jobs
        self._knows = sorted(jobs.of_queue(queue))
        self._ask = ask
        self._new_backoff = new_backoff
        self._means = means
        self._process = process
        self._todo: deque[tuple[TakenJob, int]] = deque()  # taken, with the token
        self._idle: list[trio.Event] = []  # runners without a job
        self._running: dict[str, Attempt] = {}  # by the job's id
        self._gatherings: list[Gathering] = []  # chunks that wait for more
        known = [one.job.chunks for one in jobs if one.queue == queue]
        # What a slot takes at once, where all classes are worked on so: others would lie behind.
        self._gathers = any(known)
        self._chunk = min((one.most for one in known if one is not None), default=0) if all(known) else 0
        self._beyond = 0  # jobs in chunks under way beyond one each: a chunk has one slot
        self._tokens: dict[int, int] = {}  # how many of each are not finished
        self._void: set[int] = set()  # those among them that hold no more
        self._finished: list[Finished] = []
        self._wanted = 0  # slots that are promised to what may be taken
        self._asking = 0  # messages on their way that bring what is finished
        self._stir = trio.Event()  # there is something to say, or room
        self._more = trio.Event()  # jobs were taken, or gathered ones lost
        self._room = trio.Event()
        self._stopping: trio.Event | None = None  # set whenever less is left
        self._has_left = False
        self._reports = Reports()
        self._heard_at = -inf  # no later than when the queue last heard of us with something in hand, trio's clock
        self._begun_at = 0.0  # when the last job was begun
        self._run_s = 1.0  # what a job takes, lately
        self._answer_s = 0.0  # and the answer to what brings finished ones

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Until cancelled; then it gives back what it has."""
        self._has_left = False
        self._begin_anew()
        try:
            async with trio.open_nursery() as nursery:  # owner: this call
                for _ in range(self._slots):
                    nursery.start_soon(self._run_jobs)
                nursery.start_soon(self._beat)
                nursery.start_soon(self._mind)
                nursery.start_soon(self._report)
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

    def _begin_anew(self) -> None:
        """What a life before had in hand it has given back."""
        for things in (
            self._todo, self._idle, self._running, self._tokens, self._void, self._finished, self._gatherings
        ):  # fmt: skip
            things.clear()
        self._beyond = 0
        self._wanted = self._asking = 0

    async def stop(self, grace_s: float) -> None:
        """Take nothing more. Returns when what runs has ended, or was given back after so long; `run` idles then."""
        self._stopping = trio.Event()
        await self._tell(Leave(worker=self.name, keeps=True))  # answers what waits there for jobs
        self._give_back_todo()
        with trio.move_on_after(grace_s):
            await self._emptied()
        for attempt in list(self._running.values()):
            attempt.stop(Ending.INTERRUPTED)
        if self._running:
            log.info("jobs_interrupted", queue=self._queue, jobs=len(self._running))
        with trio.move_on_after(CANCEL_S):
            await self._emptied()
        await self._leave()

    async def _emptied(self) -> None:
        while self._running or self._todo or self._gatherings or self._finished or self._asking:
            assert self._stopping is not None
            await self._stopping.wait()
            self._stopping = trio.Event()

    def _give_back_todo(self) -> None:
        """What nobody has begun."""
        self._give_back(self._todo)
        self._todo.clear()
        if self._stopping is not None:
            self._drop_gathered(lambda one: True, lambda job, token: Finished(job.id, token, refund=True, unbegun=True))
        self._stir.set()

    def _give_back(self, jobs: Iterable[Gathered]) -> None:
        self._finished += [Finished(job.id, token, refund=True, unbegun=True) for job, token in jobs]
        self._stir.set()

    async def _leave(self) -> None:
        if self._has_left:
            return
        self._has_left = True
        while self._finished:
            await self._tell(Take(worker=self.name, most=0, finished=self._next_finished()))
        await self._tell(Leave(worker=self.name))

    async def _tell(self, message: Ask[Reply]) -> None:
        """Or not, where that is out of reach: then the queue finds out by itself."""
        try:
            with trio.move_on_after(LEAVE_S):
                await self._ask(self._entity, message)
        except ActorError as error:
            log.info("job_worker_not_heard", queue=self._queue, error=shown(error))

    # Taking, and saying what became of it.

    @property
    def _free(self) -> int:
        if self._stopping is not None:
            return 0
        taken = len(self._todo) + self._wanted
        busy = len(self._running) - self._beyond
        if self._chunk:
            return (self._slots - busy - len(self._gatherings)) * self._chunk + wants_of(self._gatherings) - taken
        return self._slots + self._ahead - busy - taken + wants_of(self._gatherings) - len(self._gatherings)

    @property
    def _ahead(self) -> int:
        """Jobs that the slots are done with while an answer is on its way: none of those that take their time, so that
        no job lies behind one while another worker is free."""
        return min(AHEAD_MAX, int(self._slots * min(self._answer_s, AHEAD_S) / max(self._run_s, 1e-6)))

    def _next_finished(self) -> list[Finished]:
        """As many as one message says."""
        count = how_many(self._finished)
        finished, self._finished = self._finished[:count], self._finished[count:]
        return finished

    async def _say(self) -> None:
        finished = self._next_finished()
        is_last_word = False  # of the only one: what was first said of it was refused
        backoff: Backoff | None = None
        try:
            while finished:
                try:
                    await self._take(finished, 0.0)
                    return
                except ActorError as error:  # what it was may have landed: said again it is refused, and no harm done
                    log.warning("job_results_not_said", queue=self._queue, error=shown(error))
                    if not error.temporary and error.status in OF_NO_USE:
                        if len(finished) > 1:  # some of them are all right: the others are said by the next message
                            half = len(finished) // 2
                            self._finished[:0], finished = finished[half:], finished[:half]
                        elif not is_last_word:
                            is_last_word, refused = True, f"what became of it was refused: {said(error)[:500]}"
                            finished = [Finished(finished[0].id, finished[0].token, error=whole(refused))]
                        else:  # its lease ends, where it is named no more
                            self._are_said(finished)
                            return
                        continue
                backoff = backoff or self._new_backoff()
                await trio.sleep(backoff.next())
        except trio.Cancelled:
            self._finished[:0] = finished  # said as it leaves: what landed is refused then, and no harm done
            raise
        finally:
            self._asking -= 1
            self._stir.set()
            self._room.set()
            if self._stopping is not None:
                self._stopping.set()

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
            message = Take(
                worker=self.name,
                most=most,
                wait_s=wait_s,
                knows=self._knows,
                finished=finished,
                said=self._reports.last() if finished else [],
                process=self._process,
            )
            taken: Taken | None = None
            asked_at = trio.current_time()
            with trio.move_on_after(wait_s + ANSWER_S):
                taken = await self._ask(self._entity, message)
            if finished:
                self._answer_s += SHARE * (trio.current_time() - asked_at - self._answer_s)
        finally:
            self._wanted -= most
        if taken is None:
            if finished:
                raise Unavailable("no answer")  # said again, whatever became of it
            return
        self._are_said(finished)
        if taken.refused:
            log.warning("job_results_refused", queue=self._queue, jobs=taken.refused)
        if taken.jobs:
            now = trio.current_time()
            # Never ahead of now: by the queue's clock, which may be set meanwhile.
            held_at = min(now, asked_at + taken.waited_s) if taken.waited_s is not None else now
            if not self._tokens:  # else their lease is as old as the last beat
                self._heard_at = max(self._heard_at, held_at)
            # Where a failover has lost a take that is in hand, its token may come a second time.
            self._tokens[taken.token] = self._tokens.get(taken.token, 0) + len(taken.jobs)
            self._todo.extend([(job, taken.token) for job in taken.jobs])
            if self._stopping is not None or now > held_at + LATE_S:
                self._give_back_todo()
            for gathering in self._gatherings:
                gathering.pick(self._todo)
            self._make_way()
            if self._gathers and (surplus := -self._free) > 0:  # it was asked for chunks that have begun since
                self._give_back([self._todo.pop() for _ in range(min(surplus, len(self._todo)))])
            self._more.set()
            self._more = trio.Event()
            self._wake_runner()
        elif self._free > 0 and not self._finished:
            self._room.set()

    def _are_said(self, finished: list[Finished]) -> None:
        for one in finished:
            self._tokens[one.token] -= 1
            if not self._tokens[one.token]:
                del self._tokens[one.token]
                self._void.discard(one.token)

    async def _beat(self) -> None:
        backoff = self._new_backoff()
        while True:
            if self._has_left:
                await trio.sleep_forever()
            beaten: Beaten | None = None
            sent_at = trio.current_time()
            try:
                with trio.move_on_after(BEAT_S + ANSWER_S):
                    beaten = await self._ask(
                        self._entity, Beat(worker=self.name, tokens=[*self._tokens.keys() - self._void], wait_s=BEAT_S)
                    )
                backoff = self._new_backoff()
                await trio.sleep(REST_S)
            except ActorError as error:
                log.info("job_worker_not_heard", queue=self._queue, error=shown(error))
                await trio.sleep(backoff.next())
            if beaten is None:
                continue
            self._heard_at = max(self._heard_at, sent_at)
            if beaten.watched:
                self._reports.hurry()
            if beaten.void or beaten.cancel:
                self._drop(set(beaten.void), set(beaten.cancel))

    def _drop(self, void: set[int], cancelled: set[str]) -> None:
        """Others have these, or nobody wants them. Of the former a queue that is overtaken may be wrong: so they are
        given back, which is refused where it is right."""
        self._void |= void & self._tokens.keys()
        for attempt in list(self._running.values()):
            if attempt.id in cancelled:
                attempt.stop(Ending.CANCELLED)
            elif attempt.token in void:
                attempt.stop(Ending.INTERRUPTED)
        self._drop_gathered(
            lambda one: one[1] in void or one[0].id in cancelled,
            lambda job, token: _unbegun(job, token, cancelled),
        )
        kept: deque[tuple[TakenJob, int]] = deque()
        for job, token in self._todo:
            if token in void or job.id in cancelled:
                self._finished.append(_unbegun(job, token, cancelled))
                self._stir.set()
            else:
                kept.append((job, token))
        self._todo = kept

    def _drop_gathered(self, of: Callable[[Gathered], bool], how: Callable[[TakenJob, int], Finished]) -> None:
        for gathering in self._gatherings:
            for job, token in gathering.drop(of):
                self._finished.append(how(job, token))
                self._stir.set()
        self._more.set()
        self._more = trio.Event()

    # Running.

    def _wake_runner(self) -> None:
        if self._idle and self._todo:
            self._idle.pop().set()

    def _make_way(self) -> None:
        """For jobs that fit into no chunk, and find no slot: what has waited for more the longest begins without. Else
        they would lie here, be given back, and come again, all that time."""
        if self._todo and not self._idle and self._gatherings:
            self._gatherings[0].hurry()
            self._more.set()
            self._more = trio.Event()

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
                begun = self._begun_at = trio.current_time()
                if begun > self._heard_at + LEASE_S:  # as after a standstill: another may have done it
                    self._finished.append(Finished(job.id, token, refund=True, unbegun=True))
                    self._stir.set()
                    continue
                installed = self._jobs.get(job.job)
                if installed is None or installed.job.chunks is None:
                    await self._run_job(job, token)
                else:
                    await self._run_chunk(Gathering((job, token), installed), installed)
                now = trio.current_time()
                self._run_s += SHARE * (now - begun - self._run_s)
                if now > until:
                    await trio.lowlevel.checkpoint()
                    until = trio.current_time() + SLICE_S

    async def _run_job(self, job: TakenJob, token: int) -> None:
        attempt = self._running[job.id] = Attempt(job, token, self._jobs.get(job.job), self._means, self)
        try:
            finished = await attempt.run()
        finally:
            if self._running.get(job.id) is attempt:
                del self._running[job.id]
            if self._stopping is not None:
                self._stopping.set()
        if not attempt.is_told:
            self._has_finished(attempt, finished)

    async def _run_chunk(self, gathering: Gathering, installed: InstalledJob) -> None:
        """What there is with the first, or comes in time."""
        gathering.pick(self._todo)
        self._gatherings.append(gathering)
        self._make_way()
        try:
            while left_s := gathering.left_s:
                self._room.set()
                with trio.move_on_after(left_s):
                    await self._more.wait()
        finally:
            self._gatherings.remove(gathering)
        if self._stopping is not None:
            self._stopping.set()
        if trio.current_time() > self._heard_at + LEASE_S:
            self._give_back(gathering.jobs)
            return
        if len(gathering.jobs) < 2:
            for job, token in gathering.jobs:
                await self._run_job(job, token)
            return
        chunk = Chunk(installed.job, self._means)
        for attempt in [Attempt(job, token, installed, self._means, self) for job, token in gathering.jobs]:
            if (ended := chunk.add(attempt)) is not None:
                self._has_finished(attempt, ended)
        if not (attempts := chunk.attempts):
            return
        self._running |= {attempt.id: attempt for attempt in attempts}
        self._beyond += len(attempts) - 1
        self._room.set()
        try:
            finished = await chunk.run()
        finally:
            self._beyond -= len(attempts) - 1
            for attempt in attempts:
                if self._running.get(attempt.id) is attempt:
                    del self._running[attempt.id]
            if self._stopping is not None:
                self._stopping.set()
        for attempt, one in zip(attempts, finished, strict=True):
            if not attempt.is_told:
                self._has_finished(attempt, one)

    def _has_finished(self, attempt: Attempt, finished: Finished) -> None:
        attempt.is_told = True
        self._reports.end(attempt.id)
        self._finished.append(finished)
        if not self._stir.is_set():
            self._stir.set()

    async def _mind(self) -> None:
        """Stop what should have said something; give up what should have ended, which keeps its slot until it does."""
        now = trio.current_time()
        while True:
            await trio.sleep(LOOK_S)
            before, now = now, trio.current_time()
            late_s = now - before - LOOK_S
            stood_s = late_s if late_s > LOOK_S else 0.0  # as a process that was stopped
            if self._todo and self._begun_at + LAIN_S < now:
                self._run_s = max(self._run_s, LAIN_S)
                self._give_back_todo()
            for attempt in list(self._running.values()):
                attempt.mind(now, stood_s)
            for attempt in [one for one in self._running.values() if one.gives_up_at + LOOK_S < now]:
                if not attempt.is_told:
                    self._has_finished(attempt, attempt.give_up())

    # Of attempts: see Telling.

    def note(self, attempt: Attempt, share: float | None, note: str, line: str | None) -> None:
        if not attempt.is_told and not attempt.is_given_up:
            self._reports.note(attempt.id, share, note, line)

    async def steps(self, attempt: Attempt) -> dict[str, Raw]:
        asked = Steps(worker=self.name, id=attempt.id, token=attempt.token)
        return (await self._ask_for(attempt, asked)).results

    async def children(self, attempt: Attempt) -> list[Child]:
        """Raises: WaitsForChildren."""
        children: list[Child] = []
        first: int | None = 0
        while first is not None:
            asked = Children(worker=self.name, id=attempt.id, token=attempt.token, first=first)
            known = await self._ask_for(attempt, asked)
            if known.rests:
                raise WaitsForChildren("it is to rest until they have ended")
            children += known.children
            first = known.next
        return children

    async def spawn(self, attempt: Attempt, group: str, jobs: list[SpawnJob]) -> list[str]:
        asked = Spawn(worker=self.name, id=attempt.id, token=attempt.token, group=group, jobs=jobs)
        return (await self._ask_for(attempt, asked)).ids

    async def keep_step(self, attempt: Attempt, name: str, result: Raw) -> None:
        done = StepDone(worker=self.name, id=attempt.id, token=attempt.token, name=name, result=result)
        await self._ask_for(attempt, done)

    async def _ask_for(self, attempt: Attempt, message: Ask[Reply]) -> Reply:
        """Until that attempt is to end: that the queue or its store is away is no failure of the job's, and of a step
        that is through nobody else knows. (One that is said twice is one.) Raises: ActorError."""
        backoff = self._new_backoff()
        while True:
            try:
                return await self._ask(self._entity, message)
            except ActorError as error:
                if not error.temporary or attempt.is_to_stop or attempt.is_given_up:
                    raise
                log.info("job_worker_not_heard", queue=self._queue, error=shown(error))
            await trio.sleep(backoff.next())

    async def _report(self) -> None:
        """Say how far jobs are, as often as the queue wants to hear it."""
        while True:
            await self._reports.wanted()
            again_s = BEAT_S
            reports = self._reports.take()
            try:
                with trio.move_on_after(ANSWER_S):
                    again_s = (await self._ask(self._entity, Progress(worker=self.name, said=reports))).again_s
            except ActorError as error:  # the next one says where it is by then, and all lines
                log.info("job_progress_not_said", queue=self._queue, error=shown(error))
                if error.temporary:
                    self._reports.put_back(reports)
            await self._reports.rest(again_s)


def _unbegun(job: TakenJob, token: int, cancelled: set[str]) -> Finished:
    """One of these, or one that others have."""
    is_unwanted = job.id in cancelled
    return Finished(job.id, token, cancelled=is_unwanted, refund=not is_unwanted, unbegun=True)
