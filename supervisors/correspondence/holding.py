"""Holding: messages whose entities' owners are not known, in the order of their numbers, and when to look again."""

import heapq
import math
from typing import Protocol

from greenroom.actors.model.envelope import Envelope
from greenroom.actors.model.errors import ActorError, DeadlineExceeded
from greenroom.actors.model.lifecycle import Inspect
from greenroom.transports.deadlines import Tick

FIRST_S, LAST_S = 0.02, 0.5  # between two looks at an entity's owner; doubles


class Ends(Protocol):
    """Who hears of messages that come to nothing: Asking."""

    def end(self, asked: "Asked", error: ActorError) -> None: ...


class Asked:
    """One message on its way. See Deadlines."""

    __slots__ = ("_asking", "done", "entity", "envelope", "feed", "held_at", "hops", "node", "number", "tick")

    def __init__(self, asking: Ends, number: int, entity: str, envelope: Envelope, hops: int) -> None:
        self._asking = asking
        self.number = number
        self.entity = entity
        self.envelope = envelope
        self.hops = hops
        self.node: int | None = None  # that is to answer it
        self.held_at: float | None = None  # on the trio clock: since then it waits for its owner to be known
        self.feed = 0  # that an Inspect was sent behind, as what follows its answer comes with that
        self.tick: Tick | None = None  # in which it expires
        self.done = False

    def expire(self) -> None:
        self._asking.end(self, DeadlineExceeded())

    @property
    def may_be_repeated(self) -> bool:
        """Is it harmless to have it handled twice?"""
        return self.envelope.command_id is not None or type(self.envelope.message) is Inspect


class _Held:
    """What waits of one entity, by number."""

    __slots__ = ("asked", "retry_at", "tries")

    def __init__(self) -> None:
        self.asked: dict[int, Asked] = {}
        self.retry_at = -math.inf  # on the trio clock
        self.tries = 0


class Holding:
    """All that waits on one node, by entity. Times are on the trio clock."""

    def __init__(self) -> None:
        self._by_entity: dict[str, _Held] = {}
        self._count = 0
        self._retries: list[tuple[float, str]] = []  # a heap; those of what waits no more are passed over

    def __len__(self) -> int:
        """Messages."""
        return self._count

    def __contains__(self, entity: str) -> bool:
        return entity in self._by_entity

    def add(self, asked: Asked, now: float) -> bool:
        """True for the first of its entity: then it is to be looked at, `look_later`."""
        held = self._by_entity.get(asked.entity)
        is_first = held is None
        if held is None:
            held = self._by_entity[asked.entity] = _Held()
            held.tries = max(asked.hops - 1, 0)
        asked.held_at = now
        held.asked[asked.number] = asked
        self._count += 1
        return is_first

    def remove(self, asked: Asked) -> None:
        held = self._by_entity[asked.entity]
        del held.asked[asked.number]
        asked.held_at = None
        self._count -= 1
        if not held.asked:
            del self._by_entity[asked.entity]

    def of(self, entity: str) -> list[Asked]:
        """What waits of it, as it was sent."""
        held = self._by_entity.get(entity)
        return [held.asked[number] for number in sorted(held.asked)] if held is not None else []

    def entities(self) -> list[str]:
        """Those of which something waits."""
        return list(self._by_entity)

    def look_later(self, entity: str, now: float) -> bool:
        """Some of it waits. True when it is the next to be looked at."""
        held = self._by_entity[entity]
        self._look_at(held, entity, now + min(FIRST_S * 2 ** min(held.tries, 10), LAST_S))
        held.tries += 1
        return self._retries[0][1] == entity

    def look_now(self, entity: str, now: float) -> bool:
        """Something has become known of it. True when nobody had said so yet."""
        held = self._by_entity[entity]
        if -math.inf < held.retry_at <= now:
            return False
        self._look_at(held, entity, now)
        return True

    def _look_at(self, held: _Held, entity: str, at: float) -> None:
        held.retry_at = at
        heapq.heappush(self._retries, (at, entity))

    @property
    def next_at(self) -> float:
        """When somebody is to be looked at, or was to be."""
        return self._retries[0][0] if self._retries else math.inf

    def due(self, now: float) -> str | None:
        """An entity that is to be looked at, each once."""
        while self._retries and self._retries[0][0] <= now:
            retry_at, entity = heapq.heappop(self._retries)
            held = self._by_entity.get(entity)
            if held is not None and held.retry_at == retry_at:
                held.retry_at = -math.inf
                return entity
        return None
