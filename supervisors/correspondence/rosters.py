"""Rosters: who watches on other nodes, as those here were shown who want to hear of joins and leaves.

An entity's node says who comes and who leaves, one by one. Where it may have missed somebody, for a link has parted or
it has only now come to own the entity, it says who is there on a node, and what differs is shown. So nobody is shown to
leave, and come again, who has stayed where they were. Of a node that is gone all have left, after a moment, whoever
owns the entity then: it may have been that node itself. And so have those of a node of which the entity's node has not
heard for as long: whoever watched there has left unseen, while the entity moved, or what was said of them got lost.
"""

from collections.abc import Callable, Collection, Iterable

import trio

from greenroom.supervisors.correspondence.wire import Came, Roster
from greenroom.transports.hub.hub import Hub

GONE_S = 3.0  # after its link has parted, or it is gone, a node's watchers have left
BEGINNING_S = 3.0  # whoever is found to watch so soon after somebody here began to listen did so before


class _Known:
    """Of one entity."""

    __slots__ = ("by_node", "is_here", "since", "unheard")

    def __init__(self, since: float) -> None:
        self.since = since  # on the trio clock: when somebody here began to listen
        self.by_node: dict[int, dict[str, bytes]] = {}  # ClientInfo by connection
        self.unheard: dict[int, float] = {}  # those of which the entity's node says nothing: since when, likewise
        self.is_here = False  # the entity, when that was looked at last


class Rosters:
    """Of one node: of the entities that are listened to here, wherever they live."""

    def __init__(self, *, hub: Hub, nodes: Callable[[], Iterable[int]]) -> None:
        """`nodes`: all others that are alive."""
        self._hub = hub
        self._nodes = nodes
        self._known: dict[str, _Known] = {}
        self._gone: dict[int, float] = {}  # nodes, and when they were found to be

    def __contains__(self, entity: str) -> bool:
        return entity in self._known

    def __len__(self) -> int:
        """Entities that are listened to here."""
        return len(self._known)

    def begin(self, entity: str) -> bool:
        """Does somebody here listen now, and nobody did before? Then nothing is known yet of who watches elsewhere."""
        if self._listened_to(entity) is not None or not self._hub.is_listened_to(entity):
            return False
        self._known[entity] = _Known(trio.current_time())
        return True

    def fed(self, entity: str) -> None:
        """The entity's node, another, begins to say who watches: at once of each node that it has heard of."""
        self.begin(entity)
        known = self._known.get(entity)
        if known is not None:
            known.unheard = dict.fromkeys(known.by_node, trio.current_time())
            known.is_here = False

    def unfed(self, entity: str) -> None:
        """It says nothing more, of nobody."""
        known = self._known.get(entity)
        if known is not None and not known.is_here:
            known.unheard.clear()

    def roster(self, roster: Roster) -> None:
        """All who watch on a node: what is new in that is shown."""
        entity = roster.entity
        known = self._listened_to(entity)
        if known is None:
            return
        known.unheard.pop(roster.node, None)
        before = known.by_node.get(roster.node)
        if roster.is_doubtful:
            if before is None and roster.watchers:
                known.by_node[roster.node] = dict(roster.watchers)
            return
        known.by_node[roster.node] = dict(roster.watchers)
        if before is None:
            if trio.current_time() - known.since < BEGINNING_S:
                return
            before = {}
        for client, info in roster.watchers.items():
            if client not in before:
                self._hub.show_presence(entity, "join", client, info)
        for client, info in before.items():
            if client not in roster.watchers:
                self._hub.show_presence(entity, "leave", client, info)

    def came(self, came: Came) -> None:
        """One who came, or left."""
        known = self._listened_to(came.entity)
        if known is None:
            return
        watchers = known.by_node.setdefault(came.node, {})
        if came.joined:
            if came.client not in watchers:
                watchers[came.client] = came.info
                self._hub.show_presence(came.entity, "join", came.client, came.info)
        elif watchers.pop(came.client, None) is not None:
            self._hub.show_presence(came.entity, "leave", came.client, came.info)

    def sweep(self, now: float, heard_of: Callable[[str], Collection[int] | None]) -> None:
        """`now` on the trio clock. `heard_of`: the nodes of which an entity on this node has heard; None where it lives
        on another."""
        alive = set(self._nodes())
        gone: dict[int, float] = {}
        for entity in list(self._known):
            known = self._listened_to(entity)
            if known is None:
                continue
            for node in [node for node in known.by_node if node not in alive]:
                since = gone[node] = self._gone.get(node, now)
                if now - since >= GONE_S:
                    self._all_left(entity, known, node)
            self._note_unheard(known, heard_of(entity), now)
            for node in [node for node, since in known.unheard.items() if now - since >= GONE_S]:
                self._all_left(entity, known, node)
        self._gone = gone

    def _note_unheard(self, known: _Known, heard: Collection[int] | None, now: float) -> None:
        if known.is_here is not (heard is not None):
            known.is_here = heard is not None
            known.unheard.clear()
        if heard is not None:
            since = known.unheard
            known.unheard = {node: since.get(node, now) for node in known.by_node if node not in heard}

    def _all_left(self, entity: str, known: _Known, node: int) -> None:
        self.roster(Roster(entity, node, {}))
        del known.by_node[node]

    def _listened_to(self, entity: str) -> _Known | None:
        """What is known, for those who listen; forgotten where nobody does any more."""
        known = self._known.get(entity)
        if known is not None and not self._hub.is_listened_to(entity):
            del self._known[entity]
            return None
        return known
