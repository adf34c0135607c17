"""Patience: what follows from a delivery that has failed. Decisions only.

A batch that fails is delivered by halves, until one event is alone. Is it the event, or the other side? An event that
fails again and again while others are delivered is at fault, and its entity is parked; while nothing is delivered at
all, nothing says so, and the sink rests. What the other side refuses outright needs no proof, unless it refuses
everything: then it is not the events that are wrong.
"""

from collections.abc import Iterable
from enum import Enum, auto
from typing import NamedTuple

from greenroom.supervisors.supervision.backoff import NewBackoff

FAILURES_MAX = 12  # in a row, at any number of events; beyond, the sink rests after each
REFUSED_MAX = 20  # entities that are parked in a row for a refusal, with nothing delivered between
HELD_MAX = 1_000  # entities that wait by themselves; beyond, it is the other side


class Verdict(Enum):
    """What to do about a batch that was not delivered."""

    SPLIT = auto()  # deliver it by halves
    HOLD = auto()  # this entity waits, others go on
    PARK = auto()  # this entity waits until somebody has it tried again
    REST = auto()  # all of the sink waits


class Suspect(NamedTuple):
    """Entities of which one at least has an event that fails, by their heads, and how many events to try at once."""

    head_ids: tuple[int, ...]
    events: int

    def halves(self) -> "list[Suspect]":
        """The first is to be tried first. Of one entity the second comes by itself, after the first."""
        half = len(self.head_ids) // 2
        if half:
            return [Suspect(self.head_ids[:half], self.events), Suspect(self.head_ids[half:], self.events)]
        return [Suspect(self.head_ids, max(self.events // 2, 1))]


class _Held:
    """An entity whose next event fails."""

    def __init__(self, delivered: int, waits: NewBackoff) -> None:
        self.attempts = 0
        self.delivered = delivered  # batches, when it failed first
        self.due = 0.0
        self.waits = waits()


class Patience:
    """Of one sink on one node. Times are of trio's clock, seconds."""

    def __init__(self, *, attempts_max: int, waits: NewBackoff) -> None:
        """`waits`: between two attempts at one entity's event."""
        self._attempts_max = attempts_max
        self._waits = waits
        self._held: dict[int, _Held] = {}
        self._delivered = 0
        self._failures = 0
        self._refused = 0

    def delivered(self, head_ids: Iterable[int]) -> None:
        """A batch with events of these."""
        self._delivered += 1
        self._failures = self._refused = 0
        for head_id in head_ids:
            self._held.pop(head_id, None)

    def failed(self, suspect: Suspect, *, is_refused: bool, now: float) -> Verdict:
        """Those that were tried could not be delivered; `suspect.events` as many as there were."""
        self._failures += 1
        is_alone = len(suspect.head_ids) == 1 and suspect.events <= 1
        if not is_alone:
            return Verdict.SPLIT if self._failures <= FAILURES_MAX else Verdict.REST
        (head_id,) = suspect.head_ids
        if is_refused:
            self._refused += 1
            return Verdict.PARK if self._refused <= REFUSED_MAX else Verdict.REST
        held = self._held.get(head_id)
        if held is None:
            if len(self._held) >= HELD_MAX:
                return Verdict.REST
            held = self._held[head_id] = _Held(self._delivered, self._waits)
        held.attempts += 1
        if held.attempts >= self._attempts_max and self._delivered > held.delivered:
            return Verdict.PARK
        held.due = now + held.waits.next()
        return Verdict.HOLD if self._failures <= FAILURES_MAX else Verdict.REST

    def forget(self, head_id: int) -> None:
        """It is parked, or has nothing more."""
        self._held.pop(head_id, None)

    def forget_all(self) -> None:
        self._held.clear()

    def is_held(self, head_id: int) -> bool:
        return head_id in self._held

    def due(self, now: float) -> int | None:
        """One that has waited for long enough."""
        return next((head_id for head_id, held in self._held.items() if held.due <= now), None)

    @property
    def next_due(self) -> float:
        """When the next one has; infinity where none waits."""
        return min((held.due for held in self._held.values()), default=float("inf"))
