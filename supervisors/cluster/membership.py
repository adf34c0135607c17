"""Membership: this node's lease and its shards, from its start to its end.

For now one node owns all shards: another one that comes to its database waits until that is gone, by proof or by its
lease, and gives up when it sees that it lives.
"""

from collections.abc import Callable

import structlog
import trio

from greenroom.store.errors import StoreUnavailable
from greenroom.store.ownership.referee import Member, Referee
from greenroom.store.ownership.sharding import shard_of
from greenroom.supervisors.cluster.evidence import has_ended, this_host, this_process

log = structlog.get_logger("greenroom.membership")

LOOK_S = 0.1  # between two looks at those who are in the way
RENEWALS = 10 / 3  # in the time of a lease: every 1.5 s for 5 s
LEAVE_S = 2.0  # what saying goodbye may take; without it the lease runs out


class AnotherNode(StoreUnavailable):
    """Another node serves this database."""


class DeclaredDead(Exception):
    """Others could not see this node alive, and its entities are theirs now: it must not go on."""


class Membership:
    """The kernel's ownership. `join` before the kernel runs, `run` while it does, `leave` when it has stopped."""

    def __init__(
        self,
        referee: Referee,
        *,
        url: str,
        version: str,
        shards: int,
        lease_s: float,
        ended: Callable[[str, str], bool] = has_ended,
    ) -> None:
        """`ended`: is it certain that the process, named by host and process, runs no more?"""
        self._referee = referee
        self._url = url
        self._version = version
        self._shards = shards
        self._lease_s = lease_s
        self._ended = ended
        self._terms: dict[int, int] = {}

    # The kernel's questions.

    def owns(self, entity: str) -> bool:
        """May this node wake it?"""
        return shard_of(entity, self._shards) in self._terms

    def term(self, entity: str) -> int:
        """The upper half of the entity's fence. Only for what it owns."""
        return self._terms[shard_of(entity, self._shards)]

    # The node's life.

    async def join(self) -> None:
        """Have a lease, and own every shard. Raises: AnotherNode, ShardsDiffer, StoreUnavailable."""
        referee = self._referee
        await referee.agree(self._shards)
        await referee.join(
            url=self._url, version=self._version, host=this_host(), process=this_process(), lease_s=self._lease_s
        )
        first_seen: dict[int, float] = {}
        while True:
            others = await referee.others()
            for member in others:
                await self._bury(member)
                if member.until > first_seen.setdefault(member.incarnation, member.until):
                    await referee.bury(referee.incarnation, is_proven=True, why="another node serves this database")
                    raise AnotherNode(
                        f"the node at {member.url} serves this database, and one at a time can: stop that one first"
                    )
            self._terms.update(await referee.take("start"))
            if len(self._terms) == self._shards:
                return
            if not others:
                raise StoreUnavailable(f"of {self._shards} shards only {len(self._terms)} are to be had")
            await trio.sleep(LOOK_S)
            await referee.renew(self._lease_s)

    async def _bury(self, member: Member) -> None:
        proven = self._ended(member.host, member.process)
        if not proven and member.left_s > 0:
            return
        why = "its process has ended" if proven else "its lease ran out"
        if await self._referee.bury(member.incarnation, is_proven=proven, why=why):
            log.info("node_buried", node=f"{member.incarnation:016x}", url=member.url, why=why)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Renew the lease until cancelled. While the database does not answer it may run out; it is renewed all the
        same, late, unless somebody has declared this node dead meanwhile. Raises: DeclaredDead."""
        task_status.started()
        every_s = self._lease_s / RENEWALS
        while True:
            await trio.sleep(every_s)
            alive = True
            with trio.move_on_after(every_s):  # then on another connection: this one may be dead
                try:
                    alive = await self._referee.renew(self._lease_s)
                except StoreUnavailable as error:
                    log.warning("lease_not_renewed", error=str(error))
            if not alive:
                log.error("node_declared_dead")
                raise DeclaredDead("another node has declared this one dead, and owns its entities")

    async def leave(self) -> None:
        """Own nothing any more. Called when nothing is written any more; what fails is left to the lease."""
        self._terms.clear()
        with trio.move_on_after(LEAVE_S, shield=True):
            try:
                await self._referee.bury(self._referee.incarnation, is_proven=True, why="stopped")
            except StoreUnavailable as error:
                log.warning("node_not_signed_off", error=str(error))
