"""The hub: who watches what, and the fan-out to them. Hop 7 on the way of a message.

A topic collects what its entity has released since the last flush. The flush encodes that once per encoding and hands
every subscriber the same bytes, so the cost is per subscriber *per flush*, not per message. Each topic keeps a tail of
its newest publications, by which most resumes are answered without asking the journal.

Publications arrive in order, and a subscriber is added at the moment that it is told its offset (both happen in one
sync stretch), so from there on it sees every offset once.
"""

from collections import deque
from collections.abc import Callable
from time import perf_counter
from typing import Protocol

import structlog
import trio

from greenroom.actors.model.effects import Kick
from greenroom.actors.model.kinds import Kinds
from greenroom.actors.model.lifecycle import NOTED
from greenroom.actors.model.principal import Principal
from greenroom.config.limits import HubConfig
from greenroom.config.telemetry.instruments import Instruments
from greenroom.store.journal.records import StoredEvent
from greenroom.transports.hub.connected import Connections
from greenroom.transports.hub.publication import Publication, Show, one_line, show_of

log = structlog.get_logger("greenroom.hub")

SWEEP_S = 5.0
LINGERING_MAX = 4096  # topics that nobody watches
LINGERING_BYTES_MAX = 64 << 20  # of their tails, looked at by each sweep


class Subscriber(Protocol):
    """One watcher of one topic."""

    @property
    def encoding(self) -> "type[Encoding]": ...

    @property
    def principal(self) -> Principal: ...

    @property
    def wants_joins(self) -> bool:
        """Join and leave pushes."""

    def deliver(self, batch: bytes, last_offset: int) -> None:
        """Encoded durable publications, ending with `last_offset`. Must not raise."""

    def deliver_ephemeral(self, piece: bytes, key: str) -> None: ...

    def kicked(self, code: int, reason: str) -> None:
        """The entity wants this subscription (codes below 3000) or the whole connection to end."""

    def epoch_changed(self) -> None:
        """The topic's journal began anew: what this subscriber knows no longer counts."""


class Encoding(Protocol):
    """One way of putting a topic's publications into bytes, shared by all subscribers that use it; b"" for what they
    are not to get."""

    @staticmethod
    def publications(channel: str, epoch: str, batch: list[Publication]) -> bytes: ...

    @staticmethod
    def ephemeral(channel: str, data: bytes) -> bytes: ...

    @staticmethod
    def presence(channel: str, kind: str, info: bytes) -> bytes:
        """A join or leave (`kind`) of the client with this JSON ClientInfo; b"" where it is not shown."""


class Views(Protocol):
    """Whoever watches the view of one topic's entity, rather than its events."""

    def changed(self) -> None:
        """An event was released, shown or hidden, or the journal began anew. Must not raise."""


class Topic:
    """One entity that is watched: its subscribers, what is to be handed to them, and the tail for resumes."""

    __slots__ = (
        "_config",
        "dirty",
        "empty_since",
        "entity",
        "epoch",
        "first",
        "groups",
        "held",
        "kicks",
        "listeners",
        "offset",
        "pending",
        "show",
        "tail",
        "tail_bytes",
        "views",
        "warming",
    )

    def __init__(self, entity: str, epoch: str, offset: int, config: HubConfig, show: Show | None) -> None:
        """`show`: None where events are shown as they are recorded."""
        self.entity = entity
        self.epoch = epoch
        self.offset = offset  # the newest released event's number
        self.first = 1  # the first event's number that is not hidden, as far as is known
        self.show = show
        self.groups: dict[type[Encoding], dict[Subscriber, None]] = {}
        self.listeners: dict[Subscriber, None] | None = None  # those who want joins and leaves, for they are few
        self.pending: list[Publication] = []
        self.tail: deque[Publication] = deque()
        self.dirty = False
        self.empty_since: float | None = None
        self.held = 0  # resumes under way, which keep it from being forgotten
        self.kicks = 0  # how often somebody was kicked, for whoever was asked about before
        self.views: Views | None = None
        self.warming: trio.Event | None = None  # set once the tail has been filled from the journal
        self._config = config
        self.tail_bytes = 0

    def subscribers(self) -> list[Subscriber]:
        return [subscriber for group in self.groups.values() for subscriber in group]

    def remember(self, publication: Publication) -> None:
        self.tail.append(publication)
        self.tail_bytes += len(publication.json)
        config = self._config
        while len(self.tail) > config.tail_events or self.tail_bytes > config.tail_bytes:
            self.tail_bytes -= len(self.tail.popleft().json)

    @property
    def tail_room(self) -> int:
        """How many publications the tail would take beyond those it has."""
        return max(1, self._config.tail_events - len(self.tail))

    def prepend(self, older: list[Publication]) -> None:
        """`older`: newest first, the first of them just before the tail's first. Takes what fits."""
        for publication in older:
            self.tail_bytes += len(publication.json)
            if len(self.tail) >= self._config.tail_events or self.tail_bytes > self._config.tail_bytes:
                self.tail_bytes -= len(publication.json)
                break
            self.tail.appendleft(publication)

    def since(self, offset: int) -> list[Publication] | None:
        """The publications after `offset`, hidden ones too, when the tail holds them all; None when it does not."""
        missing = self.offset - offset
        if missing <= 0:
            return [] if missing == 0 else None
        if len(self.tail) < missing:
            return None
        return list(self.tail)[-missing:]

    def restart(self, epoch: str, offset: int) -> None:
        self.epoch = epoch
        self.offset = offset
        self.first = 1
        self.pending = []
        self.tail.clear()
        self.tail_bytes = 0
        self.warming = None


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
    ) -> None:
        """`wake` has `flush` run at the end of this turn; `kicked_everywhere` hears of a user who is signed out."""
        self._kinds = kinds
        self._config = config
        self.views_per_s = config.views_per_s
        self.ephemeral_ring = config.ephemeral_ring
        self._instruments = instruments
        self._wake = wake
        self._kicked_everywhere = kicked_everywhere
        self._topics: dict[str, Topic] = {}
        self._dirty: list[Topic] = []
        self.connections = Connections()
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
            topic.dirty = True
            self._dirty.append(topic)
            self._wake()

    def publish_ephemeral(self, entity: str, data: bytes, key: str) -> None:
        topic = self._topics.get(entity)
        if topic is None:
            return
        data = one_line(data)
        self._flush_topic(topic)  # what was said before comes before
        for encoding, group in list(topic.groups.items()):
            piece = encoding.ephemeral(entity, data)
            if not piece:
                continue
            ring_key = f"{entity}\n{key}"  # the name of an entity holds no control character, so none reads as another
            for subscriber in list(group):
                subscriber.deliver_ephemeral(piece, ring_key)

    def kick(self, entity: str, kick: Kick) -> None:
        own = self._topics.get(entity)
        if own is not None:
            self._flush_topic(own)  # so that it sees why
        topics = list(self._topics.values()) if kick.everywhere else [own] if own is not None else []
        for topic in topics:
            topic.kicks += 1
            for subscriber in topic.subscribers():
                if kick.user is None or subscriber.principal.user == kick.user:
                    subscriber.kicked(kick.code, kick.reason)
        if kick.everywhere and kick.user is not None:
            if kick.code >= 3000:  # those too that watch nothing at this moment
                self.connections.end(kick.user, kick.code, kick.reason)
            self._kicked_everywhere(kick.user)

    def watching(self, entity: str) -> list[Principal]:
        topic = self._topics.get(entity)
        return [subscriber.principal for subscriber in topic.subscribers()] if topic is not None else []

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
            show = show_of(showing, entity) if showing.alters_recorded else None
            topic = self._topics[entity] = Topic(entity, epoch, offset, self._config, show)
            topic.empty_since = 0.0
            self._linger(topic)
        elif topic.epoch != epoch or topic.offset != offset:
            self._resynchronise(topic, epoch, offset)
        return topic

    def attach(self, topic: Topic, subscriber: Subscriber) -> None:
        """From here on `subscriber` gets every publication after `topic.offset`."""
        self._flush_topic(topic)
        topic.empty_since = None
        self._lingering.pop(topic, None)
        topic.groups.setdefault(subscriber.encoding, {})[subscriber] = None
        if subscriber.wants_joins:
            if topic.listeners is None:
                topic.listeners = {}
            topic.listeners[subscriber] = None
        self._instruments.subscriptions += 1
        self._show_presence(topic, "join", subscriber)

    def detach(self, topic: Topic, subscriber: Subscriber) -> bool:
        """Nothing more reaches `subscriber`; False when it was not attached."""
        group = topic.groups.get(subscriber.encoding)
        if group is None or subscriber not in group:
            return False
        del group[subscriber]
        if topic.listeners is not None:
            topic.listeners.pop(subscriber, None)
        if not group:
            del topic.groups[subscriber.encoding]
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

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Sweep until cancelled."""
        task_status.started()
        while True:
            await trio.sleep(SWEEP_S)
            self.sweep(trio.current_time())

    def flush(self) -> None:
        """Hand out what has been released since the last time."""
        dirty, self._dirty = self._dirty, []
        for topic in dirty:
            topic.dirty = False
            if topic.pending:
                self._flush_topic(topic)

    def _flush_topic(self, topic: Topic) -> None:
        batch = topic.pending
        if not batch:
            return
        topic.pending = []
        started = perf_counter()
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
        instruments.fanout_s.record(perf_counter() - started)

    def _resynchronise(self, topic: Topic, epoch: str, offset: int) -> None:
        """The entity went on without this node hearing of it, or began anew: a gap is told, never skipped."""
        log.warning("topic_gap", entity=topic.entity, had=topic.offset, has=offset)
        self._flush_topic(topic)
        topic.restart(epoch, offset)
        self._start_over(topic)
        if topic.views is not None:
            topic.views.changed()

    def _start_over(self, topic: Topic) -> None:
        """Some may have missed something: all are to come again with their positions."""
        for subscriber in topic.subscribers():
            try:
                subscriber.epoch_changed()
            except Exception:  # the edge, as in `_flush_topic`
                log.exception("fanout_failed", entity=topic.entity)

    def _show_presence(self, topic: Topic, kind: str, subscriber: Subscriber) -> None:
        who = subscriber.principal
        if not topic.listeners or who.info is None:
            return
        pieces: dict[type[Encoding], bytes] = {}
        for other in list(topic.listeners):
            piece = pieces.get(other.encoding)
            if piece is None:
                piece = pieces[other.encoding] = other.encoding.presence(topic.entity, kind, who.info)
            if piece:
                other.deliver_ephemeral(piece, f"{topic.entity}\r{kind} {who.client}")
