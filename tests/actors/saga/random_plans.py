"""Plans of all sorts, and those who take part: whoever is told something does it, or does not, in its own time."""

from collections import deque
from collections.abc import Collection, Sequence
from typing import Any

from hypothesis import strategies as st
from msgspec import Struct

from greenroom import Ask, Done, Job, Message, Refused, Retry, Saga, SoFar, Step, Tell, parallel, race, wait_for
from greenroom.actors.jobs.queue.single.steering import CancelJob
from greenroom.actors.model.effects import Told
from greenroom.actors.saga.parts import DEPTH_MAX, Plan
from greenroom.actors.saga.step import Parallel, Part, Race, Wait
from greenroom.testing import Kit

WORKERS = ("worker:a", "worker:b")
NESTED_MAX = DEPTH_MAX - 2  # what is done in place of a wait lies one deeper than that
RETRY = Retry(attempts=2, first_s=2.0)


class Work(Ask[int], tag="worker.work"):
    step: str


class Revert(Ask[Done], tag="worker.revert"):
    step: str


class Begin(Ask[Done], tag="plan.begin"):
    pass


class Yes(Tell, tag="plan.yes"):
    pass


class Paid(Tell, tag="plan.paid"):
    pass


class Toil(Job, queue="toil", tag="job.toil"):
    step: str

    async def run(self, work: Any) -> None:
        raise NotImplementedError


WAITS: dict[str, type[Message]] = {"yes": Yes, "paid": Paid}


class Shape(Struct, frozen=True):
    """What a plan is drawn as."""

    sort: str
    parts: tuple["Shape", ...] = ()


JOBS = ("job", "retried_job", "final_job")
LEAVES = st.sampled_from([Shape(sort) for sort in ("step", "step", "final", "retried", *JOBS, "yes", "paid")])


def _inner(inside: st.SearchStrategy[Shape]) -> st.SearchStrategy[Shape]:
    branches = st.lists(inside, min_size=2, max_size=3).map(tuple)
    return st.builds(Shape, st.sampled_from(["parallel", "race", "sequence"]), branches)


PLANS = st.builds(
    Shape,
    st.just("sequence"),
    st.lists(st.recursive(LEAVES, _inner, max_leaves=5), min_size=1, max_size=3).map(tuple),
)


class Maker:
    """Makes a plan of a shape."""

    def __init__(self) -> None:
        self.count = 0
        self.waits = set[str]()

    def parts(self, shape: Shape, depth: int = 1) -> tuple[Part, ...]:
        match shape.sort:
            case "parallel" | "race" if depth <= NESTED_MAX:
                branches = [self.parts(one, depth + 1) for one in shape.parts]
                return (parallel(*branches) if shape.sort == "parallel" else race(*branches),)
            case "sequence" | "parallel" | "race":
                return tuple(part for one in shape.parts for part in self.parts(one, depth))
            case "yes" | "paid" if shape.sort not in self.waits:
                self.waits.add(shape.sort)
                if shape.sort == "yes":
                    return (wait_for(Yes, within=20.0),)
                return (wait_for(Paid, within=15.0, otherwise=self._step("step")),)
        return (self._step(shape.sort),)

    def _step(self, sort: str) -> Step[Begin]:
        self.count += 1
        name = f"s{self.count}"

        def do(so_far: SoFar[Begin]) -> Any:
            if sort in JOBS:
                return Toil(step=name)
            return WORKERS[int(name[1:]) % 2], Work(step=name)

        def undo(so_far: SoFar[Begin]) -> Any:
            return (WORKERS[0], Revert(step=name)) if sort in JOBS else Revert(step=name)

        return Step(
            name=name,
            do=do,
            undo=None if sort.startswith("final") else undo,
            deadline_s=9.0,
            retry=RETRY if sort.startswith("retried") else None,
        )


def saga_of(shape: Shape) -> type[Saga[Any]]:
    class Planned(Saga[Begin]):
        kind = "plan"
        steps = Maker().parts(shape)
        deadline_s = 60.0

    return Planned


class World:
    """One saga, and whoever it tells. What they did is in `done`."""

    def __init__(self, saga: type[Saga[Any]]) -> None:
        self.kit: Kit[Any] = Kit(saga)
        self.plan: Plan = saga.plan
        self.on_the_way: dict[str, deque[Told]] = {name: deque() for name in (*WORKERS, "queue:toil")}
        self.reports: dict[str, deque[tuple[Told, str]]] = {name: deque() for name in (*WORKERS, "queue:toil")}
        self.jobs: dict[str, Told] = {}  # those that have not ended, by entity
        self.carried = self.started = 0
        self.done = set[str]()
        self.half_done = set[str]()  # by a job that has failed: another may do it again
        self.clung = set[str]()  # workers refused to revert them
        self.kit.ask(Begin())

    @property
    def status(self) -> str:
        return str(self.kit.view()["status"])

    def carry(self) -> None:
        for started in self.kit.started[self.started :]:
            self.jobs[f"job:{started.id}"] = Told(f"job:{started.id}", Work(step=started.job.step), started.about)  # type: ignore[attr-defined]
        self.started = len(self.kit.started)
        for told in self.kit.told[self.carried :]:
            self.on_the_way[told.entity].append(told)
        self.carried = len(self.kit.told)

    def work(self, worker: str, fate: str) -> None:
        """`worker` takes the next message that was told to it, in order."""
        self.carry()
        if not self.on_the_way[worker]:
            return
        told = self.on_the_way[worker].popleft()
        match told.message:
            case Work(step=name):
                if fate == "done":
                    assert name not in self.done, f"{name} is done twice"
                    self.done.add(name)
            case Revert(step=name):
                if fate == "done":
                    self.done.discard(name)
                    self.half_done.discard(name)
                else:
                    self.clung.add(name)
            case CancelJob(id=job):
                fate = "done"
                self.end_job(f"job:{job}", "cancelled")
        if told.about:
            self.reports[worker].append((told, fate))

    def end_job(self, job: str, fate: str) -> None:
        """One that fails or is given up may have done it, too; not one that is another's duplicate."""
        told = self.jobs.pop(job, None)
        if told is None:
            return
        assert isinstance(told.message, Work)
        name = told.message.step
        assert name not in self.done - self.half_done, f"{name} is done twice"
        if fate != "duplicate":
            self.done.add(name)
            (self.half_done.discard if fate == "done" else self.half_done.add)(name)
        self.reports["queue:toil"].append((told, fate))

    def run_job(self, fate: str) -> None:
        self.carry()
        for job in list(self.jobs)[:1]:
            self.end_job(job, fate)

    def report(self, sender: str) -> None:
        if self.reports[sender]:
            self.hear(*self.reports[sender].popleft())

    def hear(self, told: Told, fate: str) -> None:
        if fate == "done":
            self.kit.answered(told, 1)
        elif isinstance(told.message, Work) and told.entity.startswith("job:"):
            self.kit.undelivered(told, f"job.{fate}")
        else:
            self.kit.undelivered(told, "worker.no")

    def say(self, name: str) -> None:
        if name in self.plan.leaves:
            try:
                self.kit.tell(WAITS[name]())
            except Refused as error:
                assert error.name in ("saga.too_late", "saga.heard"), error

    def finish(self) -> None:
        """Everybody does what they are told, at once, until it has ended."""
        for _ in range(40 * (len(self.plan.leaves) + 1)):
            for name in self.on_the_way:
                self.work(name, "done")
                self.report(name)
            self.run_job("done")
            for name in WAITS:
                self.say(name)
            if self.status in ("running", "undoing") and not self._is_busy():
                self.kit.advance(5.0)
            elif not self._is_busy():
                break
        assert not self._is_busy()
        self.kit.restart(from_snapshot=True)

    def _is_busy(self) -> bool:
        self.carry()
        return bool(any(self.on_the_way.values()) or any(self.reports.values()) or self.jobs)

    def judge(self) -> None:
        """How it has ended is what there is."""
        undoable = {leaf.name for leaf in self.plan.leaves.values() if isinstance(leaf, Step) and leaf.undo is not None}
        match self.status:
            case "done":
                kept = kept_of(self.plan.parts, self.kit.state.replies.keys(), self.done)
                assert self.done & undoable in [one & undoable for one in kept], (sorted(self.done), kept)
            case "undone":
                assert not self.done & undoable, sorted(self.done)
            case "stuck":
                assert self.clung
                stuck = {step["name"] for step in self.kit.view()["steps"] if step["status"] == "stuck"}
                assert stuck and stuck <= self.clung
            case status:
                raise AssertionError(f"it is {status}")


def kept_of(parts: Sequence[Part], heard: Collection[str], done: set[str]) -> list[set[str]]:
    """What may be left of a plan that is done, seen from its shape and from what was done: a race has several answers,
    for what can't be undone is left of the losers, too."""
    kept: list[set[str]] = [set()]
    for part in parts:
        kept = [before | found for before in kept for found in _kept_of(part, heard, done)]
    return kept


def _kept_of(part: Part, heard: Collection[str], done: set[str]) -> list[set[str]]:
    match part:
        case Step(name=name):
            return [{name}] if name in done else []
        case Wait(name=name, otherwise=otherwise):
            kept: list[set[str]] = [set()] if name in heard else []
            return kept if otherwise is None else kept + kept_of(otherwise, heard, done)
        case Parallel(branches=branches):
            return kept_of([part for branch in branches for part in branch], heard, done)
        case Race(branches=branches):
            return [kept for branch in branches for kept in kept_of(branch, heard, done)]
