"""Placement: which node a shard is to be on, which follows from who there is, and from nothing else.

Weighted rendezvous hashing. Every node draws a number for every shard, and the highest, weighed by capacity, has it. So
all nodes come to the same answer without a word; each has its part in proportion to its capacity; and when one comes or
goes nothing moves but what goes to it or was its own.

Source: Schindelhauer and Schomaker, "Weighted Distributed Hash Tables" (2005), the logarithmic method.
"""

from collections.abc import Collection, Mapping
from hashlib import shake_128
from math import log
from struct import unpack

NOBODY = -1  # no incarnation is negative


def draws(incarnation: int, capacity: int, shards: int) -> list[float]:
    """What a node of that capacity draws for each shard. The first ones are the same however many there are."""
    drawn = unpack(f">{shards}Q", shake_128(incarnation.to_bytes(8, "big")).digest(8 * shards))
    return [capacity / -log(((one >> 12) + 0.5) / 2.0**52) for one in drawn]  # of so many bits that none rounds to 1


class Placement:
    """Of all shards over those nodes that were named last."""

    def __init__(self, shards: int) -> None:
        self.desired = [NOBODY] * shards  # shard -> incarnation
        self._highest = [0.0] * shards
        self._draws: dict[int, list[float]] = {}
        self._capacities: dict[int, int] = {}

    def place(self, capacities: Mapping[int, int]) -> bool:
        """Over these nodes: incarnation -> capacity, which never changes for a node. Is it another placement now?"""
        before = self._capacities
        if capacities == before:
            return False
        gone = before.keys() - capacities.keys()
        come = capacities.keys() - before.keys()
        self._capacities = dict(capacities)
        for incarnation in gone:
            del self._draws[incarnation]
        desired, highest = self.desired, self._highest
        if gone:
            left = list(self._draws.items())
            for shard, incarnation in enumerate(desired):
                if incarnation in gone:
                    highest[shard], desired[shard] = _highest(left, shard)
        for incarnation in come:
            drawn = self._draws[incarnation] = draws(incarnation, capacities[incarnation], len(desired))
            for shard, one in enumerate(drawn):
                if (one, incarnation) > (highest[shard], desired[shard]):
                    highest[shard], desired[shard] = one, incarnation
        return True

    def without(self, gone: Collection[int], shards: Collection[int]) -> dict[int, int]:
        """By shard, where those are to be once these nodes are gone; without those that nobody is left for."""
        left = [(one, drawn) for one, drawn in self._draws.items() if one not in gone]
        nexts = {
            shard: desired if (desired := self.desired[shard]) not in gone else _highest(left, shard)[1]
            for shard in shards
        }
        return {shard: following for shard, following in nexts.items() if following != NOBODY}


def _highest(draws: Collection[tuple[int, list[float]]], shard: int) -> tuple[float, int]:
    """What was drawn, and by whom."""
    return max(((drawn[shard], one) for one, drawn in draws), default=(0.0, NOBODY))
