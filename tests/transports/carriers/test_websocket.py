"""Frames on one side, a session on the other, with the connection in the test's hands."""

import json
from typing import Any

import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from greenroom.config.limits import ClientConfig
from greenroom.transports.carriers.websocket import WebSocketClient
from greenroom.transports.client.codes import DisconnectCode
from greenroom.transports.codecs.websocket import masked_text_frame
from tests.transports.world import World, texts_of

MASK = b"\x12\x34\x56\x78"
BYTES_MAX = 1000
A = "note:a"


class FakeConnection:
    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.ephemeral: list[tuple[bytes, str]] = []
        self.goodbye: bytes | None = None
        self.aborted = False
        self.reading = True
        self.blocked_at: float | None = None

    @property
    def blocked(self) -> bool:
        return self.blocked_at is not None

    def waited_s(self, now: float) -> float:
        return now - self.blocked_at if self.blocked_at is not None else 0.0

    def send(self, piece: bytes) -> None:
        if self.goodbye is None:
            self.sent.append(piece)

    def send_ephemeral(self, piece: bytes, key: str) -> None:
        self.ephemeral.append((piece, key))

    def close_with(self, piece: bytes, *, drop_queued: bool) -> None:
        assert self.goodbye is None and drop_queued
        self.goodbye = piece

    def abort(self) -> None:
        self.aborted = True

    def pause(self) -> None:
        self.reading = False

    def resume(self) -> None:
        self.reading = True


class Peer:
    def __init__(self, made: World | None = None) -> None:
        self.made = made or World(client=ClientConfig(command_bytes_max=BYTES_MAX))
        self.connection = FakeConnection()
        self.client = WebSocketClient(self.connection, self.made.services)  # type: ignore[arg-type]

    def send(self, *commands: Any) -> None:
        text = "\n".join(one if isinstance(one, str) else json.dumps(one) for one in commands)
        self.client.received(masked_text_frame(text.encode(), MASK))

    @property
    def closed(self) -> tuple[int, str] | None:
        goodbye = self.connection.goodbye
        if goodbye is None:
            return None
        assert goodbye[0] == 0x88
        return int.from_bytes(goodbye[2:4], "big"), goodbye[4:].decode()


def frame(first: int, payload: bytes, *, masked: bool = True) -> bytes:
    if not masked:
        return bytes((first, len(payload))) + payload
    return bytes((first, 0x80 | len(payload))) + b"\0\0\0\0" + payload


def test_commands_in_replies_out() -> None:
    async def run() -> None:
        peer = Peer()
        peer.send({"connect": {}, "id": 1}, {"subscribe": {"channel": A}, "id": 2})
        peer.made.answer_all()
        assert [one[0] for one in peer.connection.sent] == [0x81, 0x81]
        assert [json.loads(texts_of(one)[0])["id"] for one in peer.connection.sent] == [1, 2]
        peer.made.publish(A)
        peer.made.hub.flush()
        peer.made.hub.publish_ephemeral(A, b"{}", "k")
        peer.made.hub.flush()
        assert len(peer.connection.sent) == 3
        assert [key for _, key in peer.connection.ephemeral] == ["note:a\nk"]

    trio.run(run)


async def test_a_ping_is_answered_and_a_pong_is_not() -> None:
    peer = Peer()
    peer.client.received(frame(0x89, b"hi") + frame(0x8A, b"hi"))
    assert peer.connection.sent == [b"\x8a\x02hi"]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (frame(0x81, b"{}", masked=False), 1002),
        (frame(0x83, b"{}"), 1002),
        (frame(0xC1, b"{}"), 1002),
        (frame(0x80, b"{}"), 1002),
        (frame(0x81, b"\xff"), 1007),
        (b"\x81\xfe\x03\xe9" + MASK + b"x" * 1001, 1009),
        (b"\x81\xff" + (2**40).to_bytes(8, "big") + MASK + b"x" * 1001, 1009),
        (b"\x82\xff" + (2**40).to_bytes(8, "big") + MASK, 1009),
        (frame(0x88, b"\x03"), 1002),
        (frame(0x88, b"\x03\xed"), 1002),
        (frame(0x82, b"{}"), 3506),
    ],
)
async def test_what_breaks_the_rules_is_told_by_its_code(data: bytes, code: int) -> None:
    peer = Peer()
    peer.send({"connect": {}, "id": 1}, {"subscribe": {"channel": A}, "id": 2})
    peer.made.answer_all()
    peer.client.received(data)
    assert peer.closed is not None
    assert peer.closed[0] == code
    assert peer.closed[1]
    assert (len(peer.made.hub.watching(A)), peer.client.session.closed) == (0, True)
    peer.send({"presence": {"channel": A}, "id": 3})
    assert len(peer.connection.sent) == 2


async def test_a_good_message_before_a_bad_one_is_still_handled() -> None:
    peer = Peer()
    peer.client.received(masked_text_frame(b'{"connect":{},"id":1}', MASK) + frame(0x81, b"{}", masked=False))
    assert len(peer.connection.sent) == 1
    assert peer.closed is not None and peer.closed[0] == 1002


@pytest.mark.parametrize(("said", "echo"), [(b"\x03\xe8bye", 1000), (b"", 1000), (b"\x0f\xa0", 4000)])
async def test_a_goodbye_is_echoed_and_the_connection_then_waits_for_the_peer(
    said: bytes, echo: int, autojump_clock: MockClock
) -> None:
    peer = Peer()
    peer.client.received(frame(0x88, said))
    assert peer.closed == (echo, "")
    peer.client.tick(trio.current_time() + 4, 10)
    assert not peer.connection.aborted
    peer.client.tick(trio.current_time() + 6, 10)
    assert peer.connection.aborted


async def test_our_goodbye_answered_is_the_end() -> None:
    peer = Peer()
    peer.client.session.disconnect(DisconnectCode(3503, "force disconnect"))
    assert peer.closed == (3503, "force disconnect")
    peer.client.received(frame(0x88, b"\x0d\xaf"))
    assert peer.connection.aborted


@pytest.mark.parametrize(
    ("chosen", "sent"),
    [
        ((4501, "signed out"), (4501, "signed out")),
        ((4501, ""), (4501, "disconnected")),
        ((4501, '{"reconnect":true,"reason":"x"}'), (4501, "disconnected")),
        ((4501, ' {"reconnect":true}'), (4501, "disconnected")),
        ((5000, "x"), (3503, "force disconnect")),
        ((70_000, "x"), (3503, "force disconnect")),
        ((1005, "x"), (3503, "force disconnect")),
        ((4000, "ä" * 100), (4000, "ä" * 61)),
    ],
)
async def test_what_an_entity_kicks_with_fits_a_close_frame(chosen: tuple[int, str], sent: tuple[int, str]) -> None:
    peer = Peer()
    peer.client.session.disconnect(DisconnectCode(*chosen))
    assert peer.closed == sent


async def test_a_peer_that_does_not_read_is_slow_by_age_and_by_bytes(autojump_clock: MockClock) -> None:
    for by_age in (True, False):
        peer = Peer()
        peer.send({"connect": {}, "id": 1})
        now = trio.current_time()
        if by_age:
            peer.connection.blocked_at = now
            peer.client.tick(now + 9, 10)
            assert peer.closed is None
            peer.client.tick(now + 11, 10)
        else:
            peer.client.too_slow("too many bytes")
        peer.client.too_slow("again")
        assert peer.closed == (3008, "slow")
        assert peer.made.instruments.slow_disconnects == 1


async def test_pings_and_stale_come_with_the_tick(autojump_clock: MockClock) -> None:
    peer = Peer(World(client=ClientConfig(stale_s=3)))
    peer.client.tick(trio.current_time() + 4, 10)
    assert peer.closed == (3502, "stale")
    peer = Peer()
    peer.send({"connect": {}, "id": 1})
    peer.client.tick(trio.current_time() + 25, 10)
    assert peer.connection.sent[-1] == b"\x81\x02{}"


async def test_who_is_still_reading_what_came_before_its_ping_need_not_answer_it(autojump_clock: MockClock) -> None:
    peer = Peer()
    peer.send({"connect": {}, "id": 1})
    begun = trio.current_time()
    peer.client.tick(begun + 25, 60)  # a ping
    peer.connection.blocked_at = begun + 26
    for second in range(26, 60):
        peer.client.tick(begun + second, 60)
    assert peer.closed is None and peer.connection.sent.count(b"\x81\x02{}") == 1, "nor is a second ping sent"
    peer.connection.blocked_at = None
    peer.client.tick(begun + 64, 60)
    assert peer.closed is None
    peer.client.tick(begun + 68, 60)
    assert peer.closed == (3012, "no pong")


async def test_a_lost_connection_leaves_every_channel() -> None:
    peer = Peer()
    peer.send({"connect": {}, "id": 1}, {"subscribe": {"channel": A}, "id": 2})
    peer.made.answer_all()
    assert peer.made.instruments.connections == 1
    peer.client.disconnected()
    peer.client.disconnected()
    assert (len(peer.made.hub.watching(A)), peer.made.instruments.connections) == (0, 0)


@given(st.lists(st.binary(max_size=60), max_size=10), st.booleans())
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_bytes_end_with_a_code_or_wait_for_more_and_never_raise(pieces: list[bytes], greets: bool) -> None:
    async def run() -> None:
        peer = Peer()
        if greets:
            peer.send({"connect": {}, "id": 1})
        for piece in pieces:
            peer.client.received(piece)
        peer.made.answer_all()
        if peer.closed is not None and peer.connection.goodbye != b"\x88\x00":
            assert peer.closed[0] in (1000, 1002, 1007, 1009, 3501, 3500, 3506, 3508) or peer.client.session.closed

    trio.run(run)


@given(st.binary(max_size=120))
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_text_in_a_frame_is_3501_or_1007(text: bytes) -> None:
    async def run() -> None:
        peer = Peer()
        peer.client.received(masked_text_frame(text, MASK))
        if peer.closed is not None:
            assert peer.closed[0] in (1007, 3500, 3501)
            assert peer.closed[1]

    trio.run(run)


@pytest.mark.bound("a command over WebSocket, of as many as are in one message")
async def test_commands_of_one_message_may_each_be_as_long_as_one_may_be_and_a_longer_one_is_1009() -> None:
    longest = json.dumps({"presence": {"channel": A}, "id": 2}).ljust(BYTES_MAX)
    peer = Peer()
    peer.send({"connect": {}, "id": 1}, *[longest] * 5)
    assert (len(peer.connection.sent), peer.closed) == (1, None)
    assert peer.client.session.in_flight == 5
    peer.send(longest, longest + " ")
    assert (peer.closed or (0,))[0] == 1009
    assert peer.client.session.closed
