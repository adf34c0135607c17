import contextlib
import gc
import select
import socket
import struct
from collections import Counter
from typing import Any
from unittest.mock import Mock

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from greenroom.config.limits import GateConfig
from greenroom.transports.sockets import gate as gate_module
from greenroom.transports.sockets.admission import Admission
from greenroom.transports.sockets.gate import PortTaken, listen
from greenroom.transports.sockets.live import LiveConnections
from tests.transports.small_node import Peer, SmallNode, head, small_node


async def test_a_peer_that_goes_away_leaves_nothing_behind() -> None:
    async with small_node() as node:
        peers = [await node.websocket("ann", "talk:a") for _ in range(5)]
        assert (node.instruments.connections, node.instruments.subscriptions) == (5, 5)
        await peers[0].stream.aclose()
        peers[1].stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await peers[1].stream.aclose()  # a reset
        await peers[2].stream.send_eof()
        assert (await peers[2].rest()) == b""
        while node.instruments.connections > 2:
            await trio.lowlevel.checkpoint()
        assert node.edge.admission.open == len(node.connections) == len(node.hub.watching("talk:a")) == 2


async def test_what_is_sent_to_a_connection_leaves_at_once_and_a_peer_that_is_gone_is_noticed() -> None:
    async with small_node() as node:
        peer = await node.connect()
        assert (await peer.upgrade()).status == 101
        (connection,) = node.connections
        accepted = connection._socket
        assert accepted is not None
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)


async def test_who_waits_to_be_let_in_when_it_stops_accepting_is_let_in_and_nobody_after_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gate_module, "ACCEPTS_MAX", 2)  # fewer than wait
    async with small_node() as node:
        waiting = [
            socket.create_connection(("127.0.0.1", node.port)) for _ in range(3)
        ]  # no turn of the loop meanwhile
        node.edge.gate.stop_accepting()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", node.port))
        for sock in waiting:
            peer = Peer(trio.SocketStream(trio.socket.from_stdlib_socket(sock)))
            assert (await peer.request("GET", "/api/nope/a")).status == 404
            await peer.stream.aclose()
        while node.edge.admission.open:
            await trio.lowlevel.checkpoint()


@pytest.mark.bound("open connections")
async def test_too_many_connections_are_told_503_and_room_is_made_by_those_who_leave() -> None:
    async with small_node(gate=GateConfig(connections_max=2)) as node:
        first, second, third = [await node.connect() for _ in range(3)]
        refused = await third.response()
        assert (refused.status, refused.headers["retry-after"], refused.headers["connection"]) == (503, "1", "close")
        assert await third.ended()
        assert node.instruments.refused_connects == 1
        await first.stream.aclose()
        assert (await second.request("GET", "/api/nope/a")).status == 404
        while node.edge.admission.open > 1:
            await trio.lowlevel.checkpoint()
        assert (await (await node.connect()).request("GET", "/api/nope/a")).status == 404


async def test_a_refusal_is_heard_even_when_the_request_has_come_already() -> None:
    async with small_node(gate=GateConfig(connections_max=1)) as node:
        first = await node.connect()
        assert (await first.request("GET", "/api/nope/a")).status == 404
        for _ in range(5):
            sock = socket.create_connection(("127.0.0.1", node.port))
            sock.sendall(head("GET", "/api/talk/a"))
            peer = Peer(trio.SocketStream(trio.socket.from_stdlib_socket(sock)))
            assert (await peer.response()).status == 503


@pytest.mark.bound("new connections")
async def test_more_new_connections_a_second_than_the_burst_are_told_503(autojump_clock: MockClock) -> None:
    async with small_node(gate=GateConfig(connects_per_s=2.0, connects_burst=2)) as node:
        peers = [await node.connect() for _ in range(3)]
        assert (await peers[2].response()).status == 503
        await trio.sleep(0.6)
        assert (await (await node.connect()).request("GET", "/api/nope/a")).status == 404


async def test_running_out_of_descriptors_is_waited_out(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with small_node() as node:
        listener = node.edge.gate._listener
        assert listener is not None
        real: socket.socket = listener
        failures = [OSError(24, "too many open files")] * 3

        class Failing:
            def accept(self) -> object:
                if failures:
                    raise failures.pop()
                return real.accept()

            fileno, close = real.fileno, real.close

        monkeypatch.setattr(node.edge.gate, "_listener", Failing())
        peer = await node.connect()
        with trio.fail_after(10):
            assert (await peer.request("GET", "/api/nope/a")).status == 404
        assert failures == []


async def test_the_gate_can_run_again_and_goes_on_accepting() -> None:
    node = SmallNode()
    with node.listener:
        for _ in range(2):
            async with trio.open_nursery() as nursery:
                for part in (node.edge.flusher.run, node.edge.poller.run, node.edge.gate.run):
                    await nursery.start(part)
                peer = await node.connect()
                assert (await peer.request("GET", "/api/nope/a")).status == 404
                nursery.cancel_scope.cancel()
            assert await peer.ended()
            assert (node.edge.admission.open, len(node.edge.poller)) == (0, 0)


async def test_the_gate_can_run_again_after_it_ended_while_accepting_rested() -> None:
    node = SmallNode()
    with node.listener:
        for _ in range(2):
            async with trio.open_nursery() as nursery:
                for part in (node.edge.flusher.run, node.edge.poller.run, node.edge.gate.run):
                    await nursery.start(part)
                await trio.sleep(0.3)
                peer = await node.connect()
                assert (await peer.request("GET", "/api/nope/a")).status == 404
                node.edge.poller.remove(node.listener.fileno())
                node.edge.gate._resume_at = trio.current_time() + 0.1
                nursery.cancel_scope.cancel()


async def test_a_sweep_that_fails_ends_that_connection_alone(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with small_node() as node:
        good, bad = await node.websocket(), await node.websocket()
        _, protocol = node.edge.live.items()[1]
        monkeypatch.setattr(type(protocol), "tick", lambda self, now, age: 1 / 0 if self is protocol else None)
        assert await bad.ended()
        await good.command({"presence": {"channel": "talk:a"}, "id": 5})
        assert "presence" in await good.reply(5)


class Passes(trio.abc.Instrument):
    """Counts those of the scheduler."""

    def __init__(self) -> None:
        self.count = 0

    def before_io_wait(self, timeout: float) -> None:
        self.count += 1


async def test_connections_are_ticked_some_at_a_time(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate_module, "TICKS_MAX", 2)
    passes, ticked = Passes(), list[int]()
    async with small_node() as node:
        peers = [await node.websocket() for _ in range(6)]
        kinds = {type(protocol) for _, protocol in node.edge.live.items()}
        for kind in kinds:
            monkeypatch.setattr(kind, "tick", lambda self, now, age: ticked.append(passes.count))
        trio.lowlevel.add_instrument(passes)
        await trio.sleep(1.5)
        trio.lowlevel.remove_instrument(passes)
    assert len(ticked) >= len(peers) and set(Counter(ticked).values()) == {2}


async def test_a_look_at_all_connections_gives_the_collector_nothing_to_look_at() -> None:
    """With a pair for each, every second of ten thousand had a collection or two in its middle."""
    live = LiveConnections(Admission(GateConfig()))
    for _ in range(1_000):
        live.switch(Mock(), Mock())
    gc.collect()
    gc.disable()
    try:
        before = gc.get_count()[0]
        found = live.all()
        allocated = gc.get_count()[0] - before
    finally:
        gc.enable()
    assert len(found) == 1_000 and allocated < 10


async def test_one_that_goes_while_others_are_ticked_is_not(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with small_node() as node:
        peers = [await node.websocket() for _ in range(3)]
        kind = type(node.edge.live.items()[0][1])
        ticked: list[object] = []

        def tick(self: Any, now: float, age: float) -> None:
            ticked.append(self)
            if len(ticked) == 1:
                for connection in node.connections[1:]:
                    connection.abort()

        monkeypatch.setattr(kind, "tick", tick)
        await trio.sleep(1.5)
        assert (len(ticked), len(peers)) == (1, 3)


async def test_no_more_is_accepted_and_the_last_to_leave_is_waited_for() -> None:
    async with small_node() as node:
        peer = await node.connect()
        assert (await peer.request("GET", "/api/nope/a")).status == 404
        node.edge.gate.stop_accepting()
        with pytest.raises(OSError, match=r".*"):
            await node.connect()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(node.edge.live.emptied)
            await wait_all_tasks_blocked()
            assert nursery.child_tasks
            await peer.stream.aclose()
        await node.edge.live.emptied()


async def test_a_taken_port_is_named() -> None:
    with listen("127.0.0.1", 0, backlog=1) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortTaken, match=rf"127\.0\.0\.1:{port}.*GREENROOM_PORT"):
            listen("127.0.0.1", port, backlog=1)
    with pytest.raises(OSError, match="GREENROOM_HOST"):
        listen("192.0.2.1", 0, backlog=1)


@pytest.mark.bound("connections the kernel holds for us")
def test_what_nobody_accepts_is_held_to_the_backlog_and_the_next_is_not_let_in() -> None:
    """Linux lets one more in than it was told; of the next it drops the first packet, and its peer tries again."""
    backlog, waiting = 2, []
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(listen("127.0.0.1", 0, backlog=backlog))
        for _ in range(backlog + 3):
            sock = stack.enter_context(socket.socket())
            sock.setblocking(False)
            sock.connect_ex(listener.getsockname())
            waiting.append(sock)
        _, connected, _ = select.select([], waiting, [], 0.1)
        assert connected == waiting[: backlog + 1]
