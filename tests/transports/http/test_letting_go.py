"""Connections that come to their end: half closed, too slow, idle. A client that has said all that it wants to say
(RFC 9112 section 9.6) still hears the answers."""

import pytest
import trio
from trio.testing import MockClock

from greenroom.config.limits import ClientConfig
from tests.transports.small_node import SAY, VIEW, Peer, handshake, head, small_node


@pytest.mark.parametrize("requests", [[SAY], [SAY, SAY, VIEW], [SAY, SAY[:-3]], [SAY] * 200])
async def test_a_half_closed_client_gets_its_answers_then_the_end(requests: list[bytes]) -> None:
    async with small_node() as node:
        peer = await node.connect()
        await peer.send(b"".join(requests))
        await peer.stream.send_eof()
        whole = [one for one in requests if one in (SAY, VIEW)]
        with trio.fail_after(10):
            found = [(await peer.response()) for _ in whole]
            assert await peer.ended()
        assert [one.status for one in found] == [200] * len(whole)
        assert found[0].json == {"offset": 1}


async def test_a_half_closed_client_gets_an_answer_that_takes_long_and_those_that_it_reads_slowly() -> None:
    async with small_node() as node:
        await node.say("a", *["x" * 20_000] * 20)
        peer = await node.connect(buffer=2048)
        await peer.send(
            head("POST", "/api/stalled/a/wait", b"{}", X_Request_Timeout="0.3")
            + head("GET", "/api/talk/a/history") * 2
            + VIEW
        )
        await peer.stream.send_eof()
        with trio.fail_after(60):
            assert (await peer.response()).status == 504
            for _ in range(2):
                assert len((await peer.response()).json["publications"]) == 20
            assert (await peer.response()).status == 200
            assert await peer.ended()


@pytest.mark.parametrize("last", [b"", head("GET", "/events?channel=talk:a"), handshake(), SAY[:20]])
async def test_a_half_closed_client_that_waits_for_no_answer_is_let_go(last: bytes) -> None:
    async with small_node() as node:
        peer = await node.connect()
        await peer.send(last or VIEW)
        if not last:
            await peer.response()
        else:
            await trio.testing.wait_all_tasks_blocked(0.01)
        await peer.stream.send_eof()
        with trio.fail_after(5):
            await peer.rest()
            await node.edge.live.emptied()
        assert not node.hub.watching("talk:a")


async def test_a_head_that_takes_too_long_is_told_408_counted_from_its_first_byte(autojump_clock: MockClock) -> None:
    async with small_node() as node:
        for first in (b"", VIEW):
            peer = await node.connect()
            if first:
                await peer.send(first)
                assert (await peer.response()).status == 200
            await trio.sleep(30)  # idle, which is allowed
            begun = trio.current_time()
            async with trio.open_nursery() as nursery:

                async def drip(peer: Peer) -> None:
                    for byte in b"GET /api/talk/a HTTP/1.1\r\nHost: test\r\nX-Slow: " + b"x" * 100:
                        try:
                            await peer.send(bytes([byte]))
                        except trio.BrokenResourceError:
                            return
                        await trio.sleep(1)

                nursery.start_soon(drip, peer)
                refused = await peer.response()
                assert (refused.status, refused.error["name"]) == (408, "timeout")
                assert 10 <= trio.current_time() - begun <= 12
                nursery.cancel_scope.cancel()


async def test_a_body_that_takes_too_long_is_told_408(autojump_clock: MockClock) -> None:
    async with small_node() as node:
        peer = await node.connect()
        await peer.send(head("POST", "/api/talk/a/say", b'{"text":"x"}')[:-5])
        assert (await peer.response()).status == 408
        assert await peer.ended()


async def test_an_idle_connection_is_closed_without_a_word(autojump_clock: MockClock) -> None:
    async with small_node() as node:
        begun = trio.current_time()
        silent, once = await node.connect(), await node.connect()
        await once.send(VIEW)
        assert (await once.response()).status == 200
        assert await silent.ended()
        assert await once.ended()
        assert 75 <= trio.current_time() - begun <= 78


async def test_a_peer_that_keeps_its_side_open_after_our_last_answer_is_let_go(autojump_clock: MockClock) -> None:
    async with small_node() as node:
        peer = await node.connect()
        await peer.request("GET", "/api/talk/a", None, Connection="close")
        assert len(node.connections) == 1
        await trio.sleep(4)
        assert len(node.connections) == 1
        await trio.sleep(4)
        assert node.connections == []


async def test_a_peer_that_does_not_read_its_answers_is_let_go(autojump_clock: MockClock) -> None:
    async with small_node() as node:
        await node.say("a", *["x" * 3000] * 100)
        peer = await node.connect(buffer=2048)
        await peer.send(head("GET", "/api/talk/a/history?limit=100") * 60)
        await trio.sleep(30)
        assert node.connections == []


async def test_a_last_request_does_not_cost_a_slow_peer_the_answers_before_it() -> None:
    """Which answer is to which request is said by their order alone."""
    async with small_node(client=ClientConfig(queue_bytes_max=50_000_000)) as node:
        await node.say("a", *["x" * 3000] * 100)
        peer = await node.connect(buffer=2048)
        await peer.send(head("GET", "/api/talk/a/history?limit=100") * 40 + SAY + VIEW)
        await peer.send(head("GET", "/api/talk/b", None, Connection="close"))
        await trio.testing.wait_all_tasks_blocked()
        found = [(await peer.response()).json for _ in range(43)]
        assert [len(one["publications"]) for one in found[:40]] == [100] * 40
        assert found[40] == {"offset": 101}
        assert found[42]["offset"] == 0
        assert await peer.ended()
