"""Feeding: what entities on this node publish, to the nodes that watch them, beside the hub. The kernel's audience.

A node that wants to hear of an entity says so, `Feed`, on the link on which it is answered too: so the offset of an
answer and the publications around it agree over there as they do here. One frame a node, however many watch there. What
could not be sent ends that feed, and the node is told; it asks for another and reads in the journal what is missing.

Who watches on other nodes is known here by what they say with the feed and after it: see attendance.py.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Protocol

import trio

from greenroom.actors.model.effects import Kick
from greenroom.actors.model.principal import Principal
from greenroom.store.journal.records import StoredEvent
from greenroom.supervisors.correspondence.attendance import Attendance
from greenroom.supervisors.correspondence.rosters import Rosters
from greenroom.supervisors.correspondence.wire import (
    Began,
    Feed,
    FeedEnded,
    FromWatched,
    HandedOn,
    Kicked,
    Listen,
    Published,
    Shown,
    Unfeed,
    Watched,
    encode,
)
from greenroom.supervisors.kernel.audiences import Audiences
from greenroom.supervisors.kernel.ownership import Ownership

SWEEP_S = 1.0
LAP_STEP = 2_000  # entities of which each sweep looks whether they live here: who moves them says so by `end_moved`


class Ahead(Protocol):
    """What must come to the hub's watchers first, as a gap in what they know: see feeds.py."""

    @property
    def catching(self) -> Mapping[str, object]:
        """The entities with such a gap."""

    def takes(self, entity: str, frame: FromWatched) -> bool:
        """True: it is kept until then."""

    def began(self, entity: str, epoch: str, offset: int) -> bool:
        """True: it has told the hub, or will."""


class Send(Protocol):
    """Gives a node a frame about an entity."""

    def __call__(self, node: int, entity: str, data: bytes, *, may_wait: bool = False) -> bool:
        """False: it could not. `may_wait`: see transports/bus/links.py."""


class Feeding:
    """Of one node."""

    def __init__(
        self,
        *,
        node: int,
        hub: Audiences,
        ahead: Ahead,
        rosters: Rosters,
        ownership: Ownership,
        nodes: Callable[[], Iterable[int]],
        send: Send,
        say: Callable[[int, FeedEnded], None],
        hand_on: Callable[[int, HandedOn], None],
        lives_elsewhere: Callable[[str], None],
        audience_changed: Callable[[str, Principal, bool], None],
    ) -> None:
        """`node`: this one's incarnation; `nodes`: those of all others that are alive. `say` tells a node, now or as
        soon as that can be. `hand_on` tells an entity's new owner who watches it; `lives_elsewhere` hears that an
        entity has one, and `audience_changed` tells an entity here who came, or left."""
        self._node = node
        self._hub = hub
        self._ahead = ahead
        self._ownership = ownership
        self._owns = ownership.owns
        self._nodes = nodes
        self._send = send
        self._say = say
        self._hand_on = hand_on
        self._lives_elsewhere = lives_elsewhere
        self._attendance = Attendance(
            node=node,
            hub=hub,
            rosters=rosters,
            lives_here=ownership.owns,
            fed=lambda entity: self._fed.get(entity, ()),
            listening=self._listening,
            send=self._send_or_drop,
            audience_changed=audience_changed,
        )
        self.watching = self._attendance.watching
        self.counts = self._attendance.counts
        self._fed: dict[str, dict[int, bool]] = {}  # entity -> nodes, each with whether somebody there hears who comes
        self._by_node: dict[int, set[str]] = {}  # the same, the other way round
        self._terms: dict[str, int] = {}  # under which each of them lived here when somebody was fed last
        self._lap: Iterator[str] = iter(())  # entities that are fed, to be looked at

    @property
    def feeds(self) -> int:
        """How many leave this node."""
        return sum(map(len, self._by_node.values()))

    # From the entities: see Audiences.

    def publish(self, entity: str, epoch: str, event: StoredEvent) -> None:
        if entity in self._fed or entity in self._ahead.catching:
            frame = Published(entity, epoch, event.offset, event.at_ms, event.payload, event.info)
            self._spread(entity, frame, may_wait=True)
            if self._ahead.takes(entity, frame):
                return
        self._hub.publish(entity, epoch, event)

    def publish_ephemeral(self, entity: str, data: bytes, key: str) -> None:
        if entity in self._fed or entity in self._ahead.catching:
            frame = Shown(entity, data, key)
            self._spread(entity, frame, may_wait=True)
            if self._ahead.takes(entity, frame):
                return
        self._hub.publish_ephemeral(entity, data, key)

    def kick(self, entity: str, kick: Kick) -> None:
        """Of one user's everything, every node hears. One that is not fed, and can't be told, has none of the entity's
        watchers, as which connections and event streams of that user are known, and forgets by itself whom it takes for
        signed in."""
        frame = Kicked(entity, kick)
        if kick.everywhere:
            data = encode(frame)
            for node in self._nodes():
                if node not in self._fed.get(entity, ()):
                    self._send(node, entity, data)
        self._spread(entity, frame)
        if not self._ahead.takes(entity, frame):
            self._hub.kick(entity, kick)

    def began(self, entity: str, epoch: str, offset: int) -> None:
        self._spread(entity, Began(entity, epoch, offset))
        if not self._ahead.began(entity, epoch, offset):
            self._hub.began(entity, epoch, offset)

    def is_watched(self, entity: str) -> bool:
        return entity in self._fed or self._hub.is_watched(entity)

    def watched(self) -> list[tuple[str, str]]:
        """Those that live here: the others' nodes wake them."""
        here = [(entity, epoch) for entity, epoch in self._hub.watched() if self._owns(entity)]
        known = {entity for entity, _ in here}
        return here + [(entity, "") for entity in self._fed if entity not in known]

    def _spread(self, entity: str, frame: FromWatched, *, may_wait: bool = False) -> None:
        nodes = self._fed.get(entity)
        if nodes is None:
            return
        data = encode(frame)
        for node in list(nodes):
            self._send_or_drop(node, entity, data, may_wait=may_wait)

    def changed(self, entity: str, who: Principal, *, joined: bool) -> None:
        """Somebody began or ceased to watch, on this node, what lives here. The hub has shown it."""
        self._heed_term(entity)
        self._attendance.changed(entity, who, joined=joined)

    # From other nodes.

    def feed(self, node: int, feed: Feed) -> None:
        """It wants to hear of the entity, and says who watches there."""
        entity = feed.entity
        if not self._owns(entity):
            self._say(node, FeedEnded(entity))
            return
        self._heed_term(entity, asking=node)
        self._terms[entity] = self._ownership.term(entity)
        self._fed.setdefault(entity, {})[node] = feed.listens
        self._by_node.setdefault(node, set()).add(entity)
        self._attendance.named(node, feed)
        if feed.listens:
            self._attendance.tell_all(entity, node)

    def unfeed(self, node: int, unfeed: Unfeed) -> None:
        """No longer: nobody watches there."""
        self._heed_term(unfeed.entity)
        self._drop(unfeed.entity, node)
        self._attendance.all_left(unfeed.entity, node)

    def watched_there(self, node: int, watched: Watched) -> None:
        """Somebody began or ceased to watch there."""
        self._heed_term(watched.entity)
        if watched.entity in self._by_node.get(node, ()):  # else it will say so with its next feed
            self._attendance.watched(node, watched)

    def listen(self, node: int, listen: Listen) -> None:
        """Somebody there wants to be told who comes and who leaves."""
        self._heed_term(listen.entity)
        fed = self._fed.get(listen.entity)
        if fed is not None and node in fed:  # as above
            fed[node] = True
            self._attendance.tell_all(listen.entity, node)

    def handed_on(self, node: int, handed: HandedOn) -> None:
        """The entity comes here from that node, where these were known to watch it."""
        self._heed_term(handed.entity)
        self._attendance.handed_on(handed)

    def parted(self, node: int) -> None:
        """It is fed no more, until it says that it wants to be again."""
        for entity in self._by_node.pop(node, ()):
            self._forget_fed(entity, node)
            self._attendance.lost(entity, node)

    # Keeping.

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Until cancelled."""
        task_status.started()
        while True:
            await trio.sleep(SWEEP_S)
            self.sweep(trio.current_time())

    def sweep(self, now: float) -> None:
        """Some of what is fed may live here no longer. `now` on the trio clock."""
        self._attendance.sweep(now)
        some = list(islice(self._lap, LAP_STEP))
        if not some:
            self._lap = iter(self._known())
            some = list(islice(self._lap, LAP_STEP))
        self._end_moved(some)

    def end_moved(self) -> None:
        """What lives here no longer: whoever was fed asks its new owner, who hears from us who watched."""
        self._end_moved(self._known())

    def _known(self) -> list[str]:
        """Entities that somebody watches on another node, as far as has been heard here."""
        return [*self._fed, *(entity for entity in self._attendance.elsewhere if entity not in self._fed)]

    def _end_moved(self, known: Iterable[str]) -> None:
        for entity in known:
            if self._owns(entity):
                self._heed_term(entity)
                continue
            if entity not in self._fed and entity not in self._attendance.elsewhere:
                continue  # nobody watches it by now
            owner = self._ownership.owner(entity)
            if owner == self._node:
                continue  # it is about to be handed over: its new owner is to hear who watches it
            watchers = self._attendance.by_node(entity)
            if watchers and owner is not None:
                self._hand_on(owner, HandedOn(entity, watchers))
            for node in list(self._fed.get(entity, ())):
                self._drop(entity, node)
                self._say(node, FeedEnded(entity))
            self._attendance.forget(entity)
            self._lives_elsewhere(entity)

    def _heed_term(self, entity: str, *, asking: int | None = None) -> None:
        """It may have lived elsewhere since others were fed, and be here again: then these are to say anew who watches
        there, and be told so. `asking`: a node that is about to."""
        term = self._terms.get(entity)
        if term is None or not self._owns(entity) or self._ownership.term(entity) == term:
            return
        for node in list(self._fed[entity]):
            self._drop(entity, node)
            self._attendance.lost(entity, node)
            if node != asking:
                self._say(node, FeedEnded(entity))

    def _listening(self, entity: str) -> list[int]:
        """Nodes that are fed, where somebody wants to be told who comes and who leaves."""
        fed = self._fed.get(entity)
        return [node for node, listens in fed.items() if listens] if fed is not None else []

    def _send_or_drop(self, node: int, entity: str, data: bytes, *, may_wait: bool = False) -> bool:
        is_sent = self._send(node, entity, data, may_wait=may_wait)
        if not is_sent:
            self._drop(entity, node)
            self._attendance.lost(entity, node)
            self._say(node, FeedEnded(entity))
        return is_sent

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
                del self._fed[entity], self._terms[entity]
