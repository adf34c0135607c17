"""Ownership: may this node wake an entity, under which term, and until when may it answer from memory?"""

from math import inf
from typing import Protocol

import trio

from greenroom.actors.model.envelope import Envelope
from greenroom.actors.model.lifecycle import Inspect
from greenroom.actors.model.mailbox import Item, Mailbox


class Ownership(Protocol):
    """What this node owns, as of now: see supervisors/cluster/membership.py."""

    @property
    def valid_until(self) -> float:
        """Until when nobody else can own what this node owns, on trio's clock; which goes on while the machine is
        suspended, where a node is served (supervisors/cli/serving/clock.py)."""

    async def fresh(self) -> None:
        """Return when `valid_until` is not over."""

    def owns(self, entity: str) -> bool:
        """May this node wake it? Not while its shard is being handed over."""

    def term(self, entity: str) -> int:
        """The upper half of the entity's fence: it rises with each change of its owner. Raises: NotOwner."""

    def owner(self, entity: str) -> int | None:
        """The incarnation of the node that owns it, as far as is known here; this node's own too. None: nobody."""

    def shard(self, entity: str) -> int:
        """All entities of a shard have one owner."""

    def shards(self) -> frozenset[int] | None:
        """Those whose outbox and timers this node sweeps: what it finds there is nobody else's to do. None: all. Also
        one that is being handed over, until it is another's. Another object after each change, and only then."""

    def lost(self, entity: str) -> bool:
        """A claim of it was refused. True: so it is not ours, and that is heeded from now on. False: we know of no
        other owner, so nobody else has it either."""


class OwnsAll:
    """Of a node that nobody else shares its store with, as in a simulation or a benchmark."""

    valid_until = inf

    def __init__(self, term: int = 1) -> None:
        self._term = term

    async def fresh(self) -> None:
        pass

    def owns(self, entity: str) -> bool:
        return True

    def term(self, entity: str) -> int:
        return self._term

    def owner(self, entity: str) -> int | None:
        return None

    def shard(self, entity: str) -> int:
        return 0

    def shards(self) -> frozenset[int] | None:
        return None

    def lost(self, entity: str) -> bool:
        return False


def is_fast(item: Item) -> bool:
    """Is it a look that takes what is remembered, whoever owns the entity by now?"""
    return type(item) is Envelope and type(item.message) is Inspect and item.message.fast


async def lease_or_fast(mailbox: Mailbox, ownership: Ownership) -> list[Item]:
    """Without a lease a cell handles nothing, but for those who would rather have an old answer than none: those of the
    messages that wait, ahead of all others. [] when there are none, once the lease may be relied on or something has
    come."""
    fast = mailbox.take_those(is_fast)
    if fast:
        return fast
    async with trio.open_nursery() as nursery:  # owner: this call

        async def renewed() -> None:
            await ownership.fresh()
            nursery.cancel_scope.cancel()

        nursery.start_soon(renewed)
        await mailbox.more()
        nursery.cancel_scope.cancel()
    return mailbox.take_those(is_fast)
