"""A group: a fixed number of connections that callers take turns with.

Where the server has fewer sessions for us than we would open, a group makes do with those it has: its callers wait for
one of these rather than for a session that is not to be had. And it gives sessions up, an idle one first, to those that
go before it.
"""

from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import trio

from greenroom.store.errors import NoSessionLeft, StoreUnavailable
from greenroom.store.postgres.connection import Connection, MakeRoom

NARROW_S = 2.0  # once the server had no session left, or one was given up, no other is opened for so long
CLOSE_S = 1.0  # what the goodbye of a session that is given up may take


class _Waiter:
    """A caller whose turn has not come."""

    __slots__ = ("has_turn", "roused")

    def __init__(self) -> None:
        self.has_turn = False
        self.roused = trio.Event()  # it is to look again: at its turn, or at how many sessions there are


class Group:
    """Readers, or claims: whoever wants a connection waits for it, within a bound in number and in time."""

    def __init__(
        self,
        connections: Sequence[Connection],
        *,
        waiting_max: int,
        wait_s: float,
        make_room: MakeRoom | None = None,
    ) -> None:
        """`make_room` has others give a session up, when the server has none left and this group has none at all."""
        self._turns = len(connections)  # to be taken at once; none while somebody waits
        self._waiting: deque[_Waiter] = deque()
        # The last one used goes out first: its statements are prepared and its caches warm. Should it be dead, the
        # statement that finds that out puts the others in doubt (silence.py), and none of them is met dead again.
        self._idle = list(connections)
        self._waiting_max = waiting_max
        self._wait_s = wait_s
        self._make_room = make_room
        self._in_use = 0
        self._withheld = 0  # idle ones without a session that nobody is given for now
        self._narrow_until = 0.0  # trio clock: no session is opened before
        self._wanted: list[trio.Event] = []  # set when a session has been given up for whoever waits for that

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection to oneself; waits until one is free. Raises: StoreUnavailable when that takes too long, or no
        session is to be had."""
        connection = await self._take()
        try:
            yield connection
        finally:
            await self._put_back(connection)

    async def _take(self) -> Connection:
        """One that has a session, or has just opened it."""
        deadline = trio.current_time() + self._wait_s
        came_first = False
        while True:
            await self._take_turn(deadline, came_first=came_first)
            connection = self._idle.pop()
            self._in_use += 1
            try:
                if connection.has_session or await self._opened(connection):
                    return connection
            except BaseException:
                self._free_again(connection)
                raise
            self._withhold(connection)
            came_first = True

    async def _opened(self, connection: Connection) -> bool:
        """False when there is no session for it, and another of us has one. Raises: StoreUnavailable."""
        if trio.current_time() >= self._narrow_until:
            try:
                await connection.open()
                return True
            except NoSessionLeft:
                self._narrow_until = trio.current_time() + NARROW_S
        if self._in_use > 1 or any(one.has_session for one in self._idle):
            return False
        if self._make_room is None or not await self._make_room():
            raise NoSessionLeft("Postgres has no session left for this")
        await connection.open()
        return True

    async def _take_turn(self, deadline: float, *, came_first: bool) -> None:
        """`came_first`: before all who wait, and had a turn that was of no use."""
        self._widen()
        if self._turns:
            self._turns -= 1
            return
        if len(self._waiting) >= self._waiting_max and not came_first:
            raise StoreUnavailable(f"{self._waiting_max} wait for a connection already")
        waiter = _Waiter()
        if came_first:
            self._waiting.appendleft(waiter)
        else:
            self._waiting.append(waiter)
        try:
            await self._wait(waiter, deadline)
        except BaseException:
            if waiter.has_turn:
                self._give_turn()
            else:
                self._waiting.remove(waiter)
            raise

    async def _wait(self, waiter: _Waiter, deadline: float) -> None:
        while not waiter.has_turn:
            if self._withheld == len(self._idle) and not self._in_use:
                raise NoSessionLeft("the last session was given up")
            if trio.current_time() >= deadline:
                raise StoreUnavailable(f"no connection was free within {self._wait_s} s")
            waiter.roused = trio.Event()
            with trio.move_on_at(min(deadline, self._narrow_until) if self._withheld else deadline):
                await waiter.roused.wait()
            self._widen()

    def _give_turn(self) -> None:
        """First come, first served."""
        if self._waiting:
            first = self._waiting.popleft()
            first.has_turn = True
            first.roused.set()
        else:
            self._turns += 1

    async def _put_back(self, connection: Connection) -> None:
        if self._wanted:
            wanted = self._wanted.pop(0)
            try:
                await self._give_up(connection)
            finally:
                wanted.set()
        else:
            self._free_again(connection)

    def _free_again(self, connection: Connection) -> None:
        self._idle.append(connection)
        self._give_turn()
        self._used_no_more()

    def _used_no_more(self) -> None:
        self._in_use -= 1
        if not self._in_use:  # whoever still waits, waits for what nobody had: trying again will tell
            for wanted in self._wanted:
                wanted.set()

    # Making do with fewer.

    async def give_way(self) -> bool:
        """Give a session up, an idle one or else the next that comes back. False when there is none."""
        self._narrow_until = trio.current_time() + NARROW_S
        for connection in self._idle:  # those unused for longest come first
            if connection.has_session:
                if not self._turns:
                    break  # it is promised to somebody who waits
                self._turns -= 1
                self._idle.remove(connection)
                self._in_use += 1
                await self._give_up(connection)
                return True
        if not self._in_use and not any(one.has_session for one in self._idle):
            return False
        wanted = trio.Event()
        self._wanted.append(wanted)
        try:
            await wanted.wait()
        finally:
            if wanted in self._wanted:
                self._wanted.remove(wanted)
        return True

    async def _give_up(self, connection: Connection) -> None:
        try:
            with trio.move_on_after(CLOSE_S, shield=True):
                await connection.aclose()
        finally:
            self._withhold(connection)

    def _withhold(self, connection: Connection) -> None:
        """Its turn, which somebody has taken, is not given back for now. Who waits is to know how long that may be."""
        self._idle.insert(0, connection)
        self._withheld += 1
        self._used_no_more()
        for waiter in self._waiting:
            waiter.roused.set()

    def _widen(self) -> None:
        """Once it is time to try for more sessions."""
        if self._withheld and trio.current_time() >= self._narrow_until:
            withheld, self._withheld = self._withheld, 0
            for _ in range(withheld):
                self._give_turn()
