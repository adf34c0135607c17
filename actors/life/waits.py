"""Waits: whose handler waits for whose answer, as far as this node knows, so that no two wait for one another.

It knows of the asks of entities that live here, wherever they go, and of the asks of others that have come here. So a
circle over two nodes is seen on one of them, at the latest when its last ask arrives. Of one over more each knows a
part: see supervisors/correspondence/chasing.py.
"""

from collections.abc import Sequence


class Waits:
    """Of one node."""

    __slots__ = ("_asked",)

    def __init__(self) -> None:
        self._asked: dict[str, list[str]] = {}  # entity -> those that its handler waits for

    def __len__(self) -> int:
        """Whose handlers wait."""
        return len(self._asked)

    def begin(self, asker: str, entity: str) -> None:
        self._asked.setdefault(asker, []).append(entity)

    def end(self, asker: str, entity: str) -> None:
        asked = self._asked[asker]
        asked.remove(entity)
        if not asked:
            del self._asked[asker]

    def asked(self, entity: str) -> Sequence[str]:
        """Whom its handler waits for."""
        return self._asked.get(entity, ())

    def close(self, asker: str, entity: str) -> bool:
        """Would a circle be closed, if that asker waited for that entity? Two that ask one another at the same time are
        in neither's chain."""
        return asker == entity or self._waits_for(entity, asker)

    def gives_way(self, asker: str, entity: str) -> bool:
        """The same of an ask that comes from another node, which may see it as well: of two that ask each other, both
        nodes have the same one give way."""
        return self.close(asker, entity) and (asker not in self._asked.get(entity, ()) or asker > entity)

    def _waits_for(self, entity: str, other: str) -> bool:
        """Does that entity's handler wait for the other one, directly or through more?"""
        seen: set[str] = set()
        front = [entity]
        while front:
            for asked in self._asked.get(front.pop(), ()):
                if asked == other:
                    return True
                if asked not in seen:
                    seen.add(asked)
                    front.append(asked)
        return False
