"""Feeding: what entities on this node publish, to the nodes that watch them, beside the hub. The kernel's audience.

A node that wants to hear of an entity says so, `Feed`, on the link on which it is answered too: so the offset of an
answer and the publications around it agree over there as they do here. One frame a node, however many watch there. What
could not be sent ends that feed, and the node is told; it asks for another and reads in the journal what is missing.

Who watches on other nodes is known here by what they say with the feed and after it. A node whose link has parted, or
whose feed has ended so, keeps its watchers for a moment, for it mostly comes back; then they have left.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from itertools import islice, takewhile
from typing import Protocol

import trio

from greenroom.actors.model.effects import Kick
from greenroom.actors.model.principal import Principal
from greenroom.store.journal.records import StoredEvent
from greenroom.supervisors.correspondence.wire import (
    Began,
    Feed,
    FeedEnded,
    FromWatched,
    Kicked,
    Published,
    Shown,
    Unfeed,
    Watched,
    encode,
)
from greenroom.supervisors.kernel.audiences import Audiences

GONE_S = 3.0  # without another feed, a node's watchers have left
SWEEP_S = 1.0
LAP_STEP = 2_000  # entities of which each sweep looks whether they live here: who moves them says so by `end_moved`


Remote = dict[str, Principal]  # who watches one entity on one other node, by the connection's id


class Ahead(Protocol):
    """What must come to the hub's watchers first, as a gap in what they know: see feeds.py."""

    @property
    def catching(self) -> Mapping[str, object]:
        """The entities with such a gap."""

    def takes(self, entity: str, frame: FromWatched) -> bool:
        """True: it is kept until then."""

    def began(self, entity: str, epoch: str, offset: int) -> bool:
        """True: it has told the hub, or will."""


class Everybody(Collection[Principal]):
    """Those who watch on this node and those on others."""

    __slots__ = ("_here", "_others")

    def __init__(self, here: Collection[Principal], others: Iterable["Remote"]) -> None:
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


class Feeding:
    """Of one node."""

    def __init__(
        self,
        *,
        hub: Audiences,
        ahead: Ahead,
        owns: Callable[[str], bool],
        nodes: Callable[[], Iterable[int]],
        send: Callable[[int, str, bytes], bool],
        say: Callable[[int, FeedEnded], None],
        audience_changed: Callable[[str, Principal, bool], None],
    ) -> None:
        """`nodes`: all others that are alive. `send` gives a frame about that entity to a node; False: it could not.
        `say` does so, now or as soon as that can be. `audience_changed` tells an entity here who came, or left."""
        self._hub = hub
        self._ahead = ahead
        self._owns = owns
        self._nodes = nodes
        self._send = send
        self._say = say
        self._audience_changed = audience_changed
        self._fed: dict[str, dict[int, None]] = {}  # entity -> nodes
        self._by_node: dict[int, set[str]] = {}  # the same, the other way round
        self._remote: dict[str, dict[int, Remote]] = {}  # entity -> node -> who watches there
        # Those of which nothing is heard, the longest first: since when, on the trio clock.
        self._out_of_sight: dict[tuple[str, int], float] = {}
        self._lap: Iterator[str] = iter(())  # entities that are fed, to be looked at

    @property
    def feeds(self) -> int:
        """How many leave this node."""
        return sum(map(len, self._by_node.values()))

    # From the entities: see Audiences.

    def publish(self, entity: str, epoch: str, event: StoredEvent) -> None:
        if entity in self._fed or entity in self._ahead.catching:
            frame = Published(entity, epoch, event.offset, event.at_ms, event.payload, event.info)
            self._spread(entity, frame)
            if self._ahead.takes(entity, frame):
                return
        self._hub.publish(entity, epoch, event)

    def publish_ephemeral(self, entity: str, data: bytes, key: str) -> None:
        if entity in self._fed or entity in self._ahead.catching:
            frame = Shown(entity, data, key)
            self._spread(entity, frame)
            if self._ahead.takes(entity, frame):
                return
        self._hub.publish_ephemeral(entity, data, key)

    def kick(self, entity: str, kick: Kick) -> None:
        """Of one user's everything, every node hears. One that is not fed, and can't be told, has none of the entity's
        watchers, and forgets by itself whom it takes for signed in."""
        frame = Kicked(entity, kick)
        if kick.everywhere:
            data = encode(frame)
            for node in self._nodes():
                if node not in self._fed.get(entity, ()):
                    self._send(node, entity, data)
        self._spread(entity, frame)
        if not self._ahead.takes(entity, frame):
            self._hub.kick(entity, kick)

    def watching(self, entity: str) -> Collection[Principal]:
        here = self._hub.watching(entity)
        others = self._remote.get(entity) if self._remote else None
        return here if others is None else Everybody(here, others.values())

    def began(self, entity: str, epoch: str, offset: int) -> None:
        self._spread(entity, Began(entity, epoch, offset))
        if not self._ahead.began(entity, epoch, offset):
            self._hub.began(entity, epoch, offset)

    def watched(self) -> list[tuple[str, str]]:
        """Those that live here: the others' nodes wake them."""
        here = [(entity, epoch) for entity, epoch in self._hub.watched() if self._owns(entity)]
        known = {entity for entity, _ in here}
        return here + [(entity, "") for entity in self._fed if entity not in known]

    def _spread(self, entity: str, frame: FromWatched) -> None:
        nodes = self._fed.get(entity)
        if nodes is None:
            return
        data = encode(frame)
        for node in list(nodes):
            if not self._send(node, entity, data):
                self._drop(entity, node)
                self._lose_sight(entity, node)
                self._say(node, FeedEnded(entity))

    # From other nodes.

    def feed(self, node: int, feed: Feed) -> None:
        """It wants to hear of the entity, and says who watches there."""
        entity = feed.entity
        if not self._owns(entity):
            self._say(node, FeedEnded(entity))
            return
        self._fed.setdefault(entity, {})[node] = None
        self._by_node.setdefault(node, set()).add(entity)
        here = {who.client: who for who in feed.watchers}
        before = dict(self._remote.get(entity, {}).get(node, {}))
        self._out_of_sight.pop((entity, node), None)
        for client, who in here.items():
            if client not in before:
                self._join(entity, node, who)
        for client, who in before.items():
            if client not in here:
                self._leave(entity, node, who)

    def unfeed(self, node: int, unfeed: Unfeed) -> None:
        """No longer: nobody watches there."""
        self._drop(unfeed.entity, node)
        self._all_leave(unfeed.entity, node)

    def watched_there(self, node: int, watched: Watched) -> None:
        """Somebody began or ceased to watch there."""
        if watched.entity not in self._by_node.get(node, ()):
            return  # it will say so with its next feed
        if watched.joined:
            self._join(watched.entity, node, watched.principal)
        else:
            self._leave(watched.entity, node, watched.principal)

    def parted(self, node: int) -> None:
        """It is fed no more, until it says that it wants to be again."""
        for entity in self._by_node.pop(node, ()):
            self._forget_fed(entity, node)
            self._lose_sight(entity, node)

    def _lose_sight(self, entity: str, node: int) -> None:
        """Who watches there is not heard of until that node is fed again."""
        if node in self._remote.get(entity, ()):
            self._out_of_sight.setdefault((entity, node), trio.current_time())

    # Keeping.

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Until cancelled."""
        task_status.started()
        while True:
            await trio.sleep(SWEEP_S)
            self.sweep(trio.current_time())

    def sweep(self, now: float) -> None:
        """Watchers of nodes that have not come back have left. And some of what is fed may live here no longer."""
        gone = list(takewhile(lambda key: now - self._out_of_sight[key] >= GONE_S, self._out_of_sight))
        for entity, node in gone:
            del self._out_of_sight[entity, node]
            self._all_leave(entity, node)
        some = list(islice(self._lap, LAP_STEP))
        if not some:
            self._lap = iter(list(self._fed))
            some = list(islice(self._lap, LAP_STEP))
        self._end_moved(some)

    def end_moved(self) -> None:
        """What lives here no longer: whoever was fed asks its new owner."""
        self._end_moved(list(self._fed))

    def _end_moved(self, fed: Iterable[str]) -> None:
        for entity in [entity for entity in fed if not self._owns(entity)]:
            for node in list(self._fed.get(entity, ())):
                self._drop(entity, node)
                self._say(node, FeedEnded(entity))
            self._remote.pop(entity, None)

    def _drop(self, entity: str, node: int) -> None:
        entities = self._by_node.get(node)
        if entities is not None:
            entities.discard(entity)
            if not entities:
                del self._by_node[node]
        self._forget_fed(entity, node)

    def _forget_fed(self, entity: str, node: int) -> None:
        nodes = self._fed.get(entity)
        if nodes is not None:
            nodes.pop(node, None)
            if not nodes:
                del self._fed[entity]

    # Who watches elsewhere.

    def _join(self, entity: str, node: int, who: Principal) -> None:
        others = self._remote.setdefault(entity, {})
        remote = others.get(node)
        if remote is None:
            remote = others[node] = {}
        remote[who.client] = who
        self._audience_changed(entity, who, True)

    def _leave(self, entity: str, node: int, who: Principal) -> None:
        others = self._remote.get(entity)
        remote = others.get(node) if others is not None else None
        if others is None or remote is None or remote.pop(who.client, None) is None:
            return
        if not remote:
            del others[node]
            if not others:
                del self._remote[entity]
        self._audience_changed(entity, who, False)

    def _all_leave(self, entity: str, node: int) -> None:
        for who in list(self._remote.get(entity, {}).get(node, {}).values()):
            self._leave(entity, node, who)
