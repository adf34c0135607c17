"""Several sides answer one question in one run, in turn; each side's medians, and how ours compare."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from bench.question import Answer, Results
from bench.reporting.percentiles import medians
from bench.reporting.sides import Side, in_turn


@dataclass(frozen=True, slots=True)
class Compared:
    """What one side found."""

    side: Side
    runs: tuple[Answer, ...]

    @property
    def results(self) -> Results:
        """Medians, field by field."""
        return medians([run.results for run in self.runs])

    @property
    def warnings(self) -> list[str]:
        """Each once."""
        return list(dict.fromkeys(warning for run in self.runs for warning in run.warnings))

    def as_peer(self) -> dict[str, Any]:
        """As it stands in the JSON of a benchmark."""
        return {
            "name": self.side.name,
            "durability": self.side.durability,
            "about": self.side.about,
            "results": self.results,
        }


def compare(sides: Sequence[Side], runs: int, ask: Callable[[Side], Answer]) -> list[Compared]:
    """Ask every side `runs` times, in turn. Raises: what `ask` raises."""
    found: dict[str, list[Answer]] = {side.name: [] for side in sides}
    for side in in_turn(sides, runs):
        found[side.name].append(ask(side))
    return [Compared(side, tuple(found[side.name])) for side in sides]


def ratio(ours: float, theirs: float) -> str:
    """Ours through theirs, as it is printed; empty where that says nothing."""
    return f"{ours / theirs:.2f}" if theirs else ""
