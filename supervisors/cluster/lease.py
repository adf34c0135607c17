"""The lease: until when this node may rely on what it knows, and its renewals.

A renewal counts from when it was sent, however late it is answered: a database that is slow, and lives, keeps the node
as it is. One that is not answered soon may be slow, or on a connection that is dead. So another is sent beside it, on
another connection, which does not wait for it: where the referee works on the first yet, it says so at once.
"""

from collections.abc import Callable, Collection
from itertools import count

import structlog
import trio

from greenroom.store.errors import StoreUnavailable
from greenroom.store.ownership.referee import Referee

log = structlog.get_logger("greenroom.membership")

RENEWALS = 10 / 3  # in the time of a lease: every 1.5 s for 5 s
MARGIN = 0.2  # of a lease, by which a node stops to rely on it before its end: clocks may go at other rates


class DeclaredDead(Exception):
    """Others could not see this node alive, and its entities are theirs now: it must not go on."""


class Lease:
    """Of one node, from its joining on."""

    def __init__(
        self,
        referee: Referee,
        *,
        lease_s: float,
        relied: Callable[[float], None],
        unreached: Callable[[], Collection[int]] = tuple,
    ) -> None:
        """`relied` hears until when, on the trio clock, what this node knows may be relied on. `unreached`: whom it
        can't reach, which it says with each renewal."""
        self._unreached = unreached
        self._referee = referee
        self._lease_s = lease_s
        self._relied = relied
        self._until = float("-inf")
        self._has_ended = False
        self._renewed = trio.Event()

    async def fresh(self) -> None:
        """Return when it may be relied on."""
        while trio.current_time() > self._until:
            await self._renewed.wait()

    def began(self, at: float) -> None:
        """It was asked for then, and given: it began no earlier."""
        if not self._has_ended:
            self._rely_until(max(self._until, at + self._lease_s * (1 - MARGIN)))
            self._renewed.set()
            self._renewed = trio.Event()

    def end(self) -> None:
        """Rely on nothing any more: another may answer otherwise by now."""
        self._has_ended = True
        self._rely_until(float("-inf"))

    def _rely_until(self, until: float) -> None:
        self._until = until
        self._relied(until)

    async def renew(self) -> bool:
        """False: this node has been declared dead. Raises: StoreUnavailable."""
        at = trio.current_time()
        if not await self._referee.renew(self._lease_s, unreached=self._unreached()):
            return False
        self.began(at)
        return True

    async def _renew_beside(self) -> bool | None:
        """None: the one that is not answered is under way yet."""
        at = trio.current_time()
        is_alive = await self._referee.renew_beside(self._lease_s)
        if is_alive:
            self.began(at)
        return is_alive

    async def run(self) -> None:
        """Renew it until cancelled, or ended. Raises: DeclaredDead."""
        every_s = self._lease_s / RENEWALS
        sent_at = trio.current_time()
        while True:
            await trio.sleep_until(sent_at + every_s)
            sent_at = trio.current_time()
            is_alive = await self._renewal(every_s)
            if self._has_ended:
                return  # by our own word, which a renewal may hear of before we do
            if not is_alive:
                self._rely_until(float("-inf"))
                log.error("node_declared_dead")
                raise DeclaredDead("another node has declared this one dead, and owns its entities")

    async def _renewal(self, every_s: float) -> bool:
        """Until it is answered, or given up after the time of a lease. False: this node has been declared dead."""
        is_alive = True
        sent_at = trio.current_time()
        with trio.move_on_after(self._lease_s):
            async with trio.open_nursery() as nursery:  # owner: this call

                async def ask() -> None:
                    nonlocal is_alive
                    try:
                        is_alive = await self.renew()
                    except StoreUnavailable as error:
                        log.warning("lease_not_renewed", error=str(error))
                    nursery.cancel_scope.cancel()

                nursery.start_soon(ask)
                for number in count(1):
                    await trio.sleep_until(sent_at + number * every_s)
                    log.warning("lease_not_renewed", error=f"no answer within {number * every_s:g} s")
                    found = await self._answered_beside(every_s)
                    if found is not None:
                        is_alive = found
                        nursery.cancel_scope.cancel()
        return is_alive

    async def _answered_beside(self, within_s: float) -> bool | None:
        """None: nothing is known by it."""
        with trio.move_on_after(within_s):
            try:
                return await self._renew_beside()
            except StoreUnavailable as error:
                log.warning("lease_not_renewed", error=str(error))
        return None
