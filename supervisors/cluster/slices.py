"""Slices: how many entities are handed over at once, so that each is away for no longer than it must be.

Few, and each waits for little but itself; but a node with many of them would take for ever. So as many as are through
in a moment, by what the last slices took: that depends on machine, database and entities.
"""

from collections.abc import Mapping

FIRST, MOST = 16, 512  # entities
QUICK_S, SLOW_S = 0.05, 0.12  # a slice that is through sooner makes the next one larger; one that is later, smaller


class Slices:
    """Of one node."""

    def __init__(self) -> None:
        self._entities = FIRST

    def next(self, awake: Mapping[int, int]) -> list[int]:
        """The first of these shards: by shard, how many entities are awake in it. At least one, where there is any."""
        part: list[int] = []
        entities = 0
        for shard, count in awake.items():
            if part and entities + count > self._entities:
                break
            part.append(shard)
            entities += count
        return part

    def took(self, seconds: float) -> None:
        """The last slice has."""
        if seconds < QUICK_S:
            self._entities = min(2 * self._entities, MOST)
        elif seconds > SLOW_S:
            self._entities = max(self._entities // 2, 1)
