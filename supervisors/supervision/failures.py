"""Failures: what went wrong with entities lately, for whoever asks why one is down. Written when something does."""

from collections import OrderedDict
from collections.abc import Callable

import trio
from msgspec import Struct

ENTITIES_MAX = 1_000  # of those that failed longest ago nothing is known any more
EACH_MAX = 5  # of one entity
ERROR_CHARACTERS_MAX = 500


class Failure(Struct, frozen=True):
    """One of them."""

    at: float  # Unix s
    entity: str
    what: str  # restarted, failed or damaged
    error: str


class Failures:
    """Of one node's entities."""

    def __init__(self, clock: Callable[[], float] = trio.current_time) -> None:
        """`clock` gives Unix seconds."""
        self._clock = clock
        self._by_entity: OrderedDict[str, list[Failure]] = OrderedDict()

    def note(self, entity: str, what: str, error: str) -> None:
        """It has just failed: it is built anew, or stays down."""
        failures = self._by_entity.setdefault(entity, [])
        failures.append(Failure(self._clock(), entity, what, error[:ERROR_CHARACTERS_MAX]))
        del failures[:-EACH_MAX]
        self._by_entity.move_to_end(entity)
        if len(self._by_entity) > ENTITIES_MAX:
            self._by_entity.popitem(last=False)

    def of(self, entity: str) -> list[Failure]:
        """The newest first."""
        return self._by_entity.get(entity, [])[::-1]

    def newest(self, limit: int) -> list[Failure]:
        """The last of each entity, of those that failed last."""
        newest: list[Failure] = []
        for failures in reversed(self._by_entity.values()):
            if len(newest) == limit:
                break
            newest.append(failures[-1])
        return newest
