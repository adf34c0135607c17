"""The pool: a small fixed set of connections for reads, others for claims, and one of its own for each lane of commits.

Postgres works best with few busy sessions, so readers wait here, first come first served, within a bound in number and
in time. Neither the committer's lanes nor claims ever queue behind readers. Where the server has fewer sessions than
these are together, readers give theirs up: to a lane that has none, and to claims when none of them has one.
"""

from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

import trio

from greenroom.store.postgres.bridge import Bridge
from greenroom.store.postgres.connection import Connection, MakeRoom
from greenroom.store.postgres.group import Group
from greenroom.store.postgres.silence import Silence


class Pool:
    """Connections of one node. Opened by their first use; closed at the end of `async with Pool(...)`."""

    def __init__(
        self,
        bridge: Bridge,
        dsn: str,
        *,
        incarnation: int,
        size: int = 4,  # connections for `connection()`; those of other groups and dedicated ones come on top
        waiting_max: int = 4_096,  # callers, of each group
        connect_s: float = 5.0,
        statement_s: float = 10.0,
        close_s: float = 2.0,
    ) -> None:
        self._bridge = bridge
        self._dsn = dsn
        self._incarnation = incarnation
        self._connect_s = connect_s
        self._statement_s = statement_s
        self._close_s = close_s
        self._waiting_max = waiting_max
        self._silence = Silence()
        self._all: list[Connection] = []
        self.readers = self._group("read", size, None)
        self.connection = self.readers.connection  # reads and rare writes go this way

    def group(self, name: str, size: int) -> Group:
        """So many more connections, for one purpose: `name` tells them apart in pg_stat_activity."""
        return self._group(name, size, self.readers.give_way)

    def dedicated(self, name: str) -> Connection:
        """One more connection, that only the caller uses."""
        return self._new(name, self.readers.give_way)

    def _group(self, name: str, size: int, make_room: MakeRoom | None) -> Group:
        connections = [self._new(f"{name}-{number}", None) for number in range(size)]
        return Group(connections, waiting_max=self._waiting_max, wait_s=self._statement_s, make_room=make_room)

    def _new(self, name: str, make_room: MakeRoom | None) -> Connection:
        # The incarnation in the name lets a takeover end the sessions of a node that was declared dead (trap 5).
        connection = Connection(
            self._bridge,
            self._dsn,
            application_name=f"greenroom {self._incarnation:016x} {name}",
            connect_s=self._connect_s,
            statement_s=self._statement_s,
            silence=self._silence,
            make_room=make_room,
        )
        self._all.append(connection)
        return connection

    async def fetch(self, sql: str, *args: object) -> Sequence[Any]:
        """One statement, by any connection of the readers'. Raises: StoreUnavailable."""
        async with self.connection() as connection:
            return await connection.fetch(sql, *args)

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
