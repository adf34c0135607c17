"""The desk of a queue: which jobs there are, who has what, and what is to be written of it. Pure; time is an argument.

A worker holds what it has taken until it says what became of it, or is not heard of for LEASE_MS. The token of a take
is what a worker shows: one that holds no more is refused, whatever was done under it.
"""

from collections.abc import Collection, Iterable, Sequence

import msgspec
from msgspec import Struct, field

from greenroom.actors.jobs.queue.messages import Finished
from greenroom.actors.jobs.queue.order import Order
from greenroom.actors.jobs.queue.waiting import Waiting
from greenroom.actors.jobs.retry import Retry
from greenroom.store.journal.consequences.jobs import BackRow, EndRow, JobRow, Jobs, TakeRow, UntakenRow

LEASE_MS = 10_000
LOST_MAX = 3  # workers that may end with a job in hand
ERROR_MAX = 8_192  # characters of an error that are kept
OWN_RETRY = Retry()  # of a worker that does not say when


class Held(Struct):
    """What was taken under one token, and is still under way."""

    token: int
    worker: str
    at_ms: int
    jobs: dict[str, Waiting]  # by id


class Hand(Struct):
    """A worker with something in hand."""

    heard_ms: int
    held: dict[int, Held] = field(default_factory=dict)  # by token


class Desk:
    """Of one queue."""

    def __init__(self, queue: str) -> None:
        self.queue = queue
        self.order = Order()
        self.jobs: dict[str, Waiting] = {}
        self.hands: dict[str, Hand] = {}
        self._token = 0
        self.arguments_bytes = 0

    def begin(self, rows: Iterable[JobRow], takes: Iterable[TakeRow], now_ms: int) -> None:
        """As it is stored. Workers that had something are given time to say so."""
        for row in rows:
            self.jobs[row.id] = Waiting.of(row)
        for take in takes:
            self._token = max(self._token, take.token)
            left = [job for one in take.ids if (job := self.jobs.get(one)) is not None]
            if left:
                self._hold(take.token, take.worker, take.at_ms, left, now_ms)
        for job in self.jobs.values():
            if not job.token:
                self.order.put(job, now_ms)

    def add(self, rows: Sequence[JobRow], now_ms: int) -> int:
        """Those that are new here; how many they are."""
        jobs = self.jobs
        new = 0
        for row in rows:
            if row.id not in jobs:
                job = jobs[row.id] = Waiting.of(row)
                self.order.put(job, now_ms)
                new += 1
        return new

    def take(
        self, worker: str, most: int, knows: Collection[str] | None, now_ms: int, writes: Jobs
    ) -> tuple[int, list[Waiting]]:
        """The next jobs, and the token under which they are taken; 0 and nothing where there are none."""
        found = self.order.take(now_ms, most, knows)
        if not found:
            return 0, found
        # Never used before by this queue, whoever owned it, unless two owners within one ms had taken: and of these
        # the former one's takes are stored.
        token = self._token = max(self._token + 1, now_ms << 10)
        self._hold(token, worker, now_ms, found, now_ms)
        writes.taken.append(TakeRow(self.queue, token, worker, now_ms, [job.id for job in found]))
        return token, found

    def _hold(self, token: int, worker: str, at_ms: int, jobs: list[Waiting], now_ms: int) -> None:
        hand = self.hands.get(worker)
        if hand is None:
            hand = self.hands[worker] = Hand(now_ms)
        hand.held[token] = Held(token, worker, at_ms, {job.id: job for job in jobs})
        for job in jobs:
            job.token = token

    def finish(self, worker: str, finished: Iterable[Finished], now_ms: int, writes: Jobs) -> list[str]:
        """What became of jobs; returns the ids of those that this worker does not hold any more."""
        refused: list[str] = []
        hand = self.hands.get(worker)
        if hand is not None:
            hand.heard_ms = now_ms
        jobs = self.jobs
        for one in finished:
            job = jobs.get(one.id)
            held = hand.held.get(one.token) if hand is not None else None
            if job is None or held is None or job.token != one.token:
                refused.append(one.id)
                continue
            self._let_go(job, held, writes)
            if one.error is None and not one.cancelled and not one.refund:
                self._end(job, EndRow(job.id, "completed", now_ms, worker, held.at_ms, _bytes(one.result)), writes)
            else:
                self._unfinished(job, one, held, now_ms, writes)
        return refused

    def _unfinished(self, job: Waiting, one: Finished, held: Held, now_ms: int, writes: Jobs) -> None:
        error = _error(now_ms, held.worker, job.attempts + 1, one.error, one.trace) if one.error is not None else None
        if one.cancelled:
            self._end(job, EndRow(job.id, "cancelled", now_ms, held.worker, held.at_ms, None, error), writes)
            return
        if not one.refund:
            job.attempts += 1
            if one.final or job.attempts >= job.attempts_max:
                self._end(job, EndRow(job.id, "failed", now_ms, held.worker, held.at_ms, None, error), writes)
                return
        rest_s = one.retry_s if one.retry_s is not None else 0.0 if one.refund else OWN_RETRY.rest_s(job.attempts)
        self._put_back(job, now_ms + int(rest_s * 1000), now_ms, error, writes)

    def _end(self, job: Waiting, row: EndRow, writes: Jobs) -> None:
        del self.jobs[job.id]
        writes.ended[job.id] = row

    def _put_back(self, job: Waiting, due_ms: int, now_ms: int, error: bytes | None, writes: Jobs) -> None:
        job.due_ms = due_ms
        self.order.put(job, now_ms)
        writes.back[job.id] = BackRow(job.id, due_ms, job.attempts, job.lost, error)

    def _let_go(self, job: Waiting, held: Held, writes: Jobs) -> None:
        """Nobody has it any more."""
        job.token = 0
        self.order.ended(job)
        del held.jobs[job.id]
        if not held.jobs:
            hand = self.hands[held.worker]
            del hand.held[held.token]
            if not hand.held:
                del self.hands[held.worker]
            writes.untaken.append(UntakenRow(self.queue, held.token))

    def heard(self, worker: str, tokens: Collection[int], now_ms: int, writes: Jobs) -> list[int]:
        """The worker is there, with these tokens. What it has lost goes to others; returns those that hold nothing."""
        hand = self.hands.get(worker)
        if hand is None:
            return list(tokens)
        hand.heard_ms = now_ms
        # What was taken just now may be on its way to the worker, which does not know of it yet.
        missing = [
            one for token, one in hand.held.items() if token not in tokens and one.at_ms < now_ms - LEASE_MS // 2
        ]
        void = [token for token in tokens if token not in hand.held]
        for held in missing:
            self._give_back(held, now_ms, writes, was_lost=False)
        return void

    def left(self, worker: str, now_ms: int, writes: Jobs, *, was_lost: bool = False) -> int:
        """The worker has ended. Of one that `was_lost` the attempt counts, and who loses LOST_MAX of them fails."""
        hand = self.hands.get(worker)
        if hand is None:
            return 0
        held = list(hand.held.values())
        count = sum(len(one.jobs) for one in held)
        for one in held:
            self._give_back(one, now_ms, writes, was_lost=was_lost)
        return count

    def _give_back(self, held: Held, now_ms: int, writes: Jobs, *, was_lost: bool) -> None:
        for job in list(held.jobs.values()):
            self._let_go(job, held, writes)
            error: bytes | None = None
            if was_lost:
                job.lost += 1
                error = _error(now_ms, held.worker, job.attempts + 1, "the worker was lost", "")
            if job.lost >= LOST_MAX:
                error = _error(now_ms, held.worker, job.attempts + 1, f"it ended {LOST_MAX} workers", "")
                self._end(job, EndRow(job.id, "failed", now_ms, held.worker, held.at_ms, None, error), writes)
            else:
                self._put_back(job, now_ms, now_ms, error, writes)

    def expire(self, now_ms: int, writes: Jobs) -> list[str]:
        """Workers that were not heard of for too long have lost what they had; returns who they are."""
        lost = [name for name, hand in self.hands.items() if hand.heard_ms + LEASE_MS <= now_ms]
        for name in lost:
            self.left(name, now_ms, writes, was_lost=True)
        return lost

    def next_ms(self) -> int | None:
        """When a job may be ready that is not, if nothing else happens; None: none waits for time."""
        return self.order.next_ms()


def _bytes(result: msgspec.Raw) -> bytes | None:
    kept = bytes(result)
    return None if kept == b"null" else kept


def _error(at_ms: int, worker: str, attempt: int, error: str, trace: str) -> bytes:
    text = {"at_ms": at_ms, "worker": worker, "attempt": attempt, "error": _kept(error)}
    if trace:
        text["trace"] = _kept(trace)
    return msgspec.json.encode(text)


def _kept(text: str) -> str:
    """As jsonb takes it: no NUL, and no half of a pair."""
    return text[:ERROR_MAX].replace("\0", "\\0").encode(errors="replace").decode()
