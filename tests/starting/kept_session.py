"""A session with the tests' Postgres that makes and drops the databases of thousands of tests.

With a new one each time, half of what both take would go into sessions that start and read the catalog.
"""

import asyncio
from typing import Any, Self

import asyncpg


class KeptSession:
    """`with KeptSession(url) as session: session.execute(sql)`, outside of any event loop."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._loop = asyncio.new_event_loop()
        self._connection: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._loop.run_until_complete(asyncio.sleep(0))  # in which the socket is closed
        self._loop.close()

    def execute(self, sql: str) -> None:
        self._loop.run_until_complete(self._execute(sql))

    async def _execute(self, sql: str) -> None:
        if not await self._is_alive():
            self._connection = await asyncpg.connect(self._url)
        await self._connection.execute(sql)

    async def _is_alive(self) -> bool:
        """Asked, since a test may have restarted Postgres, and a loop that stood still has heard of nothing."""
        if self._connection is None:
            return False
        try:
            await self._connection.execute("SELECT 1")
        except (OSError, asyncpg.InterfaceError, asyncpg.PostgresError):
            self._connection.terminate()
            return False
        return True
