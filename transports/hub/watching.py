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
from greenroom.transports.hub.hub import Hub
from greenroom.transports.hub.publication import Publication
from greenroom.transports.hub.reading import Reading
from greenroom.transports.hub.recovery import Missed, from_journal, from_tail
from greenroom.transports.hub.topic import Subscriber, Topic
from greenroom.transports.hub.view_watching import ViewSubscriber, ViewWatching
from greenroom.transports.reads import Reads


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
    ) -> None:
        self._hub = hub
        self._reading = reading
        self._reads = reads
        self._audience = audience
        self._views = views
        self._config = config

    def watch(self, entity: str, watcher: Watcher, position: Position | None, *, granted: bool = False) -> None:
        """Attach `watcher` from `position` on, or from now on; `granted`: by a subscription token, which
        an entity overrules only for those it has put out."""

        def ask(attach: Callable[[Inspected], None]) -> None:
            principal = watcher.principal
            if granted:
                principal = msgspec.structs.replace(principal, granted=True)

            def seen(inspected: Inspected) -> None:
                if watcher.gone:
                    watcher.abandoned()
                else:
                    attach(inspected)

            self._reading.inspect(entity, principal, seen, watcher.refused, watcher.broken)

        def begin(seen: Inspected) -> None:
            topic = self._hub.topic(entity, seen.epoch, seen.offset)
            if position is None:
                self._admit(topic, seen, None, watcher)
                return
            if watcher.as_view:
                same = position.offset == topic.offset and position.epoch in ("", topic.epoch)
                self._admit(topic, seen, Missed([] if same else None), watcher)
                return
            most = self._config.recovery_max
            missed = from_tail(topic, epoch=position.epoch, offset=position.offset, most=most)
            if missed is not None:
                self._admit(topic, seen, missed, watcher)
                return

            async def recover() -> None:
                try:
                    found = await from_journal(
                        self._reading,
                        topic,
                        epoch=position.epoch,
                        offset=position.offset,
                        most=most,
                        bytes_max=self._reading.bytes_max,
                    )
                finally:
                    topic.held -= 1
                if watcher.gone:
                    watcher.abandoned()
                elif found.publications is None:
                    ask(start_over)  # the view must be of the moment that the offset is of
                elif (topic.epoch, topic.offset, topic.kicks, self._hub.kicks_everywhere) == asked_at:
                    self._admit(topic, seen, found, watcher)
                else:
                    ask(self._catching_up(entity, topic.epoch, topic.offset, found.publications, watcher))

            topic.held += 1  # from now on: a topic that is forgotten meanwhile would reach nobody
            asked_at = (topic.epoch, topic.offset, topic.kicks, self._hub.kicks_everywhere)
            if not self._reads.start(recover, watcher.refused, watcher.broken):
                topic.held -= 1

        def start_over(seen: Inspected) -> None:
            self._admit(self._hub.topic(entity, seen.epoch, seen.offset), seen, Missed(None), watcher)

        ask(begin)

    def _catching_up(
        self, entity: str, epoch: str, offset: int, found: list[Publication], watcher: Watcher
    ) -> Callable[[Inspected], None]:
        """Admit with what was `found` up to `offset`, and what has come since; once that is more than the tail holds,
        nothing is known. Never reads again, so that a busy entity is asked twice and not for ever."""

        def attach(seen: Inspected) -> None:
            topic = self._hub.topic(entity, seen.epoch, seen.offset)
            since = from_tail(topic, epoch=epoch, offset=offset, most=self._config.recovery_max - len(found))
            later = since.publications if since is not None else None
            self._admit(topic, seen, Missed(found + later if later is not None else None), watcher)

        return attach

    def _admit(self, topic: Topic, seen: Inspected, missed: Missed | None, watcher: Watcher) -> None:
        subscriber = watcher.admitted(topic, seen.view, missed)
        if subscriber is not None:
            self._hub.attach(topic, subscriber)
            if watcher.as_view:
                self._views.add(topic, cast(ViewSubscriber, subscriber), seen.view)
            self._audience.changed(topic.entity, subscriber.principal, joined=True)
            watcher.attached()

    def leave(self, topic: Topic, subscriber: Subscriber) -> None:
        """Nothing more reaches `subscriber`. Does nothing when it is not attached."""
        if self._hub.detach(topic, subscriber):
            self._views.remove(topic, subscriber)
            self._audience.changed(topic.entity, subscriber.principal, joined=False)
