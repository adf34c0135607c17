"""A walk: what a topic has said, on its way to all who watch at that moment, some of them at a time."""

from collections.abc import Callable, Iterator

from greenroom.config.telemetry.instruments import Instruments
from greenroom.transports.hub.encoding import Encoding
from greenroom.transports.hub.said import Piece, Said
from greenroom.transports.hub.topic import Late, Subscriber, Topic

STEP = 128  # subscribers that are handed something, between two chances to stop

Group = tuple[type[Encoding], dict[Subscriber, int], list[Subscriber]]  # the list: of those whom it concerns


class Walk:
    """Takes what waits of the topic, and hands STEP subscribers their part of it with each step, as in slices.py. Who
    has left before its turn comes is handed nothing."""

    __slots__ = ("_ahead", "_groups", "_instruments", "_joins", "_late", "_said", "_steps", "_through", "_topic")

    def __init__(self, topic: Topic, instruments: Instruments, stopwatch: Callable[[], float]) -> None:
        """`stopwatch`: seconds."""
        self._topic = topic
        self._instruments = instruments
        self._said, self._late = topic.take()
        self._joins = topic.joins  # the number of the last who joined before
        self._through: dict[type[Encoding], int] = {}  # the number of the last who was handed its part
        self._ahead: set[Subscriber] = set()  # those who were handed theirs before their turn
        self._groups: list[Group] = []
        for encoding, group in topic.groups.items():
            if self._said.only_presences:
                listeners = [one for one in topic.listeners or () if one.encoding is encoding]
                self._groups.append((encoding, group, listeners))
            else:
                self._groups.append((encoding, group, list(group)))
        self._steps = self._walk(topic.leaves, stopwatch)

    def __iter__(self) -> Iterator[None]:
        return self

    def __next__(self) -> None:
        return next(self._steps)

    def _walk(self, leaves: int, stopwatch: Callable[[], float]) -> Iterator[None]:
        topic, said, late, ahead = self._topic, self._said, self._late, self._ahead
        started = stopwatch()
        size = len(said.publications)
        for encoding, group, subscribers in self._groups:
            plain = said.pieces(encoding, presences=False)
            listened = said.pieces(encoding, presences=True) if said.presences else plain
            if not plain and not listened:
                continue
            alike = len(plain) == 1 and plain[0].ring_key is None and listened is plain and not late
            for begin in range(0, len(subscribers), STEP):
                some = subscribers[begin : begin + STEP]
                if topic.leaves != leaves or ahead:
                    some = [subscriber for subscriber in some if subscriber in group and subscriber not in ahead]
                if alike:
                    data, last = plain[0].data, plain[0].last
                    for subscriber in some:
                        subscriber.deliver(data, last)
                else:
                    for subscriber in some:
                        pieces = listened if subscriber.wants_joins else plain
                        if late is not None and subscriber in late:
                            pieces = part_of(said, subscriber, late)
                        hand(subscriber, pieces, group)
                self._instruments.deliveries += len(some) * size
                self._note_through(encoding, group, some)
                yield
        if size:
            self._instruments.fanout_batch.record(size)
            self._instruments.fanout_s.record(stopwatch() - started)

    def _note_through(self, encoding: type[Encoding], group: dict[Subscriber, int], some: list[Subscriber]) -> None:
        for subscriber in reversed(some):
            number = group.get(subscriber)
            if number is not None:
                self._through[encoding] = number
                return

    def hand_ahead(self, subscriber: Subscriber) -> None:
        """What this walk still has for a subscriber, before its turn. Raises: whatever encoding raises."""
        encoding = subscriber.encoding
        group = self._topic.groups.get(encoding, {})
        number = group.get(subscriber)
        if number is None or not self._through.get(encoding, 0) < number <= self._joins or subscriber in self._ahead:
            return
        self._ahead.add(subscriber)
        hand(subscriber, part_of(self._said, subscriber, self._late), group)
        self._instruments.deliveries += len(self._said.publications)


def part_of(said: Said, subscriber: Subscriber, late: Late | None) -> list[Piece]:
    """What a subscriber is handed of it. `late`: who came amid it."""
    offset, number = late.get(subscriber, (0, 0)) if late is not None else (0, 0)
    return said.pieces(subscriber.encoding, presences=subscriber.wants_joins, offset=offset, number=number)


def hand(subscriber: Subscriber, pieces: list[Piece], group: dict[Subscriber, int]) -> None:
    for piece in pieces:
        if subscriber not in group:
            return  # one was too many
        if piece.ring_key is None:
            subscriber.deliver(piece.data, piece.last)
        else:
            subscriber.deliver_ephemeral(piece.data, piece.ring_key)
