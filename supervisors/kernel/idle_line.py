"""The line of those awake, the longest idle first, which costs a message nothing.

A message only sets its cell's `last_active`, so a place in the line may be too far ahead, never too far behind: whoever
is looked at and has been active since is sent back to where it belongs. What is looked at are thus those at the head
that are idle, and those that have been active since they were placed.
"""

from collections.abc import Mapping
from heapq import heappop, heappush, heapreplace
from itertools import count
from typing import Generic, Protocol, TypeVar


class Idler(Protocol):
    """A cell, as far as its being idle goes."""

    @property
    def last_active(self) -> float: ...


C = TypeVar("C", bound=Idler)


class IdleLine(Generic[C]):
    """Entities of one `idle_s`, ordered by when they were last known to be active."""

    def __init__(self, awake: Mapping[str, C]) -> None:
        self._awake = awake
        self._heap: list[tuple[float, int, str]] = []
        self._place: dict[str, int] = {}  # entity -> which of its places counts: an earlier cell may have left one
        self._numbers = count()

    def __len__(self) -> int:
        return len(self._place)

    @property
    def first(self) -> float:
        """Nobody has been idle since before this; inf when nobody is awake."""
        return self._heap[0][0] if self._heap else float("inf")

    def join(self, entity: str, at: float) -> None:
        number = self._place[entity] = next(self._numbers)
        heappush(self._heap, (at, number, entity))

    def step(self, now: float) -> C | None:
        """Look at the first. The cell when nobody has been idle for longer, and then it is counted as looked at `now`,
        which puts it behind all others. None when it has been active since it was placed, or has ended: its place has
        been set right. Only when somebody is in line."""
        placed, number, entity = self._heap[0]
        cell = self._awake.get(entity)
        if cell is None or self._place[entity] != number:
            heappop(self._heap)
            if self._place.get(entity) == number:
                del self._place[entity]
            return None
        active = cell.last_active
        if active > placed:
            heapreplace(self._heap, (active, number, entity))
            return None
        heapreplace(self._heap, (now, number, entity))
        return cell
