"""Processes that add jobs, ours or a peer's, as the bench tells them to."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bench.load.generators import Fleet, Link, fleet
from bench.load.queueing import LEFT_S

READY_S = 30.0


class Adders:
    """`count` of them, and how many jobs they have added in all."""

    def __init__(self, generators: Fleet, count: int) -> None:
        self._generators = generators
        self._count = count
        self.total = 0

    def add(self, how: str, amount: float, plan: object, *, within_s: float = LEFT_S) -> float:
        """Jobs a second. `amount`: seconds; in bulk, what all of them together are to add."""
        self._generators.tell("add", (how, amount / self._count if how == "bulk" else amount, plan))
        found = self._generators.wait("added", within_s=within_s)
        self.total += sum(total for _, _, total in found)
        rate: float = sum(count for count, _, _ in found) / max(seconds for _, seconds, _ in found)
        return rate


@contextmanager
def adding(add: Callable[[Link, None], None], count: int) -> Iterator[Adders]:
    """So many, until the block ends. `add`: what each of them is."""
    with fleet(add, [None] * count) as generators:
        generators.wait("ready", within_s=READY_S)
        yield Adders(generators, count)
