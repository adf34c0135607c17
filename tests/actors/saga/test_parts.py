"""Plans that can't be: refused where a saga is written."""

from typing import Any

import pytest

from greenroom import Step, parallel, race, wait_for
from tests.actors.saga.market import Approve, Ring, step
from tests.actors.saga.trip import Trip, book


def nested(depth: int) -> Any:
    return step("deep") if depth == 0 else parallel(nested(depth - 1), step(f"s{depth}"))


def wait_or(otherwise: Any) -> Any:
    return wait_for(Ring, within=1.0, otherwise=otherwise)


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        (lambda: (), "1 to 50 steps"),
        (lambda: tuple(step(f"s{number}") for number in range(51)), "1 to 50 steps"),
        (lambda: Trip.steps[:1] * 2, "one name"),
        (lambda: (Trip.steps[0], parallel(step("a"), Trip.steps[0])), "one name"),
        (lambda: (Step(name="Car", do=book, deadline_s=1.0),), "name must match"),
        (lambda: (Step(name="car", do=book, deadline_s=0.0),), "must be positive"),
        (lambda: (parallel(step("a")),), r"parallel\(\) has 2 to 16 branches, not 1"),
        (lambda: (race(*(step(f"s{number}") for number in range(17))),), r"race\(\) has 2 to 16 branches, not 17"),
        (lambda: (parallel((), step("a")),), "has no steps"),
        (lambda: (nested(4),), "at most 4 deep"),
        (lambda: (parallel(step("a"), step("b", undo=None, deadline_s=None)),), "stands alone"),
        (lambda: (race(step("a"), (step("b"), wait_or(step("c", undo=None, deadline_s=None)))),), "stands alone"),
        (lambda: ((step("a"), step("b")),), "made of Step, wait_for, parallel and race"),
        (lambda: (wait_for(Approve, within=1.0), wait_for(Approve, within=1.0, name="b")), "wait for Approve"),
        (lambda: (wait_for(Approve, within=0.0),), "`within` must be positive"),
        (lambda: (wait_for(Approve, within=None, otherwise=()),), "`otherwise` comes after `within`"),
        (lambda: (wait_for(Approve, within=1.0, name="B"),), "name must match"),
        (lambda: (wait_for(Ring, within=1.0, sent_by="anybody"),), "`sent_by`"),  # type: ignore[arg-type]
    ],
)
def test_bad_plans_are_refused_with_the_class(steps: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        type("Bad", (Trip,), {"steps": steps()})


def test_as_much_as_may_be_is_taken() -> None:
    last = wait_or(step("last", undo=None, deadline_s=None))
    type("Deep", (Trip,), {"steps": (nested(3), race(*(step(f"r{number}") for number in range(16))), last)})


def test_whoever_lets_users_tell_it_something_says_which_of_them() -> None:
    steps = (wait_for(Approve, within=1.0, sent_by="users"),)
    with pytest.raises(ValueError, match="`may_tell` must say which"):
        type("Open", (Trip,), {"steps": steps})
    type("Strict", (Trip,), {"steps": steps, "may_tell": lambda self, message: None})
    type("Closed", (Trip,), {"steps": (wait_for(Approve, within=1.0),)})
