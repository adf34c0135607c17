"""Two servers on one database: whoever looks at either sees both, and each entity as its own node has it."""

import http.client
import json
import os
import signal
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.e2e.server import Server, wait_until
from tests.faults.process.command_line import CommandLine

SHARDS = 12  # few are handed over in few steps, two seconds apart; of fewer a node may well get none, or all
ROOMS = [f"room:{number}" for number in range(12)]


@pytest.fixture
def servers(database_url: str, redis_url: str) -> Iterator[tuple[Server, Server]]:
    with ExitStack() as made:
        both = []
        for _ in range(2):
            server = Server(
                GREENROOM_DATABASE_URL=database_url,
                GREENROOM_REDIS_URL=redis_url,
                GREENROOM_NODES="0",
                GREENROOM_LEASE_S="20",
                GREENROOM_SHARDS=str(SHARDS),
            )
            made.callback(server.remove)
            server.start()
            both.append(server)
            if len(both) == 1:  # or the other takes what nobody has yet, and nothing is moved
                wait_until(lambda: shards_owned(both[0]) == SHARDS, "the first to own all")
        first, second = both
        wait_until(lambda: all(has_settled(first, room) for room in ROOMS), "all to be where they belong", within_s=90)
        for room in ROOMS:
            first.command(room, "send", {"text": "hi"})
        yield first, second


def shards_owned(server: Server) -> int:
    return int(server.request("GET", "/health").body["shards_owned"])


def looked(server: Server, path: str) -> Any:
    answer = server.request("GET", f"/admin/api/{path}")
    assert answer.status == 200, answer
    return answer.body


def entity(server: Server, name: str) -> Any:
    return looked(server, "entity?" + urllib.parse.urlencode({"name": name}))


def has_settled(server: Server, name: str) -> bool:
    return "Placement agrees" in entity(server, name)["place"]["why"]


def node_of(server: Server, name: str) -> str | None:
    found: str | None = entity(server, name)["place"]["node"]
    return found


def stream(server: Server, path: str) -> http.client.HTTPResponse:
    connection = server.connection()
    connection.request("GET", path, headers={"X-Greenroom-User": "bob"})
    found = connection.getresponse()
    assert found.status == 200
    return found


def shown(live: http.client.HTTPResponse, fits: Callable[[Any], bool]) -> Any:
    """The first event of a stream that does."""
    for _ in range(2_000):
        line = live.readline()
        if line.startswith(b"data: ") and fits(found := json.loads(line[6:])):
            return found
    raise AssertionError("nothing of that sort was shown")


def test_each_entity_is_told_by_its_own_node_whoever_is_asked(
    servers: tuple[Server, Server], command_line: CommandLine
) -> None:
    first, second = servers
    seen = set()
    watching = [stream(server, f"/events?channel={ROOMS[0]}") for server in (first, second, second)]
    for room in ROOMS:
        for server in servers:
            found = entity(server, room)
            assert found["told"]["awake"] and found["told"]["node"] == found["place"]["node"]
            assert found["told"]["offset"] == found["stored"]["offset"]
            assert "lacement" in found["place"]["why"], found["place"]["why"]
            state = looked(server, f"state?name={room}")
            assert state["of"] == "memory" and state["state"]["owner"] == "ann"
        seen.add(found["place"]["node"])
    assert len(seen) == 2

    def watchers() -> list[int]:
        return sorted(entity(first, ROOMS[0])["watchers"].values())

    wait_until(lambda: watchers() == [1, 2], "watchers on each node to be counted")
    explained = command_line.greenroom(second, "explain", ROOMS[0])
    assert explained.status == 0, explained
    for words in ("for its last message", "2 on ", "1 on ", f"of {SHARDS}, term"):
        assert words in explained.out, explained.out
    for one in watching:
        one.close()


def test_the_cluster_is_all_nodes_and_one_that_stands_still_is_shown_so(servers: tuple[Server, Server]) -> None:
    first, second = servers
    found = looked(first, "cluster")
    assert (found["answered"], [one["answered"] for one in found["nodes"]]) == (2, [True, True])
    assert found["kinds"]["room"] == len(ROOMS)
    assert found["awake"] == sum(one["told"]["awake"] for one in found["nodes"])

    def moves() -> list[Any]:
        return [one for one in looked(first, "cluster")["moves"] if one["cause"] == "moved"]

    wait_until(lambda: bool(moves()), "what was moved to be told")
    moved = moves()
    assert all(one["shards"] > 0 and one["former"] and one["owner"] and one["seconds"] >= 0 for one in moved)
    live = stream(first, "/admin/live")
    assert shown(live, lambda one: one["rates"])["answered"] == 2
    os.kill(second.pid, signal.SIGSTOP)
    try:
        still = shown(live, lambda one: one["answered"] == 1)
        assert sorted(one["answered"] for one in still["nodes"]) == [False, True]
        on_it = next(room for room in ROOMS if node_of(first, room) not in (None, found["asked"]))
        explained = entity(first, on_it)
        assert explained["told"] is None and "does not answer" in explained["told_why"]
        assert explained["stored"]["offset"] == 2, "what the database has of it is told all the same"
    finally:
        os.kill(second.pid, signal.SIGCONT)
    assert shown(live, lambda one: one["answered"] == 2)
    live.close()
    second.stop()
    wait_until(lambda: len(looked(first, "cluster")["ended"]) == 1, "the one that has stopped to be among the ended")
    assert looked(first, "cluster")["ended"][0]["why"] == "stopped"
