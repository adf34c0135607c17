"""What a saga does next, from how far it is."""

from typing import Any

import pytest

from greenroom import Done, Step
from greenroom.actors.saga.parts import Plan
from greenroom.actors.saga.plan import Begin, End, TakeBack, next_move
from greenroom.actors.saga.state import SagaState, StepState, StepStatus


def anything(_: Any) -> Any:
    return Done()


STEPS = [
    Step(name="car", do=anything, undo=anything, deadline_s=None),
    Step(name="mail", do=anything, deadline_s=None),
    Step(name="hotel", do=anything, undo=anything, deadline_s=None),
]
PLAN = Plan(STEPS)


def state(status: Any, **steps: StepStatus) -> SagaState:
    return SagaState(status=status, steps=[StepState(name, f"{name}:1", how) for name, how in steps.items()])


@pytest.mark.parametrize(
    ("found", "move"),
    [
        (state("new"), None),
        (state("running"), Begin(STEPS[0])),
        (state("running", car="done"), Begin(STEPS[1])),
        (state("running", car="running"), None),
        (state("running", car="done", mail="done", hotel="done"), End("done")),
        (state("undoing", car="refused"), End("undone")),
        (state("undoing", car="undoing", mail="overdue"), None),
        (state("undoing", car="undone", mail="refused"), End("undone")),
        (state("undoing", car="stuck", mail="refused"), End("stuck")),
        (state("done", car="done", mail="done", hotel="done"), None),
        (state("stuck", car="stuck"), None),
    ],
)
def test_what_comes_next(found: SagaState, move: object) -> None:
    assert next_move(found, PLAN) == move


def test_the_newest_is_taken_back_first_and_what_has_no_undo_never() -> None:
    both = state("undoing", car="done", mail="done", hotel="overdue")
    assert next_move(both, PLAN) == TakeBack(both.steps[2])
    both.steps[2].status = "undone"
    assert next_move(both, PLAN) == TakeBack(both.steps[0]), "a mail can't be taken back"
    both.steps[0].status = "undone"
    assert next_move(both, PLAN) == End("undone")


def test_a_step_that_the_code_no_longer_knows_is_taken_back_too() -> None:
    gone = state("undoing", train="done")
    assert next_move(gone, PLAN) == TakeBack(gone.steps[0])
