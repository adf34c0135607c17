"""What nodes say to one another of the pages of views: see supervisors/views/pages.py."""

from collections.abc import Callable, Collection, Iterable

from greenroom.supervisors.correspondence.wire import OfPages, PagesChanged, PagesStale, PagesWatched
from greenroom.supervisors.views.pages import Pages, ToldRows

SHARDS_MAX = 4_096  # that one frame names; of more at once, all are meant


class PagesElsewhere:
    """The way to pages on other nodes, and from there to those here."""

    def __init__(self, *, send: Callable[[int, OfPages], None], nodes: Callable[[], Iterable[int]]) -> None:
        """`send` raises ActorError; `nodes`: all others that are alive."""
        self._send = send
        self._nodes = nodes
        self.here: Pages | None = None  # None: no view can be watched on this node

    def changed(self, node: int, view: str, version: int, rows: ToldRows) -> None:
        """Raises: ActorError."""
        self._send(node, PagesChanged(view, version, rows))

    def stale(self, node: int, view: str, shards: Collection[int]) -> None:
        """Raises: ActorError."""
        self._send(node, PagesStale(view, list(shards) if len(shards) <= SHARDS_MAX else []))

    def watched(self, node: int, views: Collection[str]) -> None:
        """Raises: ActorError."""
        self._send(node, PagesWatched(list(views)))

    def nodes(self) -> Collection[int]:
        return list(self._nodes())

    # From the links.

    def heard(self, node: int, changed: PagesChanged) -> None:
        if self.here is not None:
            self.here.heard(node, changed.view, changed.version, changed.rows)

    def heard_stale(self, node: int, stale: PagesStale) -> None:
        if self.here is not None:
            self.here.heard_stale(node, stale.view, stale.shards)

    def heard_watched(self, node: int, watched: PagesWatched) -> None:
        if self.here is not None:
            self.here.heard_watched(node, watched.views)

    def parted(self, node: int) -> None:
        if self.here is not None:
            self.here.parted(node)

    def moved(self, shards: Collection[int]) -> None:
        if self.here is not None:
            self.here.moved(shards)
