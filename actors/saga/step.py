"""A step of a saga: what is told to whom, how that is taken back, and how long an answer may take."""

import re
from collections.abc import Callable, Sequence
from typing import Any, Generic

from msgspec import Struct

from greenroom.actors.model.message import Message
from greenroom.actors.saga.so_far import Input, SoFar

STEPS_MAX = 50
_NAME = re.compile(r"[a-z][a-z0-9_]*")


class Step(Struct, Generic[Input], frozen=True, kw_only=True):
    """`do` gives the entity and the message; `undo` the message that takes it back, to the same entity.

    Both decide from what they are given alone, and may refuse (`raise Refused`): the step is then refused before
    anything was told. Undo is told after do, always, even when do was never answered; so it may come for a step that
    did nothing, and must then be answered too. A step without an undo is one that need not be taken back.
    """

    name: str  # kept in the journal: never rename it
    do: Callable[[SoFar[Input]], tuple[str, Message]]
    undo: Callable[[SoFar[Input]], Message] | None = None
    # Until the answer, in seconds. None waits as long as it takes, also past the deadline of the saga: for a step that
    # can't be taken back, and therefore comes last.
    deadline_s: float | None

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"a step's name must match {_NAME.pattern}, not {self.name!r}")
        if self.deadline_s is not None and self.deadline_s <= 0:
            raise ValueError(f"step {self.name!r}: `deadline_s` must be positive, or None")


def check_steps(steps: Sequence[Step[Any]]) -> None:
    """Raises: ValueError."""
    if not 1 <= len(steps) <= STEPS_MAX:
        raise ValueError(f"a saga has 1 to {STEPS_MAX} steps, not {len(steps)}")
    names = [step.name for step in steps]
    if len(set(names)) != len(names):
        raise ValueError(f"two steps have one name: {', '.join(names)}")
