"""What clients that come and go leave behind is freed at once: nothing of it waits for the collector.

A connection lasts for minutes. By then it is old for the collector, and what is old is looked at again only when all
is, which a node with much in memory has to do without.
"""

import gc
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator

import pytest
import trio

from tests.transports.small_node import SmallNode, head, small_node

VISITS = 20
Visit = Callable[[SmallNode], Awaitable[None]]


async def watch_and_send(node: SmallNode) -> None:
    peer = await node.websocket("ann", "talk:a", "talk:b")
    for number, method in enumerate(("say", "refuse", "nonsense"), 10):
        data = {"text": "x", "status": 409}
        await peer.command({"rpc": {"method": f"talk:a/{method}", "data": data}, "id": number})
        await peer.reply(number)
    await peer.stream.aclose()


async def watch_a_view(node: SmallNode) -> None:
    peer = await node.websocket("ann")
    await peer.command({"subscribe": {"channel": "talk:a", "data": {"as": "view"}}, "id": 9})
    await peer.reply(9)
    await peer.stream.aclose()


async def break_the_protocol(node: SmallNode) -> None:
    peer = await node.websocket("ann", "talk:a")
    await peer.command({"connect": {}, "id": 9})
    await peer.closed()
    await peer.stream.aclose()


async def stream_events(node: SmallNode) -> None:
    peer = await node.connect()
    await peer.send(head("GET", "/events?channel=talk:a&channel=talk:b"))
    await peer.event()
    await peer.stream.aclose()


async def stream_a_view(node: SmallNode) -> None:
    peer = await node.connect()
    await peer.send(head("GET", "/events?channel=talk:a&as=view"))
    await peer.event()
    await peer.stream.aclose()


async def be_refused_a_stream(node: SmallNode) -> None:
    peer = await node.connect()
    await peer.request("GET", "/events?channel=talk:private", X_Greenroom_User="bob")
    await peer.stream.aclose()


async def send_over_http(node: SmallNode) -> None:
    peer = await node.connect()
    for name, body in (("say", b'{"text":"x"}'), ("refuse", b'{"status":409}'), ("nonsense", b"{}"), ("say", b"{")):
        await peer.request("POST", f"/api/talk/a/{name}", body, X_Greenroom_User="ann")
    await peer.stream.aclose()


async def send_no_http(node: SmallNode) -> None:
    peer = await node.connect()
    await peer.send(b"BAD\r\n\r\n")
    await peer.rest()
    await peer.stream.aclose()


@pytest.fixture
def by_hand() -> Iterator[None]:
    """No collection but those that a test asks for, and what they find is kept."""
    gc.collect()
    gc.disable()
    yield
    gc.set_debug(0)
    gc.garbage.clear()
    gc.enable()


@pytest.mark.parametrize(
    "visit",
    [
        watch_and_send,
        watch_a_view,
        break_the_protocol,
        stream_events,
        stream_a_view,
        be_refused_a_stream,
        send_over_http,
        send_no_http,
    ],
    ids=lambda visit: str(visit.__name__),
)
async def test_who_comes_and_goes_leaves_nothing_to_find(visit: Visit, by_hand: None) -> None:
    async with small_node() as node:
        await _visits(node, visit, 1)  # what is made once
        gc.collect()
        gc.set_debug(gc.DEBUG_SAVEALL)
        await _visits(node, visit, VISITS)
        gc.collect()
        found = Counter(type(one).__name__ for one in gc.garbage)
    assert found.total() < VISITS, f"something of each was in a cycle: {found.most_common(5)}"


async def _visits(node: SmallNode, visit: Visit, number: int) -> None:
    for _ in range(number):
        await visit(node)
    while node.connections:
        await trio.lowlevel.checkpoint()
