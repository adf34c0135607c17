"""Servers on one database that can't be what they are meant to: each says so, and nothing acknowledged is lost."""

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from greenroom.store.ownership.sharding import SHARDS
from tests.e2e.server import Answer, Server, wait_until
from tests.faults.process.test_nodes_come_and_go import ROOMS, homes
from tests.transports.bus.valkey import Valkey


@pytest.fixture
def new_server(database_url: str) -> Iterator[Callable[..., Server]]:
    """On one database, each with a data folder of its own."""
    with ExitStack() as made:

        def new(redis: str, shards: int = SHARDS) -> Server:
            server = Server(
                GREENROOM_DATABASE_URL=database_url,
                GREENROOM_NODES="0",
                GREENROOM_REDIS_URL=redis,
                GREENROOM_SHARDS=str(shards),
            )
            made.callback(server.remove)
            return server

        yield new


def say(server: Server, room: str, text: str) -> Answer:
    headers = {"Idempotency-Key": str(uuid.uuid4()), "X-Request-Timeout": "3"}
    return server.request("POST", f"/api/{room.replace(':', '/')}/send", {"text": text}, headers=headers)


@pytest.mark.parametrize(
    ("arguments", "password", "links", "event"),
    [((), "", "ok", "link_parted"), (("--requirepass", "right"), ":wrong@", "not carried", "bus_denied")],
    ids=["another Redis", "a wrong password"],
)
def test_nodes_of_one_database_that_do_not_reach_one_another_by_redis(
    new_server: Callable[..., Server],
    database_url: str,
    redis_url: str,
    tmp_path: Path,
    arguments: tuple[str, ...],
    password: str,
    links: str,
    event: str,
) -> None:
    said: dict[str, list[str]] = {room: [] for room in ROOMS}
    numbers = count()

    def says(server: Server, room: str, text: str) -> Any:
        text = f"{text} {next(numbers)}"
        answer = say(server, room, text)
        if answer.status == 200:
            said[room].append(text)
            return "said"
        assert answer.body["error"]["temporary"], answer
        return answer.body["error"]["name"]

    valkey = Valkey(tmp_path, *arguments).start()
    try:
        first = new_server(redis_url)
        second = new_server(f"redis://{password}127.0.0.1:{valkey.port}/0")
        first.start()
        for room in ROOMS:
            assert says(first, room, "one") == "said"
        second.start()
        wait_until(lambda: 1 in homes(database_url, [first, second]), "rooms to move", within_s=60)
        moved = ROOMS[homes(database_url, [first, second]).index(1)]
        here = "those who are connected where it lives to be answered"  # once it has seen that by itself
        wait_until(lambda: says(second, moved, "two") == "said", here, within_s=30)
        names = {says(first, moved, "not heard") for _ in range(2)}
        assert names <= {"deadline_exceeded", "unavailable", "outcome_unknown"}

        def refused_at_once() -> bool:
            began = time.monotonic()
            return says(first, moved, "refused") == "unavailable" and time.monotonic() - began < 1.0

        wait_until(refused_at_once, "its silence to be known", within_s=30)
        assert second.request("GET", "/health").body["links"] == links
        shown = {one["url"].rstrip("/"): one for one in first.request("GET", "/health").body["nodes"]}
        assert shown[second.url]["link"] == "no answer"
        assert event in (second.log() if event == "bus_denied" else first.log())
        assert second.stop() == 0
    finally:
        valkey.kill()

    third = new_server(redis_url)
    third.start()
    for room in ROOMS:
        assert says(third, room, "three") == "said"
        stored = [one["data"]["text"] for one in third.history(room) if one["data"]["type"] == "room.message"]
        assert [text for text in stored if text in said[room]] == said[room]


def test_another_number_of_shards_is_refused_and_the_right_one_named(
    new_server: Callable[..., Server], redis_url: str
) -> None:
    first, other = new_server(redis_url), new_server(redis_url, 64)
    first.start()
    assert first.command("room:a", "send", {"text": "x"})
    other.launch()
    wait_until(lambda: not other.running, "it to end", within_s=60)
    assert "GREENROOM_SHARDS" in other.log() and "must be 4096" in other.log()
    assert first.command("room:a", "send", {"text": "y"})
