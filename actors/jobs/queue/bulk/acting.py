"""What a bulk command does about the jobs that were found for it. Pure.

They were read of rows, and the queue has gone on since: so each is done only if it still is in a state that is meant,
as the queue itself knows it.
"""

from collections.abc import Callable, Collection

from msgspec.structs import replace

from greenroom.actors.jobs.queue.bulk.messages import Bulk, Matched
from greenroom.actors.jobs.queue.desk import Desk
from greenroom.actors.jobs.queue.flows.again import asked_of
from greenroom.actors.jobs.queue.single.anew import anew, settled_with
from greenroom.actors.jobs.queue.waiting import Waiting
from greenroom.store.jobs.filter import ENDED
from greenroom.store.jobs.jobs import JobFound
from greenroom.store.journal.consequences.jobs import Jobs

WAITED_MAX = 10_000  # jobs that those have waited for which one message tries again, and what one more has


def within(matched: Matched) -> Matched:
    """As many of them as that; one at least, where there are any. `after` says where to go on."""
    waited = {found.row.id: len(asked_of(found.row)) for found in matched.whole}
    count = 0
    for number, job in enumerate(matched.jobs):
        if count >= WAITED_MAX:
            jobs = matched.jobs[:number]
            kept = {one.id for one in jobs}
            whole = [found for found in matched.whole if found.row.id in kept]
            return replace(matched, found=number, jobs=jobs, whole=whole, after=jobs[-1].id)
        count += waited.get(job.id, 0)
    return matched


class Acting:
    """One bulk command at one desk."""

    def __init__(self, desk: Desk, message: Bulk, states: tuple[str, ...], now_ms: int, writes: Jobs) -> None:
        self._desk = desk
        self._message = message
        self._states = states
        self._now_ms = now_ms
        self._writes = writes
        self.changed = 0
        self.told: set[str] = set()  # workers that have one which is to be cancelled
        self.revived: list[str] = []
        self.behind: dict[str, int] = {}  # to be tried again with what they wait for: when they had ended
        self.left = 0  # alone: see settled_with, and hindered.py

    def act(self, matched: Matched, is_old: Callable[[str], bool], hindered: Collection[str] = ()) -> None:
        """`is_old`: may what was read of a job that has ended not be true any more? `hindered`: by their children."""
        whole = {found.row.id: found for found in matched.whole}
        named = set(matched.named)
        for listed in sorted(matched.jobs, key=lambda one: one.id) if self._message.act == "retry" else matched.jobs:
            job = self._desk.jobs.get(listed.id)
            if job is not None:
                if self._desk.stands(job, self._now_ms) in self._states:
                    self._unfinished(job)
            elif listed.state not in ENDED or listed.state not in self._states or is_old(listed.id):
                pass  # it has ended since, or was begun anew and has ended again
            elif self._message.act == "drop":
                if listed.id not in named:
                    self._writes.dropped.append(listed.id)
                    self.changed += 1
            elif listed.id not in whole:
                pass
            elif listed.id in hindered or (settled_with(whole[listed.id].row) and not self._message.detached):
                self.left += 1
            else:
                self._again(whole[listed.id])
                self.changed += 1

    def _again(self, found: JobFound) -> None:
        row = anew(found.row, self._now_ms)
        if asked_of(row):
            self.behind[row.id] = found.ended_ms or 0
        else:
            self._desk.revive(row, self._now_ms, self._writes)
            self.revived.append(row.id)

    def _unfinished(self, job: Waiting) -> None:
        desk, message, now_ms = self._desk, self._message, self._now_ms
        if message.act == "cancel":
            held = desk.hands.held_of(job) if job.token else None
            if not desk.cancel(job, message.reason, now_ms, self._writes) and held is not None:
                self.told.add(held.worker)
        elif message.act == "edit":
            priority = job.priority if message.priority is None else message.priority
            due_ms = job.due_ms if message.due_ms is None else max(message.due_ms, min(job.due_ms, now_ms))
            desk.change(job, now_ms, self._writes, due_ms=due_ms, priority=priority)
        else:
            desk.change(job, now_ms, self._writes, due_ms=now_ms, priority=job.priority)
        self.changed += 1
