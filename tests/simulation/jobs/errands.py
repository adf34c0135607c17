"""Errands of the world `plans`: sagas whose steps are jobs, and what must be true of them, in the order of commits.

A step is done when its job is completed, and not before; it is taken back once its job has ended, whoever waits for
that; and a saga ends when nothing of it goes on.
"""

from collections.abc import Callable, Mapping
from random import Random
from typing import Any, Protocol

from msgspec import Struct, field

from greenroom import Ask, Done, Job, Saga, SoFar, Step, parallel
from greenroom.actors.model.actor import KindLimits
from greenroom.actors.model.message import Message
from greenroom.actors.saga.messages import CancelSaga
from greenroom.supervisors.simulation.client import Work as Command

DEADLINE_S = 9.0  # some jobs are not through by then
STEPS = ("fetch", "left", "right")
BAD = ("failed", "cancelled")


class Errand(Ask[Done], tag="errand.run"):
    fates: dict[str, str]  # by step
    takes_s: float


class Ended(Protocol):
    """A job, as the audit of all of them knows it."""

    @property
    def state(self) -> str: ...


def errands_of(part: Callable[[str, float], Job]) -> type[Saga[Errand]]:
    """Sagas of such jobs."""

    def step(name: str) -> Step[Errand]:
        def do(so_far: SoFar[Errand]) -> Job:
            return part(so_far.input.fates[name], so_far.input.takes_s)

        return Step(name=name, do=do, undo=lambda so_far: part("keep", 0.1), deadline_s=DEADLINE_S)

    class Errands(Saga[Errand]):
        kind = "errand"
        starts = "users"
        limits = KindLimits(idle_s=10.0, snapshot_every=20, history_events=50, command_ids_s=3600.0)
        steps = (step("fetch"), parallel(step("left"), step("right")))

        def may_steer(self, command: Message) -> None:
            """Whoever likes."""

    return Errands


class Wanted:
    """What people have done for them."""

    def __init__(self) -> None:
        self._begun: list[str] = []

    def __call__(self, draw: Random, user: str, fates: tuple[str, ...]) -> Command:
        if self._begun and draw.random() < 0.3:
            return Command(f"errand:{draw.choice(self._begun[-3:])}", CancelSaga())
        key = f"{user}-{len(self._begun)}"
        self._begun.append(key)
        wanted = {step: draw.choice(fates) for step in STEPS}
        return Command(f"errand:{key}", Errand(fates=wanted, takes_s=draw.choice((0.2, 1.0, 12.0))))


class Going(Struct):
    """One errand."""

    jobs: dict[str, str] = field(default_factory=dict)  # by step, its job
    undone: dict[str, str] = field(default_factory=dict)  # likewise, the job that takes it back
    outcome: str = ""

    def committed(self, events: list[Any], started: Mapping[str, str], jobs: Mapping[str, Ended]) -> None:
        """`started`: the ids of jobs that this append starts, by what they are about. Raises: AssertionError."""
        for event in events:
            match event:
                case {"type": "saga.step_begun", "step": step, "entity": entity}:
                    assert entity == f"job:{started.get(f'do:{step}')}", f"{step} is {entity}, which is not started"
                    self.jobs[step] = started[f"do:{step}"]
                case {"type": "saga.step_done", "step": step}:
                    assert jobs[self.jobs[step]].state == "completed", f"{step} is done, and {self._job(step, jobs)}"
                case {"type": "saga.step_refused", "step": step}:
                    assert jobs[self.jobs[step]].state in BAD, f"{step} is refused, and {self._job(step, jobs)}"
                case {"type": "saga.undo_begun", "step": step}:
                    assert jobs[self.jobs[step]].state, f"{step} is taken back, and {self._job(step, jobs)}"
                    self.undone[step] = started[f"undo:{step}"]
                case {"type": "saga.undo_done", "step": step}:
                    assert jobs[self.undone[step]].state == "completed", f"the undo of {step} is not"
                case {"type": "saga.ended", "outcome": outcome}:
                    self._ended(outcome, jobs)

    def _ended(self, outcome: str, jobs: Mapping[str, Ended]) -> None:
        self.outcome = outcome
        left = [step for step, job in (*self.jobs.items(), *self.undone.items()) if not jobs[job].state]
        assert not left, f"it is {outcome}, and {left} go on"
        done = {step for step, job in self.jobs.items() if jobs[job].state == "completed"}
        match outcome:
            case "done":
                assert done == set(STEPS) and not self.undone, f"it is done, and {done} are, and {self.undone} undone"
            case "undone":
                assert done <= self.undone.keys(), f"it is undone, and {done - self.undone.keys()} are not"

    def _job(self, step: str, jobs: Mapping[str, Ended]) -> str:
        return f"its job {self.jobs[step]} is {jobs[self.jobs[step]].state or 'under way'}"
