"""Membership: this node's lease and its shards, from its start to its end.

For now one node owns all shards: another one that comes to its database waits until that is gone, by proof or by its
lease, and gives up when it sees that it lives.
"""

from collections.abc import Callable

import structlog
import trio

from greenroom.store.errors import NotOwner, StoreUnavailable
from greenroom.store.ownership.referee import Member, Referee
from greenroom.store.ownership.sharding import shard_of
from greenroom.supervisors.cluster.evidence import has_ended, this_host, this_process

log = structlog.get_logger("greenroom.membership")

LOOK_S = 0.1  # between two looks at those who are in the way
GRACE = 0.6  # of a lease: so long a node must have been silent before us, that is two renewals
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
        """The upper half of the entity's fence. Raises: NotOwner."""
        try:
            return self._terms[shard_of(entity, self._shards)]
        except KeyError:
            raise NotOwner(entity) from None

    # The node's life.

    async def join(self) -> None:
        """Have a lease, and own every shard. Raises: AnotherNode, ShardsDiffer, DeclaredDead, StoreUnavailable."""
        referee = self._referee
        await referee.agree(self._shards)
        await referee.join(
            url=self._url, version=self._version, host=this_host(), process=this_process(), lease_s=self._lease_s
        )
        first_seen: dict[int, tuple[float, float]] = {}  # the end of its lease, and when we saw it, on trio's clock
        waits = False
        while True:
            others = await referee.others()
            now = trio.current_time()
            for member in others:
                until, seen_at = first_seen.setdefault(member.incarnation, (member.until, now))
                await self._bury(member, silent_s=now - seen_at)
                if member.owns and member.until > until:
                    await referee.withdraw()
                    raise AnotherNode(
                        f"the node at {member.url} serves this database, and one at a time can: stop that one first"
                    )
            self._terms.update(await referee.take("start"))
            if len(self._terms) == self._shards:
                return
            if not others:
                raise StoreUnavailable(f"of {self._shards} shards only {len(self._terms)} are to be had")
            if not waits:
                waits = True
                log.info("node_waits", **{"for": others[0].url, "lease_s": round(others[0].left_s, 1)})
            await trio.sleep(LOOK_S)
            if not await referee.renew(self._lease_s):
                raise DeclaredDead("another node has declared this one dead while it started")

    async def _bury(self, member: Member, *, silent_s: float) -> None:
        proven = self._ended(member.host, member.process)
        # Where the database was away, everybody's lease has run out: whoever lives renews it at once.
        if not proven and (member.left_s > 0 or silent_s < GRACE * self._lease_s):
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
            with trio.move_on_after(every_s) as scope:  # then on another connection: this one may be dead
                try:
                    alive = await self._referee.renew(self._lease_s)
                except StoreUnavailable as error:
                    log.warning("lease_not_renewed", error=str(error))
            if scope.cancelled_caught:
                log.warning("lease_not_renewed", error=f"no answer within {every_s:g} s")
            if not alive:
                log.error("node_declared_dead")
                raise DeclaredDead("another node has declared this one dead, and owns its entities")

    async def leave(self) -> None:
        """Own nothing any more. Called when nothing is written any more; what fails is left to the lease."""
        self._terms.clear()
        with trio.move_on_after(LEAVE_S, shield=True) as scope:
            try:
                await self._referee.bury(self._referee.incarnation, is_proven=True, why="stopped")
            except StoreUnavailable as error:
                log.warning("node_not_signed_off", error=str(error))
        if scope.cancelled_caught:
            log.warning("node_not_signed_off", error=f"no answer within {LEAVE_S:g} s")
