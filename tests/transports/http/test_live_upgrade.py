"""A connection that asks to become a WebSocket, or something else."""

import pytest
import trio

from greenroom.transports.codecs.websocket import masked_text_frame
from tests.transports.small_node import MASK, handshake, small_node


async def test_a_request_to_upgrade_elsewhere_is_answered_and_holds_no_memory() -> None:
    async with small_node() as node:
        peer = await node.connect()
        await peer.send(handshake("/api/talk/a") + b"#" * 1000)
        answer = await peer.response()
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        assert await peer.ended()
        greedy = await node.connect()
        upgrade = handshake("/api/stalled/a/wait").replace(b"GET", b"POST")
        await greedy.send(upgrade)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(trio.BrokenResourceError):
            for _ in range(1000):
                await greedy.send(b"#" * 10_000)
                await trio.lowlevel.checkpoint()


async def test_frames_that_come_with_the_handshake_are_heard() -> None:
    async with small_node() as node:
        peer = await node.connect()
        await peer.send(handshake() + masked_text_frame(b'{"connect":{},"id":1}', MASK))
        assert (await peer.response()).status == 101
        assert "connect" in await peer.message()


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ((b"GET", b"POST"), 405),
        ((b"Upgrade: websocket\r\n", b""), 426),
        ((b"Connection: Upgrade\r\n", b""), 400),
        ((b"Version: 13", b"Version: 8"), 426),
        ((b"dGhlIHNhbXBsZSBub25jZQ==", b"c2hvcnQ="), 400),
        ((b"HTTP/1.1", b"HTTP/1.0"), 400),
    ],
)
async def test_bad_handshakes(change: tuple[bytes, bytes], status: int) -> None:
    async with small_node() as node:
        peer = await node.connect()
        await peer.send(handshake().replace(*change))
        refused = await peer.response()
        assert (refused.status, refused.error["name"], refused.error["code"]) == (status, "bad_handshake", status)
        assert await peer.ended()


async def test_subprotocols() -> None:
    async with small_node() as node:
        for offered, chosen in (
            ("centrifuge-json", "centrifuge-json"),
            ("centrifuge-protobuf, centrifuge-json", "centrifuge-json"),
            ("centrifuge-protobuf", None),
            ("", None),
        ):
            answer = await (await node.connect()).upgrade(Sec_WebSocket_Protocol=offered)
            assert (answer.status, answer.headers.get("sec-websocket-protocol")) == (101, chosen)
