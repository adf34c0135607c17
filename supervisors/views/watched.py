"""Watched: of which views pages are on which node, as each node says of itself. Decisions only.

Whoever folds tells a node of nothing that nobody watches there. A node says what is watched on it when that begins, and
some time after it has ended; of one that has said nothing, as one of an older release, anything may be. What was kept
from it until it said so it has to read: so who learns of a view that it kept something of says that this is stale.
"""

from collections.abc import Collection, Iterable

Views = frozenset[str]  # by name


class Watched:
    """As one node sees it."""

    def __init__(self) -> None:
        self._there: dict[int, Views] = {}  # by node, what it has said
        self._kept: dict[int, set[str]] = {}  # by node, views of which it was not told everything
        self._here: set[str] = set()
        self._read: set[str] = set()  # here, since the last look
        self._said: dict[int, Views] = {}  # what each node was told of this one

    # Of others.

    def wants(self, node: int, view: str) -> bool:
        """Is it to be told of rows of that view now? If not, it is remembered that it was not."""
        there = self._there.get(node)
        if there is None or view in there:
            return True
        self._kept.setdefault(node, set()).add(view)
        return False

    def heard(self, node: int, views: Iterable[str]) -> list[str]:
        """It says that of these there are pages there. Those of which something was kept from it."""
        there = self._there[node] = frozenset(views)
        kept = self._kept.get(node, set())
        missed = sorted(kept & there)
        kept -= there
        return missed

    def parted(self, node: int) -> None:
        """What either has said may be lost. What was kept stays so: it may have been read before that."""
        self._there.pop(node, None)
        self._said.pop(node, None)

    # Of this one.

    def read(self, view: str) -> bool:
        """A page of it is read here. Is that news?"""
        self._read.add(view)
        is_news = view not in self._here
        self._here.add(view)
        return is_news

    def look(self, present: Collection[str], nodes: Collection[int]) -> None:
        """Pages of these views are here, and these other nodes there are. What has had none since the last look is
        watched no more."""
        self._here = self._read | {*present}
        self._read = set()
        gone = {*self._there, *self._said, *self._kept}.difference(nodes)
        for node in gone:
            if node not in self._there:  # by now, or it was not known yet, and has said just before what is watched
                self._kept.pop(node, None)
            self.parted(node)

    def untold(self, nodes: Iterable[int]) -> list[int]:
        """Those of these nodes that don't know what is watched here."""
        here = frozenset(self._here)
        return [node for node in nodes if self._said.get(node) != here]

    @property
    def here(self) -> list[str]:
        """To be said to them."""
        return sorted(self._here)

    def said(self, node: int) -> None:
        self._said[node] = frozenset(self._here)
