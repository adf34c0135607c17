"""Who takes part in a measurement, and in which order: we alone, or we and peers, in turn."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from bench.question import Answer, Question, Say

OURS = "greenroom"
DURABLE = "durable: every message is in Postgres, with fsync, before anybody hears of it"


@dataclass(frozen=True, slots=True)
class Side:
    """One that answers a question. Two sides get the same parameters and the same generators."""

    name: str
    answer: Callable[[Any, Say], Answer]
    durability: str  # what becomes of a message when the power goes
    about: str = ""  # version, and how it was configured


def ours(question: Question) -> Side:
    """Greenroom."""
    return Side(OURS, question.answer, DURABLE)


def in_turn(sides: Sequence[Side], runs: int) -> Iterator[Side]:
    """Every side `runs` times: A B, B A, A B … so that a machine that slows down or recovers favours nobody."""
    for number in range(runs):
        yield from sides if number % 2 == 0 else reversed(sides)
