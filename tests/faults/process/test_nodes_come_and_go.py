"""Two servers that share one database: each entity lives at one of them, whoever comes, goes or dies."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import asyncpg
import pytest

from greenroom.store.ownership.sharding import SHARDS, shard_of
from tests.e2e.server import Server, wait_until

ROOMS = [f"room:{number}" for number in range(24)]


@pytest.fixture
def new_server(database_url: str, redis_url: str) -> Iterator[Callable[[], Server]]:
    """On one database and one Redis, each with a data folder of its own."""
    with ExitStack() as made:

        def new() -> Server:
            server = Server(GREENROOM_DATABASE_URL=database_url, GREENROOM_REDIS_URL=redis_url, GREENROOM_NODES="0")
            made.callback(server.remove)
            return server

        yield new


def homes(database_url: str, servers: list[Server]) -> list[int | None]:
    """Of each room, which of these owns it; None: none of them."""
    nodes = {int(server.request("GET", "/health").body["node"], 16): number for number, server in enumerate(servers)}

    async def owners() -> dict[int, int | None]:
        connection = await asyncpg.connect(database_url)
        rows = await connection.fetch("SELECT shard, owner FROM shards")
        await connection.close()
        return {row["shard"]: row["owner"] for row in rows}

    owner_of = asyncio.run(owners())
    return [nodes.get(owner_of[shard_of(room, SHARDS)] or 0) for room in ROOMS]


def test_rooms_move_to_whoever_comes_and_from_whoever_goes_or_dies(
    new_server: Callable[[], Server], database_url: str
) -> None:
    first, second = new_server(), new_server()
    first.start()
    for room in ROOMS:
        first.command(room, "join")
        first.command(room, "send", {"text": "one"})
    second.start()
    wait_until(lambda: homes(database_url, [first, second]).count(1) > len(ROOMS) // 5, "rooms to move", within_s=60)
    moved = [room for room, home in zip(ROOMS, homes(database_url, [first, second]), strict=True) if home == 1]
    for room in moved:
        assert second.command(room, "send", {"text": "two"})["offset"] == 3, "it remembers all"

    second.kill()
    killed = time.monotonic()
    wait_until(lambda: homes(database_url, [first]) == [0] * len(ROOMS), "the dead one's rooms to wake", within_s=30)
    assert time.monotonic() - killed < 5.0, "before its lease had run out: its end is seen on this host"
    for room in moved:
        assert first.command(room, "send", {"text": "three"})["offset"] == 4, "nothing is lost"

    third = new_server()
    third.start()
    assert first.stop() == 0
    assert homes(database_url, [third]) == [0] * len(ROOMS), "it has handed over all that it had"
    assert "node_buried" not in third.log()
    assert third.command(ROOMS[0], "send", {"text": "four"})["offset"] >= 3
    assert third.stop() == 0
