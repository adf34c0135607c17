"""The queue itself: an entity whose mailbox is the one place where its jobs are handed out and taken back.

Its events say how it is set: paused, limited. Its jobs are rows, written with the append as consequences, so that they
are fenced as its events are, and nobody hears of what is not durable. In memory they are `desk`, which a life reads
when it begins.
"""

import random
from collections.abc import Callable, Sequence
from types import CoroutineType
from typing import Any, ClassVar

import msgspec
import structlog
from msgspec import Raw, Struct
from msgspec.structs import replace

from greenroom.actors.jobs.counting import count_taken, count_written, is_limited
from greenroom.actors.jobs.ids import new_id
from greenroom.actors.jobs.installed import Jobs as InstalledJobs
from greenroom.actors.jobs.limits import NO_LIMITS
from greenroom.actors.jobs.options import (
    ARGUMENTS_MAX,
    NO_OPTIONS,
    Options,
    UniqueKey,
    decode_options,
    expires_ms,
    until,
)
from greenroom.actors.jobs.queue.bulk.messages import Bulk, Matched
from greenroom.actors.jobs.queue.control import Limit, Limited, Metered, Pause, Paused, Resume, Resumed, Why
from greenroom.actors.jobs.queue.desk import LEASE_MS, Report
from greenroom.actors.jobs.queue.desk.endings import in_history
from greenroom.actors.jobs.queue.flows.flowing import Flowing
from greenroom.actors.jobs.queue.flows.messages import (
    AddFlow,
    AskOthers,
    CancelChildren,
    Children,
    OthersEnded,
    RetryChildren,
    Spawn,
    WaitedFor,
)
from greenroom.actors.jobs.queue.found import FoundRows, ReadArguments, ReadClear, ReadOutcomes
from greenroom.actors.jobs.queue.keys import What
from greenroom.actors.jobs.queue.looking import Looking
from greenroom.actors.jobs.queue.messages import (
    Add,
    Added,
    AddedMany,
    AddMany,
    Beat,
    Complete,
    Fail,
    Finished,
    Found,
    Leave,
    NewJob,
    Take,
    Taken,
    Tick,
)
from greenroom.actors.jobs.queue.order import ALL, PRIORITY
from greenroom.actors.jobs.queue.overview import overview
from greenroom.actors.jobs.queue.sealed import (
    ToRead,
    in_place,
    may_be_clear,
    require_in_the_clear,
    seal_found,
    seal_read,
)
from greenroom.actors.jobs.queue.single.single_jobs import SingleJobs
from greenroom.actors.jobs.queue.single.steering import CancelJob, EditJob, RetryJob
from greenroom.actors.jobs.queue.single.telling import Look, Progress, StepDone, Steps
from greenroom.actors.jobs.queue.steered import METERED_AHEAD_MS, Knows, SteeredQueue
from greenroom.actors.jobs.queue.unread import Reading, taken
from greenroom.actors.jobs.queue.waiting import Waiting
from greenroom.actors.jobs.texts import require_object
from greenroom.actors.model.actor import KindLimits, Runtime
from greenroom.actors.model.effects import Told, WriteJobs
from greenroom.actors.model.errors import Refused
from greenroom.actors.model.lifecycle import Answered, Undelivered
from greenroom.actors.model.message import Done, Event, Later, Message
from greenroom.store.jobs.jobs import Seen
from greenroom.store.journal.consequences.jobs import JobRow, Jobs

log = structlog.get_logger("greenroom.jobs")

QUEUE_KIND = "queue"
TAKERS_MAX = 10_000  # workers that wait at once
LATE_MS = LEASE_MS // 2  # between two messages while somebody works: ticks are TICK_MS apart
TICK_MS = 500  # between two looks at who has waited long enough, or was not heard of
SLOW_TICK_MS = 5_000  # where nobody works
TICK_MS_MIN = 1
TICKS_MAX = 500  # on their way, within SLOW_TICK_MS: what is due before them is seen with the first of them
BACK_MS = 2_000  # that a clock may go back: what waits is late by as much
ATTEMPTS = 5
SETTLED_AT_ONCE = 500


class ClockSetBack(Exception):
    """This life ends, and another one begins."""


class Taker(Struct):
    """A worker that waits for jobs."""

    later: Later
    message: Take
    knows: Knows
    asked_ms: int
    refused: list[str]

    @property
    def until_ms(self) -> int:
        return self.asked_ms + int(self.message.wait_s * 1000)


class Queue(SteeredQueue):
    """One queue; the key is its name."""

    kind = QUEUE_KIND
    commands: ClassVar[tuple[type[Message], ...]] = (
        Add, AddMany, Take, Beat, Complete, Fail, Leave, Progress, StepDone, Steps, CancelJob, RetryJob, EditJob,
        Pause, Resume, Limit, Why, AddFlow, Children, Spawn, Bulk,
    )  # fmt: skip
    internal: ClassVar[tuple[type[Message], ...]] = (
        Tick, Found, Look, AskOthers, WaitedFor, OthersEnded, CancelChildren, RetryChildren, Matched,
    )  # fmt: skip
    events: ClassVar[tuple[type[Event], ...]] = (Paused, Resumed, Limited, Metered)
    limits = KindLimits(history_events=1_000, mailbox_messages=10_000, mailbox_bytes=64 << 20)

    def __init__(self, entity: str, runtime: Runtime) -> None:
        super().__init__(entity, runtime)
        self._takers: dict[Later, Taker] = {}  # first come, first served
        self._ticks_ms: int | None = None  # when the next look at time is
        self._latest_ms = 0  # when the last message came
        self._looks_ms = 0  # when whoever has waited long enough is looked for again
        self._looking = Looking(Seen(""), 0)  # for what others have added
        self._reading = Reading()  # arguments that are not in memory
        self._encrypts = any(one.job.encrypts for one in self.installed)
        if self._encrypts:
            self.desk.in_place = lambda tag, job_id, arguments: in_place(tag, job_id, arguments, self.installed)
        self._in_the_clear: list[str] = []  # ids of jobs whose arguments may be: see sealed.py
        self._to_read = ToRead()  # those of them that are long
        self.single = SingleJobs(self, self.close)
        self._flowing = Flowing(self, self.single, self._new_rows, self.close)

    async def begin(self) -> None:
        """Its jobs, and who has what."""
        order, now_ms = self.desk.order, self.now_ms
        order.limit(self._limits, now_ms)
        state = self.state
        told = {ALL: state.window} if state.window is not None else {}
        ahead_ms = max(0, state.spent_ahead_ms - METERED_AHEAD_MS)
        order.begin(state.spent_until_ms, state.keys_spent_until_ms, now_ms, told, state.key_windows, ahead_ms)
        reads = self.runtime.jobs
        self._counts = reads.counts(self.key)  # not as it is made: a fold reads nothing
        begun = await reads.begin(self.key, self.now_ms)
        self.desk.begin_with(begun.takes, begun.windows, await reads.with_steps(self.key))
        after = ""
        while rows := await reads.page(self.key, begun.seen, after, arguments=not self.desk.jobs.is_laden):
            self.desk.load(rows, self.now_ms)
            self._in_the_clear += [row.id for row in rows if may_be_clear(row, self.installed)]
            after = rows[-1].id
        if self.desk.jobs:
            self._counts.has_jobs()
        self._looking = Looking(begun.seen, self.now_ms)
        self._latest_ms = max(now_ms, self.now_ms)  # set back from here on, the clock is behind what has been read
        self.desk.hands.forgive(self.now_ms)  # reading may have taken longer than a lease

    def may_sleep(self) -> bool:
        is_idle = not self.desk.jobs and not self._takers and not self.single.beats and not self.desk.unsettled
        return is_idle and self.single.bulks.is_idle(self.now_ms)

    def handle(self, message: Any) -> Any:
        """Raises: ClockSetBack."""
        now_ms = self.now_ms
        if now_ms < self._latest_ms - BACK_MS:  # begun anew, nothing in memory waits for a time that has gone
            raise ClockSetBack(f"by {self._latest_ms - now_ms} ms")
        if now_ms - self._latest_ms > LATE_MS:  # it was set ahead, or we stood still: nobody is late by that
            self.desk.hands.forgive(now_ms)
        self._latest_ms = now_ms
        writes = Jobs()
        try:
            reply = self._answer(message, writes)
        except Refused:
            if isinstance(message, Add | AddMany):
                self._counts.refused()
            raise
        if type(reply) is not CoroutineType:
            self.close(writes)
        return reply

    def close(self, writes: Jobs) -> None:
        """What follows from a message, whatever it was."""
        if self.desk.unsettled:
            self._settle(writes)
        if self.desk.nearer:
            self.desk.write_nearer(writes)
        if self._in_the_clear and not self.desk.unsettled:  # some of these may be of those
            ids = self._in_the_clear[:SETTLED_AT_ONCE]
            del self._in_the_clear[:SETTLED_AT_ONCE]
            self._to_read.add(seal_found(self.desk, ids, self.installed, writes))
        if unread := self._to_read.next_ids(self.now_ms, self.desk.jobs):
            self.runtime.jobs.read_clear(self.key, unread)
        if self.desk.jobs.expiries:
            self.desk.end_expired(self.now_ms, writes)
        if self.desk.pause_until_ms:
            self._rest()
        self._flowing.settle(writes)
        if self._takers:
            self._serve(writes)
        self._flowing.speak()
        self._meter()
        if writes:
            count_written(self._counts, writes)
            self.effects.name(WriteJobs(writes))
        if self.desk.changed:
            self.single.tell_watchers()
        for report in self.desk.reports:
            self._report(report)
        self.desk.reports.clear()
        if self._looking.is_due(self.now_ms, polls=self._polls):
            self.runtime.jobs.look(self.key, self._looking.seen)
        self._tick_again()

    def _answer(self, message: Any, writes: Jobs) -> Any:
        if type(message) is Take:
            return self._take(message, writes)
        if type(message) is Add:
            self.require_staff("add jobs")
            added = self._add([_new(message)], writes)
            return Added(added.ids[0], bool(added.duplicates))
        if type(message) is AddMany:
            self.require_staff("add jobs")
            return self._add(message.jobs, writes)
        match message:
            case Complete():
                self.require_worker()
                result = Raw(msgspec.json.encode(message.result))
                self._finish(message.worker, Finished(message.id, message.token, result), writes)
            case Fail():
                self.require_worker()
                one = Finished(
                    message.id, message.token, error=message.error, retry_s=message.retry_s, final=message.final
                )
                self._finish(message.worker, one, writes)
            case Leave():
                self.require_worker()
                self._forget_takers(lambda taker: taker.message.worker == message.worker)
                if not message.keeps:
                    self.desk.left(message.worker, self.now_ms, writes)
                    self.single.end_beat(message.worker)
            case Pause() | Resume() | Limit() | Why():
                return self._steer(message, self._workers_waiting())
            case Tick():
                if self._ticks_ms is not None and self._ticks_ms <= self.now_ms + TICK_MS_MIN:
                    self._ticks_ms = None  # else an earlier one has come in its place since, and nothing follows this
                if self.state.paused and not self.state.is_paused(self.now_ms):
                    self.record(Resumed())
                self._tick(writes)
            case Found():
                self._looking.told()
            case FoundRows():
                if self._looking.found(message.since, message.look, self.now_ms, random.random()):
                    self._counts.added(len(message.look.rows))
                    self.desk.found(message.look.rows, self.now_ms, writes)
                    self._in_the_clear += [row.id for row in message.look.rows if may_be_clear(row, self.installed)]
            case ReadArguments():
                if self._encrypts:
                    seal_read(self.desk, message.arguments, self.installed, writes)
                whole, ids = self._reading.came(message.arguments, self.now_ms, self.desk.with_steps, self.lineage)
                if ids:
                    self.runtime.jobs.read(self.key, ids)
                for later, answer, others in whole:
                    self.desk.give_back(answer.token, others, self.now_ms, writes)
                    self.answer(later, answer)
            case ReadClear():
                seal_read(self.desk, message.arguments, self.installed, writes)
                self._to_read.came(message.ids)
            case AddFlow() | Children() | Spawn() | AskOthers() | ReadOutcomes() | WaitedFor() | OthersEnded():
                return self._flowing.handle(message, writes)
            case CancelChildren() | RetryChildren():
                return self._flowing.handle(message, writes)
            case _:
                return self.single.about_one(message, writes)
        return Done()

    # Adding.

    def _new_rows(self, jobs: Sequence[NewJob]) -> list[JobRow]:
        """As they are stored. Raises: Refused."""
        now_ms, trace = self.now_ms, self.trace or ""
        rows = []
        for job in jobs:
            if len(job.arguments) > ARGUMENTS_MAX:
                raise Refused(
                    "queue.arguments_too_long", f"`arguments` has more than {ARGUMENTS_MAX} bytes", status=413
                )
            require_object(job.arguments)
            require_in_the_clear(job)
            job_id = new_id(now_ms)
            priority, partition, attempts = job.priority, job.partition, job.attempts
            expires_s, weight = job.expires_s, job.weight
            installed = self.installed.get(job.job)
            if installed is not None:  # what is not said is as its class says
                priority = installed.job.priority if priority is None else priority
                attempts = installed.job.retry.attempts if attempts is None else attempts
                partition = partition or installed.key_of(job.arguments)
                expires_s = installed.job.limits.expires_s if expires_s is None else expires_s
                weight = installed.job.limits.weight if weight is None else weight
            arguments = bytes(job.arguments) if installed is None else installed.sealed(job.arguments, job_id)
            options = Options(by=job.by, trace=trace) if job.by or trace else None
            if expires_s is not None or (weight is not None and weight > 1):
                expires = expires_ms(now_ms, expires_s)
                options = replace(options or NO_OPTIONS, expires_ms=expires, weight=weight or 1)
            rows.append(
                JobRow(
                    id=job_id,
                    queue=self.key,
                    job=job.job,
                    arguments=arguments,
                    added_ms=now_ms,
                    due_ms=now_ms + int(job.delay_s * 1000) if job.delay_s else now_ms,
                    partition=partition,
                    priority=PRIORITY if priority is None else priority,
                    attempts_max=ATTEMPTS if attempts is None else attempts,
                    options=options.encode() if options is not None else None,
                )
            )
        return rows

    def _add(self, jobs: list[NewJob], writes: Jobs) -> AddedMany:
        rows = self._new_rows(jobs)
        uniques = [job.unique for job in jobs]
        if any(uniques):
            return self._add_unique(rows, uniques, writes)
        writes.added += rows
        self.desk.add(rows, self.now_ms)
        return AddedMany([row.id for row in rows])

    def _add_unique(self, rows: list[JobRow], uniques: list[UniqueKey | None], writes: Jobs) -> AddedMany:
        now_ms = self.now_ms
        if any(one is not None and one.mode == "throttle" for one in uniques) and self.desk.keys.is_full(now_ms):
            raise Refused("queue.too_many_keys", "too many keys keep others out already", status=429)
        ids: list[str] = []
        for row, unique in zip(rows, uniques, strict=True):
            if unique is None:
                writes.added.append(row)
                self.desk.add([row], now_ms)
                ids.append(row.id)
            else:
                row.unique_key = unique.key
                row.due_ms = max(row.due_ms, unique.due_ms(now_ms))
                options = replace(decode_options(row.options) or NO_OPTIONS, unique=unique)
                row.options = until(options, row.due_ms, now_ms).encode()
                verdict = self.desk.judge(unique, row.id, now_ms, now_ms)
                installed = self.installed.get(row.job)
                if verdict.what is What.REPLACE and installed is not None and row.arguments is not None:
                    row.arguments = installed.sealed_for(verdict.id, row.arguments, row.id)
                ids.append(self.desk.add_unique(row, unique, verdict, now_ms, writes))
        duplicates = [number for number, row in enumerate(rows) if ids[number] != row.id]
        self._counts.duplicates(len(duplicates))
        return AddedMany(ids, duplicates)

    # What others have added.

    @property
    def _polls(self) -> bool:
        """Would anybody want what there is?"""
        return bool(self._takers or self.desk.jobs)

    def _settle(self, writes: Jobs) -> None:
        rows = self.desk.unsettled[:SETTLED_AT_ONCE]
        del self.desk.unsettled[:SETTLED_AT_ONCE]
        self.desk.found(rows, self.now_ms, writes)

    def _report(self, report: Report) -> None:
        """To whom has started it, in the append that ends it."""
        origin, about, job = report.options.origin, report.options.about, f"job:{report.id}"
        if not report.name:
            self.effects.name(Told(origin, Answered(entity=job, about=about, reply=Raw(report.end.result or b"null"))))
            return
        detail = msgspec.json.decode(report.end.error)["error"] if report.end.error else ""
        self.effects.name(Told(origin, Undelivered(entity=job, about=about, name=report.name, detail=detail)))

    # Working.

    @property
    def is_limited(self) -> bool:
        return self._limits != NO_LIMITS

    @property
    def workers(self) -> set[str]:
        """Those that have jobs in hand, or wait for some."""
        return self.desk.hands.keys() | {taker.message.worker for taker in self._takers.values()}

    def _workers_waiting(self) -> list[Knows]:
        return [taker.knows for taker in self._takers.values()]

    def _take(self, message: Take, writes: Jobs) -> Taken | Later:
        self.require_worker()
        if message.wait_s and len(self._takers) >= TAKERS_MAX:
            raise Refused("queue.too_many_workers", f"{TAKERS_MAX} workers wait already", status=429)
        if message.said:
            self.single.said(message.worker, message.said)
        finished = in_history(message.finished, self.lineage)
        refused = self.desk.finish(message.worker, finished, self.now_ms, writes) if finished else []
        if not message.most:
            return Taken(refused=refused)
        if self.desk.pause_until_ms:
            self._rest()
        now_ms = self.now_ms
        knows = frozenset(message.knows) if message.knows is not None else None
        token, jobs = self._next(message, knows, now_ms, writes)
        if jobs or refused or not message.wait_s:
            return self._handed(token, jobs, refused)
        self._forget_takers(lambda taker: taker.message.worker == message.worker)  # it asks anew: nobody hears that one
        later = Later()
        self._takers[later] = Taker(later, message, knows, now_ms, refused)
        return later

    def _next(self, message: Take, knows: Knows, now_ms: int, writes: Jobs) -> tuple[int, list[Waiting]]:
        if self.state.paused and self.state.is_paused(now_ms):
            return 0, []
        if self.desk.jobs.expiries and not self.desk.end_expired(now_ms, writes):
            return 0, []  # there are more of them than one message ends
        token, jobs = self.desk.take(message.worker, message.most, knows, now_ms, writes, message.process)
        if jobs:
            count_taken(self._counts, jobs, now_ms)
        elif is_limited(self.desk.order.ready, self.desk.order.classes, knows):
            self._counts.limited()
        return token, jobs

    def _serve(self, writes: Jobs) -> None:
        """Whoever waits, of what there is now."""
        now_ms = self.now_ms
        order = self.desk.order
        order.advance(now_ms)
        looks = now_ms >= self._looks_ms
        is_dry = not order.ready or order.room(now_ms) <= 0 or self.state.is_paused(now_ms)
        if is_dry and not looks:
            return
        dry: set[Knows] = set()  # there is nothing for who knows these
        for taker in list(self._takers.values()):
            token, jobs = 0, list[Waiting]()
            if not is_dry and taker.knows not in dry:
                token, jobs = self._next(taker.message, taker.knows, now_ms, writes)
                if not jobs:
                    dry.add(taker.knows)
                    is_dry = taker.knows is None
            if jobs or taker.until_ms <= now_ms:
                self._give(taker, token, jobs)
            elif is_dry and not looks:
                break
        if looks:
            self._looks_ms = now_ms + TICK_MS

    def _give(self, taker: Taker, token: int, jobs: list[Waiting]) -> None:
        del self._takers[taker.later]
        waited_ms = (
            self.now_ms - taker.asked_ms
        )  # longer than it wanted to wait, or less than nothing: the clock was set
        waited_s = min(max(waited_ms / 1000, 0.0), taker.message.wait_s)
        answer = self._handed(token, jobs, taker.refused, taker.later, waited_s)
        if type(answer) is Taken:
            self.answer(taker.later, answer)

    def _handed(
        self, token: int, jobs: list[Waiting], refused: list[str], later: Later | None = None, waited_s: float = 0.0
    ) -> Taken | Later:
        """The answer to a take, or what comes once their arguments are read."""
        if all(job.arguments is not None for job in jobs):
            return taken(token, jobs, refused, waited_s, with_steps=self.desk.with_steps, lineage=self.lineage)
        later = later or Later()
        self.runtime.jobs.read(self.key, self._reading.wait(later, token, jobs, refused, self.now_ms, waited_s))
        return later

    def _has(self, job: Waiting, token: int) -> bool:
        """Does whoever took it by that token still have it?"""
        return job.token == token

    def _finish(self, worker: str, one: Finished, writes: Jobs) -> None:
        if self.desk.finish(worker, [one], self.now_ms, writes):
            raise Refused("queue.lease_over", "this worker does not have that job any more", status=409)

    # Time.

    def _tick(self, writes: Jobs) -> None:
        now_ms = self.now_ms
        if self._reading and (ids := self._reading.again(now_ms, self._has)):
            self.runtime.jobs.read(self.key, ids)
        active = self.desk.order.running
        lost = self.desk.expire(now_ms, writes)
        ended = [process for process in sorted(self._processes()) if self.runtime.has_ended(process)]
        if ended:
            self._forget_takers(lambda taker: taker.message.process in ended)
            lost += [name for process in ended for name in self.desk.end_of(process, now_ms, writes)]
        for name in lost:
            log.warning("job_worker_lost", queue=self.key, worker=name)
        if lost:
            self._counts.lost(len(lost), active - self.desk.order.running)
        # What waits in the name of one that has ended would be given to nobody.
        silent = self.single.beats.is_silent
        self._forget_takers(
            lambda taker: taker.message.worker in lost or silent(taker.message.worker, taker.asked_ms, now_ms)
        )
        for worker in self.single.beats.due(now_ms):
            self.single.end_beat(worker)
        self.desk.shown.lapse(now_ms)
        self._flowing.tick(writes)

    def _processes(self) -> set[str]:
        """Of workers that have something or wait for it, as far as they say."""
        takers = {taker.message.process for taker in self._takers.values()}
        return ({hand.process for hand in self.desk.hands.values()} | takers) - {""}

    def _forget_takers(self, of: Callable[[Taker], bool]) -> None:
        for taker in [taker for taker in self._takers.values() if of(taker)]:
            self._give(taker, 0, [])

    def _tick_again(self) -> None:
        """Have oneself woken when there is something to look at, none of it far ahead: looks can't be called off."""
        if not self.afters:  # the last one is through, or did not fit into the mailbox: all of ours are ticks
            self._ticks_ms = None
        now_ms = self.now_ms
        looks_ms = self._looking.next_ms(polls=self._polls)
        if self.desk.unsettled or self._in_the_clear:
            due = now_ms
        elif self._takers or self.desk.hands or self.single.beats:
            due = now_ms + TICK_MS
        elif self.desk.jobs or self.state.paused_until_ms is not None:  # nobody works, and the view shows for how long
            due = now_ms + SLOW_TICK_MS
        elif looks_ms is not None:
            due = looks_ms
        else:
            return
        if looks_ms is not None:
            due = min(due, looks_ms)
        if (flows_ms := self._flowing.next_ms(now_ms)) is not None:
            due = min(due, max(flows_ms, now_ms))
        ticks_ms = self._ticks_ms
        if self._takers and (ticks_ms is None or ticks_ms > now_ms + TICK_MS_MIN):
            due = min(due, self.desk.next_ms(now_ms) or due)
        if (expires := self.desk.jobs.expiries.next_ms()) is not None:
            due = min(due, max(expires, now_ms))
        if self.state.paused_until_ms is not None:
            due = min(due, max(self.state.paused_until_ms, now_ms))
        if (ticks_ms is not None and ticks_ms <= due) or self.afters >= TICKS_MAX:
            return
        self._ticks_ms = due
        self.after(max(due - now_ms, TICK_MS_MIN) / 1000, Tick())

    def view(self) -> dict[str, Any]:
        return overview(self.state, self.desk, self._limits, len(self._takers), self.now_ms)


def queue_of(jobs: InstalledJobs) -> type[Queue]:
    """The kind, where these classes are known."""
    return type(Queue.__name__, (Queue,), {"__doc__": Queue.__doc__, "__module__": __name__, "installed": jobs})


def _new(message: Add) -> NewJob:
    return NewJob(
        message.job,
        message.arguments,
        message.priority,
        message.delay_s,
        message.partition,
        message.attempts,
        message.unique,
        message.by,
        message.expires_s,
        message.weight,
    )
