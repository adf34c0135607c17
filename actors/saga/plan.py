"""What a saga does next: forwards until a step fails, then back, the newest first."""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from greenroom.actors.saga.events import Outcome
from greenroom.actors.saga.state import SagaState, StepState
from greenroom.actors.saga.step import Step


class Begin(Struct, frozen=True):
    """Tell the next step."""

    step: Step[Any]


class TakeBack(Struct, frozen=True):
    """Undo a step that was told."""

    step: StepState


class End(Struct, frozen=True):
    """Nothing is left to do."""

    outcome: Outcome


def next_move(state: SagaState, steps: Sequence[Step[Any]]) -> Begin | TakeBack | End | None:
    """None while an answer is waited for, and at the end."""
    if any(step.status in ("running", "undoing") for step in state.steps):
        return None
    if state.status == "running":
        return Begin(steps[len(state.steps)]) if len(state.steps) < len(steps) else End("done")
    if state.status == "undoing":
        final = {step.name for step in steps if step.undo is None}  # a step that is no longer known is not among them
        for done in reversed(state.steps):
            if done.status in ("done", "overdue") and done.name not in final:
                return TakeBack(done)
        return End("stuck" if any(step.status == "stuck" for step in state.steps) else "undone")
    return None
