"""Peers: what they are started with, what is said when one is missing, and what is read from them. None is started."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from bench.load.clients import Client
from bench.load.counts import KEEP, Counts, Space, said
from bench.load.sending import publish
from bench.peers import PEERS, PeerMissing, centrifugo, find, nchan, started
from bench.questions import chat, storm


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH with a `centrifugo` and an `nginx` that can only say their version; gives the folder."""
    for name, word in (("centrifugo", "echo Centrifugo v6.0.0"), ("nginx", "echo nginx version: nginx/1.0 >&2")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{word}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("name", sorted(PEERS.keys() - {"skip-locked"}))  # which needs what we have
def test_a_peer_that_is_missing_is_said_with_what_is_missing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    program = {"bullmq": "node", "nchan": "nginx"}.get(name, "centrifugo")
    with pytest.raises(PeerMissing, match=f"no program '{program}' on the PATH"):
        find(name, "jobs" if name == "bullmq" else "fanout")


def test_nginx_without_the_module_is_not_enough(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nchan, "MODULE", installed / "none.so")
    with pytest.raises(PeerMissing, match="libnginx-mod-nchan"):
        find("nchan", "fanout")


def test_a_question_that_a_peer_can_not_answer_is_named_with_those_it_can() -> None:
    with pytest.raises(PeerMissing, match="can't answer 'journal'; it answers: chat, connections, fanout, storm"):
        find("centrifugo", "journal")
    with pytest.raises(PeerMissing, match="known: bullmq, centrifugo, centrifugo-tuned, nchan, skip-locked"):
        find("nobody", "chat")


def test_a_side_says_version_configuration_and_that_nothing_is_durable(
    installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, tuned = find("centrifugo", "chat"), find("centrifugo-tuned", "chat")
    assert (plain.name, tuned.name) == ("centrifugo", "centrifugo-tuned")
    assert plain.about.startswith("Centrifugo v6.0.0, in memory") and "GOGC" not in plain.about
    assert tuned.about.endswith("GOGC=400") and "use_write_buffer_pool" in tuned.about
    monkeypatch.setattr(nchan, "MODULE", installed / "nginx")
    other = find("nchan", "fanout")
    assert other.about.startswith("nginx version: nginx/1.0")
    assert all(side.durability.startswith("not durable") for side in (plain, tuned, other))


@pytest.mark.parametrize("tuned", [False, True])
@pytest.mark.parametrize("bench", sorted(centrifugo.ANSWERS))
def test_centrifugo_listens_on_loopback_and_tells_nobody(bench: str, tuned: bool) -> None:
    found = centrifugo.configuration(bench, 8123, tuned=tuned)
    assert found["http_server"] == {"address": "127.0.0.1", "port": 8123}
    assert found["usage_stats"] == {"disabled": True}
    assert found["health"] == {"enabled": True, "handler_prefix": "/ready"}
    assert json.loads(json.dumps(found)) == found
    (room,) = found["channel"]["namespaces"]
    recovers = bool(room.get("allow_recovery")) and room["history_size"] >= 100
    assert recovers or (bench == "fanout" and tuned)  # chat and storm check offsets, so they need history
    may = {f"allow_{what}_for_{whom}" for what in ("subscribe", "publish") for whom in ("client", "anonymous")}
    assert all(room[each] is True for each in may)


def test_nchan_listens_on_loopback_and_drops_no_publisher() -> None:
    found = nchan.configuration(8123, root=False)
    assert "listen 127.0.0.1:8123 " in found and "user " not in found
    assert "keepalive_requests 1000000000;" in found  # by default nginx closes a connection after a thousand
    assert "user root;" in nchan.configuration(8123, root=True)


def test_answers_of_nginx_are_cut_however_they_come() -> None:
    one = b"HTTP/1.1 201 Created\r\nServer: nginx\r\nContent-Length: 5\r\n\r\nhello"
    other = b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n"
    stream, statuses, rest = one + other + one, [], b""
    for byte in range(len(stream)):
        found, rest = nchan.answers(rest + stream[byte : byte + 1])
        statuses += found
    assert statuses == [201, 403, 201] and rest == b""
    assert nchan.answers(one + other) == ([201, 403], b"")
    with pytest.raises(ValueError, match="with a length"):
        nchan.answers(b"HTTP/1.1 201 Created\r\n\r\n")


def test_a_bare_message_is_counted_too() -> None:
    body = f'{{"text":"{said(7, 12345, 128)}"}}'.encode()
    assert len(body) == 128 + len('{"text":""}')
    counts, space = Counts(), Space(4_096)
    stream = bytes((0x81, 0x7E)) + len(body).to_bytes(2, "big") + body
    space.open[: len(stream)] = stream
    assert counts.take(space, len(stream)) == [12345] and counts.count == 1
    assert KEEP % 4 == 0


def test_what_a_peer_acknowledged_without_an_offset_is_counted_on_from_where_the_room_was() -> None:
    """Two members of a room that was at 4; one of them publishes twice, and the other hears nothing: two are lost."""
    chatters = chat._Chatters(("127.0.0.1", 1))
    room = chat._Room("room:a", 2)
    clients = [Client(number, [], chat._Member(room, number)) for number in range(2)]
    for client in clients:
        client.replies = {2: {"id": 2, "subscribe": {"offset": 4, "epoch": "e"}}}
        chatters.on_live(client)
    sender = clients[0]
    push = (
        '{"push":{"channel":"room:a","pub":{"data":{"text":"~0.%d.1~"},"info":{"client":"c","user":""},"offset":%d}}}'
    )
    for number, offset in enumerate((5, 6)):
        payload = f'{{"id":{number + 3},"publish":{{}}}}\n{push % (number, offset)}'.encode()
        chatters.on_payload(sender, payload, 2)
    assert (chatters.acked, chatters.deliveries, chatters.odd, room.top) == (2, 2, 0, 6)
    assert [client.state.tally.lost(room.top) for client in clients] == [0, 2]
    room.top = 0  # what was seen is one way to know of it, what was acknowledged another
    chatters.on_payload(sender, b'{"id":5,"publish":{}}', 2)
    assert room.top == 7


def test_the_publisher_of_a_storm_counts_what_a_peer_acknowledged() -> None:
    publisher = storm._Publisher(("127.0.0.1", 1))
    client = Client(0, [])
    publisher.rooms = {3: 0, 4: 1, 5: 0, 6: 1}
    payload = b'{"id":3,"publish":{}}\n{"id":4,"publish":{}}\n{"id":5,"publish":{}}'
    publisher.on_payload(client, payload, 0)
    publisher.on_payload(client, b'{"id":6,"error":{"code":103,"message":"permission denied"}}', 0)
    assert publisher.tops == {0: 2, 1: 1} and publisher.errors == {"103 permission denied": 1}


def test_a_peer_publishes_where_a_room_is_asked() -> None:
    plan = chat._Plan(("127.0.0.1", 1), publish, chat.Chat(text_bytes=12), 0)
    sent: list[bytes] = []

    class Noted(chat._Chatters):
        def send(self, client: Client, frame: bytes) -> None:
            sent.append(frame)

    chatters = Noted(("127.0.0.1", 1))
    client = Client(0, [], chat._Member(chat._Room("room:a", 1), 0))
    chat._send(chatters, client, plan, 77)
    chat._send(chatters, client, replace(plan, params=chat.Chat(text_bytes=12, ids=True)), 78)
    texts = [_unmasked(frame) for frame in sent]
    assert texts[0] == {"id": 3, "publish": {"channel": "room:a", "data": {"text": "~0.0.77~...."}}}
    assert texts[1]["publish"]["data"] == {"text": "~0.1.78~....", "idempotency_key": "0-1"}


def test_the_environment_of_a_peer_has_none_of_its_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CENTRIFUGO_HTTP_SERVER_ADDRESS", "somewhere")
    assert not [name for name in started.inherited("CENTRIFUGO_") if name.startswith("CENTRIFUGO_")]


def _unmasked(frame: bytes) -> dict[str, dict[str, object]]:
    start = 2 if frame[1] & 0x7F < 126 else 4
    mask, body = frame[start : start + 4], frame[start + 4 :]
    found: dict[str, dict[str, object]] = json.loads(bytes(byte ^ mask[at % 4] for at, byte in enumerate(body)))
    return found
