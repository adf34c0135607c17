"""The edge as a whole: its parts, and how it says goodbye."""

import re

import trio
from trio.testing import wait_all_tasks_blocked

from greenroom.transports.sockets.goodbye import at_the_same_time
from tests.transports.small_node import head, small_node


async def test_what_others_stand_on_starts_before_them_and_the_gate_is_last() -> None:
    async with small_node() as node:
        names = [part.name for part in node.edge.parts]
        assert len(set(names)) == len(names)
        assert names[-1] == "gate", "nobody is let in before there is somebody to answer"
        assert names.index("poller") < names.index("gate")
        assert names.index("reads") < names.index("pages")
        assert all(part.shutdown_s > 0 for part in node.edge.parts)


async def test_a_goodbye_comes_behind_all_that_was_released_and_in_each_ones_own_words() -> None:
    async with small_node() as node:
        client = await node.websocket("ann", "talk:a")
        stream, busy, idle = await node.connect(), await node.connect(), await node.connect()
        await stream.send(head("GET", "/events?channel=talk:a"))
        await stream.until(b"\r\n\r\n")
        await stream.event()
        await busy.send(head("POST", "/api/stalled/a/wait", b"{}", X_Request_Timeout="0.3"))
        assert (await idle.request("GET", "/api/nope/a")).status == 404
        await wait_all_tasks_blocked(0.01)
        await node.say("a", "last")
        node.edge.stop_accepting()
        await node.edge.say_goodbye(at_the_same_time)
        with trio.fail_after(10):
            assert (await client.message())["push"]["pub"]["data"]["text"] == "last"
            assert await client.closed() == (3001, "shutdown")
            assert (await stream.event())["data"]["data"]["text"] == "last"
            assert re.fullmatch(rb"retry: [123]\d\d\d\n\n", await stream.rest()), "it has yet to start again"
            assert await idle.ended()
            assert (await busy.response()).status == 504, "what is in work is answered"
            for peer in (client, stream, idle, busy):
                await peer.stream.aclose()
            await node.edge.live.emptied()


async def test_once_nobody_is_let_in_each_answer_is_the_last_on_its_connection() -> None:
    """A proxy that keeps connections would else bring requests until the node is gone, and have the last cut off."""
    async with small_node() as node:
        busy, kept = await node.connect(), await node.connect()
        assert (await kept.request("GET", "/api/nope/a")).status == 404
        await busy.send(head("POST", "/api/stalled/a/wait", b"{}", X_Request_Timeout="0.3"))
        await wait_all_tasks_blocked(0.01)
        node.edge.stop_accepting()
        with trio.fail_after(10):
            for answer in (await kept.request("GET", "/api/nope/a"), await busy.response()):
                assert answer.headers["connection"] == "close"
            assert await kept.ended() and await busy.ended()
