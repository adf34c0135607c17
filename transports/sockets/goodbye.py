"""Goodbye: clients of a node that stops, or is of no use to them for now, are let go a few at a time, as many as the
others can take.

Who is let go leaves what it watches first. Where other nodes are, they hear so before the same people come to them: who
has come back by the time that a leave is shown has never left. Who has asked something hears the answer first, if that
comes soon. Then it is told to come again; where the transport can say when, after a time that keeps those apart who
were let go together.
"""

import random
from collections.abc import Awaitable, Callable, Sequence
from math import ceil, inf

import trio
from msgspec import Struct

from greenroom.transports.sockets.flusher import Flusher
from greenroom.transports.sockets.live import LiveConnections, LiveProtocol

EVERY_S = 0.02  # between two batches
HEARD_S = 1.0  # what other nodes have to hear that those of a batch leave
ANSWERED_S = 0.5  # what those have whose answers are on their way, from then on
LOOK_S = 0.02  # between two looks whether they have come
AT_ONCE = 256  # connections that leave what they watch, between two chances for others
AGAIN_S = 0.5, 1.0  # after which a client that can be told when comes to another node: it keeps to that later, too
ALONE_AGAIN_S = 1.0, 3.0  # and to the next start of this one
AGAIN_MAX_S = 10.0


class Pace(Struct, frozen=True):
    """How fast clients are let go: `per_s` is how many connects the other nodes take, and by `until`, on the trio
    clock, all are to be gone."""

    per_s: float = inf
    until: float = -inf

    def batch(self, left: int, now: float) -> int:
        """How many of so many are let go now, and then others after EVERY_S."""
        batches = max((self.until - now) / EVERY_S, 1.0)
        return ceil(min(left, max(self.per_s * EVERY_S, left / batches)))

    def again_s(self, size: int) -> tuple[float, float]:
        """Between which times those of a batch of that size are told to come again: the others take all of it then."""
        least, most = AGAIN_S if self.per_s < inf else ALONE_AGAIN_S
        return least, min(max(most, size / self.per_s), AGAIN_MAX_S)


def at_the_same_time() -> Pace:
    """Nobody is there to take them, so nobody is spared."""
    return Pace()


class Goodbye:
    """To all connections of one node."""

    def __init__(
        self, live: LiveConnections, flusher: Flusher, *, chance: Callable[[float, float], float] = random.uniform
    ) -> None:
        self._live = live
        self._flusher = flusher
        self._chance = chance

    async def say(self, pace: Callable[[], Pace], heard: Callable[[], Awaitable[None]]) -> None:
        """Have all of them go, of a node that accepts none any more; returns when each has been told. `pace` is asked
        before each batch. `heard` returns once other nodes have heard what was said to them before it was called."""
        let_go: set[LiveProtocol] = set()
        async with trio.open_nursery() as nursery:  # owner: this call
            while left := [one for connection, one in self._live.items() if connection.open and one not in let_go]:
                let_go.update(left)  # they may be closed, or speak another protocol, when their turn comes
                await self._one_after_another(left, pace, heard, nursery)

    async def say_once(self, pace: Callable[[], Pace | None]) -> None:
        """Have those go who are there now, of a node that goes on to accept others; returns when each has been told.
        `pace` is asked before each batch; None: the others stay."""
        there = [one for connection, one in self._live.items() if connection.open]
        async with trio.open_nursery() as nursery:  # owner: this call
            await self._one_after_another(there, pace, trio.lowlevel.checkpoint, nursery)

    async def _one_after_another(
        self,
        left: list[LiveProtocol],
        pace: Callable[[], Pace | None],
        heard: Callable[[], Awaitable[None]],
        nursery: trio.Nursery,
    ) -> None:
        while left:
            now_at = pace()
            if now_at is None:
                return
            size = now_at.batch(len(left), trio.current_time())
            batch, left = left[:size], left[size:]
            nursery.start_soon(self._let_go, batch, now_at.again_s(size), heard)
            if left:
                await trio.sleep(EVERY_S)

    async def _let_go(
        self, batch: Sequence[LiveProtocol], again_s: tuple[float, float], heard: Callable[[], Awaitable[None]]
    ) -> None:
        self._flusher.flush()  # behind all that was released for them
        for number, protocol in enumerate(batch, 1):
            protocol.leave()
            if not number % AT_ONCE:
                await trio.lowlevel.checkpoint()
        with trio.move_on_after(HEARD_S):
            await heard()
        until = trio.current_time() + ANSWERED_S
        while batch:
            self._flusher.flush()
            busy = [one for one in batch if one.busy] if trio.current_time() < until else []
            awaiting = set(busy)
            for protocol in batch:
                if protocol not in awaiting:
                    protocol.shut_down(int(1000 * self._chance(*again_s)))
            self._flusher.flush()
            batch = busy
            if batch:
                await trio.sleep(LOOK_S)
