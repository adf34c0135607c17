"""Steps that can't be: refused where a saga is written."""

from typing import Any

import pytest

from greenroom import Step
from tests.actors.saga.trip import Trip, book


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        (lambda: (), "1 to 50 steps"),
        (lambda: Trip.steps[:1] * 2, "one name"),
        (lambda: (Step(name="Car", do=book, deadline_s=1.0),), "name must match"),
        (lambda: (Step(name="car", do=book, deadline_s=0.0),), "must be positive"),
    ],
)
def test_bad_steps_are_refused_with_the_class(steps: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        type("Bad", (Trip,), {"steps": steps()})
