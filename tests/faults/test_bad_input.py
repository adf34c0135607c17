"""Bytes and commands that mean nothing: each gets an error that says what is wrong, and harms nobody else."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e.server import Server
from tests.faults.peer import HANDSHAKE, TEXT, Closed, Peer, connected, frame, upgraded

# Over WebSocket: what is no command ends the connection with a code that stops the SDKs from trying it again.


@pytest.mark.parametrize(
    "text",
    [b"{", b"not json", b"[]", b'"text"', b"[" * 60_000, b'{"id": "one"}', b'{"id": -1}', b"{}{}", b" ", b"\n\n"],
    ids=["cut off", "no json", "a list", "a string", "deep", "id a string", "id negative", "two", "space", "newlines"],
)
def test_malformed_commands_end_the_connection_with_3501(server: Server, text: bytes) -> None:
    with connected(server) as peer:
        peer.send_text(text)
        assert peer.end().code == 3501


@pytest.mark.parametrize("text", [b'{"id": 7}', b'{"id": 7, "fly": {}}'])
def test_unknown_methods_of_the_protocol_end_the_connection(server: Server, text: bytes) -> None:
    with connected(server) as peer:
        peer.send_text(text)
        assert peer.end() == Closed(3501, "bad request")


def test_a_field_of_the_wrong_type_is_named_when_the_connection_ends(server: Server) -> None:
    with connected(server) as peer:
        peer.command(subscribe={"channel": 5})
        code, reason = peer.end()
        assert code == 3501 and "channel" in reason


def test_commands_before_connect_end_the_connection(server: Server) -> None:
    with upgraded(server) as peer:
        peer.command(subscribe={"channel": "room:lobby"})
        assert peer.end().code == 3501


def test_a_connect_whose_data_is_wrong_names_the_field(server: Server) -> None:
    with upgraded(server) as peer:
        peer.command(connect={"data": {"user": 5}})
        code, reason = peer.end()
        assert code == 3501 and "user" in reason


@pytest.mark.parametrize(
    ("command", "code", "named"),
    [
        ({"rpc": {"method": "room:x/fly", "data": {}}}, 104, "method"),
        ({"rpc": {"method": "nokind:x/send", "data": {}}}, 102, "channel"),
        ({"rpc": {"method": "send", "data": {}}}, 104, "method"),
        ({"rpc": {"method": "room:x/send", "data": {"text": 5}}}, 107, "$.text"),
        ({"rpc": {"method": "room:x/send", "data": {}}}, 107, "`text`"),
        ({"rpc": {"method": "room:x/send", "data": []}}, 107, "object"),
        ({"rpc": {"method": "room:x/send", "data": {"text": "x" * 10_000}}}, 107, "$.text"),
        ({"rpc": {"method": "room:x/send", "data": {"text": "x", "idempotency_key": ""}}}, 107, "idempotency_key"),
        ({"rpc": {"method": "room:x/send", "data": {"text": "x", "reply_to": "1"}}}, 107, "$.reply_to"),
        ({"rpc": {"method": f"room:{'k' * 300}/send", "data": {"text": "x"}}}, 107, "255"),
        ({"publish": {"channel": "room:x", "data": {"text": None}}}, 107, "$.text"),
        ({"publish": {"channel": "nokind:x", "data": {}}}, 102, "channel"),
        ({"subscribe": {"channel": "nokind:x"}}, 102, "channel"),
        ({"subscribe": {"channel": "nocolon"}}, (102, 107), ""),
        ({"subscribe": {"channel": "room:a\x00b"}}, 107, "kind:key"),
        ({"history": {"channel": "nokind:x", "limit": 1}}, 102, "channel"),
        ({"presence": {"channel": "nokind:x"}}, 102, "channel"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else str(value)[:12],
)
def test_commands_that_are_wrong_are_answered_and_the_connection_goes_on(
    server: Server, room: str, command: dict[str, Any], code: int | tuple[int, ...], named: str
) -> None:
    with connected(server) as peer:
        error = peer.ask(**command)["error"]
        assert error["code"] in (code if isinstance(code, tuple) else (code,)), error
        assert named in error["message"]
        assert peer.rpc(f"{room}/send", text="still here")["rpc"]["data"]["offset"] == 2


# Frames that break RFC 6455.


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (frame(0x80 | TEXT, b'{"id":9}', masked=False), 1002),
        (frame(0xC0 | TEXT, b"{}"), 1002),
        (frame(0x83, b""), 1002),
        (frame(0x80, b"continues nothing"), 1002),
        (frame(0x09, b"a control frame in pieces"), 1002),
        (frame(0x89, b"x" * 126), 1002),
        (frame(0x88, b"x"), 1002),
        (frame(0x80 | TEXT, b'{"id": 1, "x": "\xff\xfe"}'), 1007),
        (frame(0x80 | TEXT, b"\xed\xa0\x80"), 1007),
        (frame(0x80 | TEXT, b"x" * 65_537), 1009),
        (frame(0x82, b"x" * 70_000)[:20], 1009),
        (frame(TEXT, b"x" * 60_000) + frame(0x80, b"x" * 60_000), 1009),
        (bytes([0x81, 0xFF]) + b"\x7f" + b"\xff" * 7 + b"mask" + b"x" * 65_537, 1009),
        (frame(0x82, b"{}"), 3506),
    ],
    ids=[
        "unmasked",
        "reserved bit",
        "reserved opcode",
        "stray continuation",
        "fragmented ping",
        "long ping",
        "close of one byte",
        "not utf-8",
        "surrogate",
        "too long",
        "too long by its head alone",
        "too long in pieces",
        "exabytes announced",
        "binary",
    ],
)
def test_broken_frames_are_told_why_the_connection_ends(server: Server, data: bytes, code: int) -> None:
    with connected(server) as peer:
        peer.send(data)
        assert peer.end().code == code
        peer.send(frame(0x88, code.to_bytes(2, "big")))
        assert peer.rest() == b""


def test_a_frame_at_the_bound_passes(server: Server, room: str) -> None:
    with connected(server) as peer:
        command = b'{"id": 77, "rpc": {"method": "%b/send", "data": {"text": "x"}}}' % room.encode()
        peer.send_text(command.ljust(65_536))
        assert "rpc" in peer.reply(77)


# Handshakes.


@pytest.mark.parametrize(
    ("change", "status"),
    [
        (lambda head: head.replace(b"GET", b"POST"), 405),
        (lambda head: head.replace(b"Upgrade: websocket\r\n", b""), 426),
        (lambda head: head.replace(b"Connection: Upgrade\r\n", b""), 400),
        (lambda head: head.replace(b"Version: 13", b"Version: 8"), 426),
        (lambda head: head.replace(b"dGhlIHNhbXBsZSBub25jZQ==", b"short"), 400),
        (lambda head: head.replace(b"Host: localhost\r\n", b""), 400),
        (lambda head: head.replace(b"Host:", b"Origin: http://evil.example\r\nHost:"), 403),
        (lambda head: head.replace(b" HTTP/1.1", b" HTTP/9.9"), (400, 505)),
        (lambda head: head.replace(b"websocket HTTP", b"nosuch HTTP"), 404),
        (lambda head: b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 50, 400),
        (lambda head: b"\x00\xff" * 100, 400),
        (lambda head: head.replace(b"Host:", b"X: " + b"y" * 60_000 + b"\r\nHost:"), 431),
        (lambda head: head.replace(b"Host:", b"Content-Length: 1\r\nContent-Length: 2\r\nHost:"), 400),
        (lambda head: head.replace(b"Host:", b"Bad Name: 1\r\nHost:"), 400),
    ],
    ids=[
        "POST",
        "no upgrade",
        "no connection",
        "old version",
        "short key",
        "no host",
        "foreign origin",
        "version",
        "path",
        "TLS",
        "garbage",
        "long head",
        "two lengths",
        "header name",
    ],
)
def test_bad_handshakes_are_refused_in_http(
    server: Server, change: Callable[[bytes], bytes], status: int | tuple[int, ...]
) -> None:
    with Peer(server) as peer:
        peer.send(change(HANDSHAKE))
        assert peer.answer()[0] in (status if isinstance(status, tuple) else (status,))


# Over HTTP.


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "name", "named"),
    [
        ("POST", "/api/room/x/send", b"{", 400, "malformed", "malformed"),
        ("POST", "/api/room/x/send", b"\xff\xfe", 400, "malformed", "malformed"),
        ("POST", "/api/room/x/send", b'{"text": ' + b"[" * 100_000, (400, 422), None, "text"),
        ("POST", "/api/room/x/send", b'{"text": "\xed\xa0\x80"}', 400, "malformed", "malformed"),
        ("POST", "/api/room/x/send", b"[]", 422, "invalid", "object"),
        ("POST", "/api/room/x/send", b"", 422, "invalid", "`text`"),
        ("POST", "/api/room/x/send", b'{"text": 5}', 422, "invalid", "$.text"),
        ("POST", "/api/room/x/send", b'{"text": ""}', 422, "invalid", "$.text"),
        ("POST", "/api/room/x/react", b'{"offset": "1", "emoji": "x"}', 422, "invalid", "$.offset"),
        ("POST", "/api/room/x/react", b'{"offset": 1e400, "emoji": "x"}', (400, 422), None, ""),
        ("POST", "/api/room/x/send", b"x" * (2 << 20), 413, None, "1048576"),
        ("POST", "/api/nokind/x/send", b"{}", 404, "unknown_kind", "nokind"),
        ("POST", "/api/room/x/fly", b"{}", 404, "unknown_command", "fly"),
        ("POST", "/api/room/%00/send", b'{"text": "x"}', 400, "bad_entity", "kind:key"),
        ("POST", f"/api/room/{'k' * 300}/send", b'{"text": "x"}', 400, "bad_entity", "255"),
        ("POST", "/api/room/%ff/send", b'{"text": "x"}', 400, None, "UTF-8"),
        ("POST", "/api/room/x", b"{}", 405, "method_not_allowed", ""),
        ("GET", "/api/room/x/send", None, 405, "method_not_allowed", ""),
        ("DELETE", "/api/room/x", None, 405, "method_not_allowed", ""),
        ("GET", "/api/room/x/history?limit=0", None, 400, "bad_request", "limit"),
        ("GET", "/api/room/x/history?limit=ten", None, 400, "bad_request", "limit"),
        ("GET", "/api/room/x/history?since=-1", None, 400, "bad_request", "since"),
        ("GET", "/api/room/x/history?reverse=maybe", None, 400, "bad_request", "reverse"),
        ("GET", "/api/room", None, 404, "not_found", ""),
        ("GET", "/events", None, 400, None, "channel"),
        ("GET", "/events?channel=nokind:x", None, 404, "unknown_kind", "nokind"),
        ("GET", "/events?channel=nocolon", None, (400, 404), None, ""),
        ("GET", "/nosuch", None, 404, None, ""),
    ],
)
def test_requests_that_are_wrong(
    server: Server, method: str, path: str, body: bytes | None, status: Any, name: str | None, named: str
) -> None:
    answer = server.request(method, path, body)
    assert answer.status in (status if isinstance(status, tuple) else (status,)), answer
    if path != "/nosuch":
        error = answer.body["error"]
        assert error["code"] == answer.status and error["temporary"] is False
        assert named in error["message"]
        assert name is None or error["name"] == name


@pytest.mark.parametrize("timeout", ["0", "-1", "nan", "inf", "61", "soon"])
def test_a_bad_deadline_is_named(server: Server, room: str, timeout: str) -> None:
    path = f"/api/{room.replace(':', '/')}/send"
    answer = server.request("POST", path, {"text": "x"}, headers={"X-Request-Timeout": timeout})
    assert answer.status == 400 and "X-Request-Timeout" in answer.body["error"]["message"]
    assert server.history(room) == []


@pytest.mark.parametrize("key", ["", "k" * 256])
def test_a_bad_idempotency_key_is_named(server: Server, room: str, key: str) -> None:
    path = f"/api/{room.replace(':', '/')}/send"
    answer = server.request("POST", path, {"text": "x"}, headers={"Idempotency-Key": key})
    assert answer.status == 400 and "Idempotency-Key" in answer.body["error"]["message"]
