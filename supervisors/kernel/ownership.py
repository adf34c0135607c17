"""Ownership: may this node wake an entity, under which term, and until when? One node owns all."""

import math


class Ownership:
    """Of a node that is alone. Shards with owners of their own will answer the same three questions."""

    def __init__(self, term: int = 1) -> None:
        self._term = term

    def owns(self, entity: str) -> bool:
        return True

    def term(self, entity: str) -> int:
        """The upper half of the entity's fence: one more with each change of its owner."""
        return self._term

    @property
    def valid_until(self) -> float:
        """trio time up to which these answers hold without asking anybody."""
        return math.inf
