"""A topic: one entity that is watched, with its watchers and what they are to be handed."""

from collections import deque
from collections.abc import Collection, Iterator
from typing import Final, Protocol

import msgspec
import trio
from msgspec import Struct

from greenroom.actors.model.principal import Principal
from greenroom.config.limits import HubConfig
from greenroom.config.telemetry.held import Holdings
from greenroom.transports.hub.by_user import ByUser
from greenroom.transports.hub.encoding import Encoding, Nothing
from greenroom.transports.hub.publication import Publication, Show
from greenroom.transports.hub.said import Ephemeral, Said
from greenroom.transports.hub.slices import Lane

LONG = 256  # subscribers; with more, what goes to all of them is handed out in slices, and they are known by user
WEIGHT = 120  # bytes that a publication takes beyond its JSON, about
LEAVING_MAX = 1_000  # leaves of one topic that are not shown yet; of more, they are shown at once
EPHEMERALS_MAX = 1024  # ephemeral publications of one topic that wait for a flush
# The tail of all that have none, since most have none, and an empty deque takes 760 bytes. It takes nothing in.
NO_TAIL: Final[deque[Publication]] = deque(maxlen=0)


class Subscriber(Protocol):
    """One watcher of one topic."""

    @property
    def encoding(self) -> type[Encoding]: ...

    @property
    def principal(self) -> Principal: ...

    @property
    def granted(self) -> bool:
        """It watches by a subscription token."""

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


Late = dict[Subscriber, tuple[int, int]]  # what each has already: up to which offset, up to which ephemeral one


class Views(Protocol):
    """Whoever watches the view of one topic's entity, rather than its events."""

    def changed(self) -> None:
        """An event was released, shown or hidden, or the journal began anew. Must not raise."""


class Watchers(Collection[Principal]):
    """Who watches a topic, with nothing built to say how many: there may be very many, and an entity may ask at each
    join. Going through them sees those of that moment."""

    __slots__ = ("_topic",)

    def __init__(self, topic: "Topic") -> None:
        self._topic = topic

    def __len__(self) -> int:
        return self._topic.size - self._topic.quiet

    def __iter__(self) -> Iterator[Principal]:
        return iter([one.principal for one in self._topic.subscribers() if one.encoding is not Nothing])

    def __contains__(self, who: object) -> bool:
        return any(who == one for one in self)


class Leaving:
    """A leave that is not shown yet."""

    __slots__ = ("info", "joins", "since", "user")

    def __init__(self, user: str, info: bytes, joins: int) -> None:
        """`joins`: the number of the newest subscriber that was there to see the one who left."""
        self.user = user
        self.info = info
        self.joins = joins
        self.since: float | None = None  # the next look puts the time


class _Info(Struct):
    """Of a ClientInfo, what tells a user."""

    user: str = ""


def user_of(info: bytes) -> str:
    """ "" for nobody."""
    return _decode_info(info).user


_decode_info = msgspec.json.Decoder(_Info).decode


class Topic:
    """One entity that is watched: its subscribers, what is to be handed to them, and the tail for resumes."""

    __slots__ = (
        "_config",
        "_tails",
        "by_user",
        "dirty",
        "empty_since",
        "entity",
        "ephemerals",
        "epoch",
        "first",
        "groups",
        "held",
        "joins",
        "kicks",
        "late",
        "leaves",
        "leaving",
        "listeners",
        "offset",
        "pending",
        "quiet",
        "said",
        "show",
        "size",
        "tail",
        "tail_bytes",
        "views",
        "warming",
        "work",
    )

    def __init__(
        self, entity: str, epoch: str, offset: int, config: HubConfig, show: Show | None, tails: Holdings
    ) -> None:
        """`show`: None where events are shown as they are recorded; `tails`: of all topics."""
        self.entity = entity
        self.epoch = epoch
        self.offset = offset  # the newest released event's number
        self.first = 1  # the first event's number that is not hidden, as far as is known
        self.show = show
        self.groups: dict[type[Encoding], dict[Subscriber, int]] = {}  # each by its number, which rises
        self.listeners: dict[Subscriber, None] | None = None  # those who want joins and leaves
        self.size = 0  # how many subscribers
        self.quiet = 0  # how many of them are nobody's audience: see Nothing
        self.joins = 0  # how many subscribers have come, ever: the number of the newest
        self.leaves = 0  # how many have left, ever
        self.by_user: ByUser[Subscriber] | None = None  # once it has been long
        self.pending: list[Publication] = []
        self.ephemerals: dict[str | int, Ephemeral] | None = None  # the newest for each key, oldest first
        self.said = 0  # how many ephemeral publications, ever
        self.late: Late | None = None  # who came amid what waits
        self.leaving: dict[str, Leaving] | None = None  # leaves that are not shown yet, by connection
        self.work: Lane | None = None  # what is being handed out in slices, in order
        self.tail = NO_TAIL
        self.dirty = False
        self.empty_since: float | None = None
        self.held = 0  # resumes under way, which keep it from being forgotten
        self.kicks = 0  # how often somebody was kicked, for whoever was asked about before
        self.views: Views | None = None
        self.warming: trio.Event | None = None  # set once the tail has been filled from the journal
        self._config = config
        self._tails = tails
        self.tail_bytes = 0

    def leaves_later(self, client: str, info: bytes) -> bool:
        """Somebody has left: is that to be shown only if they don't come back? Not of nobody, who can't be told from
        others, nor where too many have."""
        if not self._config.leave_s or (self.leaving is not None and len(self.leaving) >= LEAVING_MAX):
            return False
        user = user_of(info)
        if not user:
            return False
        if self.leaving is None:
            self.leaving = {}
        self.leaving[client] = Leaving(user, info, self.joins)
        return True

    def comes_back(self, info: bytes) -> int | None:
        """Somebody has come: is it a user whose leave was not shown yet? Then it never is, and this is the number of
        the newest subscriber to whom that user has never been away; None: it is not."""
        if self.leaving is None:
            return None
        user = user_of(info)
        client = next((client for client, one in self.leaving.items() if one.user == user), None)
        return self.leaving.pop(client).joins if client is not None else None

    def listeners_after(self, number: int) -> list[Subscriber]:
        """Those who want joins and have come after the subscriber of that number, the newest first."""
        newer: list[Subscriber] = []
        for listener in reversed(self.listeners or {}):
            if self.groups[listener.encoding][listener] <= number:
                break
            newer.append(listener)
        return newer

    def have_left(self, now: float) -> list[tuple[str, bytes]]:
        """Connection and ClientInfo of those who have not come back in time, each once. `now` as for `Hub.sweep`."""
        left: list[tuple[str, bytes]] = []
        for client, one in list((self.leaving or {}).items()):
            if one.since is None:
                one.since = now
            if now - one.since >= self._config.leave_s:
                left.append((client, one.info))
                assert self.leaving is not None
                del self.leaving[client]
        return left

    def subscribers(self) -> list[Subscriber]:
        return [subscriber for group in self.groups.values() for subscriber in group]

    def subscribers_of(self, user: str) -> list[Subscriber]:
        if self.by_user is None:
            return [subscriber for subscriber in self.subscribers() if subscriber.principal.user == user]
        return self.by_user.of(user)

    def add(self, subscriber: Subscriber) -> None:
        self.joins += 1
        self.groups.setdefault(subscriber.encoding, {})[subscriber] = self.joins
        self.size += 1
        self.quiet += subscriber.encoding is Nothing
        if subscriber.wants_joins:
            if self.listeners is None:
                self.listeners = {}
            self.listeners[subscriber] = None
        if self.waits and self.is_long:
            if self.late is None:
                self.late = {}
            self.late[subscriber] = (self.offset, self.said)
        if self.by_user is not None:
            self.by_user.add(subscriber.principal.user, subscriber)
        elif self.size > LONG:
            self.by_user = ByUser()
            for one in self.subscribers():
                self.by_user.add(one.principal.user, one)

    def remove(self, subscriber: Subscriber) -> bool:
        """False when it is none of ours."""
        group = self.groups.get(subscriber.encoding)
        if group is None or subscriber not in group:
            return False
        del group[subscriber]
        if not group:
            del self.groups[subscriber.encoding]
        self.size -= 1
        self.quiet -= subscriber.encoding is Nothing
        self.leaves += 1
        if self.listeners is not None:
            self.listeners.pop(subscriber, None)
        if self.late is not None:
            self.late.pop(subscriber, None)
        if self.by_user is not None:
            self.by_user.remove(subscriber.principal.user, subscriber)
            if not self.size:
                self.by_user = None
        return True

    @property
    def is_long(self) -> bool:
        """Is what goes to all of its subscribers to be handed out in slices?"""
        return self.size > LONG or self.work is not None or self.late is not None

    @property
    def waits(self) -> bool:
        """Is there something to be handed out?"""
        return bool(self.pending or self.ephemerals)

    def say(self, data: bytes, key: str, *, presence: str = "") -> None:
        """Something ephemeral: of each key the newest waits, at the end; without a key each does."""
        if self.ephemerals is None:
            self.ephemerals = {}
        self.said += 1
        place: str | int = f"{presence} {key}" if key else self.said
        self.ephemerals.pop(place, None)
        self.ephemerals[place] = Ephemeral(len(self.pending), self.said, key, data, presence)
        if len(self.ephemerals) > EPHEMERALS_MAX:
            del self.ephemerals[next(iter(self.ephemerals))]

    def take_only(self) -> Ephemeral | None:
        """What waits, if that is one ephemeral publication for everybody alike; nothing waits then. Else None."""
        ephemerals = self.ephemerals
        if ephemerals is None or len(ephemerals) > 1 or self.pending or self.late is not None:
            return None
        (only,) = ephemerals.values()
        if only.presence:
            return None
        self.ephemerals = None
        return only

    def waiting(self) -> Said:
        """What waits, as of now; it goes on waiting."""
        return self._said(self.pending[:])

    def take(self) -> tuple[Said, Late | None]:
        """What waits, and who came amid it. Nothing waits then."""
        said = self._said(self.pending)
        late, self.late = self.late, None
        self.pending, self.ephemerals = [], None
        return said, late

    def _said(self, publications: list[Publication]) -> Said:
        return Said(self.entity, self.epoch, publications, list(self.ephemerals.values()) if self.ephemerals else [])

    def remember(self, publication: Publication) -> None:
        tail = self.tail or self._tail_to_fill()
        tail.append(publication)
        size = WEIGHT + len(publication.json)
        config = self._config
        while len(tail) > config.tail_events or self.tail_bytes + size > config.tail_bytes:
            size -= WEIGHT + len(tail.popleft().json)
        self.tail_bytes += size
        self._tails.bytes += size

    def _tail_to_fill(self) -> deque[Publication]:
        """The empty tail, which is about to be no longer."""
        self._tails.join(self)
        if self.tail is NO_TAIL:
            self.tail = deque()
        return self.tail

    @property
    def tail_room(self) -> int:
        """How many publications the tail would take beyond those it has."""
        return max(1, self._config.tail_events - len(self.tail))

    def prepend(self, older: list[Publication]) -> None:
        """`older`: newest first, the first of them just before the tail's first. Takes what fits."""
        tail = self.tail or self._tail_to_fill()
        for publication in older:
            size = WEIGHT + len(publication.json)
            if len(tail) >= self._config.tail_events or self.tail_bytes + size > self._config.tail_bytes:
                break
            tail.appendleft(publication)
            self.tail_bytes += size
            self._tails.bytes += size

    def forget(self) -> int:
        """The tail: who resumes asks the journal, once for all who do."""
        if self.warming is not None:
            if not self.warming.is_set():
                return 0  # somebody is about to add to it
            self.warming = None
        return self._drop_tail()

    def end(self) -> None:
        """With the last who might want it."""
        self._drop_tail()
        self._tails.leave(self)

    def _drop_tail(self) -> int:
        size, self.tail_bytes = self.tail_bytes, 0
        self._tails.bytes -= size
        self.tail = NO_TAIL
        return size

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
        self.ephemerals = None
        self.late = None
        self._drop_tail()
        self.warming = None
