"""Others, who add jobs in transactions of their own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from greenroom.store.postgres.bridge import Bridge


class Other:
    """One session."""

    def __init__(self, bridge: Bridge, session: Any) -> None:
        self._bridge = bridge
        self._session = session

    async def do(self, sql: str, *arguments: object) -> Any:
        """The first value of what it answers."""
        return await self._bridge.run(self._session.fetchval, sql, *arguments)

    async def add(self, queue: str = "q", arguments: str = "{}", **fields: Any) -> str:
        """The id."""
        names = "".join(f", {name} => ${number}" for number, name in enumerate(fields, 4))
        sql = f"SELECT add_job($1, $2, $3::jsonb{names})"
        added: str = await self.do(sql, queue, "job.x", arguments, *fields.values())
        return added


@asynccontextmanager
async def others(bridge: Bridge, url: str, count: int = 1) -> AsyncIterator[list[Other]]:
    sessions = [await bridge.run(asyncpg.connect, url) for _ in range(count)]
    try:
        yield [Other(bridge, session) for session in sessions]
    finally:
        for session in sessions:
            session.terminate()
