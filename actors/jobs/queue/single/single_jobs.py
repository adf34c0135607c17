"""What a queue does about single jobs: what workers hear and say of those under way, what people do about one, and what
its watchers are told. The queue itself (actor.py) is about who gets which.
"""

import random
from collections.abc import Callable, Collection
from itertools import islice
from typing import Any, NoReturn

from msgspec import Raw

from greenroom.actors.jobs.listing.where import cursors_of
from greenroom.actors.jobs.options import ARGUMENTS_MAX
from greenroom.actors.jobs.queue.bulk.acting import Acting, within
from greenroom.actors.jobs.queue.bulk.asked import Asked, Bulks
from greenroom.actors.jobs.queue.bulk.messages import Bulk, BulkDone, Matched
from greenroom.actors.jobs.queue.desk import RESULT_MAX
from greenroom.actors.jobs.queue.flows.again import Ends, asked_of, behind
from greenroom.actors.jobs.queue.flows.messages import RetryChildren
from greenroom.actors.jobs.queue.messages import Beat, Beaten, Said
from greenroom.actors.jobs.queue.sealed import sealed_by_others
from greenroom.actors.jobs.queue.single.anew import anew, settled_with
from greenroom.actors.jobs.queue.single.beats import Beats
from greenroom.actors.jobs.queue.single.hindered import hindered
from greenroom.actors.jobs.queue.single.shown import SELDOM_S, SOON_S
from greenroom.actors.jobs.queue.single.steering import CancelJob, Cancelling, EditJob, RetryJob, Waits
from greenroom.actors.jobs.queue.single.telling import (
    STEPS_MAX,
    WAITS_SHOWN_MAX,
    JobChanged,
    Listened,
    Look,
    Looked,
    Progress,
    Standing,
    StepDone,
    Steps,
    StepsKnown,
)
from greenroom.actors.jobs.queue.steered import SteeredQueue
from greenroom.actors.jobs.queue.waiting import Waiting
from greenroom.actors.jobs.texts import NULL_JSON, require_json, require_object
from greenroom.actors.model.errors import Forgotten, Overloaded, Refused, Unavailable
from greenroom.actors.model.message import Done, Later
from greenroom.store.errors import StoreUnavailable
from greenroom.store.jobs.jobs import JobFound, JobOutcome
from greenroom.store.jobs.sealing import Place, as_step, is_for, is_sealed
from greenroom.store.journal.consequences.jobs import JobRow, Jobs

RETRIED_AT_ONCE = 50  # children that one message tries again: their rows are read while the queue does nothing else


class SingleJobs:
    """That part of a queue."""

    def __init__(self, queue: SteeredQueue, close: Callable[[Jobs], None]) -> None:
        """`close`: what follows from a message, for those whose answers are read for."""
        self._queue = queue
        self._close = close
        self.desk = queue.desk
        self.beats = Beats()
        self.bulks = Bulks(queue.key, random.getrandbits(62))

    def about_one(self, message: Any, writes: Jobs) -> Any:
        """The answer to a message about single jobs; a coroutine where something is to be read for it."""
        match message:
            case Look():
                return self._look(message)
            case Matched():
                return self._matched(message, writes)
        self._queue.require_worker()
        match message:
            case Beat():
                return self._beat(message, writes)
            case Progress():
                return Listened(SOON_S if self.said(message.worker, message.said) else SELDOM_S)
            case StepDone():
                return self._step(message, writes)
            case Steps():
                self._require_held(message)
                return self._steps(message)
            case CancelJob():
                return self._cancel(message, writes)
            case RetryJob():
                return self._retry(message, writes)
            case EditJob():
                return self._edit(message, writes)
            case Bulk():
                return self._bulk(message)

    # What workers hear and say.

    def _beat(self, message: Beat, writes: Jobs) -> Beaten | Later:
        self.beats.heard(message.worker, self._queue.now_ms)
        void = self.desk.heard(message.worker, message.tokens, self._queue.now_ms, writes)
        cancel = self.desk.cancelled_of(message.worker)
        if void or not message.wait_s or self.beats.news(cancel, self.desk.cancelling):
            return Beaten(void, cancel)
        later, former = self.beats.wait(message, self._queue.now_ms)
        if former is not None:
            self._queue.answer(former, Beaten())
        return later

    def end_beat(self, worker: str, *, watched: bool = False) -> None:
        later = self.beats.end(worker)
        if later is not None:
            cancel = self.desk.cancelled_of(worker)
            self.beats.news(cancel, self.desk.cancelling)
            self._queue.answer(later, Beaten(cancel=cancel, watched=watched))

    def _require_held(self, message: StepDone | Steps) -> None:
        """Raises: Refused."""
        if not self.desk.hands.holds(message.worker, message.id, message.token):
            raise Refused("queue.lease_over", "this worker does not have that job any more", status=409)

    def _step(self, message: StepDone, writes: Jobs) -> Done:
        self._require_held(message)
        if len(message.result) > RESULT_MAX:
            raise Refused("queue.result_too_long", f"a step's result has more than {RESULT_MAX} bytes", status=413)
        if self.desk.with_steps.get(message.id, 0) >= STEPS_MAX:
            raise Refused("queue.too_many_steps", f"a job has {STEPS_MAX} steps at most", status=409)
        require_json(message.result)
        place = Place(self.desk.jobs[message.id].job, message.id, as_step(message.name))
        if is_sealed(message.result) and not is_for(message.result, place):
            raise Refused("queue.result", "`result` is marked as encrypted, and not by this job", status=422)
        self.desk.step(message.id, message.name, bytes(message.result), writes)
        return Done()

    async def _steps(self, message: Steps) -> StepsKnown:
        results = await self._queue.runtime.jobs.steps(message.id)
        return StepsKnown({name: Raw(result) for name, result in results.items()})

    # What people do about one job.

    def _cancel(self, message: CancelJob, writes: Jobs) -> Any:
        job = self.desk.jobs.get(message.id)
        if job is None:
            return self._cannot_cancel(message)
        if self.desk.cancel(job, message.reason, self._queue.now_ms, writes):
            return Cancelling("cancelled")
        held = self.desk.hands.held_of(job)
        if held is not None:
            self.end_beat(held.worker)
        return Cancelling("cancelling")

    async def _cannot_cancel(self, message: CancelJob) -> NoReturn:
        """One that was erased reports to nobody, so whoever waits for its end must hear of that here. A row is there
        with the event that starts it, so without one it is gone. Raises: Forgotten, Refused, Unavailable."""
        if await self._find(message.id) is None:
            raise Forgotten("the job was erased, or there was none")
        raise Refused("queue.no_such_job", "it has ended, or was added just now", status=404)

    def _retry(self, message: RetryJob, writes: Jobs) -> Any:
        job = self.desk.jobs.get(message.id)
        if job is None:
            return self._revive(message)
        now_ms = self._queue.now_ms
        self._require_waiting(job)
        if job.id in self.desk.blocked.jobs:
            raise Refused("queue.blocked", "it waits for others: cancel it, or see to those", status=409)
        if job.due_ms > now_ms:
            self.desk.change(job, now_ms, writes, due_ms=now_ms, priority=job.priority)
        return Waits(min(now_ms, job.due_ms))

    async def _revive(self, message: RetryJob) -> Waits:
        """With its children that have not succeeded, where it waits for them. Raises: Refused, Unavailable."""
        found = await self._find(message.id)
        if found is None or found.row.queue != self._queue.key:
            raise Refused("queue.no_such_job", "there is none, or none any more", status=404)
        if found.state not in ("completed", "failed", "cancelled"):
            raise Refused("queue.not_found_yet", "it was added just now", status=503)
        if (origin := settled_with(found.row)) and not message.detached:
            raise Refused(
                "queue.settled",
                f"{origin} has started it, and gone on when it ended: say `detached` to do it behind its back",
                status=409,
            )
        hindrances = await hindered([found.row], self, detached=message.detached)
        if hindrances:
            raise hindrances[message.id]
        now_ms = self._queue.now_ms
        await self._begin_again([anew(found.row, now_ms)])
        return Waits(now_ms)

    async def retry_children(self, message: RetryChildren) -> None:
        """Not those that were tried again before. Raises: Unavailable."""
        found = await self.ended([one for one in message.ends if one not in self.desk.jobs])
        meant = (one for one in found if one.ended_ms == message.ends[one.row.id] and one.row.queue == self._queue.key)
        await self._begin_again(sorted((anew(one.row, self._queue.now_ms) for one in meant), key=lambda row: row.id))

    async def _begin_again(self, rows: list[JobRow]) -> None:
        """These have ended. Raises: Unavailable."""
        asked = {one for row in rows for one in asked_of(row)}
        outcomes = await self.outcomes(list(asked)) if asked else {}
        writes, ends = Jobs(), Ends()
        for row in rows:
            again, children = behind(row, outcomes)
            self.desk.revive(again, self._queue.now_ms, writes)
            self.bulks.revived(row.id)
            for queue, some in children.items():
                ends.setdefault(queue, {}).update(some)
        self._tell_again(ends)
        self._close(writes)

    def _tell_again(self, ends: Ends) -> None:
        for queue, some in ends.items():
            left = iter(some.items())
            while part := dict(islice(left, RETRIED_AT_ONCE)):
                self._queue.tell(f"{self._queue.kind}:{queue}", RetryChildren(ends=part))

    async def _find(self, job_id: str) -> JobFound | None:
        """Raises: Unavailable."""
        try:
            return await self._queue.runtime.jobs.find(job_id)
        except StoreUnavailable as error:
            raise Unavailable("the store does not say how the job is") from error

    async def outcomes(self, ids: list[str]) -> dict[str, JobOutcome]:
        """While the queue does nothing else: of what must be decided with the message. Raises: Unavailable."""
        try:
            return await self._queue.runtime.jobs.outcomes(ids)
        except StoreUnavailable as error:
            raise Unavailable("the store does not say how jobs are") from error

    async def ended(self, ids: list[str]) -> list[JobFound]:
        """Likewise: those that have, whole. Raises: Unavailable."""
        try:
            return await self._queue.runtime.jobs.ended(ids)
        except StoreUnavailable as error:
            raise Unavailable("the store does not say how jobs are") from error

    async def forgotten(self, queues: list[str]) -> list[str]:
        """Likewise: of these queues. Raises: Unavailable."""
        try:
            return await self._queue.runtime.jobs.forgotten(queues)
        except StoreUnavailable as error:
            raise Unavailable("the store does not say which queues there are") from error

    def _edit(self, message: EditJob, writes: Jobs) -> Waits:
        job = self.desk.jobs.get(message.id)
        if job is None:
            raise Refused("queue.no_such_job", "it has ended, or there is none", status=404)
        self._require_waiting(job)
        arguments = bytes(message.arguments) if bytes(message.arguments) != NULL_JSON else None
        if arguments is not None and len(arguments) > ARGUMENTS_MAX:
            raise Refused("queue.arguments_too_long", f"`arguments` has more than {ARGUMENTS_MAX} bytes", status=413)
        if arguments is not None and is_sealed(arguments) and arguments == job.arguments:
            arguments = None  # an admin of the release before sends them along with what it changes
        if arguments is not None:
            require_object(message.arguments)
            if is_sealed(arguments):
                raise sealed_by_others()
            installed = self._queue.installed.get(job.job)
            arguments = installed.sealed(arguments, job.id) if installed is not None else arguments
        now_ms = self._queue.now_ms
        due_ms = job.due_ms if message.delay_s is None else now_ms + int(message.delay_s * 1000)
        priority = job.priority if message.priority is None else message.priority
        self.desk.change(job, now_ms, writes, due_ms=due_ms, priority=priority, arguments=arguments)
        return Waits(due_ms)

    def _require_waiting(self, job: Waiting) -> None:
        """Raises: Refused."""
        if job.token:
            raise Refused("queue.active", "a worker has it: cancel it first", status=409)

    # What they do about many.

    def _bulk(self, message: Bulk) -> Later:
        later, match = self.bulks.ask(message, self._queue.now_ms)
        if not self._queue.runtime.jobs.match(self._queue.key, match):
            self.bulks.end(match.number)
            raise Overloaded("too many jobs are looked for")
        return later

    def _matched(self, message: Matched, writes: Jobs) -> Any:
        asked = self.bulks.came(message.number)
        if asked is None:
            return None
        if any(asked_of(found.row) for found in message.whole):
            return self._matched_flows(asked, within(message))
        self._act(asked, message, {}, writes)
        return None

    async def _matched_flows(self, asked: Asked, message: Matched) -> None:
        """Some are to be tried again with their children."""
        rows = [found.row for found in message.whole]
        try:
            left = await hindered(rows, self, detached=asked.message.detached)
        except Unavailable as error:
            self.bulks.end(message.number)
            asked.later.reject(error)
            return
        writes = Jobs()
        self._act(asked, message, left, writes)
        self._close(writes)

    def _act(self, asked: Asked, message: Matched, left: Collection[str], writes: Jobs) -> None:
        acting = Acting(self.desk, asked.message, asked.asked.states, self._queue.now_ms, writes)
        acting.act(message, self.bulks.is_old, left)
        for worker in acting.told:
            self.end_beat(worker)
        for job_id in acting.revived:
            self.bulks.revived(job_id)
        if acting.behind:
            self._tell_again({self._queue.key: acting.behind})
        after = cursors_of(asked.asked).encode([message.after]) if message.after is not None else None
        self._queue.answer(asked.later, BulkDone(message.found, acting.changed, after, acting.left))
        self.bulks.end(message.number)

    # What is shown of jobs under way.

    def said(self, worker: str, said: list[Said]) -> bool:
        """Is one of these watched?"""
        looked_at = self.desk.shown.looked_at
        is_watched = False
        for one in said:
            job = self.desk.jobs.get(one.id)
            held = self.desk.hands.held_of(job) if job is not None and job.token else None
            if held is None or held.worker != worker:
                continue  # it has ended meanwhile
            self.desk.shown.said(one)
            if one.id in looked_at:
                self.desk.changed.add(one.id)
                is_watched = True
        return is_watched

    def _look(self, message: Look) -> Looked:
        job = self.desk.jobs.get(message.id)
        is_new = message.id not in self.desk.shown.looked_at
        if job is not None:
            self.desk.shown.look(message.id, self._queue.now_ms)
            held = self.desk.hands.held_of(job) if job.token and is_new else None
            if held is not None:
                self.end_beat(held.worker, watched=True)
        return Looked(self._standing(message.id, since_told=False))

    def tell_watchers(self) -> None:
        changed, self.desk.changed = self.desk.changed, set()
        for job_id in sorted(changed):
            last_lines, last_line = self.desk.shown.last_of(job_id)
            standing = self._standing(job_id, since_told=True)
            self._queue.tell(f"job:{job_id}", JobChanged(standing=standing, last_lines=last_lines, last_line=last_line))

    def _standing(self, job_id: str, *, since_told: bool) -> Standing | None:
        job = self.desk.jobs.get(job_id)
        if job is None:
            return None
        held = self.desk.hands.held_of(job) if job.token else None
        share, note, lines, first_line = self.desk.shown.of(job_id, since_told=since_told)
        return Standing(
            state=self.desk.stands(job, self._queue.now_ms),
            attempt=job.attempts + 1 if held is not None else 0,
            attempts=job.attempts,
            attempts_max=job.attempts_max,
            lost=job.lost,
            due_ms=job.due_ms,
            priority=job.priority,
            worker=held.worker if held is not None else "",
            started_ms=held.at_ms if held is not None else None,
            share=share,
            note=note,
            lines=lines,
            first_line=first_line,
            reason=self.desk.cancelling.get(job_id, ""),
            waits_for=self.desk.blocked.waits_for(job_id)[:WAITS_SHOWN_MAX],
        )
