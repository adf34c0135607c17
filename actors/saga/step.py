"""What a saga's plan is made of: steps, waits, and parts that go on at once.

steps = (
    Step(name="reserve", do=reserve, undo=release, deadline_s=10),
    parallel(
        Step(name="charge", do=charge, undo=refund, deadline_s=10),
        (Step(name="label", do=print_label, deadline_s=10), Step(name="pack", do=pack, undo=unpack, deadline_s=10)),
    ),
    wait_for(Approve, within=3600),
    race(
        Step(name="van", do=call_van, undo=send_back, deadline_s=60),
        Step(name="bike", do=call_bike, undo=send_back, deadline_s=60),
    ),
)
"""

import re
from collections.abc import Callable
from typing import Any, Generic, Literal, TypeAlias, Union

from msgspec import Struct

from greenroom.actors.jobs.job import Job
from greenroom.actors.jobs.retry import Retry
from greenroom.actors.model.message import Message, tag_of
from greenroom.actors.saga.so_far import Input, SoFar

_NAME = re.compile(r"[a-z][a-z0-9_]*")

To: TypeAlias = tuple[str, Message]  # an entity, and what it is told


class Step(Struct, Generic[Input], frozen=True, kw_only=True):
    """`do` gives the entity and the message; `undo` the message that takes it back, to the same entity.

    Or `do` gives a job, with whose result the saga goes on; then `undo` gives a job too, or an entity and a message.

    Both decide from what they are given alone, and may refuse (`raise Refused`): the step is then refused before
    anything was told. Undo is told after do, always, even when do was never answered; so it may come for a step that
    did nothing, and must then be answered too. A step without an undo is one that need not be taken back.
    """

    name: str  # kept in the journal: never rename it
    do: Callable[[SoFar[Input]], To | Job]
    undo: Callable[[SoFar[Input]], Message | To | Job] | None = None
    # Until the answer, in seconds. None waits as long as it takes, also past the deadline of the saga: for a step that
    # can't be taken back, and therefore comes last.
    deadline_s: float | None
    retry: Retry | None = None  # how often it is told in all, and its undo, when they are refused; None: once

    def __post_init__(self) -> None:
        _check_name(self.name)
        if self.deadline_s is not None and self.deadline_s <= 0:
            raise ValueError(f"step {self.name!r}: `deadline_s` must be positive, or None")


class Wait(Struct, frozen=True, kw_only=True):
    """See `wait_for`."""

    name: str
    message: type[Message]
    within: float | None
    sent_by: Literal["entities", "users"]
    otherwise: "tuple[Part, ...] | None"


class Parallel(Struct, frozen=True):
    """See `parallel`."""

    branches: "tuple[tuple[Part, ...], ...]"


class Race(Struct, frozen=True):
    """See `race`."""

    branches: "tuple[tuple[Part, ...], ...]"


Part: TypeAlias = Union[Step[Any], Wait, Parallel, Race]  # noqa: UP007 - of a name that stands in quotes above
Branch: TypeAlias = Part | tuple[Part, ...]


def wait_for(
    message: type[Message],
    *,
    within: float | None,
    name: str = "",
    sent_by: Literal["entities", "users"] = "entities",
    otherwise: Branch | None = None,
) -> Wait:
    """Go on once the saga has been told `message`; one that comes before it is waited for is kept.

    `within` so many seconds, or however long it takes (None). Then the saga goes back; with `otherwise`, those parts
    are done, and it goes on: `()` is to go on at once. `so_far.reply(name, Class)` is the message, and the name that
    of its tag unless given. With `sent_by="users"` it is a command; `may_tell` says whose.

    Raises: ValueError for what can't be waited for so.
    """
    name = name or tag_of(message).partition(".")[2]
    _check_name(name)
    if within is not None and within <= 0:
        raise ValueError(f"wait {name!r}: `within` must be positive, or None")
    if sent_by not in ("entities", "users"):
        raise ValueError(f'wait {name!r}: `sent_by` is "entities" or "users", not {sent_by!r}')
    if within is None and otherwise is not None:
        raise ValueError(f"wait {name!r}: `otherwise` comes after `within`, which is None")
    return Wait(
        name=name,
        message=message,
        within=within,
        sent_by=sent_by,
        otherwise=None if otherwise is None else _branch(otherwise),
    )


def parallel(*branches: Branch) -> Parallel:
    """All branches at once; it goes on when each is done. When one fails, so does the whole: the others are dropped,
    and whatever was done is undone."""
    return Parallel(tuple(_branch(one) for one in branches))


def race(*branches: Branch) -> Race:
    """All branches at once; it goes on when the first is done. The others are dropped, and what they did is undone.
    A branch that fails is out of the race; it fails when all have."""
    return Race(tuple(_branch(one) for one in branches))


def _branch(parts: Branch) -> tuple[Part, ...]:
    return parts if isinstance(parts, tuple) else (parts,)


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise ValueError(f"a step's name must match {_NAME.pattern}, not {name!r}")
