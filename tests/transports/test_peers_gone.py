"""Peers whose packets are dropped both ways, as by a NAT that forgot: no end of theirs ever comes."""

import ctypes
import socket
import struct
import sys

import pytest
import trio
from trio.testing import MockClock

from greenroom.config.limits import ClientConfig
from greenroom.transports.http import event_stream
from greenroom.transports.sockets import gate
from tests.transports.small_node import Peer, SmallNode, handshake, head, small_node

SO_ATTACH_FILTER = 26  # Linux's; Python has no name for it
RETURN_NOTHING = struct.pack("HBBI", 0x06, 0, 0, 0)  # one instruction of BPF: of every packet, 0 bytes pass


def drop_packets(peer: Peer) -> None:
    """From now on its side takes no packet, so nothing is confirmed to the node, and nothing is sent."""
    program = ctypes.create_string_buffer(RETURN_NOTHING)
    peer.stream.socket.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HP", 1, ctypes.addressof(program)))


async def left(node: SmallNode) -> float:
    """Seconds until nobody is there any more."""
    begun = trio.current_time()
    while node.connections or node.instruments.connections:  # noqa: ASYNC110 the kernel gives no sign to others
        await trio.sleep(0.05)
    return trio.current_time() - begun


needs_filters = pytest.mark.skipif(sys.platform != "linux", reason="drops packets as Linux does")


@needs_filters
@pytest.mark.parametrize("behind", [False, True])
async def test_an_event_stream_to_nobody_ends(monkeypatch: pytest.MonkeyPatch, behind: bool) -> None:
    """Within the time between two comments and that for a confirmation, whether more is said meanwhile or not."""
    monkeypatch.setattr(gate, "SILENCE_S", 1.0)
    monkeypatch.setattr(event_stream, "KEEP_ALIVE_S", 0.5)
    with trio.fail_after(20):
        async with small_node(client=ClientConfig(queue_age_s=1.0)) as node:
            peer = await node.connect()
            await peer.send(head("GET", "/events?channel=talk:a", X_Greenroom_User="ann"))
            await peer.event()
            drop_packets(peer)
            if behind:
                await node.say("a", *["x" * 1000] * 20)
            assert await left(node) < 6.0
            assert not node.hub.watching("talk:a")
            assert [one for one in node.audience if one[1] == "ann"][-1] == ("talk:a", "ann", False)


@needs_filters
async def test_a_long_answer_to_nobody_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "SILENCE_S", 1.0)
    with trio.fail_after(20):
        async with small_node(client=ClientConfig(queue_age_s=1.0)) as node:
            await node.say("a", *["x" * 900_000] * 3)
            peer = await node.connect(buffer=2048)
            drop_packets(peer)
            await peer.send(head("GET", "/api/talk/a"))
            assert await left(node) < 6.0


async def test_every_connection_has_it_and_no_sooner_than_a_slow_reader_is_cut() -> None:
    for queue_age_s, silence_s in ((10.0, 30.0), (100.0, 100.0)):
        async with small_node(client=ClientConfig(queue_age_s=queue_age_s)) as node:
            await (await node.connect()).request("GET", "/api/talk/a")
            (connection,) = node.connections
            assert connection._socket is not None
            assert connection._socket.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            if hasattr(socket, "TCP_USER_TIMEOUT"):
                found = connection._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
                assert found == silence_s * 1000
    assert event_stream.KEEP_ALIVE_S + 30.0 < 60.0 - 2.0, "offline within a minute"


@pytest.mark.parametrize(
    ("said", "within_s"),
    [
        (b"", 78.0),  # nothing at all
        (handshake()[:-2], 17.0),  # an upgrade that is not finished
        (handshake(), 17.0),  # one that is, and no connect
        (head("POST", "/api/talk/a/say", b"{}")[:-1], 17.0),  # a body that does not come
        (head("GET", "/api/talk/a"), 78.0),  # between two requests
    ],
)
async def test_who_says_nothing_more_is_gone_by_time(autojump_clock: MockClock, said: bytes, within_s: float) -> None:
    async with small_node() as node:
        peer = await node.connect()
        if said:
            await peer.send(said)
        while not node.connections:  # noqa: ASYNC110 - virtual time
            await trio.sleep(0.01)
        assert await left(node) < within_s + 2.0
