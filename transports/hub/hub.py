"""The hub: who watches what, and the fan-out to them. Hop 7 on the way of a message.

A topic collects what its entity has released since the last flush. The flush encodes that once per encoding and hands
every subscriber the same bytes, so the cost is per subscriber *per flush*, not per message. Each topic keeps a tail of
its newest publications, by which most resumes are answered without asking the journal.

Publications arrive in order, and a subscriber is added at the moment that it is told its offset (both happen in one
sync stretch), so from there on it sees every offset once.

What would take long goes on in slices, one for each flush (hub/handing_out.py): what goes to all watchers of a long
topic, one after the other in the order in which it happened, and the end of all that a user has. Meanwhile what is
published collects, so nobody who is to be kicked gets anything from after the kick. A single user is kicked ahead of
all that.
"""

from collections import deque
from collections.abc import Callable, Collection, Iterator
from itertools import count
from time import perf_counter

import structlog
import trio

from greenroom.actors.life.turn import Turn
from greenroom.actors.model.effects import FORGOTTEN, Kick
from greenroom.actors.model.kinds import Kinds
from greenroom.actors.model.lifecycle import NOTED
from greenroom.actors.model.principal import Principal
from greenroom.config.limits import HubConfig
from greenroom.config.telemetry.held import Held
from greenroom.config.telemetry.instruments import Instruments
from greenroom.store.journal.records import StoredEvent
from greenroom.transports.hub.connected import Connections
from greenroom.transports.hub.encoding import Nothing
from greenroom.transports.hub.handing_out import KickingAhead, ending, kicking, starting_over
from greenroom.transports.hub.publication import Publication, one_line, show_of
from greenroom.transports.hub.said import Ephemeral
from greenroom.transports.hub.slices import SLICE_S, Lane, advance
from greenroom.transports.hub.topic import LONG, Subscriber, Topic, Watchers
from greenroom.transports.hub.walk import Walk

log = structlog.get_logger("greenroom.hub")

LEAVES_S = 0.5  # between two looks for leaves that are to be shown by now
SWEEP_LOOKS = 10  # and after so many of them topics are swept
LINGERING_MAX = 4096  # topics that nobody watches
LINGERING_BYTES_MAX = 64 << 20  # of their tails, looked at by each sweep
LOOK = 128  # subscribers between two looks at the clock
WORK_MAX = 64  # pieces of work of one long topic that wait; with more, nobody else has a turn until they are done
PENDING_MAX = 1024  # publications of one topic that wait for a flush; likewise


class Hub:
    """Every topic that somebody watches on this node, with the publications on their way to subscribers."""

    def __init__(
        self,
        kinds: Kinds,
        config: HubConfig,
        instruments: Instruments,
        *,
        wake: Callable[[], None],
        kicked_everywhere: Callable[[str], None],
        held: Held | None = None,
        stopwatch: Callable[[], float] = perf_counter,
    ) -> None:
        """`wake` has `flush` run at the end of this turn; `kicked_everywhere` hears of a user who is signed out.
        `stopwatch`: seconds, by which slices are measured."""
        self._kinds = kinds
        self._config = config
        self.views_per_s = config.views_per_s
        self.ephemeral_ring = config.ephemeral_ring
        self._instruments = instruments
        self._wake = wake
        self._kicked_everywhere = kicked_everywhere
        self._held = held or Held()
        self.turn = Turn()  # the event loop's: what is shown is code of its kind's, which the watchdog sees by it
        self._stopwatch = stopwatch
        self._endings: Lane = deque()
        self.kicks_everywhere = 0  # how often, for whoever was asked about before
        self._topics: dict[str, Topic] = {}
        self._dirty: list[Topic] = []
        self.connections = Connections()
        self._leaving: dict[Topic, None] = {}  # those with leaves that are not shown yet
        self._lingering: dict[Topic, None] = {}  # those that nobody watches, longest first

    # From the entities (the System's Audiences).

    def publish(self, entity: str, epoch: str, event: StoredEvent) -> None:
        """A durable publication, in order."""
        topic = self._topics.get(entity)
        if topic is None:
            return
        if topic.epoch != epoch or event.offset != topic.offset + 1:
            self._resynchronise(topic, epoch, event.offset - 1)
        shown: StoredEvent | None = event
        if topic.show is not None:
            shown = topic.show(event)
        elif event.payload == NOTED:
            shown = None
        publication = Publication(shown, epoch, first=topic.first) if shown is not None else None
        topic.offset = event.offset  # not before: what could not be shown leaves a gap, which the next one tells of
        if topic.views is not None:
            topic.views.changed()
        if publication is None:
            topic.remember(Publication.hidden(event.offset))
            if topic.first == event.offset:
                topic.first += 1
            return
        topic.remember(publication)
        topic.pending.append(publication)
        if not topic.dirty:
            self._mark(topic)
        elif len(topic.pending) > PENDING_MAX:
            self._finish(topic)

    def publish_ephemeral(self, entity: str, data: bytes, key: str) -> None:
        """Of what one flush finds, the newest per `key` is shown; without a key, all."""
        topic = self._topics.get(entity)
        if topic is not None and topic.size:
            topic.say(one_line(data), key)
            if not topic.dirty:
                self._mark(topic)

    def kick(self, entity: str, kick: Kick) -> None:
        """What was published before comes before; who is kicked gets nothing of what is published after."""
        topic = self._topics.get(entity)
        if topic is not None:
            topic.kicks += 1
            if topic.waits and not (topic.is_long and kick.user is not None):
                self._hand_over(topic)
            if kick.user is None:
                self.go_on(topic, kicking(topic, kick, topic.subscribers()), topic.size)
        if kick.user is not None:
            self._kick_user(entity, topic, kick, kick.user)

    def _kick_user(self, entity: str, topic: Topic | None, kick: Kick, user: str) -> None:
        until = self._stopwatch() + SLICE_S
        ahead = KickingAhead(topic, kick, topic.subscribers_of(user)) if topic is not None else None
        if kick.everywhere:  # after that: they have been handed what they are still to hear
            self.kicks_everywhere += 1
            self._kicked_everywhere(user)
            self._endings.append(ending(entity, kick, self.connections.of(user)))
        if topic is not None and ahead is not None:
            self._kick_ahead(topic, ahead)
        if kick.everywhere:
            if len(self._endings) > WORK_MAX:
                until = float("inf")
            if advance(self._endings, until, self._stopwatch):
                self._wake()

    def _kick_ahead(self, topic: Topic, work: KickingAhead) -> None:
        """What is under way for all the others does not keep a user here: at once, or before it."""
        if len(work.meant) <= LONG:
            for _ in work:
                pass
            return
        if topic.work is None:
            topic.work = deque()
        topic.work.appendleft(work)
        if len(topic.work) > WORK_MAX:
            self._finish(topic)
        elif not topic.dirty:
            self._mark(topic)

    def forget(self, entity: str) -> None:
        """It is erased: whoever watches it is told, and nothing of it is kept."""
        topic = self._topics.get(entity)
        if topic is None:
            return
        self.kick(entity, FORGOTTEN)
        self._finish(topic)
        topic.restart("", 0)
        if topic in self._lingering and not topic.held:
            self._forget(topic)

    def watching(self, entity: str) -> Collection[Principal]:
        topic = self._topics.get(entity)
        return Watchers(topic) if topic is not None else ()

    def is_watched(self, entity: str) -> bool:
        topic = self._topics.get(entity)
        return topic is not None and bool(topic.size)

    def began(self, entity: str, epoch: str, offset: int) -> None:
        """The entity has been built from its journal, which may be another than the one that watchers know, or hold
        more than they were shown: what has landed, and its last life had ended before it heard of that."""
        topic = self._topics.get(entity)
        if topic is not None and (topic.epoch != epoch or topic.offset < offset):
            self._resynchronise(topic, epoch, offset)

    def watched(self) -> list[tuple[str, str]]:
        """Entities that somebody watches, each with the epoch that watchers know."""
        return [(topic.entity, topic.epoch) for topic in self._topics.values() if topic.groups]

    # From the transports.

    def topic(self, entity: str, epoch: str, offset: int) -> Topic:
        """The entity's topic, made if nobody watches yet. `epoch` and `offset` are the entity's as of this moment."""
        topic = self._topics.get(entity)
        if topic is None:
            showing = self._kinds.of(entity).showing
            show = show_of(showing, entity, self.turn) if showing.alters_recorded else None
            topic = self._topics[entity] = Topic(entity, epoch, offset, self._config, show, self._held.tails)
            topic.empty_since = 0.0
            self._linger(topic)
        elif topic.epoch != epoch or topic.offset != offset:
            self._resynchronise(topic, epoch, offset)
        return topic

    # From the feeds of other nodes' entities (supervisors/correspondence/feeds.py).

    def position(self, entity: str) -> tuple[str, int] | None:
        """Epoch and offset up to which watchers know it; None where there are none, and no tail for them."""
        topic = self._topics.get(entity)
        return (topic.epoch, topic.offset) if topic is not None else None

    def subscribers(self, entity: str) -> list[Subscriber]:
        topic = self._topics.get(entity)
        return topic.subscribers() if topic is not None else []

    def doubt(self, entity: str) -> None:
        """Kicks may have been missed: who was let in before, and is not attached yet, has to be asked about again."""
        topic = self._topics.get(entity)
        if topic is not None:
            topic.kicks += 1

    def is_listened_to(self, entity: str) -> bool:
        """Is somebody to be told who comes and who leaves?"""
        topic = self._topics.get(entity)
        return topic is not None and bool(topic.listeners)

    def show_presence(self, entity: str, kind: str, client: str, info: bytes) -> None:
        """A join or leave (`kind`) on another node, with the client's ClientInfo, JSON."""
        topic = self._topics.get(entity)
        if topic is not None:
            self._note_presence(topic, kind, client, info)

    def fill(self, entity: str, found: list[Publication]) -> None:
        """The next publications of a topic that there is, from the journal: one for each offset, hidden ones too."""
        topic = self._topics[entity]
        for publication in found:
            assert publication.offset == topic.offset + 1
            topic.offset = publication.offset
            topic.remember(publication)
            if publication.json:
                topic.pending.append(publication)
        if topic.views is not None:
            topic.views.changed()
        if topic.pending and not topic.dirty:
            self._mark(topic)
        elif len(topic.pending) > PENDING_MAX:
            self._finish(topic)

    def start_anew(self, entity: str, epoch: str, offset: int) -> None:
        """What its watchers have missed is not to be had: they begin again, from there."""
        topic = self._topics.get(entity)
        if topic is not None:
            self._resynchronise(topic, epoch, offset)

    def start_over(self, entity: str, subscriber: Subscriber) -> None:
        """One is to come again with its position, if it is still there; who watches the view too, for it may be no
        longer allowed to."""
        topic = self._topics.get(entity)
        if topic is not None:
            self.go_on(topic, kicking(topic, Kick(2500, "insufficient state"), [subscriber]), 1)

    def attach(self, topic: Topic, subscriber: Subscriber) -> None:
        """From here on `subscriber` gets every publication after `topic.offset`."""
        if topic.waits and not topic.is_long:
            self._hand_out(topic)
        topic.empty_since = None
        self._lingering.pop(topic, None)
        topic.add(subscriber)
        self._instruments.subscriptions += 1
        self._show_presence(topic, "join", subscriber)

    def detach(self, topic: Topic, subscriber: Subscriber) -> bool:
        """Nothing more reaches `subscriber`; False when it was not attached."""
        if not topic.remove(subscriber):
            return False
        if not topic.groups:
            topic.empty_since = -1.0  # the sweep puts the time
            self._linger(topic)
        self._instruments.subscriptions -= 1
        self._show_presence(topic, "leave", subscriber)
        return True

    def sweep(self, now: float) -> None:
        """Forget topics that nobody has watched for a while, and before that those whose tails are too much together.
        `now` in seconds of any clock that goes on."""
        size = sum(topic.tail_bytes for topic in self._lingering)
        for topic in list(self._lingering):
            assert topic.empty_since is not None
            if topic.empty_since <= 0:
                topic.empty_since = now
            if (now - topic.empty_since >= self._config.linger_s or size > LINGERING_BYTES_MAX) and not topic.held:
                size -= topic.tail_bytes
                self._forget(topic)

    def _linger(self, topic: Topic) -> None:
        """Nobody watches it: keep it for who comes back, within a bound."""
        self._lingering[topic] = None
        if len(self._lingering) > LINGERING_MAX:
            for oldest in self._lingering:
                if not oldest.held and oldest is not topic:
                    self._forget(oldest)
                    break

    def _forget(self, topic: Topic) -> None:
        del self._lingering[topic]
        del self._topics[topic.entity]
        self._leaving.pop(topic, None)
        topic.end()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Sweep until cancelled."""
        task_status.started()
        for look in count(1):
            await trio.sleep(LEAVES_S)
            now = trio.current_time()
            self.show_leaves(now)
            if not look % SWEEP_LOOKS:
                self.sweep(now)

    def flush(self) -> bool:
        """Hand out what has been released since the last time: about SLICE_S of it. True when something is left."""
        stopwatch = self._stopwatch
        until = stopwatch() + SLICE_S
        if self._endings:
            advance(self._endings, until - SLICE_S / 2, stopwatch)
        dirty, self._dirty = self._dirty, []
        look = LOOK
        for number, topic in enumerate(dirty):
            if topic.is_long:
                if topic.work is None:
                    self._hand_over(topic)
                if topic.work is not None and self._advance(topic, until):
                    self._dirty.append(topic)  # behind the others
                else:
                    topic.work = None
                    topic.dirty = False
                    if topic.waits:
                        self._mark(topic)
                look = 0
            else:
                topic.dirty = False
                self._hand_out(topic)
                look -= 1 + topic.size
            if look <= 0:
                look = LOOK
                if stopwatch() >= until:
                    self._dirty[:0] = dirty[number + 1 :]
                    return True
        # What a topic was told while it was served is for the next flush: else there would be no end of this one.
        return bool(self._endings) or any(topic.work is not None for topic in self._dirty)

    def flush_all(self) -> None:
        """All of it, in one stretch."""
        while self.flush() or self._dirty:
            pass

    def _mark(self, topic: Topic) -> None:
        topic.dirty = True
        self._dirty.append(topic)
        self._wake()

    def _hand_out(self, topic: Topic) -> None:
        """What waits, to all subscribers, in one stretch; the topic is not long."""
        if topic.ephemerals is not None:
            only = topic.take_only()
            if only is not None:  # as a session's presence is, or somebody's typing
                self._show(topic, only)
                return
            self.go_on(topic, Walk(topic, self._instruments, self._stopwatch), topic.size)
            return
        batch = topic.pending
        if not batch:
            return
        topic.pending = []
        started = self._stopwatch()
        deliveries = 0
        last = batch[-1].offset
        try:
            for encoding, group in list(topic.groups.items()):
                piece = encoding.publications(topic.entity, topic.epoch, batch)
                if not piece:
                    continue
                for subscriber in list(group):
                    subscriber.deliver(piece, last)
                deliveries += len(group)
        except Exception:  # the edge: a mistake with one topic is no other's
            log.exception("fanout_failed", entity=topic.entity)
            self._start_over(topic)
        instruments = self._instruments
        instruments.deliveries += deliveries * len(batch)
        instruments.fanout_batch.record(len(batch))
        instruments.fanout_s.record(self._stopwatch() - started)

    def _show(self, topic: Topic, only: Ephemeral) -> None:
        """One ephemeral publication, to all subscribers, in one stretch."""
        ring_key = only.ring_key(topic.entity)
        try:
            for encoding, group in list(topic.groups.items()):
                piece = only.encoded(encoding, topic.entity)
                if piece:
                    for subscriber in list(group):
                        subscriber.deliver_ephemeral(piece, ring_key)
        except Exception:  # the edge, as in `_hand_out`
            log.exception("fanout_failed", entity=topic.entity)
            self._start_over(topic)

    def _hand_over(self, topic: Topic) -> None:
        """What waits is before all that comes now: to be handed out in slices where the topic is long."""
        if not topic.is_long:
            self._hand_out(topic)
        elif topic.waits:
            self._queue(topic, Walk(topic, self._instruments, self._stopwatch))

    def go_on(self, topic: Topic, work: Iterator[None], size: int) -> None:
        """Do what goes to `size` watchers of `topic`, behind all that is under way for them: at once, or in slices."""
        if topic.work is None and size <= LONG:
            try:
                for _ in work:
                    pass
            except Exception:  # the edge, as in `_hand_out`
                log.exception("fanout_failed", entity=topic.entity)
                self._start_over(topic)
        else:
            self._queue(topic, work)

    def _queue(self, topic: Topic, work: Iterator[None]) -> None:
        if topic.work is None:
            topic.work = deque()
        topic.work.append(work)
        if len(topic.work) > WORK_MAX:
            self._finish(topic)
        elif not topic.dirty:
            self._mark(topic)

    def _finish(self, topic: Topic) -> None:
        """All that waits and is under way, in one stretch."""
        self._hand_over(topic)
        while topic.work is not None:
            while self._advance(topic, float("inf")):
                pass
            topic.work = None
            self._hand_over(topic)

    def _advance(self, topic: Topic, until: float) -> bool:
        """Go on with what is under way for `topic`. True when something is left."""
        assert topic.work is not None
        try:
            return advance(topic.work, until, self._stopwatch)
        except Exception:  # the edge, as in `_hand_out`
            log.exception("fanout_failed", entity=topic.entity)
            topic.work.append(starting_over(topic, topic.subscribers()))
            return True

    def _start_over(self, topic: Topic) -> None:
        """Some may have missed something: all are to come again with their positions."""
        subscribers = topic.subscribers()
        self.go_on(topic, starting_over(topic, subscribers), len(subscribers))

    def _resynchronise(self, topic: Topic, epoch: str, offset: int) -> None:
        """The entity went on without this node hearing of it, or began anew: a gap is told, never skipped."""
        log.warning("topic_gap", entity=topic.entity, had=topic.offset, has=offset)
        self._hand_over(topic)
        topic.restart(epoch, offset)
        self._start_over(topic)
        if topic.views is not None:
            topic.views.changed()

    def _show_presence(self, topic: Topic, kind: str, subscriber: Subscriber) -> None:
        if (topic.listeners or topic.leaving) and subscriber.encoding is not Nothing:
            who = subscriber.principal
            if who.info is not None:
                self._note_presence(topic, kind, who.client, who.info, itself=subscriber)

    def _note_presence(
        self, topic: Topic, kind: str, client: str, info: bytes, *, itself: Subscriber | None = None
    ) -> None:
        """To be shown, unless it is of one who goes from node to node, or whose connection has only been lost."""
        if kind == "join":
            seen_by = topic.comes_back(info)
            if seen_by is not None:  # whoever has come later may know nothing of them
                newer = topic.listeners_after(seen_by)
                if len(newer) > LONG:
                    self._say_presence(topic, kind, client, info)
                    return
                join = Ephemeral(0, 0, client, info, kind)
                for listener in newer:
                    if listener is not itself:
                        piece = join.encoded(listener.encoding, topic.entity)
                        if piece:
                            listener.deliver_ephemeral(piece, join.ring_key(topic.entity))
                return
        elif topic.listeners and topic.leaves_later(client, info):
            self._leaving[topic] = None
            return
        if topic.listeners:
            self._say_presence(topic, kind, client, info)

    def show_leaves(self, now: float) -> None:
        """Those who have not come back in time. `now` as for `sweep`."""
        for topic in list(self._leaving):
            for client, info in topic.have_left(now):
                if topic.listeners:
                    self._say_presence(topic, "leave", client, info)
            if not topic.leaving:
                del self._leaving[topic]

    def _say_presence(self, topic: Topic, kind: str, client: str, info: bytes) -> None:
        topic.say(info, client, presence=kind)
        if not topic.dirty:
            self._mark(topic)
