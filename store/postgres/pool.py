"""The pool: a small fixed set of connections for reads, and connections of their own for the committer's lanes.

Postgres works best with few busy sessions, so readers wait here, first come first served and within a bound, under the
deadline of whoever calls. The committer's lanes never queue behind readers.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Self

import trio

from greenroom.store.errors import StoreUnavailable
from greenroom.store.postgres.bridge import Bridge
from greenroom.store.postgres.connection import Connection


class Pool:
    """Connections of one node. Opened by their first use; closed at the end of `async with Pool(...)`."""

    def __init__(
        self,
        bridge: Bridge,
        dsn: str,
        *,
        incarnation: int,
        size: int = 4,  # connections for `connection()`; dedicated ones come on top
        waiting_max: int = 4_096,  # callers
        connect_s: float = 5.0,
        close_s: float = 2.0,
    ) -> None:
        self._bridge = bridge
        self._dsn = dsn
        self._incarnation = incarnation
        self._connect_s = connect_s
        self._close_s = close_s
        self._waiting_max = waiting_max
        self._free = trio.Semaphore(size, max_value=size)
        # The last one used goes out first: its statements are prepared and its caches warm.
        self._idle = [self._make(f"read-{n}") for n in range(size)]
        self._all = [*self._idle]

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection to oneself, for reads and rare writes; waits until one is free. Raises: StoreUnavailable."""
        try:
            self._free.acquire_nowait()
        except trio.WouldBlock:
            if self._free.statistics().tasks_waiting >= self._waiting_max:
                raise StoreUnavailable(f"{self._waiting_max} readers wait already") from None
            await self._free.acquire()
        connection = self._idle.pop()
        try:
            yield connection
        finally:
            self._idle.append(connection)
            self._free.release()

    def dedicated(self, name: str) -> Connection:
        """One more connection, that only the caller uses: `name` tells it apart in pg_stat_activity."""
        connection = self._make(name)
        self._all.append(connection)
        return connection

    @property
    def connects(self) -> int:
        """Connections made so far; more than there are means that some were lost."""
        return sum(connection.connects for connection in self._all)

    async def aclose(self) -> None:
        """End all sessions, within `close_s` however the server is."""
        with trio.move_on_after(self._close_s, shield=True):
            # Owner: this call; the deadline above cancels what does not end by itself.
            async with trio.open_nursery() as nursery:
                for connection in self._all:
                    nursery.start_soon(connection.aclose)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    def _make(self, name: str) -> Connection:
        # The incarnation in the name lets a takeover end the sessions of a node that was declared dead (trap 5).
        application_name = f"greenroom {self._incarnation:016x} {name}"
        return Connection(self._bridge, self._dsn, application_name=application_name, connect_s=self._connect_s)
