"""Event streams are connections of clients too, for as long as they last."""

from trio.testing import wait_all_tasks_blocked

from tests.transports.http.test_event_stream import watch
from tests.transports.small_node import small_node


async def test_event_streams_count_as_connections_from_their_head_to_their_end() -> None:
    async with small_node() as node:
        instruments = node.services.instruments
        streams = [await watch(node, "talk:a") for _ in range(3)]
        assert (instruments.connections, instruments.subscriptions) == (3, 3)
        for left, stream in enumerate(streams[::-1]):
            await stream.stream.aclose()
            await wait_all_tasks_blocked(0.01)
            assert instruments.connections == 2 - left
        peer = await node.connect()
        refused = await peer.request("GET", "/events?channel=talk:private")
        assert refused.status == 403
        assert instruments.connections == 0
