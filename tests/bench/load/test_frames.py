"""The generator's WebSocket against wsproto's, and against every way that a network can cut it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto import ConnectionType, WSConnection
from wsproto.connection import Connection
from wsproto.events import AcceptConnection, CloseConnection, Message, Request, TextMessage

from bench.load import frames

payloads = st.one_of(st.text(max_size=200), st.integers(120, 130).map("x".__mul__), st.just("y" * 70_000))


@given(payloads)
def test_a_server_reads_what_we_send(payload: str) -> None:
    server = Connection(ConnectionType.SERVER)
    server.receive_data(frames.text(payload.encode()))
    said = "".join(event.data for event in server.events() if isinstance(event, Message))
    assert said == payload


def test_a_server_accepts_our_upgrade_and_we_its_answer() -> None:
    server = WSConnection(ConnectionType.SERVER)
    server.receive_data(frames.upgrade("127.0.0.1:8000"))
    [request] = server.events()
    assert isinstance(request, Request) and request.target == "/connection/websocket"
    assert frames.ACCEPT in server.send(AcceptConnection())


@given(st.lists(st.text(max_size=300), max_size=8), st.lists(st.integers(1, 400)))
def test_frames_come_out_whole_however_they_are_cut(said: list[str], cuts: list[int]) -> None:
    server = Connection(ConnectionType.SERVER)
    stream = b"".join(server.send(TextMessage(data=text)) for text in said)
    found, rest = [], b""
    while stream:
        size = cuts.pop() if cuts else len(stream)
        piece, stream = stream[:size], stream[size:]
        whole, rest, closed = frames.split(rest + piece)
        assert closed is None
        found += whole
    assert [payload.decode() for payload in found] == said
    assert rest == b""


def test_a_long_frame_is_read_too() -> None:
    server = Connection(ConnectionType.SERVER)
    stream = server.send(TextMessage(data="z" * 70_000))
    assert frames.split(stream[:5]) == ([], stream[:5], None)
    assert frames.split(stream) == ([b"z" * 70_000], b"", None)


def test_a_close_frame_ends_it_with_its_code() -> None:
    server = Connection(ConnectionType.SERVER)
    stream = server.send(TextMessage(data="last")) + server.send(CloseConnection(code=3008, reason="slow"))
    payloads_before, rest, closed = frames.split(stream)
    assert (payloads_before, rest) == ([b"last"], b"")
    assert closed is not None and closed.code == 3008 and "slow" in str(closed)


@pytest.mark.parametrize("first", [0x82, 0x01, 0xC1])
def test_a_frame_that_no_server_should_send_is_an_error(first: int) -> None:
    _, _, closed = frames.split(bytes((first, 1)) + b"x")
    assert closed is not None and closed.code == 1002


def test_pings_and_pongs_of_websocket_are_passed_over() -> None:
    assert frames.split(b"\x89\x00\x8a\x01x\x81\x02ok") == ([b"ok"], b"", None)
