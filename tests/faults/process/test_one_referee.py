"""Two servers on one database: one serves, whatever becomes of the other."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import asyncpg
import pytest

from tests.e2e.server import Server, wait_until


@pytest.fixture
def new_server(database_url: str, redis_url: str) -> Iterator[Callable[[], Server]]:
    """On one database and one Redis, each with a data folder of its own."""
    with ExitStack() as made:

        def new() -> Server:
            server = Server(GREENROOM_DATABASE_URL=database_url, GREENROOM_REDIS_URL=redis_url)
            made.callback(server.remove)
            return server

        yield new


def test_a_second_server_is_refused_and_takes_over_once_the_first_is_gone(new_server: Callable[[], Server]) -> None:
    first, second = new_server(), new_server()
    first.start()
    first.command("room:a", "join")
    assert first.command("room:a", "send", {"text": "one"})["offset"] == 2
    second.launch()
    wait_until(lambda: not second.running, "the second to give up", within_s=60)
    assert f"the node at {first.url}/ serves this database" in second.log()
    assert second.stop() == 1
    assert first.command("room:a", "send", {"text": "two"})["offset"] == 3, "it has lost nothing"
    first.kill()
    second.start()
    assert second.command("room:a", "send", {"text": "three"})["offset"] == 4
    assert '"node_buried"' in second.log() and "its process has ended" in second.log()


def test_whoever_was_declared_dead_ends_and_says_so(new_server: Callable[[], Server], database_url: str) -> None:
    """As the other side of a network does that was cut for longer than the lease."""
    server = new_server()
    server.start()
    bury(database_url)
    wait_until(lambda: not server.running, "it to end", within_s=60)
    assert "another node has declared this one dead" in server.log()
    assert server.stop() == 1


def bury(database_url: str) -> None:
    async def run() -> None:
        connection = await asyncpg.connect(database_url)
        await connection.execute("UPDATE nodes SET state = 'dead'")
        await connection.close()

    asyncio.run(run())
