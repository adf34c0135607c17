"""Departing: the shards that this node is handing to others, and what comes for their entities meanwhile.

From the moment that a shard departs nobody in it is woken here. Those awake finish what they have begun and end; what
they have not handled waits here, in order, with what comes after it, until the shard is another node's, or ours again.
Then all of it goes the way of any message. It is bounded as it would be before the entities themselves, and in how many
of them there are.

Where somebody does not end in time the shard departs no more, and whoever else lives in it goes on. It departs again
when all have ended who had been told to (`late`): before that it would keep the others waiting for the same once more.
"""

from collections.abc import Collection, Iterator

import trio

from greenroom.actors.model.errors import Overloaded
from greenroom.actors.model.kinds import Kind
from greenroom.actors.model.mailbox import Item, Mailbox
from greenroom.actors.model.message import Message
from greenroom.config.limits import MailboxConfig

HELD_MAX = 10_000  # entities for which messages wait


class Held:
    """An entity on its way, in the place of one that is awake: its mailbox is taken from only once it has arrived."""

    __slots__ = ("mailbox",)

    def __init__(self, mailbox: Mailbox) -> None:
        self.mailbox = mailbox

    def glance(self, message: Message) -> None:
        """It answers nobody yet."""


class Departing:
    """Of one node."""

    def __init__(self, mailbox: MailboxConfig) -> None:
        self._mailbox = mailbox
        self._awake: dict[int, set[str]] = {}  # departing shard -> entities of it that are awake yet
        self._held: dict[int, dict[str, Held]] = {}
        self.late: dict[int, set[str]] = {}  # shard that departs no more -> those in it that have yet to end
        self._count = 0
        self._fewer = trio.Event()

    def __bool__(self) -> bool:
        """Does any shard depart?"""
        return bool(self._held)

    def __contains__(self, shard: int) -> bool:
        return shard in self._held

    def begin(self, shards: Collection[int]) -> None:
        """Nobody in these is woken any more."""
        for shard in shards:
            self._awake[shard] = set()
            self._held[shard] = {}

    def still_awake(self, shard: int, entity: str) -> None:
        """It has been told to end."""
        self._awake[shard].add(entity)

    def ended(self, shard: int, entity: str) -> None:
        """A cell of it has."""
        awake = self._awake.get(shard) or self.late.get(shard)
        if awake is not None:
            awake.discard(entity)
            if not awake:
                self.late.pop(shard, None)
                self._fewer.set()
                self._fewer = trio.Event()

    @property
    def waits_for_some(self) -> bool:
        """Is it of interest who has `ended`?"""
        return bool(self._awake or self.late)

    def empty(self, shards: Collection[int]) -> list[int]:
        """Those in which nobody is awake any more."""
        return [shard for shard in shards if not self._awake[shard]]

    async def fewer(self) -> None:
        """Return when one more of them, or of those that are late, has nobody awake who is to end."""
        await self._fewer.wait()

    def held(self, shard: int, entity: str, kind: Kind) -> Held:
        """In the place of an entity of a departing shard. Raises: Overloaded."""
        found = self._held[shard].get(entity)
        if found is None:
            if self._count >= HELD_MAX:
                raise Overloaded(f"{self._count} entities are on their way to other nodes")
            self._count += 1
            bound, limits = self._mailbox, kind.limits
            mailbox = Mailbox(min(limits.mailbox_messages, bound.capacity), min(limits.mailbox_bytes, bound.bytes_max))
            found = self._held[shard][entity] = Held(mailbox)
        return found

    def mailboxes(self) -> Iterator[Mailbox]:
        """Of those entities."""
        return (one.mailbox for held in self._held.values() for one in held.values())

    def end(self, shard: int) -> Iterator[tuple[str, list[Item]]]:
        """It departs no more: what has waited, by entity. Whoever is awake in it yet has been told to end, and does."""
        awake = self._awake.pop(shard, None)
        if awake:
            self.late[shard] = awake
        held = self._held.pop(shard, {})
        self._count -= len(held)
        for entity, one in held.items():
            yield entity, one.mailbox.seal()
