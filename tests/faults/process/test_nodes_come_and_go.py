"""Two servers that share one database: each entity answers at one of them, whoever comes, goes or dies."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

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


def answers(server: Server, room: str) -> bool:
    """Does that room live there?"""
    return server.request("GET", f"/api/{room.replace(':', '/')}").status == 200


def homes(servers: list[Server]) -> list[int | None]:
    """Of each room, which of these answers for it; None: none does, as far as can be told."""
    found: list[int | None] = []
    for room in ROOMS:
        there = [number for number, server in enumerate(servers) if answers(server, room)]
        assert len(there) <= 1, f"{room} answers at both"
        found.append(there[0] if there else None)
    return found


def test_rooms_move_to_whoever_comes_and_from_whoever_goes_or_dies(new_server: Callable[[], Server]) -> None:
    first, second = new_server(), new_server()
    first.start()
    for room in ROOMS:
        first.command(room, "join")
        first.command(room, "send", {"text": "one"})
    second.start()
    wait_until(lambda: homes([first, second]).count(1) > len(ROOMS) // 5, "rooms to move", within_s=60)
    moved = [room for room, home in zip(ROOMS, homes([first, second]), strict=True) if home == 1]
    for room in moved:
        assert second.command(room, "send", {"text": "two"})["offset"] == 3, "it remembers all"

    second.kill()
    killed = time.monotonic()
    wait_until(lambda: homes([first]) == [0] * len(ROOMS), "the dead one's rooms to wake", within_s=30)
    assert time.monotonic() - killed < 5.0, "before its lease had run out: its end is seen on this host"
    for room in moved:
        assert first.command(room, "send", {"text": "three"})["offset"] == 4, "nothing is lost"

    third = new_server()
    third.start()
    assert first.stop() == 0
    # It has handed over all that it had; nobody has told the third so, which looks each second.
    wait_until(lambda: homes([third]) == [0] * len(ROOMS), "the third to know", within_s=30)
    assert "node_buried" not in third.log()
    assert third.command(ROOMS[0], "send", {"text": "four"})["offset"] >= 3
    assert third.stop() == 0
