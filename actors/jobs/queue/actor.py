"""The queue itself: an entity whose mailbox is the one place where its jobs are handed out and taken back.

Its events say how it is set: paused, limited. Its jobs are rows, written with the append as consequences, so that they
are fenced as its events are, and nobody hears of what is not durable. In memory they are `desk`, which a life reads
when it begins.
"""

from typing import Any, ClassVar

import msgspec
import structlog
from msgspec import Raw, Struct

from greenroom.actors.jobs.ids import new_id
from greenroom.actors.jobs.queue.desk import Desk
from greenroom.actors.jobs.queue.messages import (
    Add,
    Added,
    AddedMany,
    AddMany,
    Beat,
    Beaten,
    Complete,
    Fail,
    Finished,
    Found,
    Leave,
    NewJob,
    Take,
    Taken,
    TakenJob,
    Tick,
)
from greenroom.actors.jobs.queue.waiting import Waiting
from greenroom.actors.model.actor import Actor, KindLimits, Runtime
from greenroom.actors.model.effects import WriteJobs
from greenroom.actors.model.envelope import Later
from greenroom.actors.model.errors import Refused
from greenroom.actors.model.message import Done, Event, Message
from greenroom.actors.model.principal import STAFF_ROLES
from greenroom.store.journal.consequences.jobs import JobRow, Jobs

log = structlog.get_logger("greenroom.jobs")

TAKERS_MAX = 10_000  # workers that wait at once
TICK_MS = 500  # between two looks at who has waited long enough, or was not heard of
TICK_MS_MIN = 1
ARGUMENTS_MAX = 256 << 10  # bytes
ATTEMPTS = 5
PRIORITY = 4


class QueueState(Struct):
    """How it is set."""

    paused: bool = False


class Paused(Event, tag="queue.paused"):
    """Nothing is handed out."""


class Resumed(Event, tag="queue.resumed"):
    """Jobs are handed out again."""


class Taker(Struct):
    """A worker that waits for jobs."""

    later: Later
    message: Take
    until_ms: int
    refused: list[str]


class Queue(Actor[QueueState]):
    """One queue; the key is its name."""

    kind = "queue"
    commands: ClassVar[tuple[type[Message], ...]] = (Add, AddMany, Take, Beat, Complete, Fail, Leave)
    internal: ClassVar[tuple[type[Message], ...]] = (Tick, Found)
    events: ClassVar[tuple[type[Event], ...]] = (Paused, Resumed)
    limits = KindLimits(history_events=1_000, mailbox_messages=10_000, mailbox_bytes=64 << 20)

    def __init__(self, entity: str, runtime: Runtime) -> None:
        super().__init__(entity, runtime)
        self.desk = Desk(self.key)
        self._takers: dict[Later, Taker] = {}  # first come, first served
        self._ticks_ms: int | None = None  # when the next look at time is
        self._looks_ms = 0  # when whoever has waited long enough is looked for again

    async def begin(self) -> None:
        """Its jobs, and who has what."""
        rows, takes = await self.runtime.jobs_of(self.key)
        self.desk.begin(rows, takes, self._now_ms)

    def may_sleep(self) -> bool:
        return not self.desk.jobs and not self._takers

    def handle(self, message: Any) -> Any:
        writes = Jobs()
        reply = self._answer(message, writes)
        if self._takers:
            self._serve(writes)
        if writes:
            self.effects.name(WriteJobs(writes))
        self._tick_again()
        return reply

    def _answer(self, message: Any, writes: Jobs) -> Any:
        if type(message) is Take:
            return self._take(message, writes)
        if type(message) is Add:
            self.require_user_or_staff()
            return Added(self._add([_new(message)], writes)[0])
        if type(message) is AddMany:
            self.require_user_or_staff()
            return AddedMany(self._add(message.jobs, writes))
        match message:
            case Beat():
                self._require_staff()
                return Beaten(void=self.desk.heard(message.worker, message.tokens, self._now_ms, writes))
            case Complete():
                self._require_staff()
                result = Raw(msgspec.json.encode(message.result))
                self._finish(message.worker, Finished(message.id, message.token, result), writes)
            case Fail():
                self._require_staff()
                one = Finished(
                    message.id, message.token, error=message.error, retry_s=message.retry_s, final=message.final
                )
                self._finish(message.worker, one, writes)
            case Leave():
                self._require_staff()
                for taker in [one for one in self._takers.values() if one.message.worker == message.worker]:
                    self._give(taker, 0, [])
                self.desk.left(message.worker, self._now_ms, writes)
            case Tick():
                self._ticks_ms = None
                for name in self.desk.expire(self._now_ms, writes):
                    log.warning("job_worker_lost", queue=self.key, worker=name)
            case Found():
                pass
        return Done()

    # Adding.

    def _add(self, jobs: list[NewJob], writes: Jobs) -> list[str]:
        now_ms = self._now_ms
        rows = []
        for job in jobs:
            if len(job.arguments) > ARGUMENTS_MAX:
                raise Refused(
                    "queue.arguments_too_long", f"`arguments` has more than {ARGUMENTS_MAX} bytes", status=413
                )
            rows.append(
                JobRow(
                    id=new_id(now_ms),
                    queue=self.key,
                    job=job.job,
                    arguments=bytes(job.arguments),
                    added_ms=now_ms,
                    due_ms=now_ms + int(job.delay_s * 1000),
                    partition=job.partition,
                    priority=PRIORITY if job.priority is None else job.priority,
                    attempts_max=ATTEMPTS if job.attempts is None else job.attempts,
                )
            )
        writes.added += rows
        self.desk.add(rows, now_ms)
        return [row.id for row in rows]

    # Working.

    def _take(self, message: Take, writes: Jobs) -> Taken | Later:
        self._require_staff()
        if message.wait_s and len(self._takers) >= TAKERS_MAX:
            raise Refused("queue.too_many_workers", f"{TAKERS_MAX} workers wait already", status=429)
        refused = self.desk.finish(message.worker, message.finished, self._now_ms, writes) if message.finished else []
        if not message.most:
            return Taken(refused=refused)
        now_ms = self._now_ms
        token, jobs = self._next(message, now_ms, writes)
        if jobs or refused or not message.wait_s:
            return Taken(token, [_taken(job) for job in jobs], refused)
        later = Later()
        self._takers[later] = Taker(later, message, now_ms + int(message.wait_s * 1000), refused)
        return later

    def _next(self, message: Take, now_ms: int, writes: Jobs) -> tuple[int, list[Waiting]]:
        if self.state.paused:
            return 0, []
        return self.desk.take(message.worker, message.most, message.knows, now_ms, writes)

    def _serve(self, writes: Jobs) -> None:
        """Whoever waits, of what there is now."""
        now_ms = self._now_ms
        for taker in list(self._takers.values()):
            token, jobs = self._next(taker.message, now_ms, writes)
            if jobs or taker.until_ms <= now_ms:
                self._give(taker, token, jobs)
            elif not len(self.desk.order) and now_ms < self._looks_ms:
                break
        if now_ms >= self._looks_ms:
            self._looks_ms = now_ms + TICK_MS

    def _give(self, taker: Taker, token: int, jobs: list[Waiting]) -> None:
        del self._takers[taker.later]
        self.answer(taker.later, Taken(token, [_taken(job) for job in jobs], taker.refused))

    def _finish(self, worker: str, one: Finished, writes: Jobs) -> None:
        if self.desk.finish(worker, [one], self._now_ms, writes):
            raise Refused("queue.lease_over", "this worker does not have that job any more", status=409)

    # Time.

    @property
    def _now_ms(self) -> int:
        return int(self.runtime.now() * 1000)

    def _tick_again(self) -> None:
        """Have oneself woken when there is something to look at."""
        due = self.desk.next_ms()
        if self._ticks_ms is not None and (due is None or self._ticks_ms <= due):
            return
        now_ms = self._now_ms
        if self._takers or self.desk.hands:
            due = now_ms + TICK_MS if due is None else min(due, now_ms + TICK_MS)
        if due is None or (self._ticks_ms is not None and self._ticks_ms <= due):
            return
        self._ticks_ms = due
        self.after(max(due - now_ms, TICK_MS_MIN) / 1000, Tick())

    # Who may.

    def require_user_or_staff(self) -> None:
        """Raises: Refused."""
        if not self.principal.system and STAFF_ROLES.isdisjoint(self.principal.roles):
            raise Refused("forbidden", "only the roles service and admin add jobs", status=403)

    def _require_staff(self) -> None:
        """Raises: Refused."""
        if not self.principal.system and STAFF_ROLES.isdisjoint(self.principal.roles):
            raise Refused("forbidden", "only the roles service and admin work on jobs", status=403)

    def apply(self, event: Event) -> None:
        match event:
            case Paused():
                self.state.paused = True
            case Resumed():
                self.state.paused = False

    def view(self) -> dict[str, Any]:
        return {"waiting": len(self.desk.order), "unfinished": len(self.desk.jobs), "paused": self.state.paused}


def _new(message: Add) -> NewJob:
    return NewJob(
        message.job, message.arguments, message.priority, message.delay_s, message.partition, message.attempts
    )


def _taken(job: Waiting) -> TakenJob:
    assert job.arguments is not None
    return TakenJob(job.id, job.job, Raw(job.arguments), job.attempts + 1, job.attempts_max)
