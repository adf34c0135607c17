"""What every benchmark file offers: a question, its parameters, what its figures mean, and how to answer it.

A file defines a frozen dataclass of parameters (one `param(...)` a field, which the command line turns into options)
and ends in `QUESTION = Question(...)`.
"""

from collections.abc import Callable
from dataclasses import MISSING, dataclass, field, fields
from typing import Any

Results = dict[str, float | int]
Say = Callable[[str, float], None]  # what is being done, and the share of it that is done (0..1)


@dataclass(frozen=True, slots=True)
class Answer:
    """What one run found."""

    results: Results  # the fields of the interface first, then further ones
    curves: dict[str, list[tuple[float, float]]] = field(default_factory=dict)  # name -> (share 0..1, milliseconds)
    warnings: list[str] = field(default_factory=list)  # why a figure may not be what it seems


@dataclass(frozen=True, slots=True)
class Figure:
    """One result field: what it says, and what the project wants of it."""

    meaning: str
    at_least: float | None = None
    at_most: float | None = None

    def reached(self, value: float) -> bool | None:
        """None when no figure was set."""
        if self.at_least is None and self.at_most is None:
            return None
        return (self.at_least is None or value >= self.at_least) and (self.at_most is None or value <= self.at_most)

    def goal(self) -> str:
        """The figure as people write it; empty when none was set."""
        if self.at_least is not None:
            return f"≥ {self.at_least:,g}" if self.at_least < 1e6 else f"≥ {self.at_least:,.0f}"
        return f"≤ {self.at_most:,g}" if self.at_most is not None else ""


@dataclass(frozen=True, slots=True)
class Load:
    """What a sweep turns, and which results it follows."""

    param: str  # the name of a parameter
    unit: str  # in which people count it
    points: tuple[float, ...]  # its values, unless others are asked for
    done: str  # result field: how much of it was done each second
    p50: str  # result fields: latencies, ms
    p99: str


@dataclass(frozen=True, slots=True)
class Question:
    """A benchmark as the command line sees it."""

    name: str
    asks: str  # the question, one sentence
    params: type[Any]  # a frozen dataclass; it has a field `seconds` when the length of the run can be chosen
    figures: dict[str, Figure]
    answer: Callable[[Any, Say], Answer]
    load: Load | None = None  # None: it has no load that could be swept


def param(default: Any, help: str) -> Any:
    """A parameter with its default and the line that `--help` shows."""
    return field(default=default, metadata={"help": help})


def options(params: type[Any]) -> list[tuple[str, Any, str]]:
    """Name, default and help of every parameter of a benchmark."""
    found = []
    for each in fields(params):
        assert each.default is not MISSING, f"{params.__name__}.{each.name} needs a default"
        found.append((each.name, each.default, str(each.metadata.get("help", ""))))
    return found
