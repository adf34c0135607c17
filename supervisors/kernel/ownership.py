"""Ownership: may this node wake an entity, and under which term?"""

from typing import Protocol


class Ownership(Protocol):
    """What this node owns, as of now: see supervisors/cluster/membership.py."""

    def owns(self, entity: str) -> bool: ...

    def term(self, entity: str) -> int:
        """The upper half of the entity's fence: it rises with each change of its owner. Only for what is owned."""


class OwnsAll:
    """Of a node that nobody else shares its store with, as in a simulation or a benchmark."""

    def __init__(self, term: int = 1) -> None:
        self._term = term

    def owns(self, entity: str) -> bool:
        return True

    def term(self, entity: str) -> int:
        return self._term
