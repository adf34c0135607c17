"""The jobs' audit: from what was committed, in the order in which it was, is every promise about jobs kept?

It knows of jobs only what lies in the rows and what their code has returned, and decides by itself what may become of
them.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from greenroom.actors.jobs.limits import QueueLimits
from greenroom.actors.jobs.queue.desk import LOST_MAX
from greenroom.store.jobs import sealing
from greenroom.store.jobs.sealing import RESULT, as_step, is_sealed
from greenroom.store.journal.consequences.jobs import BackRow, EndRow, JobRow, Jobs, JobTables, TakeRow
from greenroom.store.journal.journal_memory import MemoryRows
from greenroom.store.journal.records import Append
from tests.simulation.jobs.classes import BY_TAG, SECRET, WITHOUT_FAILURE, Yard
from tests.simulation.jobs.standing import Handed, Known, KnownQueue, Place

decode = msgspec.json.decode
NOTHING = Jobs()
EXPIRED = b"expired: nobody had begun it in time"


class JobsAudit:
    """See Audit."""

    def __init__(self, yard: Yard, *, lossless: bool) -> None:
        self._yard = yard
        self._lossless = lossless
        self._jobs: dict[str, Known] = {}
        self._done: dict[str, tuple[Known, EndRow]] = {}
        self._queues: dict[str, KnownQueue] = {}
        self._unheard: dict[str, str] = {}  # job -> what its studio is to hear of it

    # From the database.

    def committed(self, entity: str, append: Append) -> None:
        kind, _, key = entity.partition(":")
        jobs = (append.consequences.jobs if append.consequences is not None else None) or NOTHING
        events = [decode(event.payload) for event in append.events]
        assert SECRET.encode() not in msgspec.msgpack.encode(append), "what nobody may read is written"
        assert not self._yard.wrong, self._yard.wrong[0]
        if kind == "studio":
            self._studio(events, jobs)
        elif kind == "queue":
            self._queue(key, events, jobs)

    def _studio(self, events: list[Any], jobs: Jobs) -> None:
        """What it starts is committed with the event that says so; and what it hears is so."""
        ordered = [one for event in events for one in event.get("ids", ())]
        started = [row.id for row in jobs.started]
        assert sorted(ordered) == sorted(started), f"ordered are {ordered}, and started {started}"
        for row in jobs.started:
            self._is_new(self._as_ordered(row, is_of_others=True))
        for event in events:
            match event:
                case {"type": "studio.heard", "job": job, "how": how}:
                    expected = self._unheard.pop(job, None)
                    assert how == expected, f"of {job} is heard that it is {how}, and it is {expected}"

    def _as_ordered(self, row: JobRow, *, is_of_others: bool) -> Known:
        job = Known.of(row, is_of_others=is_of_others)
        assert is_sealed(row.arguments or b"") is BY_TAG[job.job].encrypts, f"{job.id}: {row.arguments!r}"
        wanted, options = job.wanted, job.options
        if wanted["token"].startswith("editor"):  # as it is added, by the same append
            return job
        within_ms = int(wanted.get("within_s", 0.0) * 1000)
        assert bool(options.expires_ms) is bool(within_ms), f"{job.id} expires at {options.expires_ms}"
        if options.unique is None:  # else it may be as another one already
            assert options.expires_ms in (0, row.added_ms + within_ms), f"{job.id} expires at {options.expires_ms}"
            assert options.weight == wanted.get("weight", 1), f"{job.id} weighs {options.weight}"
        return job

    def _is_new(self, job: Known) -> None:
        assert job.id not in self._jobs and job.id not in self._done, f"{job.id} is added twice"
        self._jobs[job.id] = job
        self._yard.note(job.id)

    def _queue(self, name: str, events: list[Any], jobs: Jobs) -> None:
        queue = self._queues.setdefault(name, KnownQueue(name))
        limits, was_paused, is_set = [queue.effective], queue.is_paused, False
        for event in events:
            queue.happened(event)
            limits.append(queue.effective)
            is_set |= event["type"] in ("queue.limited", "queue.resumed")
        assert not (was_paused and jobs.taken and not is_set), f"{name} is paused, and hands out {jobs.taken[0].ids}"
        was = {job.id: job.place for job in self._of(name)}
        before = dict(was)
        for row in (*jobs.added, *jobs.revived):
            if row in jobs.revived:
                assert self._done.pop(row.id, None) is not None, f"{row.id} begins anew, and had not ended"
                self._yard.given_up.discard(row.id)
                self._is_new(Known.of(row, is_of_others=False))
            else:
                self._is_new(self._as_ordered(row, is_of_others=False))
            before[row.id] = self._jobs[row.id].place
        for taken in jobs.taken:
            self._taken(taken)
        for back in jobs.back.values():
            self._back(back, before)
        for take in jobs.taken:
            for one in take.ids:
                self._is_free(one, before[one], take)
        for step in jobs.steps:
            self._jobs[step.id].steps.setdefault(step.name, step.result)
        self._check_order(name, limits, was, jobs)
        for end in jobs.ended.values():
            self._ended(end, before)
        for row, end in jobs.over:
            self._is_new(self._as_ordered(row, is_of_others=False))
            self._check_expired(self._jobs[row.id], end)
            self._end(end)
        for untaken in jobs.untaken:
            held = [job.id for job in self._of(name) if job.holder and job.holder.token == untaken.token]
            assert not held, f"{held} are held, and the row that says so is gone"
        if jobs.taken:
            self._check_limits(queue, limits, jobs)
            self._check_keys(name, jobs)
        if jobs.taken and not is_set and self._yard.clocks_are_right:
            for take in jobs.taken:
                handed = [
                    Handed(job.id, take.token, take.at_ms, job.partition, job.weight)
                    for job in map(self._known, take.ids)
                ]
                wrong = queue.exceeds(take.at_ms, handed, self._counts)
                assert not wrong, f"{name}: {wrong}"
        for take in jobs.taken:
            self._check_left(name, take, jobs)

    def _known(self, job_id: str) -> Known:
        return self._jobs[job_id] if job_id in self._jobs else self._done[job_id][0]

    def _of(self, queue: str) -> list[Known]:
        return [job for job in self._jobs.values() if job.queue == queue]

    # What happens to one job.

    def _taken(self, take: TakeRow) -> None:
        for one in take.ids:
            assert one in self._jobs, f"{one} is handed out, and has ended or was never added"
            self._jobs[one].takes.append(take)

    def _is_free(self, one: str, before: Place, take: TakeRow) -> None:
        """Nobody had it, or has given it back; and it has not expired."""
        let_go, expires_ms = self._jobs[one].let_go, self._jobs[one].expires_ms
        assert not 0 < expires_ms <= take.at_ms, f"{one} begins at {take.at_ms}, and has expired at {expires_ms}"
        assert not before.token or let_go >= before.token, f"{one} is handed out to {take.worker}, and somebody has it"

    def _back(self, back: BackRow, before: dict[str, Place]) -> None:
        job = self._jobs.get(back.id)
        assert job is not None, f"{back.id} is put back, and has ended"
        failed, lost = back.attempts - job.attempts, back.lost - job.lost
        assert failed in (0, 1) and lost in (0, 1), f"{job.id} has failed {failed} times, and was lost {lost} times"
        assert back.let_go or not (failed or lost), f"{job.id} has failed, and nobody had it"
        assert not (failed and job.fate in WITHOUT_FAILURE), f"{job.id} has failed as it never does: {back.error!r}"
        assert back.lost < LOST_MAX and back.attempts < job.attempts_max, f"{job.id} is tried too often"
        assert not (lost and self._lossless), f"{job.id} was lost, and every worker ended as it should"
        job.change(back)
        if back.arguments is not None and not job.wanted["token"].startswith("editor"):
            # It may also have been taken by the same append. After that: then what was done is not what is stored.
            is_free = job.let_go >= before[job.id].token
            assert is_free and not self._has_begun(job), f"{job.id} has begun, and is to be as another one"
            expires = bool(job.options.expires_ms)  # though it may have been lost since, likewise
            assert expires is bool(job.wanted.get("within_s")), f"{job.id} expires as another one does"

    def _has_begun(self, job: Known) -> bool:
        """Was anything done of it, since it was added or begun anew?"""
        return any((job.id, take.token) in self._yard.begun for take in job.takes)

    def _counts(self, handed: Handed) -> bool:
        """Has it begun, or may whoever it was handed to begin it still?"""
        job = self._jobs.get(handed.job)
        is_held = job is not None and job.holder is not None and job.holder.token == handed.token
        return is_held or (handed.job, handed.token) in self._yard.begun

    def _ended(self, end: EndRow, before: dict[str, Place]) -> None:
        job = self._jobs.get(end.id)
        assert job is not None, f"{end.id} ends, and has ended before"
        # Given to one that is seen to have ended, by the same append: then the row of its take is not written.
        at_once = end.state == "failed" and job.lost == LOST_MAX - 1 and end.started_ms == end.ended_ms
        if end.state != "cancelled" and not at_once:
            held = before[end.id].token
            take = next((one for one in job.takes if one.token == held), None)
            assert take is not None and held > job.let_go, f"{end.id} is {end.state}, and nobody had it"
            who = end.worker, end.started_ms
            assert who == (take.worker, take.at_ms), f"{end.id} is {end.state} by {who}, and {take.worker} had it"
        elif end.worker and not at_once:
            wanted = job.is_cancelling or job.fate == "cancels" or b"cancelled" in (end.error or b"")
            wanted |= end.id in self._yard.unwanted  # one append that says so and ends it says only that it has ended
            assert wanted, f"{end.id} was given up by {end.worker}, and is cancelled, which nobody asked for"
        elif end.instead:
            assert not self._has_begun(job), f"{end.id} has begun, and is given up for {end.instead}"
            self._yard.given_up.add(end.id)
        self._check_expired(job, end)
        if end.state == "completed":
            self._check_result(job, end, before[end.id].token)
        if end.state == "failed":
            self._check_failure(job, end)
        self._end(end)

    def _check_expired(self, job: Known, end: EndRow) -> None:
        if EXPIRED in (end.error or b""):
            assert end.state == "cancelled" and 0 < job.expires_ms <= end.ended_ms, (
                f"{job.id} expires at {end.ended_ms}: {job}"
            )

    def _check_left(self, name: str, take: TakeRow, jobs: Jobs) -> None:
        """Of those that its queue knows of, none waits that has expired."""
        world = self._yard.world
        if world is None or world.faults.jump_every_s:  # its clock may have been set since it was begun
            return
        for job in self._of(name):
            late = 0 < job.expires_ms <= take.at_ms and not job.is_of_others
            assert not late or job.holder, f"{job.id} has expired at {job.expires_ms}, and waits at {take.at_ms}"

    def _check_result(self, job: Known, end: EndRow, token: int) -> None:
        """It is what the attempt that had the job has returned, with the arguments that it has."""
        assert is_sealed(end.result or b"") is BY_TAG[job.job].encrypts, f"{job.id} has the result {end.result!r}"
        result = _opened(job, end.result or b"{}", RESULT)
        assert result.get("lease") == token, f"{job.id} has the result of another attempt: {result}, and not {token}"
        wanted = job.wanted["token"]
        assert result["token"] == wanted, f"{job.id} was done as {result['token']}, and is {wanted}"
        steps = {name: _opened(job, one, as_step(name)) for name, one in job.steps.items()}
        if "steps" in result:
            world = self._yard.world
            lost = world is not None and world.checker.failovers  # then what the worker knows of may be stored no more
            known = dict(zip(("one", "two"), result["steps"], strict=True))
            kept = {name: one for name, one in known.items() if name in steps} if lost else known
            assert kept == steps, f"{job.id}: {result}, steps are {steps}"
            if not wanted.startswith("editor"):  # an edit keeps them
                others = [one for one in result["steps"] if one[1] != wanted and not one[1].startswith("editor")]
                assert not others, f"{job.id} was done as {wanted}, and {others} as another one"

    def _check_failure(self, job: Known, end: EndRow) -> None:
        error = decode(end.error or b"{}").get("error", "")
        if f"ended {LOST_MAX} workers" in error:
            assert job.lost == LOST_MAX - 1 and not self._lossless, f"{job.id} was lost {job.lost + 1} times"
        elif job.fate == "discards":
            assert job.attempts == 0 or "done" in error, f"{job.id}: {error}"
        else:
            assert job.attempts == job.attempts_max - 1, f"{job.id} has failed after {job.attempts + 1} attempts"
            assert job.fate not in WITHOUT_FAILURE, f"{job.id} has failed as it never does: {error}"

    def _end(self, end: EndRow) -> None:
        job = self._jobs.pop(end.id)
        self._done[end.id] = job, end
        if job.options.origin and job.options.about:
            is_other = end.error is not None and b"another is done in its place" in end.error
            how = "job.duplicate" if is_other else f"job.{end.state}"
            if EXPIRED in (end.error or b""):
                how = "job.expired"
            self._unheard[end.id] = "completed" if end.state == "completed" else how

    # What must hold of many.

    def _check_limits(self, queue: KnownQueue, limits: Iterable[QueueLimits], jobs: Jobs) -> None:
        """So many are under way as there may be at most; of limits that were set meanwhile, the widest counts."""
        keys: dict[str, list[int]] = {}
        for job in self._of(queue.name):
            if job.holder is not None:
                keys.setdefault(job.partition, []).append(job.weight)
        wide = 1 << 30
        most = max(one.concurrency or wide for one in limits)
        running = [weight for weights in keys.values() for weight in weights]
        # One that is heavier than all that may be goes alone.
        is_right = sum(running) <= most or len(running) == 1
        assert is_right, f"{queue.name} has {running} under way, and may have {most}"
        for key in {self._jobs[one].partition for take in jobs.taken for one in take.ids if one in self._jobs}:
            most, its = max(one.tiers.get(key, one.per_key or wide) for one in limits), keys.get(key, [])
            assert sum(its) <= most or len(its) == 1, f"{queue.name} has {its} of {key} under way, and may have {most}"

    def _check_keys(self, name: str, jobs: Jobs) -> None:
        """Of those that are one, one is under way."""
        held: dict[str, str] = {}
        for job in self._of(name):
            unique = job.options.unique
            if job.holder and unique is not None and unique.mode in ("simple", "keep_last"):
                assert unique.key not in held, f"{job.id} and {held[unique.key]} are one, and both under way"
                held[unique.key] = job.id

    def _check_order(self, name: str, limits: list[QueueLimits], was: dict[str, Place], jobs: Jobs) -> None:
        """Within a key the first goes first; and where that is so, none before one that is tried again. Of those that
        were there before, and stay as they were: what else this append has changed was so before or after it."""
        blocks = all(one.on_retry == "block" for one in limits)
        may_block = any(one.on_retry == "block" for one in limits)
        still = [
            job
            for job in self._of(name)
            if job.id not in jobs.ended and job.id not in jobs.back
            if job.options.unique is None and not job.is_of_others
            if was.get(job.id) == job.place and not job.place.token
        ]
        for take in jobs.taken:
            for one in take.ids:
                if one in jobs.back or one not in was:
                    continue
                taken, key = was[one], self._jobs[one].partition
                for other in still:
                    if other.partition != key:
                        continue
                    if blocks and other.is_tried and not taken.is_tried:
                        raise AssertionError(f"{one} goes before {other.id}, which is tried again")
                    is_blocked = may_block and taken.is_tried and not other.is_tried
                    if other.due_ms <= take.at_ms and other.rank < taken.rank and not is_blocked:
                        raise AssertionError(f"{one} goes before {other.id}, which was first: {taken}, {other.place}")

    # In the end.

    def unsettled(self) -> list[str]:
        left = [f"{job.queue}: {job.id} ({job.fate}) has not ended, {job.place}" for job in self._jobs.values()]
        left += self._yard.wrong
        return left + [f"nobody has heard that {job} is {how}" for job, how in self._unheard.items()]

    def stored(self, rows: MemoryRows) -> None:
        tables = rows.consequences.of(JobTables)
        assert tables.jobs.keys() == self._jobs.keys(), "there are other jobs than were added"
        assert tables.done.keys() == self._done.keys(), "others have ended than were to"
        assert not tables.takes, f"{list(tables.takes)} hold nothing any more"
        assert not tables.steps, f"steps of {list(tables.steps)} are left"
        world = self._yard.world
        if world is not None and not world.checker.failovers:  # else what was answered may be lost
            missing = self._yard.acknowledged - self._done.keys()
            assert not missing, f"{missing} were added, and are not there"
            for one in self._yard.cancelled - self._yard.retried:
                state = self._done[one][1].state
                assert state == "cancelled", f"{one} was cancelled, and is {state}"


def _opened(job: Known, stored: bytes, what: str) -> Any:
    return decode(sealing.opened_if_sealed(stored, sealing.Place(job.job, job.id, what)))
