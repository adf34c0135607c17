"""Commands, views, history and errors over plain HTTP."""

import http.client
import json
import socket
import time
from typing import Any

import pytest

from tests.e2e.server import Answer, Server


def path_of(room: str, *more: str) -> str:
    return "/".join(["/api", room.replace(":", "/"), *more])


def refusal(answer: Answer) -> dict[str, Any]:
    """The body of a refusal, which always has the same shape."""
    error: dict[str, Any] = answer.body["error"]
    assert set(error) >= {"code", "name", "message", "temporary"}
    assert error["code"] == answer.status
    return error


def test_a_command_is_answered_and_its_event_is_in_view_and_history(server: Server, room: str) -> None:
    sent = server.command(room, "send", {"text": "hi", "data": {"any": [1, None, "ü"]}}, user="ann")
    assert sent["offset"] == 2 and abs(sent["at_ms"] / 1000 - time.time()) < 60
    seen = server.request("GET", path_of(room)).body
    assert seen["offset"] == 2 and seen["epoch"]
    assert seen["view"]["messages"][-1]["text"] == "hi"
    history = server.request("GET", path_of(room, "history")).body
    assert (history["epoch"], history["offset"]) == (seen["epoch"], 2)
    assert [one["offset"] for one in history["publications"]] == [1, 2]
    assert history["publications"][1]["data"] == {
        "type": "room.message",
        "author": "ann",
        "text": "hi",
        "data": {"any": [1, None, "ü"]},
    }


def test_a_command_without_fields_needs_no_body(server: Server, room: str) -> None:
    assert server.request("POST", path_of(room, "join")).status == 200


def test_one_connection_serves_many_requests_also_pipelined(server: Server, room: str) -> None:
    connection = server.connection()
    for number in range(20):
        answer = server.request("POST", path_of(room, "send"), {"text": f"m{number}"}, connection=connection)
        assert answer.body["offset"] == number + 2
    connection.close()
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as sock:
        body = b'{"text":"piped"}'
        head = f"POST {path_of(room, 'send')} HTTP/1.1\r\nHost: x\r\nX-Greenroom-User: ann\r\n"
        sock.sendall((head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body) * 3)
        found = b""
        while found.count(b"at_ms") < 3:
            piece = sock.recv(65_536)
            assert piece, found
            found += piece
    offsets = [one["offset"] for one in server.history(room) if one["data"].get("text") == "piped"]
    assert offsets == [22, 23, 24]
    assert [found.index(b'"offset":%d' % offset) for offset in offsets] == sorted(
        found.index(b'"offset":%d' % offset) for offset in offsets
    )


def test_history_by_since_limit_and_reverse(server: Server, room: str) -> None:
    for number in range(1, 8):
        server.command(room, "send", {"text": f"m{number}"})  # offsets 2 to 8, after the join
    epoch = server.request("GET", path_of(room)).body["epoch"]

    def offsets(query: str) -> list[int]:
        answer = server.request("GET", path_of(room, "history") + query)
        assert answer.status == 200, answer
        return [one["offset"] for one in answer.body["publications"]]

    assert offsets("?limit=3") == [1, 2, 3]
    assert offsets("?since=4") == [5, 6, 7, 8]
    assert offsets(f"?since={epoch}:4&limit=2") == [5, 6]
    assert offsets("?limit=2&reverse=true") == [8, 7]
    assert offsets("?since=4&limit=2&reverse=1") == [3, 2]
    assert offsets("?since=8") == []
    for query, status in (("?since=x", 400), ("?limit=0", 400), ("?reverse=maybe", 400), ("?since=other:1", 409)):
        assert server.request("GET", path_of(room, "history") + query).status == status, query


@pytest.mark.parametrize("how", ["header", "field"])
def test_a_repeat_under_the_same_key_returns_the_first_answer(server: Server, room: str, how: str) -> None:
    def send(key: str, text: str = "once") -> Answer:
        field = {"idempotency_key": key} if how == "field" else {}
        headers = {"Idempotency-Key": key} if how == "header" else {}
        return server.request("POST", path_of(room, "send"), {"text": text, **field}, headers=headers)

    first = send("k1")
    assert first.status == 200
    assert send("k1").body == first.body
    assert send("k2").body["offset"] == first.body["offset"] + 1
    assert len(server.history(room)) == 3


def test_a_key_outlives_sigkill(mortal_server: Server, room: str) -> None:
    server = mortal_server
    given = {"headers": {"Idempotency-Key": "gift-1"}}
    first = server.command(room, "gift", {"item": "rose", "count": 3}, **given)
    assert first == {"total": 3}
    other = server.command(room, "gift", {"item": "rose", "count": 4})
    assert other == {"total": 7}
    server.restart(kill=True)
    assert server.command(room, "gift", {"item": "rose", "count": 3}, **given) == {"total": 3}
    assert server.command(room, "gift", {"item": "rose"}) == {"total": 8}
    assert [one["data"]["count"] for one in server.history(room) if one["data"]["type"] == "room.gift"] == [3, 4, 1]


def test_refusals_have_a_fitting_status_and_a_name(server: Server, room: str) -> None:
    server.command(room, "join", user="ann")
    server.command(room, "join", user="bob")
    server.command(room, "mute", {"user": "bob"}, user="ann")
    muted = server.request("POST", path_of(room, "send"), {"text": "but"}, user="bob")
    assert muted.status == 403 and refusal(muted)["name"] == "room.muted"
    assert refusal(muted)["temporary"] is False

    malformed = server.request("POST", path_of(room, "send"), b'{"text": ')
    assert malformed.status == 400, malformed
    refusal(malformed)
    for body, named in (
        ({"text": 5}, "text"),
        ({}, "text"),
        ({"text": ""}, "text"),
        ({"text": "x" * 4001}, "text"),
        ({"text": "x", "reply_to": "first"}, "reply_to"),
    ):
        wrong = server.request("POST", path_of(room, "send"), body)
        assert wrong.status == 422 and named in refusal(wrong)["message"], wrong
    for method, path in (
        ("POST", "/api/nokind/x/send"),
        ("POST", path_of(room, "fly")),
        ("POST", path_of(room, "expire")),  # internal: no command
        ("GET", "/api/nokind/x"),
        ("GET", "/nowhere"),
    ):
        assert server.request(method, path, b"{}" if method == "POST" else None).status == 404, path
    assert server.request("DELETE", path_of(room)).status == 405
    assert server.request("GET", path_of(room, "send")).status == 405
    too_long = server.request("POST", path_of(room, "send"), b'{"text":"' + b"x" * (1 << 20) + b'"}')
    assert too_long.status == 413
    late = server.request("POST", path_of(room, "send"), {"text": "x"}, headers={"X-Request-Timeout": "soon"})
    assert late.status == 400 and "X-Request-Timeout" in refusal(late)["message"]
    assert len(server.history(room)) == 3  # nothing of all this has happened


def test_who_asks(server: Server, room: str) -> None:
    bearer = {"Authorization": f"Bearer {server.token('tom')}"}
    server.command(room, "send", {"text": "by token"}, user=None, headers=bearer)
    server.command(room, "send", {"text": "by name"}, user="ann")
    authors = [one["data"]["author"] for one in server.history(room) if one["data"]["type"] == "room.message"]
    assert authors == ["tom", "ann"]
    for token in ("nonsense", server.token("tom") + "x", server.token("tom", exp=int(time.time()) - 60)):
        answer = server.request("POST", path_of(room, "join"), user=None, headers={"Authorization": f"Bearer {token}"})
        assert answer.status == 401 and refusal(answer)["name"] in ("unauthenticated", "token_expired")
        assert token not in json.dumps(answer.body)


def test_keys_may_hold_any_letters(server: Server, room: str) -> None:
    answer = server.request("POST", path_of(room) + "%20%C3%BC%2F%3Fx/send", {"text": "hi"})
    assert answer.status == 200, answer
    assert server.request("GET", path_of(room) + "%20%C3%BC%2F%3Fx").body["offset"] == 2


def test_the_other_addresses(server: Server) -> None:
    health = server.request("GET", "/health")
    assert health.status == 200 and health.body["status"] == "ok"
    assert server.request("GET", "/ready").status == 200
    metrics = server.request("GET", "/metrics")
    assert metrics.status == 200 and b"# TYPE" in metrics.body and b"greenroom_" in metrics.body
    page = server.request("GET", "/")
    assert page.status == 200 and b"<!doctype html>" in page.body
    assert server.request("GET", "/docs").status == 200


def test_a_page_of_another_origin_may_not_command(server: Server, room: str) -> None:
    answer = server.request("POST", path_of(room, "send"), {"text": "x"}, headers={"Origin": "https://evil.example"})
    assert answer.status == 403, answer
    assert server.history(room) == []


def test_what_was_answered_before_an_orderly_stop_is_kept(mortal_server: Server, room: str) -> None:
    server = mortal_server
    connection = server.connection()
    for number in range(50):
        server.command(room, "send", {"text": f"m{number}"}, connection=connection)
    assert server.stop() == 0
    with pytest.raises((OSError, http.client.HTTPException)):
        server.request("POST", path_of(room, "send"), {"text": "late"}, connection=connection)
    connection.close()
    server.start()
    assert [one["data"]["text"] for one in server.history(room)[1:]] == [f"m{number}" for number in range(50)]
