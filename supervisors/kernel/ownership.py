"""Ownership: may this node wake an entity, and under which term? One node owns all."""


class Ownership:
    """Of a node that is alone. Shards with owners of their own will answer the same two questions."""

    def __init__(self, term: int = 1) -> None:
        self._term = term

    def owns(self, entity: str) -> bool:
        return True

    def term(self, entity: str) -> int:
        """The upper half of the entity's fence: one more with each change of its owner."""
        return self._term
