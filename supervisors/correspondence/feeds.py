"""Feeds: what is watched here of entities on other nodes. The hub gets it as it would of entities on this one.

A feed is asked for before its entity is, on the same link, so publications come in one order with the answer. Where a
link has parted, or the entity has moved, it is asked for again, and the entity catches up (catching_up.py). An answer
is of use with that feed alone: what followed it came with no other, so under another one the entity is asked again.

A kick may have been missed meanwhile, too. So whoever watches across such a gap is asked about again (rechecks.py).
"""

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import count, islice
from typing import Protocol

import structlog
import trio

from greenroom.actors.model.errors import ActorError
from greenroom.actors.model.lifecycle import Inspected
from greenroom.actors.model.message import ReplySlot
from greenroom.actors.model.principal import Principal
from greenroom.config.telemetry.shown import shown
from greenroom.supervisors.correspondence.catching_up import CatchingUp, Source
from greenroom.supervisors.correspondence.rosters import Rosters
from greenroom.supervisors.correspondence.wire import (
    Began,
    Came,
    Feed,
    FeedEnded,
    Kicked,
    Listen,
    Published,
    Roster,
    Shown,
    Unfeed,
    Watched,
)
from greenroom.supervisors.kernel.ownership import Ownership
from greenroom.transports.hub.encoding import Nothing
from greenroom.transports.hub.hub import Hub
from greenroom.transports.hub.watching import Answered

log = structlog.get_logger("greenroom.cluster")

IDLE_S = 20.0  # a feed that nobody watches ends
WATCHERS_MAX = 5_000  # that a feed names, as far as they fit; the others are named after it
WATCHERS_BYTES_MAX = 2 << 20  # of what is said of those
TICK_S, STEP = 0.02, 200  # so many entities are looked at in a tick
LAP_S = 1.0  # between two looks at the same one: moves are told (look_soon), so it finds what nobody has told of


class Send(Protocol):
    """Gives a frame to a node."""

    def __call__(self, node: int, frame: Feed | Unfeed | Watched | Listen) -> None:
        """Raises: Overloaded, Unavailable, HandlerFailed, with nothing sent."""


class _Feed:
    """What this node has of one entity on another."""

    __slots__ = ("node", "number", "since")

    def __init__(self, since: float) -> None:
        self.node: int | None = None  # that has been asked for it; None: nobody yet, or no longer
        self.number = 0  # another whenever one is asked
        self.since = since  # on the trio clock: when somebody wanted to watch


def _named(watchers: Sequence[Principal]) -> int:
    """How many of them, from the first, a feed names."""
    size = 0
    for number, who in enumerate(watchers[:WATCHERS_MAX]):
        size += len(who.info or b"") + len(who.user) + sum(map(len, who.roles))
        if size > WATCHERS_BYTES_MAX:
            return number
    return min(len(watchers), WATCHERS_MAX)


class Feeds:
    """Of one node, a supervised child."""

    def __init__(
        self, *, hub: Hub, ownership: Ownership, catching_up: CatchingUp, rosters: Rosters, send: Send
    ) -> None:
        self._hub = hub
        self._rosters = rosters
        self._ownership = ownership
        self._catching_up = catching_up
        self._send = send
        self._feeds: dict[str, _Feed] = {}
        self._numbers = count(1)  # of feeds that nodes are asked for
        self._unfed: dict[str, None] = {}  # entities whose feed is to be asked for again
        self._lap: Iterator[str] = iter(())
        self._lap_due = -math.inf  # on the trio clock: the next one's beginning
        self._has_lapped = False  # and need not look at anything before the next lap
        self._wake = trio.Event()

    def __len__(self) -> int:
        """Entities on other nodes that are watched here."""
        return len(self._feeds)

    # From those who want to watch: see Watching.

    def before(self, entity: str, answered: Answered) -> Callable[[Inspected], None]:
        """Somebody is about to ask an entity, to watch it. Returns who is to hear the answer."""
        if not self._ownership.owns(entity):
            now = trio.current_time()
            feed = self._feeds.get(entity)
            if feed is None:
                self._feeds[entity] = _Feed(now)
            else:
                feed.since = now

        return lambda answer: self._catching_up.answered(entity, answer, answered)

    def source(self, entity: str) -> Source | None:
        """Where what comes of it comes from. None: from nowhere just now."""
        if self._ownership.owns(entity):
            return "here", self._ownership.term(entity)
        number = self.number(entity)
        return ("fed", number) if number else None

    def number(self, entity: str) -> int:
        """Of its feed; 0: there is none."""
        feed = self._feeds.get(entity)
        return feed.number if feed is not None and feed.node is not None else 0

    def changed(self, entity: str, who: Principal, joined: bool) -> bool:
        """Somebody began or ceased to watch here. False: its entity is here too, and is to be told as always."""
        if self._ownership.owns(entity):
            return False
        feed = self._feeds.get(entity)
        if feed is None:
            self.lives_elsewhere(entity)
        elif feed.node is not None:
            try:
                self._send(feed.node, Watched(entity, who, joined))
                if joined and self._rosters.begin(entity):
                    self._send(feed.node, Listen(entity))
            except ActorError as error:
                log.debug("audience_change_dropped", entity=entity, error=error.name)
                self._lose(entity, feed)  # the next feed says who watches
        return True

    def lives_elsewhere(self, entity: str) -> None:
        """By now: what is watched of it here has to be asked for."""
        if entity not in self._feeds and self._hub.position(entity) is not None and not self._ownership.owns(entity):
            self._feeds[entity] = _Feed(trio.current_time())
            self._unfed[entity] = None
            self._wake.set()

    # From Asking.

    def before_inspect(self, entity: str, node: int, slot: ReplySlot | None) -> int:
        """An Inspect of the entity is about to be sent there, to be answered to `slot`. Returns the number of the feed
        that it goes behind, 0 for none. Raises: as `send`."""
        feed = self._feeds.get(entity)
        if feed is None and self._hub.position(entity) is not None:  # it has lived here until now
            feed = self._feeds[entity] = _Feed(trio.current_time())
        if feed is None:
            return 0
        if feed.node != node:
            self._ask_for(entity, feed, node, slot)
        return feed.number

    def _ask_for(self, entity: str, feed: _Feed, node: int, slot: ReplySlot | None) -> None:
        """Raises: as `send`."""
        # Those who only hear their own session end are nobody's audience: see Nothing.
        watchers = [one.principal for one in self._hub.subscribers(entity) if one.encoding is not Nothing]
        named = _named(watchers)
        is_listened_to = self._hub.is_listened_to(entity)
        self._send(node, Feed(entity, watchers[:named], is_listened_to, named < len(watchers)))
        feed.node, feed.number = node, next(self._numbers)
        self._rosters.fed(entity)
        self._unfed.pop(entity, None)
        for who in watchers[named:]:
            self.changed(entity, who, joined=True)
        if self._hub.position(entity) is not None and not self._catching_up.asks(entity, slot):
            self._catching_up.ask_again(entity)

    def not_held(self, entity: str, node: int) -> None:
        """That node does not own it, so it does not feed it either."""
        feed = self._feeds.get(entity)
        if feed is not None and feed.node == node:
            self._lose(entity, feed)

    # From the nodes that feed this one.

    def heard(self, node: int, frame: Published | Shown | Kicked | Began) -> None:
        """In order of what happened there."""
        entity = frame.entity
        feed = self._feeds.get(entity)
        if feed is None or feed.node != node:
            if type(frame) is Kicked and frame.kick.everywhere:  # that all nodes are told
                self._hub.kick(entity, frame.kick)
            elif feed is None:
                self._not_asked_for(entity, node)
            return
        if not self._catching_up.takes(entity, frame):
            self._catching_up.show(frame)

    def told(self, node: int, frame: Roster | Came) -> None:
        """Who watches it on other nodes, or who came or left there."""
        feed = self._feeds.get(frame.entity)
        if feed is None:
            self._not_asked_for(frame.entity, node)
        elif feed.node == node and not self._ownership.owns(frame.entity):  # else they have said so here, and more
            if isinstance(frame, Roster):
                self._rosters.roster(frame)
            else:
                self._rosters.came(frame)

    def ended(self, node: int, ended: FeedEnded) -> None:
        if ended.entity:
            self.not_held(ended.entity, node)
        else:
            self.parted(node)

    def parted(self, node: int) -> None:
        """What was under way of that node's feeds is lost, and nothing more comes of them."""
        for entity, feed in self._feeds.items():
            if feed.node == node:
                self._lose(entity, feed)

    def look_soon(self) -> None:
        """Some of the entities have other owners now: the next lap begins when this one ends."""
        self._lap_due = -math.inf  # the lap under way goes on: else frequent moves would keep it from its end
        self._wake.set()

    def _not_asked_for(self, entity: str, node: int) -> None:
        """That node feeds this one. It could not be told that nobody watches, or has yet to hear of it; or it has the
        entity no longer, or again. Then some do watch here, and are not to be taken for gone."""
        if self._hub.position(entity) is None:
            self._unfeed(entity, node)
        else:
            self.lives_elsewhere(entity)

    def _lose(self, entity: str, feed: _Feed) -> None:
        self._rosters.unfed(entity)
        feed.node = None
        self._unfed[entity] = None
        self._wake.set()

    # Running.

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Until cancelled."""
        task_status.started()
        while True:
            is_woken = not self._has_lapped or bool(self._unfed)
            if not is_woken:
                self._wake = trio.Event()
                with trio.move_on_at(self._lap_due):
                    await self._wake.wait()
                    is_woken = True
            if is_woken:
                await trio.sleep(TICK_S)  # others may follow, and are seen to together
            self.tick(trio.current_time())

    def tick(self, now: float) -> None:
        """Some of what is to be asked anew, and of what may have moved."""
        for entity in list(islice(self._unfed, STEP)):
            del self._unfed[entity]
            self._feed_again(entity)
        for _ in range(STEP):
            entity_seen = next(self._lap, None)
            if entity_seen is None:
                self._has_lapped = now < self._lap_due
                if self._has_lapped:
                    return
                self._lap_due = now + LAP_S
                self._lap = iter([*self._feeds, *(one for one, _ in self._hub.watched() if one not in self._feeds)])
            else:
                self._look_at(entity_seen, now)

    def _look_at(self, entity: str, now: float) -> None:
        feed = self._feeds.get(entity)
        is_watched = self._hub.position(entity) is not None
        if self._ownership.owns(entity):
            if feed is not None:  # it has come to live here
                del self._feeds[entity]
                if is_watched:
                    self._unfed[entity] = None
        elif feed is None:
            self.lives_elsewhere(entity)
        elif not is_watched and now - feed.since > IDLE_S and not self._catching_up.is_awaited(entity):
            self._end(entity, feed)
        elif is_watched and feed.node is None and entity not in self._catching_up.catching:
            self._unfed[entity] = None
        elif feed.node is not None and self._ownership.owner(entity) not in (feed.node, None):
            self._lose(entity, feed)

    def _feed_again(self, entity: str) -> None:
        """An Inspect has the feed go before it; of what lives here now it says whether something is missing."""
        if self._hub.position(entity) is not None:
            self._catching_up.ask_again(entity)

    def _end(self, entity: str, feed: _Feed) -> None:
        """Nobody watches it here any more."""
        del self._feeds[entity]
        self._catching_up.forget(entity)
        if feed.node is not None:
            self._unfeed(entity, feed.node)

    def _unfeed(self, entity: str, node: int) -> None:
        try:
            self._send(node, Unfeed(entity))
        except ActorError as error:
            log.debug("feed_not_ended", entity=entity, error=shown(error))  # what still comes has it told again
