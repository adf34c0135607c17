"""The plan of a saga as a whole: its steps by name, and what is wrong with it."""

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

from greenroom.actors.model.message import Message
from greenroom.actors.saga.step import Parallel, Part, Race, Step, Wait

STEPS_MAX = 50  # steps and waits in all
BRANCHES_MAX = 16  # of one part
DEPTH_MAX = 4  # parts inside parts

Leaf: TypeAlias = Step[Any] | Wait


class Plan:
    """Of a class of sagas."""

    def __init__(self, parts: Sequence[Part]) -> None:
        """Raises: ValueError."""
        self.parts = tuple(parts)
        for part in self.parts:
            _check(part, 1, in_branch=False)
        self.leaves: dict[str, Leaf] = {}  # in the order of the plan
        names = [leaf.name for leaf in leaves_of(self.parts)]
        if not 1 <= len(names) <= STEPS_MAX:
            raise ValueError(f"a saga has 1 to {STEPS_MAX} steps, not {len(names)}")
        if len(set(names)) != len(names):
            raise ValueError(f"two steps have one name: {', '.join(names)}")
        self.leaves = {leaf.name: leaf for leaf in leaves_of(self.parts)}
        self.waits: dict[type[Message], Wait] = {}
        for leaf in self.leaves.values():
            if isinstance(leaf, Wait):
                if leaf.message in self.waits:
                    raise ValueError(f"two steps wait for {leaf.message.__qualname__}: which one is meant?")
                self.waits[leaf.message] = leaf
        # For these the saga does not go back at once when they fail: something else may be done instead.
        self.optional = frozenset(_optional(self.parts, False))

    def top_part_of(self, name: str) -> int | None:
        """Which of `parts` holds the step of that name?"""
        for number, part in enumerate(self.parts):
            if any(leaf.name == name for leaf in leaves_of((part,))):
                return number
        return None


def leaves_of(parts: Sequence[Part]) -> Iterator[Leaf]:
    """In the order in which they are written; what is done in place of a wait comes behind it."""
    for part in parts:
        match part:
            case Step():
                yield part
            case Wait():
                yield part
                yield from leaves_of(part.otherwise or ())
            case Parallel() | Race():
                for branch in part.branches:
                    yield from leaves_of(branch)


def _optional(parts: Sequence[Part], optional: bool) -> Iterator[str]:
    for part in parts:
        match part:
            case Step():
                if optional:
                    yield part.name
            case Wait():
                if optional or part.otherwise is not None:
                    yield part.name
                yield from _optional(part.otherwise or (), optional)
            case Parallel():
                for branch in part.branches:
                    yield from _optional(branch, optional)
            case Race():
                for branch in part.branches:
                    yield from _optional(branch, True)


def _check(part: Part, depth: int, *, in_branch: bool) -> None:
    if depth > DEPTH_MAX:
        raise ValueError(f"parts lie at most {DEPTH_MAX} deep in one another")
    match part:
        case Step():
            if in_branch and part.undo is None and part.deadline_s is None:
                # Its neighbours may fail, or be first, while it is under way: then it is dropped.
                raise ValueError(
                    f"step {part.name!r}: what can't be taken back is waited for, so it stands alone; in a branch of "
                    "parallel() or race() it needs an `undo` or a `deadline_s`"
                )
        case Wait():
            for one in part.otherwise or ():
                _check(one, depth + 1, in_branch=in_branch)
        case Parallel() | Race():
            name = type(part).__name__.lower()
            if not 2 <= len(part.branches) <= BRANCHES_MAX:
                raise ValueError(f"{name}() has 2 to {BRANCHES_MAX} branches, not {len(part.branches)}")
            for branch in part.branches:
                if not branch:
                    raise ValueError(f"a branch of {name}() has no steps")
                for one in branch:
                    _check(one, depth + 1, in_branch=True)
        case _:
            raise ValueError(f"a plan is made of Step, wait_for, parallel and race, not of {part!r:.80}")
