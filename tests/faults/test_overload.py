"""More than can be done: a full mailbox, an expired deadline, too much at once. Refused, never forgotten."""

import threading
import time
from typing import Any

import pytest

from tests.e2e.server import Answer, Server
from tests.faults.peer import connected, metric

MAILBOX = 4  # messages, as in entities.py


def test_a_full_mailbox_refuses_and_keeps_every_word_it_gave(server: Server) -> None:
    """Thirty pieces of work for one who takes them singly and lets four wait."""
    answers: dict[str, Answer] = {}

    def work(name: str) -> None:
        answers[name] = server.request("POST", "/api/slow/full/work", {"name": name, "seconds": 0.2})

    threads = [threading.Thread(target=work, args=(f"w{n}",)) for n in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    done = {name for name, answer in answers.items() if answer.status == 200}
    refused = {name: answer for name, answer in answers.items() if answer.status != 200}
    assert done and refused
    for answer in refused.values():
        assert answer.status == 429 and answer.headers["retry-after"] == "1"
        assert answer.body["error"]["name"] == "overloaded" and answer.body["error"]["temporary"] is True
    history = server.history("slow:full")
    names = [one["data"]["name"] for one in history]
    assert set(names) == done and len(names) == len(done)
    assert {answers[name].body["number"] for name in done} == {one["offset"] for one in history}


def test_a_full_mailbox_is_error_111_to_the_sdks(server: Server) -> None:
    with connected(server) as peer:
        asked = {
            peer.command(rpc={"method": "slow:sdk/work", "data": {"name": f"w{n}", "seconds": 0.1}}) for n in range(20)
        }
        done: list[Any] = []
        refused: list[Any] = []
        for message in peer.messages():
            if message.get("id") in asked:
                asked.remove(message["id"])
                (refused if "error" in message else done).append(message)
            if not asked:
                break
    assert done and refused
    assert all(one["error"]["code"] == 111 and one["error"]["temporary"] for one in refused)
    assert len(server.history("slow:sdk")) == len(done)


def test_too_many_commands_in_flight_are_refused(fresh_server: Server) -> None:
    fresh_server._settings |= {"GREENROOM_CLIENT_COMMANDS_IN_FLIGHT_MAX": "3", "GREENROOM_HTTP_IN_FLIGHT_MAX": "2"}
    fresh_server.start()
    with connected(fresh_server) as peer:
        for n in range(3):
            peer.command(rpc={"method": f"slow:s{n}/work", "data": {"name": "w", "seconds": 0.5}})
        assert peer.ask(rpc={"method": "room:x/typing", "data": {}})["error"]["code"] == 111
    statuses: list[int] = []

    def work(n: int) -> None:
        path = f"/api/slow/h{n}/work"
        statuses.append(fresh_server.request("POST", path, {"name": "w", "seconds": 0.5}).status)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200, 200, 429, 429]


def test_too_many_connections_are_refused_in_http(fresh_server: Server) -> None:
    fresh_server._settings |= {"GREENROOM_GATE_CONNECTIONS_MAX": "3"}
    fresh_server.start()
    held = [fresh_server.connection() for _ in range(3)]
    try:
        for connection in held:
            connection.connect()
        # It may take a moment until the server has seen all three.
        answer = fresh_server.request("GET", "/api/room/x")
        assert answer.status == 503 and answer.headers["retry-after"] == "1"
    finally:
        for connection in held:
            connection.close()
    _eventually_200(fresh_server)


def _eventually_200(server: Server) -> None:
    deadline = time.monotonic() + 15
    while server.request("GET", "/api/room/x").status != 200:
        assert time.monotonic() < deadline


def test_an_expired_deadline_is_told_in_time_and_nothing_happened(server: Server) -> None:
    """The first holds the entity; the second's deadline ends in the mailbox, so it is never handled."""
    answers: dict[str, Any] = {}

    def work(name: str, seconds: float, timeout: str) -> None:
        began = time.monotonic()
        body = {"name": name, "seconds": seconds}
        answer = server.request("POST", "/api/slow/late/work", body, headers={"X-Request-Timeout": timeout})
        answers[name] = (answer, time.monotonic() - began)

    first = threading.Thread(target=work, args=("first", 0.8, "10"))
    first.start()
    _busy(server, "slow:late")
    work("second", 0.0, "0.1")
    first.join()
    answer, took_s = answers["second"]
    assert answer.status == 504 and answer.body["error"]["name"] == "deadline_exceeded", answer
    assert answer.body["error"]["temporary"] is True
    assert took_s < 0.7
    assert answers["first"][0].status == 200
    work("third", 0.0, "10")
    assert [one["data"]["name"] for one in server.history("slow:late")] == ["first", "third"]


def _busy(server: Server, entity: str) -> None:
    """Until the entity works on something: its view has to wait."""
    deadline = time.monotonic() + 15
    path = f"/api/{entity.replace(':', '/')}"
    while server.request("GET", path, headers={"X-Request-Timeout": "0.05"}).status != 504:
        assert time.monotonic() < deadline


@pytest.mark.parametrize("timeout", ["0.2", "20"])
def test_an_async_handler_that_never_returns_ends_at_its_deadline(server: Server, timeout: str) -> None:
    """At the sender's, or at the kind's own (1 s), whichever is first; and its entity goes on."""
    entity = f"slow:never{timeout.replace('.', '')}"
    path = f"/api/{entity.replace(':', '/')}/work"
    began = time.monotonic()
    answer = server.request("POST", path, {"name": "w", "seconds": 999}, headers={"X-Request-Timeout": timeout})
    assert answer.status == 504, answer
    assert time.monotonic() - began < 8
    assert server.command(entity, "work", {"name": "next"}) == {"number": 1}
    assert [one["data"]["name"] for one in server.history(entity)] == ["next"]
    assert metric(server, "greenroom_mailbox_depth") == 0
