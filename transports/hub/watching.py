"""The one road to watch an entity: may I, from where, attach.

The entity is asked, what was missed since a position is found, and then the watcher is told where it stands and
attached, in one sync stretch: what is published later is pushed, what came before it has been told.

Between the entity's answer and that stretch a resume may have to read the journal. What the entity said may then hold
no longer, and who is not attached yet is reached by no kick: when anything has happened there meanwhile, it is asked
again. A kick before the answer needs no such care, for both leave the entity in its order.
"""

from collections.abc import Callable
from typing import Protocol, cast

import msgspec
from msgspec import Struct

from greenroom.actors.model.errors import ActorError
from greenroom.actors.model.lifecycle import Inspected
from greenroom.actors.model.principal import Principal
from greenroom.config.limits import ClientConfig
from greenroom.transports.hub.audience import Audience
from greenroom.transports.hub.encoding import Nothing
from greenroom.transports.hub.hub import Hub
from greenroom.transports.hub.publication import Publication
from greenroom.transports.hub.reading import Reading
from greenroom.transports.hub.recovery import Missed, from_journal, from_tail
from greenroom.transports.hub.topic import Subscriber, Topic
from greenroom.transports.hub.view_watching import ViewSubscriber, ViewWatching
from greenroom.transports.reads import Reads

_TopicState = tuple[str, int, int, int]  # epoch, offset, kicks there and everywhere: another once anything has happened


class Position(Struct):
    """How far a watcher has seen a journal."""

    epoch: str  # "" is whichever it is now
    offset: int


class Watcher(Protocol):
    """Who wants to watch. One of `admitted`, `abandoned`, `refused` and `broken` is called, now or later."""

    @property
    def principal(self) -> Principal: ...

    @property
    def as_view(self) -> bool:
        """It wants the view whenever that has changed, rather than what is published, and is to be a ViewSubscriber."""

    @property
    def gone(self) -> bool:
        """Nobody waits for the answer any more."""

    def abandoned(self) -> None:
        """It had gone when the answer came."""

    def admitted(self, topic: Topic, view: bytes, missed: Missed | None) -> Subscriber | None:
        """Tell it that it watches from `topic.offset` on: with what it `missed`, or with the view when that is not
        known (None: it named no position). As a view nothing but the view can be missed. Returns what is to be
        attached; None when it has ended over this."""

    def attached(self) -> None: ...

    def refused(self, error: ActorError) -> None: ...

    def broken(self, error: Exception) -> None:
        """By a mistake of ours. Must not raise."""


class Answered(Protocol):
    """Who waits for an entity's answer, to watch it."""

    def seen(self, answer: Inspected) -> None: ...

    def ask_again(self) -> None:
        """Its answer holds no longer."""

    def refused(self, error: ActorError) -> None: ...

    def broken(self, error: Exception) -> None:
        """By a mistake of ours. Must not raise."""


Before = Callable[[str, Answered], Callable[[Inspected], None]]


class Watching:
    """Attaches watchers to topics and takes them off again, and tells the entities so."""

    def __init__(
        self,
        hub: Hub,
        reading: Reading,
        reads: Reads,
        audience: Audience,
        views: ViewWatching,
        config: ClientConfig,
        *,
        before: Before | None = None,
    ) -> None:
        """`before` hears of each entity that is about to be asked, and says who is to hear its answer: where it may
        live on another node."""
        self.before = before
        self.hub = hub
        self.reading = reading
        self.reads = reads
        self.recovery_max = config.recovery_max
        self._audience = audience
        self._views = views

    def watch(self, entity: str, watcher: Watcher, position: Position | None, *, granted: bool = False) -> None:
        """Attach `watcher` from `position` on, or from now on; `granted`: by a subscription token, which
        an entity overrules only for those it has put out."""
        way = _WayIn(self, entity, watcher, position, granted=granted)
        way.ask(way.begin)

    def admit(self, topic: Topic, seen: Inspected, missed: Missed | None, watcher: Watcher) -> None:
        """The last step: tell it, and attach it."""
        subscriber = watcher.admitted(topic, seen.view, missed)
        if subscriber is not None:
            self.hub.attach(topic, subscriber)
            if watcher.as_view:
                self._views.add(topic, cast(ViewSubscriber, subscriber), seen.view)
            if subscriber.encoding is not Nothing:
                self._audience.changed(topic.entity, subscriber.principal, joined=True)
            watcher.attached()

    def leave(self, topic: Topic, subscriber: Subscriber) -> None:
        """Nothing more reaches `subscriber`. Does nothing when it is not attached."""
        if self.hub.detach(topic, subscriber):
            self._views.remove(topic, subscriber)
            if subscriber.encoding is not Nothing:
                self._audience.changed(topic.entity, subscriber.principal, joined=False)


class _WayIn:
    """One watcher, until it is attached. An object and no closures: each connect has one, and what of it went round in
    circles would be left for the collector."""

    __slots__ = ("_entity", "_granted", "_position", "_watcher", "_watching")

    def __init__(
        self, watching: Watching, entity: str, watcher: Watcher, position: Position | None, *, granted: bool
    ) -> None:
        self._watching = watching
        self._entity = entity
        self._watcher = watcher
        self._position = position
        self._granted = granted

    def ask(self, seen: Callable[[Inspected], None]) -> None:
        """`seen` hears the entity's answer; a refusal the watcher."""
        watcher = self._watcher
        principal = watcher.principal
        if self._granted:
            principal = msgspec.structs.replace(principal, granted=True)
        before = self._watching.before
        if before is not None:
            seen = before(self._entity, _Asked(self, seen, watcher))
        self._watching.reading.inspect(self._entity, principal, seen, watcher.refused, watcher.broken)

    def begin(self, seen: Inspected) -> None:
        """The entity lets it watch: from where?"""
        watcher, watching, position = self._watcher, self._watching, self._position
        if watcher.gone:
            watcher.abandoned()
            return
        topic = watching.hub.topic(self._entity, seen.epoch, seen.offset)
        if position is None:
            watching.admit(topic, seen, None, watcher)
            return
        if watcher.as_view:
            same = position.offset == topic.offset and position.epoch in ("", topic.epoch)
            watching.admit(topic, seen, Missed([] if same else None), watcher)
            return
        missed = from_tail(topic, epoch=position.epoch, offset=position.offset, most=watching.recovery_max)
        if missed is not None:
            watching.admit(topic, seen, missed, watcher)
            return
        topic.held += 1  # from now on: a topic that is forgotten meanwhile would reach nobody
        asked_at = self._state_of(topic)

        async def recover() -> None:
            await self._recover(position, topic, seen, asked_at)

        if not watching.reads.start(recover, watcher.refused, watcher.broken):
            topic.held -= 1

    async def _recover(self, position: Position, topic: Topic, seen: Inspected, asked_at: _TopicState) -> None:
        """`asked_at`: the topic's state as of the entity's answer, which is `seen`. Raises: StoreUnavailable."""
        watching, watcher = self._watching, self._watcher
        try:
            found = await from_journal(
                watching.reading,
                topic,
                epoch=position.epoch,
                offset=position.offset,
                most=watching.recovery_max,
                bytes_max=watching.reading.bytes_max,
            )
        finally:
            topic.held -= 1
        if watcher.gone:
            watcher.abandoned()
        elif found.publications is None:
            self.ask(self._start_over)  # the view must be of the moment that the offset is of
        elif self._state_of(topic) == asked_at:
            watching.admit(topic, seen, found, watcher)
        else:
            self.ask(self._catching_up(topic.epoch, topic.offset, found.publications))

    def _state_of(self, topic: Topic) -> _TopicState:
        return topic.epoch, topic.offset, topic.kicks, self._watching.hub.kicks_everywhere

    def _start_over(self, seen: Inspected) -> None:
        if self._watcher.gone:
            self._watcher.abandoned()
        else:
            topic = self._watching.hub.topic(self._entity, seen.epoch, seen.offset)
            self._watching.admit(topic, seen, Missed(None), self._watcher)

    def _catching_up(self, epoch: str, offset: int, found: list[Publication]) -> Callable[[Inspected], None]:
        """Admit with what was `found` up to `offset`, and what has come since; once that is more than the tail holds,
        nothing is known. Never reads again, so that a busy entity is asked twice and not for ever."""

        def attach(seen: Inspected) -> None:
            watching, watcher = self._watching, self._watcher
            if watcher.gone:
                watcher.abandoned()
                return
            topic = watching.hub.topic(self._entity, seen.epoch, seen.offset)
            since = from_tail(topic, epoch=epoch, offset=offset, most=watching.recovery_max - len(found))
            later = since.publications if since is not None else None
            watching.admit(topic, seen, Missed(found + later if later is not None else None), watcher)

        return attach


class _Asked:
    """What an entity was asked, on the way in; see Answered."""

    __slots__ = ("_way", "broken", "refused", "seen")

    def __init__(self, way: _WayIn, seen: Callable[[Inspected], None], watcher: Watcher) -> None:
        self._way = way
        self.seen = seen
        self.refused = watcher.refused
        self.broken = watcher.broken

    def ask_again(self) -> None:
        self._way.ask(self.seen)
