"""Views to watch: the entity's view whenever it has changed, for those who want that rather than its events.

However many watch an entity so, it is asked once for all of them, one question at a time and at most so many a second,
and what it answers is encoded once per encoding. An event in between only notes that there is something to ask. What
was never asked for is never built: an entity that nobody watches so does nothing.

A view that fails ends nothing: who watches keeps the one it has, and the next that succeeds reaches it.
"""

from collections.abc import Callable, Iterator
from typing import Protocol

import structlog
import trio

from greenroom.actors.model.errors import ActorError
from greenroom.actors.model.lifecycle import Inspected
from greenroom.actors.model.principal import SYSTEM
from greenroom.config.telemetry.instruments import Instruments
from greenroom.config.telemetry.shown import shown
from greenroom.transports.deadlines import Deadlines
from greenroom.transports.hub.encoding import Encoding
from greenroom.transports.hub.reading import Reading
from greenroom.transports.hub.topic import Subscriber, Topic

log = structlog.get_logger("greenroom.hub")

STEP = 128  # watchers that are handed a view, between two chances to stop
RETRY_S = 1.0  # after an answer that was not to be had, before it is asked for again
TOLD_S = 60.0  # a view that goes on failing is logged so often


Hand = Callable[[Topic, Iterator[None], int], None]


class ViewEncoding(Encoding, Protocol):
    """Of publications it makes b"", so that the hub has nothing to hand out."""

    @staticmethod
    def view(channel: str, epoch: str, offset: int, view: bytes) -> bytes: ...


class ViewSubscriber(Subscriber, Protocol):
    """One watcher of one topic's view."""

    @property
    def encoding(self) -> type[ViewEncoding]: ...

    def deliver_view(self, piece: bytes, epoch: str, offset: int) -> None:
        """The encoded view as of `offset`. Must not raise."""


class ViewWatching:
    """Who watches which entity's view on this node."""

    def __init__(
        self, reading: Reading, deadlines: Deadlines, instruments: Instruments, hand: Hand, *, per_s: float
    ) -> None:
        """`hand`: see `Hub.go_on`. `per_s`: views of one entity a second, at most."""
        self._reading = reading
        self._deadlines = deadlines
        self._instruments = instruments
        self._hand = hand
        self._interval_s = 1 / per_s

    def add(self, topic: Topic, subscriber: ViewSubscriber, view: bytes) -> None:
        """From here on `subscriber`, which knows `view`, gets each that differs."""
        views = topic.views
        if views is None:
            views = topic.views = _EntityViews(
                topic, self._reading, self._deadlines, self._instruments, self._hand, self._interval_s
            )
        assert isinstance(views, _EntityViews)
        views.known[subscriber] = view

    def remove(self, topic: Topic, subscriber: Subscriber) -> None:
        """Does nothing when it does not watch the view."""
        views = topic.views
        if isinstance(views, _EntityViews):
            views.known.pop(subscriber, None)  # type: ignore[call-overload]
            if not views.known:
                views.done = True
                topic.views = None


class _EntityViews:
    """One entity's view and its watchers."""

    __slots__ = (
        "_asking",
        "_changed",
        "_deadlines",
        "_due",
        "_hand",
        "_instruments",
        "_interval_s",
        "_next_at",
        "_reading",
        "_told_at",
        "_topic",
        "done",
        "known",
    )

    def __init__(
        self,
        topic: Topic,
        reading: Reading,
        deadlines: Deadlines,
        instruments: Instruments,
        hand: Hand,
        interval_s: float,
    ) -> None:
        self._topic = topic
        self._reading = reading
        self._deadlines = deadlines
        self._instruments = instruments
        self._hand = hand
        self._interval_s = interval_s
        self._next_at = 0.0  # on the trio clock: not to be asked before
        self._changed = False  # since it was asked last
        self._told_at = float("-inf")  # on the trio clock: when its failing was logged last
        self._due = False  # to be asked at a time that is set, or asked and yet to answer
        self._asking = False  # the latter
        self.known: dict[ViewSubscriber, bytes] = {}  # the view that each was given last; mostly one and the same
        self.done = False  # nobody is left: see Deadlines

    def changed(self) -> None:
        """An event was released, or the journal began anew."""
        self._changed = True
        if not self._due:
            self._due = True
            self._deadlines.add(max(trio.current_time(), self._next_at), self)

    def expire(self) -> None:
        """Its time has come. See Deadlines."""
        self._changed = False
        self._asking = True
        self._next_at = trio.current_time() + self._interval_s
        # Who watches has been asked about when it came, as with events; the view is the same for all of them.
        self._reading.inspect(self._topic.entity, SYSTEM, self._seen, self._refused, self._broken)

    def _seen(self, seen: Inspected) -> None:
        self._answered()
        # Without what each knows: a pair for each is what the collector would go through amid this.
        self._hand(self._topic, self._handing(seen, list(self.known)), len(self.known))

    def _handing(self, seen: Inspected, subscribers: list[ViewSubscriber]) -> Iterator[None]:
        pieces: dict[type[ViewEncoding], bytes] = {}
        for number, subscriber in enumerate(subscribers, 1):
            if self.known.get(subscriber, seen.view) != seen.view:
                encoding = subscriber.encoding
                piece = pieces.get(encoding)
                if piece is None:
                    piece = pieces[encoding] = encoding.view(self._topic.entity, seen.epoch, seen.offset, seen.view)
                self.known[subscriber] = seen.view
                self._instruments.deliveries += 1
                subscriber.deliver_view(piece, seen.epoch, seen.offset)
            if not number % STEP:
                yield

    def _refused(self, error: ActorError) -> None:
        if error.temporary:
            self._changed = True  # else it would only say the same again, until something has happened
        else:
            self._tell(error)
        self._next_at = max(self._next_at, trio.current_time() + RETRY_S)
        self._answered()

    def _broken(self, error: Exception) -> None:
        self._tell(error)
        self._answered()

    def _answered(self) -> None:
        if not self._asking:
            return
        self._asking = self._due = False
        if self._changed and not self.done:
            self.changed()

    def _tell(self, error: Exception) -> None:
        now = trio.current_time()
        if now - self._told_at >= TOLD_S:
            self._told_at = now
            log.warning("view_not_shown", entity=self._topic.entity, error=shown(error))
