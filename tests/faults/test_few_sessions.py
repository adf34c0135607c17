"""A Postgres that has few sessions for us, and many who read."""

import asyncio
import threading
from collections.abc import Callable, Iterator

import asyncpg
import pytest

from greenroom.store.own.servers import OwnServers
from tests.conftest import administer
from tests.e2e.server import Server, wait_until

LANES = "FROM pg_stat_activity WHERE usename = 'narrow' AND application_name LIKE '% lane-%'"


@pytest.fixture
def server(own_servers: OwnServers, narrow_url: str) -> Iterator[Server]:
    """It may have five sessions, and would open twelve."""
    administer(own_servers, "ALTER ROLE narrow CONNECTION LIMIT 5")
    administer(own_servers, "CREATE DATABASE narrow OWNER narrow")
    made = Server(
        GREENROOM_DATABASE_URL=narrow_url.replace("/greenroom?", "/narrow?"),
        GREENROOM_REDIS_URL=own_servers.redis_url,
    )
    made.start()
    yield made
    print(made.log()[-10_000:])
    made.remove()
    administer(own_servers, "DROP DATABASE narrow WITH (FORCE)")


@pytest.fixture
def readers(server: Server) -> Iterator[Callable[[], int]]:
    """Fifteen who read a history again and again; how many answers they have got, and all of them good."""
    statuses: list[int] = []
    ended = threading.Event()

    def read() -> None:
        while not ended.is_set():
            statuses.append(server.request("GET", "/api/room/lobby/history?since=0&limit=300").status)

    threads = [threading.Thread(target=read) for _ in range(15)]
    for thread in threads:
        thread.start()

    def answered() -> int:
        assert set(statuses) <= {200}
        return len(statuses)

    yield answered
    ended.set()
    for thread in threads:
        thread.join()


def test_writes_go_through_while_many_read_even_when_the_writers_sessions_are_lost(
    server: Server, readers: Callable[[], int], own_servers: OwnServers
) -> None:
    for number in range(5):
        server.command("room:lobby", "send", {"text": "x"})
        before = readers()
        wait_until(lambda before=before: readers() > before + 30, "the readers to go on")  # type: ignore[misc]
        assert asyncio.run(ended(own_servers)) >= 1, "lanes that were in use"
        server.command("room:lobby", "send", {"text": "y"}, headers={"Idempotency-Key": f"after {number}"})
    assert len([one for one in server.history("room:lobby") if one["data"]["type"] == "room.message"]) == 10


async def ended(own_servers: OwnServers) -> int:
    connection = await asyncpg.connect(own_servers.database_url)
    try:
        return len(await connection.fetch(f"SELECT pg_terminate_backend(pid) {LANES}"))
    finally:
        await connection.close()
