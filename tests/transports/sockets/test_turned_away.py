"""Who is not let in, over real sockets: `small_node` with fewer places than clients."""

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from greenroom.config.limits import GateConfig
from greenroom.transports.sockets import turned_away
from tests.transports.small_node import Peer, SmallNode, head, small_node

EVENTS = "/events?channel=talk:a"


async def full(node: SmallNode) -> Peer:
    """Somebody who has the only place."""
    peer = await node.connect()
    assert (await peer.request("GET", "/api/talk/a")).status == 200
    return peer


async def test_an_event_stream_that_is_not_let_in_comes_again_and_anything_else_is_told_503() -> None:
    async with small_node(gate=GateConfig(connections_max=1), origins=("https://good.example",)) as node:
        first = await full(node)
        stream = await node.connect()
        await wait_all_tasks_blocked(0.01)  # accepted before it has said what it wants
        await stream.send(head("GET", EVENTS, None, Origin="https://good.example"))
        answer = await stream.rest()
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert b"\r\nAccess-Control-Allow-Origin: https://good.example\r\n" in answer
        assert b"\r\n\r\n: overloaded\nretry: " in answer
        for request in (
            head("GET", EVENTS, None, Origin="https://evil.example"),
            head("GET", EVENTS)[:-2],
            head("GET", "/api/talk/a"),
            b"rubbish",
        ):
            peer = await node.connect()
            await peer.send(request)
            assert (await peer.response()).status == 503
            assert await peer.ended()
        assert node.instruments.refused_connects == 5
        await first.stream.aclose()


async def test_who_says_nothing_is_told_soon_and_a_few_may_wait(autojump_clock: MockClock) -> None:
    async with small_node(gate=GateConfig(connections_max=1)) as node:
        first = await full(node)
        begun = trio.current_time()
        silent = await node.connect()
        assert (await silent.response()).status == 503
        assert 1.0 <= trio.current_time() - begun <= 3.0
        assert await silent.ended()
        assert len(node.edge.gate._turned_away._waiting) == 0
        await first.stream.aclose()


async def test_who_waits_when_the_node_stops_is_told() -> None:
    async with small_node(gate=GateConfig(connections_max=1)) as node:
        first = await full(node)
        silent = await node.connect()
        await wait_all_tasks_blocked(0.01)
        node.edge.gate._turned_away.close()
        assert (await silent.response()).status == 503
        await first.stream.aclose()


@pytest.mark.bound("connections that are not let in, until they are told")
async def test_more_than_may_wait_are_told_at_once(monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock) -> None:
    monkeypatch.setattr(turned_away, "WAITING_MAX", 2)
    async with small_node(gate=GateConfig(connections_max=1)) as node:
        first = await full(node)
        waiting = [await node.connect() for _ in range(2)]
        await wait_all_tasks_blocked(0.01)
        assert len(node.edge.gate._turned_away._waiting) == 2
        begun = trio.current_time()
        assert (await (await node.connect()).response()).status == 503
        assert trio.current_time() - begun < 0.5
        for peer in waiting:
            assert (await peer.response()).status == 503
        await first.stream.aclose()
