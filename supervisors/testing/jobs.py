"""The kit of jobs: queues and their workers in a test. No server, no database, no waiting.

    jobs = JobKit(Transcode)
    film = Kit(Film, key="alien", jobs=jobs)
    film.ask(Upload())
    jobs.assert_enqueued(Transcode, video="alien")
    (outcome,) = jobs.drain("media")
    assert outcome.state == "completed" and film.view() == {"url": outcome.result["url"]}

Queues are the server's own, with limits, keys and retries, over rows in memory; attempts are the workers' own. Time is
virtual: it passes where a job waits, and where nothing is due yet.
"""

import math
from collections.abc import Callable
from typing import Any

import msgspec
import trio
from msgspec import Raw

from greenroom.actors.jobs.installed import InstalledJob, Jobs
from greenroom.actors.jobs.job import Job
from greenroom.actors.jobs.queue import Queue, queue_of
from greenroom.actors.jobs.queue.control import Pause, Resume
from greenroom.actors.jobs.queue.flows.messages import Child, Children, Spawn, SpawnJob
from greenroom.actors.jobs.queue.messages import Beat, Found, Take, Taken
from greenroom.actors.jobs.queue.single.steering import CancelJob
from greenroom.actors.jobs.queue.single.telling import StepDone
from greenroom.actors.jobs.work import WaitsForChildren
from greenroom.actors.model.effects import Nudge, Told
from greenroom.actors.model.entity import split_entity
from greenroom.actors.model.errors import InvalidCommand
from greenroom.actors.model.lifecycle import Answered, Undelivered
from greenroom.actors.testing.kit import EPOCH_S, Kit
from greenroom.actors.testing.virtual_time import run_through
from greenroom.store.jobs.sealing import KEY_BYTES, RESULT, Place, has_keys, opened_if_sealed, use_keys
from greenroom.store.journal.consequences.consequence import Tables
from greenroom.store.journal.consequences.jobs import EndRow, JobRow, JobTables
from greenroom.store.journal.consequences.jobs import Jobs as JobWrites
from greenroom.store.views.asked import Asked, Row, Rows
from greenroom.supervisors.jobs.attempt import Attempt
from greenroom.supervisors.testing.attempts import Attempted, Said, attempt_at
from greenroom.supervisors.testing.enqueued import Enqueued, Outcome, fits, none_fits, require_fields, some_fit
from greenroom.supervisors.testing.reach import KitReach
from greenroom.supervisors.testing.reads import KitReads

WORKER = "kit"
BEAT_S = 4.0  # less than half of a lease
ATTEMPTS_MAX = 10_000  # in one drain: a job that snoozes for ever is a test that never ends


class JobKit:
    """The jobs of one test. `outcomes` has those that have ended, oldest first.

    `inline`: what is started is drained at once. `now`: Unix s, of the clock that all queues share.
    """

    def __init__(self, *jobs: type[Job], inline: bool = False, now: float = EPOCH_S) -> None:
        """Raises: BadEntityClass, as the server would at its start."""
        self.outcomes: list[Outcome] = []
        self.now = now
        self._inline = inline
        self._jobs = Jobs(jobs)
        if any(one.job.encrypts for one in self._jobs) and not has_keys():  # in a test any key does
            use_keys([bytes(KEY_BYTES)])
        self._queue_class = queue_of(self._jobs)
        self._database = Tables()
        self._tables = self._database.of(JobTables)
        self._queues: dict[str, Kit[Queue]] = {}
        self._reads: dict[str, KitReads] = {}  # by the entity
        self._kits: dict[str, Kit[Any]] = {}  # that start jobs
        self._said: dict[str, Said] = {}  # by the job's id
        self._errors: dict[str, list[dict[str, Any]]] = {}
        self._reach = KitReach(self._kits)

    # Adding.

    def add(
        self,
        job: Job,
        *,
        delay_s: float = 0.0,
        priority: int | None = None,
        partition: str | None = None,
        attempts: int | None = None,
        expires_s: float | None = None,
        weight: int | None = None,
    ) -> str:
        """As whoever adds it in SQL does; its id. Raises: AssertionError, Refused: see `Actor.start_job`."""
        row = job.to_row(
            now_ms=int(self.now * 1000),
            delay_s=delay_s,
            priority=priority,
            partition=partition,
            attempts=attempts,
            expires_s=expires_s,
            weight=weight,
        )
        self._start([row])
        return row.id

    def _start(self, rows: list[JobRow]) -> None:
        for row in rows:
            self._decode(row)
        JobWrites(started=rows).land(Tables(), self._database)
        for queue in dict.fromkeys(row.queue for row in rows):
            self.queue(queue).tell(Found())
            if self._inline:
                self.drain(queue)

    def _decode(self, row: JobRow) -> Job:
        """Raises: AssertionError, where a server would find out when it runs."""
        installed = self._installed(row.job)
        assert row.arguments is not None
        try:
            return installed.decode(row.arguments, row.id)
        except InvalidCommand as error:
            raise AssertionError(f"its arguments are none that its class takes: {error}") from None

    def _installed(self, tag: str) -> InstalledJob:
        installed = self._jobs.get(tag)
        known = ", ".join(one.job.__qualname__ for one in self._jobs) or "none"
        assert installed is not None, f"{tag} is no job of this kit, which has {known}: name it in JobKit(…)"
        return installed

    # Looking.

    def enqueued(self, queue: str | None = None) -> list[Enqueued]:
        """Those that are not finished, oldest first."""
        rows = sorted(self._tables.jobs.values(), key=lambda row: row.id)
        return [self._shown(row) for row in rows if queue in (None, row.queue)]

    def _shown(self, row: JobRow) -> Enqueued:
        delay_s = max(0.0, row.due_ms / 1000 - self.now)
        queue = self.queue(row.queue).actor
        known = queue.desk.jobs.get(row.id)
        state = queue.desk.stands(known, queue.now_ms) if known is not None else "waiting"
        return Enqueued(
            self._decode(row), row.id, state, delay_s, row.priority, row.partition, row.attempts, row.attempts_max
        )

    def assert_enqueued(self, of: type[Job], **fields: object) -> Enqueued:
        """The first that waits, of that class and with these values. Raises: AssertionError, naming what waits."""
        require_fields(of, fields)
        waiting = self.enqueued()
        found = next((one for one in waiting if fits(one.job, of, fields)), None)
        assert found is not None, none_fits(of, fields, waiting, self.outcomes)
        return found

    def refute_enqueued(self, of: type[Job], **fields: object) -> None:
        """None of that class waits with these values. Raises: AssertionError, naming those that do."""
        require_fields(of, fields)
        found = [one for one in self.enqueued() if fits(one.job, of, fields)]
        assert not found, some_fit(of, fields, found)

    # What jobs ask.

    def when_asked(self, entity: str, answer: Callable[[Any], Any]) -> None:
        """Play an entity: `answer(message)` returns the reply to what jobs ask it, or raises. A kit that has these jobs
        answers by itself."""
        self._reach.answers[entity] = answer

    def when_queried(self, row: type[Row], find: Callable[[str, Asked], Rows[Row]]) -> None:
        """Play a view: `find(key, asked)` returns the rows that a query of theirs finds; of many pages, of each."""
        self._reach.found[row] = find

    @property
    def asked(self) -> list[Told]:
        """What they have asked entities, oldest first."""
        return self._reach.asked

    @property
    def nudged(self) -> list[Nudge]:
        """And whom they have nudged, with what. Kits that have these jobs were told."""
        return self._reach.nudged

    # Working.

    def drain(self, queue: str, *, within_s: float | None = None) -> list[Outcome]:
        """Run what waits there, one after the other, and what is due later: retries, snoozes, delays. Those that ended.

        `within_s`: only what is due within so many seconds from now; 0 is what may go at once. What the queue does not
        hand out, since it is paused or waits for something else, stays. Raises: AssertionError where there is no end.
        """
        kit = self.queue(queue)
        first = len(self.outcomes)
        run_through(self._drain, kit, float("inf") if within_s is None else self.now + within_s)
        mine = {row.id for row, _ in self._tables.done.values() if row.queue == queue}
        return [one for one in self.outcomes[first:] if one.id in mine]

    def run(self, job: Job) -> Outcome:
        """Add it, and run its queue until it has ended. Raises: AssertionError where it does not end."""
        job_id = self.add(job)
        self.drain(job.queue)
        found = next((one for one in self.outcomes if one.id == job_id), None)
        assert found is not None, f"{job!r} has not ended: {self.queue(job.queue).view()}"
        return found

    def advance(self, seconds: float) -> None:
        """Let time pass. Nobody works meanwhile."""
        self._come_to(self.now + seconds)

    def _come_to(self, at_s: float) -> None:
        self.now = max(self.now, at_s)
        for queue in list(self._queues):
            self.queue(queue)

    def queue(self, name: str) -> Kit[Queue]:
        """The queue itself: what it shows is `jobs.queue("media").view()`."""
        kit = self._queues.get(name)
        if kit is None:
            kit = self._queues[name] = Kit(self._queue_class, key=name, now=self.now, jobs=self)
        if self.now > kit.now:
            kit.leap(self.now - kit.now)  # else it would look for jobs of others once in a second of all that time
        return kit

    def pause(self, queue: str, seconds: float | None = None) -> None:
        """Nothing is handed out, for so long or until `resume`."""
        until_ms = None if seconds is None else int((self.now + seconds) * 1000)
        self.queue(queue).ask(Pause(until_ms=until_ms))

    def resume(self, queue: str) -> None:
        self.queue(queue).ask(Resume())

    def cancel(self, job_id: str) -> None:
        """One that waits. Raises: KeyError where there is none, or it has ended."""
        self.queue(self._tables.jobs[job_id].queue).ask(CancelJob(id=job_id))

    async def _drain(self, kit: Kit[Queue], until: float) -> None:
        for _ in range(ATTEMPTS_MAX):
            taken = kit.ask_later(Take(worker=WORKER)).reply
            if taken.jobs:
                await self._attempt(kit, taken)
                continue
            due = _next_s(kit)
            if due is None or due > until:
                return
            self._come_to(due)
        raise AssertionError(f"{kit.entity} is not empty after {ATTEMPTS_MAX} attempts:\n{self.enqueued()[:3]}")

    async def _attempt(self, kit: Kit[Queue], taken: Taken) -> None:
        (job,) = taken.jobs
        said = self._said.setdefault(job.id, Said())
        said.begun += 1
        telling = Attempted(said, _Asked(kit, self._tables))
        begun_at = trio.current_time()
        finished = await attempt_at(job, taken.token, self._installed(job.job).job, telling, self._reach)
        left_s = trio.current_time() - begun_at
        while left_s > 0:
            self.advance(min(left_s, BEAT_S))
            left_s -= BEAT_S
            kit.ask(Beat(worker=WORKER, tokens=[taken.token]))
        kit.ask(Take(worker=WORKER, most=0, finished=[finished]))

    # Of kits: see StartedJobs.

    def joined(self, kit: Kit[Any]) -> KitReads:
        if kit.kind.name != Queue.kind:
            self._kits[kit.entity] = kit
        reads = self._reads[kit.entity] = KitReads(self._database)
        return reads

    def committed(self, kit: Kit[Any], jobs: JobWrites | None) -> None:
        if kit.kind.name != Queue.kind:
            if jobs is not None and jobs.started:
                self._come_to(kit.now)
                self._start(jobs.started)
            return
        if jobs is not None:
            self._land(jobs, kit)
        for message in self._reads[kit.entity].brought():
            kit.bring(message)
        told, kit.told[:] = kit.told[:], []
        for one in told:
            self._deliver(one)

    def _deliver(self, told: Told) -> None:
        """To another queue, whose jobs wait for those of this one; to whoever has started one."""
        kind, key = split_entity(told.entity)
        starter = self._kits.get(told.entity)
        if kind == Queue.kind:
            self.queue(key).tell(told.message)
        elif starter is not None and isinstance(told.message, Answered | Undelivered):
            starter.advance(max(0.0, self.now - starter.now))
            starter.tell(told.message)

    def _land(self, jobs: JobWrites, kit: Kit[Any]) -> None:
        for back in jobs.back.values():
            self._note(back.id, back.error)
        jobs.land(Tables(), self._database)
        for end in (*jobs.ended.values(), *(end for _, end in jobs.over)):
            self._note(end.id, end.error)
            self.outcomes.append(self._outcome(*self._tables.done[end.id]))

    def _note(self, job_id: str, error: bytes | None) -> None:
        if error is not None:
            self._errors.setdefault(job_id, []).append(msgspec.json.decode(error))

    def _outcome(self, row: JobRow, end: EndRow) -> Outcome:
        said = self._said.pop(row.id, None) or Said()
        errors = self._errors.pop(row.id, [])
        result = opened_if_sealed(end.result, Place(row.job, row.id, RESULT)) if end.result else None
        return Outcome(
            job=self._decode(row),
            id=row.id,
            state=end.state,
            result=msgspec.json.decode(result) if result else None,
            errors=[one["error"] for one in errors],
            traces=[one["trace"] for one in errors if "trace" in one],
            begun=said.begun,
            ended_s=end.ended_ms / 1000,
            progress=said.progress,
            log=said.log,
        )


class _Asked:
    """The queue of a job that is under way: see Asked."""

    def __init__(self, kit: Kit[Queue], tables: JobTables) -> None:
        self._kit = kit
        self._tables = tables

    def known_steps(self, attempt: Attempt) -> dict[str, bytes]:
        return self._tables.steps.get(attempt.id, {})

    def keep_step(self, attempt: Attempt, name: str, result: Raw) -> None:
        self._kit.ask(StepDone(worker=WORKER, id=attempt.id, token=attempt.token, name=name, result=result))

    def spawn(self, attempt: Attempt, group: str, jobs: list[SpawnJob]) -> list[str]:
        spawn = Spawn(worker=WORKER, id=attempt.id, token=attempt.token, group=group, jobs=jobs)
        return self._kit.ask_later(spawn).reply.ids

    def known_children(self, attempt: Attempt) -> list[Child]:
        children: list[Child] = []
        first: int | None = 0
        while first is not None:
            known = self._kit.ask_later(Children(worker=WORKER, id=attempt.id, token=attempt.token, first=first)).reply
            if known.rests:
                raise WaitsForChildren("it is to rest until they have ended")
            children += known.children
            first = known.next
        return children


def _next_s(kit: Kit[Queue]) -> float | None:
    """When a job may be handed out that is not now, Unix s; None: only if something else happens."""
    queue = kit.actor
    desk, now_ms = queue.desk, queue.now_ms
    others_ms = desk.others.next_ms()  # when it asks what its jobs wait for; what it has asked once it is told
    asks = desk.blocked.due or (others_ms is not None and others_ms <= now_ms)
    times = (desk.next_ms(now_ms), queue.state.paused_until_ms, now_ms + 1 if asks else None)
    due_ms = min((time for time in times if time is not None and time > now_ms), default=None)
    if due_ms is None:
        return None
    due_s = due_ms / 1000
    return due_s if int(due_s * 1000) == due_ms else math.nextafter(due_s, math.inf)  # as a queue counts it
