"""Classes of jobs in the worlds `jobs` and `assorted`. A job's arguments say what becomes of it: all chance lies in
them, or in the order of things."""

from collections.abc import Sequence, Set
from typing import TYPE_CHECKING, Any, Literal

import trio

from greenroom import Cancel, Discard, Job, Retry, Snooze, Unique
from greenroom.actors.jobs.installed import Jobs
from greenroom.actors.jobs.job import JobLimits
from greenroom.actors.jobs.limits import JobQueue, Rate
from greenroom.actors.jobs.work import Pause, Work
from greenroom.supervisors.jobs.processes import ProcessLost
from greenroom.supervisors.simulation.schedule import NODE

if TYPE_CHECKING:
    from greenroom.supervisors.simulation.world import World

KNOWN_MAX = 40  # jobs of which people think
NOBODY: frozenset[str] = frozenset()
SECRET = "nobody-may-read-"  # how arguments begin that are stored as nobody can read them

# What becomes of a job: it succeeds, after a while or longer than a lease lasts, in steps, or with arguments that are
# long; it fails always, at first, between two steps, or for good; it waits, wants nobody to go on, ends as cancelled,
# or ends its worker.
Fate = Literal[
    "keep", "slow", "steps", "long", "fails", "stumbles", "halts", "discards", "snoozes", "pauses", "cancels", "poison"
]
WITHOUT_FAILURE = frozenset(("keep", "slow", "long", "snoozes", "pauses", "cancels", "poison"))
RETRY = Retry(attempts=4, first_s=0.5, max_s=3.0)
LIMITS = JobLimits(timeout_s=600.0, grace_s=1.0)


class Yard:
    """What is outside of all processes: what people know of jobs, and what these have done to the world."""

    def __init__(self) -> None:
        self.world: World | None = None
        self.known: list[str] = []  # ids, the newest last
        self.acknowledged: set[str] = set()  # whose adding was answered
        self.unwanted: set[str] = set()  # that somebody has asked to be cancelled
        self.cancelled: set[str] = set()  # of which somebody was told that they are
        self.retried: set[str] = set()
        self.begun: set[tuple[str, int]] = set()  # jobs, each with the token of who has begun it
        self.given_up: set[str] = set()  # for another one of their key: nobody is to begin these
        self.wrong: list[str] = []  # what no call of jobs may see
        self._snoozed: set[str] = set()
        self._had_poison: set[str] = set()  # jobs that were in hand where one of them has ended the worker
        self._steps = 0

    def __deepcopy__(self, memo: object) -> "Yard":
        return self  # a failover changes nothing out here

    def note(self, job_id: str) -> None:
        """There is such a job."""
        self.known.append(job_id)
        del self.known[:-KNOWN_MAX]

    @property
    def clocks_are_right(self) -> bool:
        world = self.world
        return world is not None and not world.faults.skew_s and not world.faults.jump_every_s

    async def do(self, job: Any, work: Work, in_hand: Set[str] = NOBODY) -> Any:
        """`in_hand`: those that are done by the same call."""
        self._begin(work)
        await trio.sleep(job.takes_s)
        result: dict[str, Any] = {"token": job.token, "lease": getattr(work, "token")}  # noqa: B009 - no part of Work
        if job.secret:
            result["secret"] = job.secret

        async def step() -> list[Any]:
            await trio.sleep(0.3)
            self._steps += 1
            return [self._steps, job.token, job.secret]

        match job.fate:
            case "slow":
                work.log("it takes its time")
                await work.progress(0.5)
                await trio.sleep(14.0)
            case "steps":
                result["steps"] = [await work.step("one", step), await work.step("two", step)]
            case "halts":
                one = await work.step("one", step)
                if work.attempt == 1:
                    raise RuntimeError("between two steps")
                result["steps"] = [one, await work.step("two", step)]
            case "fails":
                raise RuntimeError("as it always does")
            case "stumbles" if work.attempt == 1:
                raise RuntimeError("at first")
            case "discards":
                raise Discard("it can't be done")
            case "snoozes" if work.id not in self._snoozed:
                self._snoozed.add(work.id)
                raise Snooze(2.0)
            case "pauses" if work.id not in self._snoozed:
                self._snoozed.add(work.id)
                raise Pause(2.0, "too much")
            case "cancels":
                raise Cancel()
            case "poison":
                await self._end_worker(set(in_hand) or {work.id})
        return result

    async def do_many(self, jobs: Sequence[Any], works: Sequence[Any]) -> list[Any]:
        """By one call, one after the other: what becomes of each is its own."""
        ids = {work.id for work in works}
        self._look_at(jobs, ids)
        for work in works:
            self._begin(work)
        outcomes: list[Any] = []
        for job, work in zip(jobs, works, strict=True):
            try:
                outcomes.append(await self.do(job, work, ids))
            except ProcessLost:
                raise
            except Exception as error:
                outcomes.append(error)
        return outcomes

    def _begin(self, work: Any) -> None:
        self.begun.add((work.id, work.token))
        if work.id in self.given_up and self.world is not None and not self.world.checker.failovers:
            self.wrong.append(f"{work.id} begins, and was given up for another one")

    def _look_at(self, jobs: Sequence[Any], ids: set[str]) -> None:
        if len({(type(job), job.key) for job in jobs}) > 1:
            self.wrong.append(f"{ids} are done by one call, and are of several keys or classes")
        if not len(ids) == len(jobs) <= jobs[0].chunks.most:
            self.wrong.append(f"{len(jobs)} are done by one call: {ids}")
        with_it = ids & self._had_poison - self.retried
        if len(ids) > 1 and with_it and self.world is not None and not self.world.checker.failovers:
            self.wrong.append(f"{with_it} were there as a worker ended, and are not done alone")

    async def _end_worker(self, in_hand: set[str]) -> None:
        """Raises: ProcessLost, where it is called in a process of a node's own."""
        assert self.world is not None
        process = NODE.get()
        for crew in self.world.crews:
            if crew.name == process:
                self._had_poison |= in_hand
                crew.kill()
                await trio.sleep_forever()
        raise ProcessLost("its process ended: SIGKILL")


class Present:
    yard = Yard()  # of the world that is played


class Chore(Job, queue="chores", tag="job.chore"):
    token: str
    fate: Fate = "keep"
    key: str = ""
    takes_s: float = 0.1
    pad: str = ""
    within_s: float = 0.0  # it expires; 0: never. As the order says, for the audit
    weight: int = 1  # likewise
    secret: str = ""
    partition = "key"
    retry = RETRY
    limits = LIMITS

    async def run(self, work: Work) -> Any:
        return await Present.yard.do(self, work)

    @classmethod
    async def run_many(cls, jobs: Sequence[Any], works: Sequence[Any]) -> list[Any]:
        return await Present.yard.do_many(jobs, works)


class Single(Chore, queue="chores", tag="job.single"):
    unique = Unique("key")


class Latest(Chore, queue="chores", tag="job.latest"):
    unique = Unique("key", mode="keep_last")


class Calm(Chore, queue="chores", tag="job.calm"):
    unique = Unique("key", mode="debounce", ttl_s=2.0)


class Rare(Chore, queue="chores", tag="job.rare"):
    unique = Unique("key", mode="throttle", ttl_s=4.0)


LANES = JobQueue("lanes", per_key=1, on_retry="block")


class Errand(Chore, queue=LANES, tag="job.errand"):
    """One after the other for each key, and none before one that is tried again."""


MIXED = JobQueue(
    "mixed",
    concurrency=9,
    rate=Rate(45, per_s=30.0, window="sliding"),
    per_key_rate=Rate(25, per_s=20.0, window="fixed"),
)


class Plain(Chore, queue=MIXED, tag="job.plain"):
    pass


class Newest(Chore, queue=MIXED, tag="job.newest"):
    unique = Unique("key", mode="keep_last")


class Sealed(Chore, queue=MIXED, tag="job.sealed", encrypted=True):
    pass


class Gathered(Chore, queue=MIXED, tag="job.gathered", chunk=3, chunk_wait_s=0.5):
    """Several of them are done by one call, beside others that are not."""


class Batch(Chore, queue="batches", tag="job.batch", chunk=4, chunk_wait_s=1.0, encrypted=True):
    """Likewise, in a queue where all are."""


CLASSES: tuple[type[Chore], ...] = (Chore, Single, Latest, Calm, Rare, Errand)
ASSORTED: tuple[type[Chore], ...] = (Plain, Newest, Sealed, Gathered, Batch)
INSTALLED = Jobs((*CLASSES, *ASSORTED))
BY_TAG = {str(one.__struct_config__.tag): one for one in (*CLASSES, *ASSORTED)}
