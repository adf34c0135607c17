"""Asking: what is said or done of flows once the store has told how jobs are. The queue goes on meanwhile. Pure.

Who asks says what is to be done with the answer; one that never comes is forgotten with whoever waits for it.
"""

from collections.abc import Callable, Mapping

from msgspec import Struct

from greenroom.actors.model.errors import Overloaded
from greenroom.actors.model.message import Later
from greenroom.store.jobs.jobs import JobOutcome

ASKED_MAX = 64  # workers of one queue that wait for such an answer
FORGOTTEN_MS = 60_000  # after which nobody waits: a command's own deadline is shorter

Outcomes = Mapping[str, JobOutcome]
Then = Callable[[Outcomes], object]


class Asked(Struct):
    """One question."""

    then: Then  # with the answer; what it returns is the reply
    later: Later | None
    at_ms: int


class Asking:
    """Of one queue."""

    def __init__(self, first: int) -> None:
        """`first`: by chance, since what a former life has asked for may still be answered to this one."""
        self._asked: dict[int, Asked] = {}
        self._number = first

    def ask(self, then: Then, now_ms: int, later: Later | None = None) -> int:
        """The number of the question. Raises: Overloaded, where somebody is to wait `later`."""
        for number in [number for number, one in self._asked.items() if one.at_ms + FORGOTTEN_MS <= now_ms]:
            del self._asked[number]
        if later is not None and len(self._asked) >= ASKED_MAX:
            raise Overloaded("too many wait to hear how jobs are")
        self._number += 1
        self._asked[self._number] = Asked(then, later, now_ms)
        return self._number

    def answered(self, number: int) -> Asked | None:
        """None: nobody waits for it any more."""
        return self._asked.pop(number, None)
