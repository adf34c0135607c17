"""What goes to many watchers, as work that is done in slices. Each takes at once whom it concerns, and by then what it
tells them; who has left before its turn comes hears nothing.
"""

from collections.abc import Callable, Iterable, Iterator

import structlog

from greenroom.actors.model.effects import Kick
from greenroom.config.telemetry.instruments import Instruments
from greenroom.transports.hub.connected import Connected
from greenroom.transports.hub.encoding import Encoding
from greenroom.transports.hub.said import Piece, Said
from greenroom.transports.hub.topic import Subscriber, Topic

log = structlog.get_logger("greenroom.hub")

STEP = 128  # subscribers that are handed something, between two chances to stop
ENDS = 16  # subscriptions that end, which takes longer

Group = tuple[type[Encoding], dict[Subscriber, None], list[Subscriber]]  # the list: of those whom it concerns
Late = dict[Subscriber, tuple[int, int]]


def walking(topic: Topic, instruments: Instruments, stopwatch: Callable[[], float]) -> Iterator[None]:
    """Hand what waits to all who watch now."""
    said, late = topic.take()
    groups: list[Group] = []
    for encoding, group in topic.groups.items():
        if said.only_presences:
            groups.append((encoding, group, [one for one in topic.listeners or () if one.encoding is encoding]))
        else:
            groups.append((encoding, group, list(group)))
    return _walking(topic, said, late, groups, topic.leaves, instruments, stopwatch)


def _walking(
    topic: Topic,
    said: Said,
    late: Late | None,
    groups: list[Group],
    leaves: int,
    instruments: Instruments,
    stopwatch: Callable[[], float],
) -> Iterator[None]:
    started = stopwatch()
    size = len(said.publications)
    for encoding, group, subscribers in groups:
        plain = said.pieces(encoding, presences=False)
        listened = said.pieces(encoding, presences=True) if said.presences else plain
        if not plain and not listened:
            continue
        alike = len(plain) == 1 and plain[0].ring_key is None and listened is plain and not late
        for begin in range(0, len(subscribers), STEP):
            some = subscribers[begin : begin + STEP]
            if topic.leaves != leaves:
                some = [subscriber for subscriber in some if subscriber in group]
            if alike:
                data, last = plain[0].data, plain[0].last
                for subscriber in some:
                    subscriber.deliver(data, last)
            else:
                for subscriber in some:
                    pieces = listened if subscriber.wants_joins else plain
                    if late is not None and subscriber in late:
                        offset, number = late[subscriber]
                        pieces = said.pieces(encoding, presences=subscriber.wants_joins, offset=offset, number=number)
                    _hand(subscriber, pieces, group)
            instruments.deliveries += len(some) * size
            yield
    if size:
        instruments.fanout_batch.record(size)
        instruments.fanout_s.record(stopwatch() - started)


def _hand(subscriber: Subscriber, pieces: list[Piece], group: dict[Subscriber, None]) -> None:
    for piece in pieces:
        if subscriber not in group:
            return  # one was too many
        if piece.ring_key is None:
            subscriber.deliver(piece.data, piece.last)
        else:
            subscriber.deliver_ephemeral(piece.data, piece.ring_key)


def kicking(topic: Topic, kick: Kick, subscribers: list[Subscriber]) -> Iterator[None]:
    """End those of `subscribers` whom the kick means."""
    for number, subscriber in enumerate(subscribers, 1):
        if kick.means(subscriber.principal) and subscriber in topic.groups.get(subscriber.encoding, ()):
            try:
                subscriber.kicked(kick.code, kick.reason)
            except Exception:  # the edge: a mistake with one is no other's
                log.exception("fanout_failed", entity=topic.entity)
        if not number % ENDS:
            yield


def starting_over(topic: Topic, subscribers: list[Subscriber]) -> Iterator[None]:
    """Tell `subscribers` that the topic's journal began anew."""
    for number, subscriber in enumerate(subscribers, 1):
        if subscriber in topic.groups.get(subscriber.encoding, ()):
            try:
                subscriber.epoch_changed()
            except Exception:  # the edge, as in `kicking`
                log.exception("fanout_failed", entity=topic.entity)
        if not number % ENDS:
            yield


def ending(entity: str, kick: Kick, connections: Iterable[Connected]) -> Iterator[None]:
    """What a user's connections watch: of those that have ended all, else as the kick says."""
    for connection in connections:
        try:
            if kick.code >= 3000:
                connection.leave()
            else:
                connection.unwatch(kick.code, kick.reason)
        except Exception:  # the edge, as in `kicking`
            log.exception("fanout_failed", entity=entity)
        yield
