"""What concerns many watchers, as work that is done in slices. Each takes at once whom it concerns; who has left before
its turn comes hears nothing.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial

import structlog

from greenroom.actors.model.effects import Kick
from greenroom.transports.hub.connected import ENDS, Connected
from greenroom.transports.hub.topic import Subscriber, Topic
from greenroom.transports.hub.walk import Walk, hand, part_of

log = structlog.get_logger("greenroom.hub")

STEP = 16  # subscriptions that end between two chances to stop, since that takes longer


def kicking(topic: Topic, kick: Kick, subscribers: list[Subscriber]) -> Iterator[None]:
    """End those of `subscribers` whom the kick means."""
    for number, subscriber in enumerate(subscribers, 1):
        if _is_there(topic, subscriber) and kick.means(subscriber.principal):
            _kick(topic, kick, subscriber)
        if not number % STEP:
            yield


class KickingAhead:
    """The same before all that is under way for everybody. They are handed now what of it was said before the kick."""

    __slots__ = ("_steps", "meant")

    def __init__(self, topic: Topic, kick: Kick, subscribers: list[Subscriber]) -> None:
        """At once: to be put in front of what is under way."""
        meant = [one for one in subscribers if _is_there(topic, one) and kick.means(one.principal)]
        try:
            _hand_ahead(topic, meant)
        except Exception:  # the edge, as in `_kick`
            log.exception("fanout_failed", entity=topic.entity)
        self.meant = frozenset(meant)
        self._steps = kicking(topic, kick, meant)

    def __iter__(self) -> Iterator[None]:
        return self

    def __next__(self) -> None:
        return next(self._steps)


def _hand_ahead(topic: Topic, subscribers: list[Subscriber]) -> None:
    for work in topic.work or ():
        if isinstance(work, Walk):
            for one in subscribers:
                work.hand_ahead(one)
        elif isinstance(work, KickingAhead):  # these have been handed all that they are to hear
            subscribers = [one for one in subscribers if one not in work.meant]
        else:
            return  # it may end them, or have them start over: what comes after that is not for them
    if topic.waits:
        said = topic.waiting()
        for one in subscribers:
            hand(one, part_of(said, one, topic.late), topic.groups.get(one.encoding, {}))


def _is_there(topic: Topic, subscriber: Subscriber) -> bool:
    return subscriber in topic.groups.get(subscriber.encoding, ())


def _kick(topic: Topic, kick: Kick, subscriber: Subscriber) -> None:
    try:
        subscriber.kicked(kick.code, kick.reason)
    except Exception:  # the edge: a mistake with one is no other's
        log.exception("fanout_failed", entity=topic.entity)


def starting_over(topic: Topic, subscribers: list[Subscriber]) -> Iterator[None]:
    """Tell `subscribers` that the topic's journal began anew."""
    for number, subscriber in enumerate(subscribers, 1):
        if _is_there(topic, subscriber):
            try:
                subscriber.epoch_changed()
            except Exception:  # the edge, as in `_kick`
                log.exception("fanout_failed", entity=topic.entity)
        if not number % STEP:
            yield


def ending(entity: str, kick: Kick, connections: Iterable[Connected]) -> Iterator[None]:
    """A user's connections, all of them silent from here on; or what they watch, as the kick says."""
    rests = [_silence(entity, kick, connection) for connection in connections]
    return _one_by_one(entity, rests)


def _silence(entity: str, kick: Kick, connection: Connected) -> Callable[[], None]:
    """What is left to be done with it."""
    if kick.code < ENDS:
        return partial(connection.unwatch, kick.code, kick.reason)
    try:
        return connection.kicked(kick.code, kick.reason)
    except Exception:  # the edge, as in `_kick`
        log.exception("fanout_failed", entity=entity)
        return connection.leave


def _one_by_one(entity: str, rests: list[Callable[[], None]]) -> Iterator[None]:
    for rest in rests:
        try:
            rest()
        except Exception:  # the edge, as in `_kick`
            log.exception("fanout_failed", entity=entity)
        yield
