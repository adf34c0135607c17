"""Attendance: who watches what lives here, on all nodes, by what these say; and telling that to those who listen to it.

A node names its watchers when it asks for a feed, and then who comes and who leaves. Of one whose link has parted, or
that could not be fed, they are kept for a moment, for it mostly comes back; then they have left. An entity that is
handed over takes with it who was last known to watch it. Where somebody listens to joins and leaves, on this node or on
one that is fed, rosters.py keeps what they were shown.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import takewhile

import trio

from greenroom.actors.model.principal import Principal
from greenroom.supervisors.correspondence.rosters import GONE_S, Rosters
from greenroom.supervisors.correspondence.wire import Came, Feed, HandedOn, OfAudience, Roster, Watched, encode
from greenroom.supervisors.kernel.audiences import Audiences

NAMED_MAX = 5_000  # watchers of an entity on one node, or handed over with it; of more, single joins and leaves alone
ROSTER_BYTES_MAX = 1 << 20  # of what is said of them; with more, likewise


Remote = dict[str, Principal]  # who watches one entity on one other node, by the connection's id


class Everybody(Collection[Principal]):
    """Those who watch on this node and those on others."""

    __slots__ = ("_here", "_others")

    def __init__(self, here: Collection[Principal], others: Iterable[Remote]) -> None:
        self._here = here
        self._others = tuple(others)

    def __len__(self) -> int:
        return len(self._here) + sum(map(len, self._others))

    def __iter__(self) -> Iterator[Principal]:
        yield from self._here
        for remote in self._others:
            yield from list(remote.values())

    def __contains__(self, who: object) -> bool:
        return any(who == one for one in self)


class Attendance:
    """Of one node."""

    def __init__(
        self,
        *,
        node: int,
        hub: Audiences,
        rosters: Rosters,
        lives_here: Callable[[str], bool],
        fed: Callable[[str], Collection[int]],
        listening: Callable[[str], Collection[int]],
        send: Callable[[int, str, bytes], bool],
        audience_changed: Callable[[str, Principal, bool], None],
    ) -> None:
        """`node`: this one's incarnation. `fed`: nodes that are fed of an entity, and `listening`: those of them where
        somebody listens to it.
        `send` gives such a node a frame; False: it could not, and the feed has ended. `audience_changed` tells an
        entity here who came, or left."""
        self._node = node
        self._hub = hub
        self._rosters = rosters
        self._lives_here = lives_here
        self._fed = fed
        self._listening = listening
        self._send = send
        self._audience_changed = audience_changed
        self._remote: dict[str, dict[int, Remote]] = {}  # entity -> node -> who watches there
        # Those of which nothing is heard, the longest first: since when, on the trio clock.
        self._out_of_sight: dict[tuple[str, int], float] = {}
        # Connections that a feed did not name, which had more to name: likewise.
        self._doubted: dict[tuple[str, int], tuple[float, set[str]]] = {}

    def watching(self, entity: str) -> Collection[Principal]:
        here = self._hub.watching(entity)
        others = self._remote.get(entity) if self._remote else None
        return here if others is None else Everybody(here, others.values())

    @property
    def elsewhere(self) -> Collection[str]:
        """Entities that somebody watches on another node."""
        return self._remote.keys()

    def counts(self, entity: str) -> dict[int, int]:
        """How many watch, by node; this node too."""
        counts = {node: len(remote) for node, remote in self._remote.get(entity, {}).items()}
        if here := len(self._hub.watching(entity)):
            counts[self._node] = here
        return counts

    def by_node(self, entity: str) -> dict[int, list[Principal]]:
        """Those who watch, NAMED_MAX of them; this node's too."""
        found: dict[int, list[Principal]] = {}
        room = NAMED_MAX
        for node in (self._node, *self._remote.get(entity, ())):
            some = list(self._on(entity, node))[:room]
            if some:
                found[node] = some
                room -= len(some)
        return found

    def _on(self, entity: str, node: int) -> Collection[Principal]:
        if node == self._node:
            return self._hub.watching(entity)
        return self._remote.get(entity, {}).get(node, {}).values()

    # What other nodes say.

    def named(self, node: int, feed: Feed) -> None:
        """These watch there, and nobody else, unless it has more to name."""
        entity = feed.entity
        there = {who.client for who in feed.watchers}
        left = [who for who in self._on(entity, node) if who.client not in there]
        self._out_of_sight.pop((entity, node), None)
        self._doubted.pop((entity, node), None)
        self._rosters.begin(entity)  # somebody here may have begun to listen while it lived elsewhere
        for who in feed.watchers:
            self._join(entity, node, who)
        if not feed.has_more:
            for who in left:
                self._leave(entity, node, who)
        elif left:
            self._doubted[entity, node] = trio.current_time(), {who.client for who in left}
        self._tell_roster(entity, node, is_doubtful=feed.has_more)

    def watched(self, node: int, watched: Watched) -> None:
        """Somebody began or ceased to watch there."""
        change = self._join if watched.joined else self._leave
        if change(watched.entity, node, watched.principal):
            self._tell(watched.entity, node, watched.principal, joined=watched.joined)

    def lost(self, entity: str, node: int) -> None:
        """Who watches there is not heard of until that node is fed again."""
        if node in self._remote.get(entity, ()):
            self._out_of_sight.setdefault((entity, node), trio.current_time())

    def all_left(self, entity: str, node: int) -> None:
        """Nobody watches there any more."""
        left = list(self._on(entity, node))
        for who in left:
            self._leave(entity, node, who)
        if left:
            self._tell_roster(entity, node)

    def handed_on(self, handed: HandedOn) -> None:
        """The entity comes here. Who watches on a node that has not said so itself is believed for a moment. One that
        is fed has: also that nobody does."""
        entity = handed.entity
        for node, watchers in handed.watchers.items():
            known = node in (*self._fed(entity), *self._remote.get(entity, ()))
            known = known and (entity, node) not in self._out_of_sight
            if watchers and node != self._node and not known:
                self._remote.setdefault(entity, {})[node] = {who.client: who for who in watchers}
                self._doubted.pop((entity, node), None)
                self._out_of_sight.pop((entity, node), None)  # the longest come first
                self._out_of_sight[entity, node] = trio.current_time()

    def forget(self, entity: str) -> None:
        """It lives here no longer: others see to it."""
        for node in self._remote.pop(entity, ()):
            self._out_of_sight.pop((entity, node), None)
            self._doubted.pop((entity, node), None)

    def sweep(self, now: float) -> None:
        """Watchers of nodes that have not come back have left. `now` on the trio clock."""
        for entity, node in list(takewhile(lambda key: now - self._out_of_sight[key] >= GONE_S, self._out_of_sight)):
            self._out_of_sight.pop((entity, node), None)
            if self._lives_here(entity):
                self.all_left(entity, node)
            else:
                self.forget(entity)
        for key in list(takewhile(lambda key: now - self._doubted[key][0] >= GONE_S, self._doubted)):
            for client in self._doubted.pop(key)[1]:
                self._doubted_left(*key, client)
        self._rosters.sweep(now, self._heard_of)

    def _heard_of(self, entity: str) -> Collection[int] | None:
        """Nodes; None where it lives on another."""
        return {*self._remote.get(entity, ()), *self._fed(entity)} if self._lives_here(entity) else None

    def _doubted_left(self, entity: str, node: int, client: str) -> None:
        who = self._remote.get(entity, {}).get(node, {}).get(client)
        if who is not None and self._leave(entity, node, who):
            self._tell(entity, node, who, joined=False)

    def _join(self, entity: str, node: int, who: Principal) -> bool:
        """False when that was known."""
        others = self._remote.setdefault(entity, {})
        remote = others.get(node)
        if remote is None:
            remote = others[node] = {}
        if self._doubted and (doubted := self._doubted.get((entity, node))) is not None:
            doubted[1].discard(who.client)
        is_new = who.client not in remote
        remote[who.client] = who
        if is_new:
            self._audience_changed(entity, who, True)
        return is_new

    def _leave(self, entity: str, node: int, who: Principal) -> bool:
        """False when they were not known to watch."""
        others = self._remote.get(entity)
        remote = others.get(node) if others is not None else None
        if others is None or remote is None or remote.pop(who.client, None) is None:
            return False
        if not remote:
            del others[node]
            if not others:
                del self._remote[entity]
        self._audience_changed(entity, who, False)
        return True

    # Those who listen to it.

    def changed(self, entity: str, who: Principal, *, joined: bool) -> None:
        """Somebody began or ceased to watch, on this node, what lives here. The hub has shown it."""
        if joined and self._rosters.begin(entity):
            for node in self._remote.get(entity, ()):
                self._rosters.roster(self._roster(entity, node))
        self._tell(entity, self._node, who, joined=joined)

    def tell_all(self, entity: str, node: int) -> None:
        """To that node, where somebody listens: who watches on each other one; and that nobody does there any more."""
        for there in {self._node, *self._remote.get(entity, ()), *self._fed(entity)} - {node}:
            roster = self._roster(entity, there, is_doubtful=(entity, there) in self._out_of_sight)
            if not self._send(node, entity, encode(roster)):
                return

    def _tell(self, entity: str, node: int, who: Principal, *, joined: bool) -> None:
        """Somebody began or ceased to watch on that node, which needs not to be told."""
        if who.info is not None and self._is_listened_to(entity):
            came = Came(entity, node, who.client, who.info, joined)
            if node != self._node:
                self._rosters.came(came)
            self._spread(came)

    def _tell_roster(self, entity: str, node: int, *, is_doubtful: bool = False) -> None:
        """That other node has said who watches there, or nothing for too long."""
        if self._is_listened_to(entity):
            roster = self._roster(entity, node, is_doubtful=is_doubtful)
            self._rosters.roster(roster)
            self._spread(roster)

    def _roster(self, entity: str, node: int, *, is_doubtful: bool = False) -> Roster:
        """Of more than NAMED_MAX, or ROSTER_BYTES_MAX, it names none: what can't be sent would end the feed."""
        principals = self._on(entity, node)
        watchers: dict[str, bytes] = {}
        if len(principals) <= NAMED_MAX:
            watchers = {who.client: who.info for who in principals if who.info is not None}
            if sum(map(len, watchers.values())) <= ROSTER_BYTES_MAX:
                return Roster(entity, node, watchers, is_doubtful)
        return Roster(entity, node, {}, is_doubtful=True)

    def _is_listened_to(self, entity: str) -> bool:
        return entity in self._rosters or bool(self._listening(entity))

    def _spread(self, frame: OfAudience) -> None:
        nodes = [node for node in self._listening(frame.entity) if node != frame.node]
        data = encode(frame) if nodes else b""
        for node in nodes:
            self._send(node, frame.entity, data)
