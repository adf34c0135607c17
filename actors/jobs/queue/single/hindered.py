"""Hindered: jobs of flows that are not to be tried again now, because of children that would be so with them, or of
theirs. That is looked for before any of them is begun anew: in the queues of the children nobody is there to be told.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol, TypeVar

from msgspec.structs import replace

from greenroom.actors.jobs.queue.flows.again import asked_of, behind, ending_of
from greenroom.actors.jobs.queue.single.anew import settled_with
from greenroom.actors.model.errors import Refused
from greenroom.store.jobs.jobs import JobFound, JobOutcome
from greenroom.store.journal.consequences.jobs import JobRow

LOOKED_AT_ONCE = 50  # rows of jobs: they come with their arguments
LOOKED_MAX = 10_000  # children of the jobs of one message

T = TypeVar("T")


class Reads(Protocol):
    """What is read for it."""

    async def outcomes(self, ids: list[str]) -> dict[str, JobOutcome]:
        """See QueueReads. Raises: Unavailable."""

    async def ended(self, ids: list[str]) -> list[JobFound]:
        """See QueueReads. Raises: Unavailable."""


async def hindered(rows: Iterable[JobRow], reads: Reads, *, detached: bool) -> dict[str, Refused]:
    """Those of these jobs that are, by id, and why. `detached`: behind the back of whoever has started a child, too.

    It goes down level by level; of too many children it looks at LOOKED_MAX, those nearest to the top. Raises:
    Unavailable.
    """
    found: dict[str, Refused] = {}
    level = [(row, {row.id}) for row in rows if asked_of(row)]  # with those of `rows` that it would be tried again for
    left = LOOKED_MAX
    while level:
        below: dict[str, set[str]] = {}
        for some in _parts(level):
            outcomes = await reads.outcomes(list({one for row, _ in some for one in asked_of(row)}))
            for row, above in some:
                for child in ending_of(row, outcomes):
                    why = Refused(
                        "queue.children_end",
                        f"its child {child} is being cancelled: retry it when that has ended",
                        status=409,
                    )
                    _blame(found, above, why)
                for ends in behind(row, outcomes)[1].values():
                    for child in ends:
                        below.setdefault(child, set()).update(above)
        level = []
        looked = list(below)[:left]
        left -= len(looked)
        for ids in _parts(looked):
            for one in await reads.ended(ids):
                above = below[one.row.id]
                origin = settled_with(one.row)
                if origin and not detached:
                    why = Refused(
                        "queue.settled",
                        f"{origin} has started its child {one.row.id}, and gone on: `detached` does it all the same",
                        status=409,
                    )
                    _blame(found, above, why)
                if asked_of(one.row):
                    level.append((replace(one.row, arguments=None), above))
    return found


def _blame(found: dict[str, Refused], above: Iterable[str], why: Refused) -> None:
    for one in above:
        found.setdefault(one, why)


def _parts(some: Sequence[T]) -> Iterator[list[T]]:
    for first in range(0, len(some), LOOKED_AT_ONCE):
        yield list(some[first : first + LOOKED_AT_ONCE])
