"""What a run has found: figures, and of each kind of what is broken a few sentences."""

from dataclasses import dataclass, field

EXAMPLES_MAX = 5  # of each kind


@dataclass(slots=True)
class Verdict:
    acknowledged: int = 0
    paid: int = 0  # payments acknowledged
    seen: int = 0  # publications, over all subscribers
    repeated: int = 0  # answers to a key that had been answered before
    reconnects: int = 0
    resynchronised: int = 0  # subscribers told to start over; allowed, and said
    passed_over: int = 0  # publications between there and where they had been
    lost: int = 0
    duplicated: int = 0
    reordered: int = 0
    contradicted: int = 0  # two answers to one key, or something that the history has otherwise
    refused: int = 0  # sends refused for good
    not_recovered: int = 0  # clients without a subscription, sends or other commands without an answer
    examples: dict[str, list[str]] = field(default_factory=dict)  # by the field that counts them

    @property
    def broken(self) -> int:
        told = self.lost + self.duplicated + self.reordered + self.contradicted
        return told + self.refused + self.not_recovered

    def count(self, what: str, example: str, times: int = 1) -> None:
        """Add to the field `what`, with a sentence about it."""
        setattr(self, what, getattr(self, what) + times)
        examples = self.examples.setdefault(what, [])
        if len(examples) < EXAMPLES_MAX:
            examples.append(example)
