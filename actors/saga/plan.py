"""What a saga does next: forwards until no way is left, then back, the newest first.

Decided from how far it is and from its plan, one move at a time; after each move it is asked again.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Literal, TypeAlias

from msgspec import Struct

from greenroom.actors.saga.events import Outcome
from greenroom.actors.saga.parts import Leaf, Plan, leaves_of
from greenroom.actors.saga.state import SagaState, StepState
from greenroom.actors.saga.step import Parallel, Part, Race, Step, Wait

Standing = Literal["done", "failed", "open"]
MAY_HAVE_DONE = ("done", "failed", "overdue", "dropped")  # so it is to be undone
BEING_UNDONE = ("undoing", "undo_resting")


class Begin(Struct, frozen=True):
    """Tell a step, or wait."""

    leaf: Leaf


class Drop(Struct, frozen=True):
    """Wait for it no more."""

    step: StepState


class TakeBack(Struct, frozen=True):
    """Undo a step that was told."""

    step: StepState


class GoBack(Struct, frozen=True):
    """It can't be done."""


class End(Struct, frozen=True):
    """Nothing is left to do."""

    outcome: Outcome


Move: TypeAlias = Begin | Drop | TakeBack | GoBack | End


class Outlook:
    """How a plan stands, what is to be begun, and which steps have been begun in vain."""

    def __init__(self, steps: Iterable[StepState]) -> None:
        self.steps = {step.name: step for step in steps}
        self.begin: list[Leaf] = []
        self.in_vain: list[str] = []

    def of_all(self, parts: Sequence[Part]) -> Standing:
        """One after the other."""
        for part in parts:
            standing = self.of(part)
            if standing != "done":
                return standing
        return "done"

    def of(self, part: Part) -> Standing:
        match part:
            case Step():
                return self._of_leaf(part)
            case Wait():
                found = self.steps.get(part.name)
                if found is not None and found.status == "overdue" and part.otherwise is not None:
                    return self.of_all(part.otherwise)
                return self._of_leaf(part)
            case Parallel():
                found_standings = [self.of_all(branch) for branch in part.branches]
                if "failed" in found_standings:
                    return "failed"
                return "open" if "open" in found_standings else "done"
            case Race():
                return self._of_race(part)

    def _of_leaf(self, leaf: Leaf) -> Standing:
        found = self.steps.get(leaf.name)
        if found is None:
            self.begin.append(leaf)
            return "open"
        if found.is_open:
            return "open"
        return "done" if found.status == "done" else "failed"

    def _of_race(self, race: Race) -> Standing:
        """The first branch that is done wins: by then the others are dropped, so no second one ever is."""
        begin, in_vain = self.begin, self.in_vain
        runners: list[tuple[Standing, list[Leaf], list[str]]] = []
        for branch in race.branches:
            self.begin, self.in_vain = [], []
            standing = self.of_all(branch)
            runners.append((standing, self.begin, self.in_vain))
        self.begin, self.in_vain = begin, in_vain
        winner = next((number for number, one in enumerate(runners) if one[0] == "done"), None)
        for number, (standing, its_begin, its_in_vain) in enumerate(runners):
            lost = standing == "failed" if winner is None else number != winner
            if lost:
                self.in_vain += [leaf.name for leaf in leaves_of(race.branches[number]) if leaf.name in self.steps]
            else:
                self.begin += its_begin
                self.in_vain += its_in_vain
        if winner is not None:
            return "done"
        return "open" if any(standing == "open" for standing, _, _ in runners) else "failed"


def next_move(state: SagaState, plan: Plan) -> Move | None:
    """None while something is waited for, and at the end."""
    if state.status == "running":
        return _forwards(state, plan)
    if state.status == "undoing":
        return _back(state.steps, plan) or _end(state, state.steps, plan, "undone")
    return None


def _forwards(state: SagaState, plan: Plan) -> Move | None:
    outlook = Outlook(state.steps)
    standing = outlook.of_all(plan.parts)
    if standing == "failed":
        return GoBack()
    names = set(outlook.in_vain)
    in_vain = [step for step in state.steps if step.name in names] if names else []
    if in_vain and (move := _back(in_vain, plan)) is not None:
        return move
    if outlook.begin:
        return Begin(outlook.begin[0])
    return _end(state, in_vain, plan, "done") if standing == "done" else None


def _back(steps: Sequence[StepState], plan: Plan) -> Drop | TakeBack | None:
    """What is under way is dropped at once; what was done is undone one by one, the newest first."""
    for step in steps:
        if step.is_open:
            return Drop(step)
    if any(step.status in BEING_UNDONE for step in steps):
        return None
    for step in reversed(steps):
        if is_to_be_undone(step, plan):
            return None if is_under_way(step) else TakeBack(step)
    return None


def _end(state: SagaState, back: Sequence[StepState], plan: Plan, well: Outcome) -> End | None:
    """Once all of `back` is undone, and no job of it goes on behind the saga's back."""
    if any(step.status in BEING_UNDONE or is_to_be_undone(step, plan) or is_under_way(step) for step in back):
        return None
    return End("stuck" if any(step.status == "stuck" for step in state.steps) else well)


def is_to_be_undone(step: StepState, plan: Plan) -> bool:
    if step.status not in MAY_HAVE_DONE or not step.entity or step.taken:
        return False
    leaf: Any = plan.leaves.get(step.name)  # a step that is no longer known is not among those without an undo
    return leaf is None or leaf.undo is not None


def is_under_way(step: StepState) -> bool:
    """Is it a job that nobody waits for and that has not ended? What it does and its undo have no order."""
    return bool(step.queue) and step.status in ("overdue", "dropped") and not (step.ended or step.late)
