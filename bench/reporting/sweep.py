"""One question at several loads, every side at each in turn: latency and CPU over load, in one run.

At each load every side gets a server of its own, fresh, so that what an earlier load left behind costs nobody anything.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bench.question import Answer, Load, Question
from bench.reporting.comparison import Compared, compare
from bench.reporting.sides import Side


@dataclass(frozen=True, slots=True)
class Point:
    """What all sides found at one load."""

    offered: float
    sides: tuple[Compared, ...]


@dataclass(frozen=True, slots=True)
class Sweep:
    """A whole sweep. `params`: those that did not change."""

    question: Question
    params: Any
    points: tuple[Point, ...]

    @property
    def load(self) -> Load:
        assert self.question.load is not None
        return self.question.load

    @property
    def sides(self) -> list[Side]:
        return [compared.side for compared in self.points[0].sides]

    def heads(self) -> list[str]:
        """Of the table whose rows `rows` gives."""
        load = self.load
        cpu = ["server CPU s", "store CPU s", "generator CPU s"]
        return [load.unit, "side", "done/s", "p50 ms", "p99 ms", *cpu, "by others"]

    def rows(self, point: Point) -> Iterator[list[str | float | int]]:
        """One for each side: what it did, how late it was, and what that cost."""
        load = self.load
        for compared in point.sides:
            found = compared.results
            yield [
                point.offered,
                compared.side.name,
                *(found[name] for name in (load.done, load.p50, load.p99)),
                *(found[name] for name in ("server_cpu_s", "store_cpu_s", "generator_cpu_s")),
                f"{found['others_cpu_share']:.0%}",
            ]

    def line(self, name: str, field: str) -> list[tuple[float, float]]:
        """A result field of the side `name` over the load, as (offered, value)."""
        return [
            (point.offered, compared.results[field])
            for point in self.points
            for compared in point.sides
            if compared.side.name == name
        ]

    def warnings(self) -> list[str]:
        """Each with the side and the load that it is about."""
        return [
            f"{compared.side.name} at {point.offered:,g} {self.load.unit}: {warning}"
            for point in self.points
            for compared in point.sides
            for warning in compared.warnings
        ]

    def as_json(self) -> list[dict[str, Any]]:
        """Load by load: the load, and the results of each side by its name."""
        return [
            {self.load.param: point.offered, "results": {each.side.name: each.results for each in point.sides}}
            for point in self.points
        ]


def sweep(
    question: Question,
    params: Any,
    sides: Sequence[Side],
    points: Sequence[float],
    runs: int,
    ask: Callable[[Side, Any, float], Answer],
) -> Sweep:
    """Ask every side at every load, `runs` times; `ask` gets the side, its parameters and the load.

    Raises: what `ask` raises.
    """
    load = question.load
    assert load is not None, f"{question.name} has no load that could be swept"
    found = []
    for offered in points or load.points:
        turned = replace(params, **{load.param: offered})

        def at_this_load(side: Side, turned: Any = turned, offered: float = offered) -> Answer:
            return ask(side, turned, offered)

        found.append(Point(offered, tuple(compare(sides, runs, at_this_load))))
    return Sweep(question, params, tuple(found))
