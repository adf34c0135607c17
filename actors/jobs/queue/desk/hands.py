"""Hands: which worker holds which jobs, and when each was heard of last. Pure; time is an argument."""

from collections.abc import Collection, Iterable

from msgspec import Struct, field

from greenroom.actors.jobs.queue.waiting import Waiting

LEASE_MS = 10_000  # of silence, after which a worker has lost what it had


class Held(Struct):
    """What was taken under one token, and is still under way."""

    token: int
    worker: str
    at_ms: int  # by the clock of who owned the queue then
    jobs: dict[str, Waiting]  # by id
    since_ms: int = 0  # by ours
    was_taken_here: bool = False  # in this life, and not in one before


class Hand(Struct):
    """A worker with something in hand."""

    heard_ms: int
    held: dict[int, Held] = field(default_factory=dict)  # by token
    process: str = ""  # that it runs in, as `host/process`


class Hands(dict[str, Hand]):
    """Of one queue, by the worker's name. Whoever holds nothing is not there."""

    def hold(
        self,
        token: int,
        worker: str,
        at_ms: int,
        jobs: Iterable[Waiting],
        now_ms: int,
        process: str,
        *,
        here: bool = False,
    ) -> None:
        """These were taken; `here`: in this life."""
        hand = self.get(worker)
        if hand is None:
            hand = self[worker] = Hand(now_ms, process=process)
        held = hand.held.get(token)
        if held is None:
            held = hand.held[token] = Held(token, worker, at_ms, {}, now_ms, here)
        for job in jobs:
            job.token = token
            held.jobs[job.id] = job

    def let_go(self, job: Waiting, held: Held) -> bool:
        """Nobody has it any more. Is nothing left of what was taken with it?"""
        job.token = 0
        del held.jobs[job.id]
        if held.jobs:
            return False
        hand = self[held.worker]
        del hand.held[held.token]
        if not hand.held:
            del self[held.worker]
        return True

    def heard(self, worker: str, tokens: Collection[int], now_ms: int) -> tuple[list[int], list[Held]]:
        """The worker is there, with these tokens: those that hold nothing, and what it has lost."""
        hand = self.get(worker)
        if hand is None:
            return list(tokens), []
        hand.heard_ms = now_ms
        # What was taken just now may be on its way to the worker, which does not know of it yet.
        lost = [
            one for token, one in hand.held.items() if token not in tokens and one.since_ms < now_ms - LEASE_MS // 2
        ]
        return [token for token in tokens if token not in hand.held], lost

    def forgive(self, now_ms: int) -> None:
        """All workers have a whole lease from now on, and what they have was taken just now."""
        for hand in self.values():
            hand.heard_ms = now_ms
            for held in hand.held.values():
                held.since_ms = now_ms

    def silent(self, now_ms: int) -> list[str]:
        """Workers that were not heard of for too long."""
        return [name for name, hand in self.items() if hand.heard_ms + LEASE_MS <= now_ms]

    def of_process(self, process: str) -> list[str]:
        """Workers that run in it."""
        return [name for name, hand in self.items() if hand.process == process]

    def held_of(self, job: Waiting) -> Held | None:
        """Under what it was taken; None: nobody has it."""
        return next((hand.held[job.token] for hand in self.values() if job.token in hand.held), None)

    def worker_of(self, token: int) -> str | None:
        """Who holds something by it."""
        return next((name for name, hand in self.items() if token in hand.held), None)

    def holds(self, worker: str, job_id: str, token: int) -> bool:
        hand = self.get(worker)
        held = hand.held.get(token) if hand is not None else None
        return held is not None and job_id in held.jobs

    def among(self, worker: str, jobs: Iterable[str]) -> list[str]:
        """Those of these jobs that this worker has."""
        hand = self.get(worker)
        if hand is None:
            return []
        return [job for job in jobs if any(job in held.jobs for held in hand.held.values())]
