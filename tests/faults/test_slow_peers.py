"""Peers that are slow, silent or gone. None of them may hold what others need, and each is let go in its time."""

import contextlib
import threading
import time
from collections.abc import Callable

import psutil
import pytest

from tests.e2e.server import Server, wait_until
from tests.faults.peer import HANDSHAKE, Closed, Peer, connected, metric, upgraded

TEXT = "x" * 3000  # characters; the server's bound on a message is above
QUEUE_BYTES_MAX = 65_536  # of one client, as in conftest.py


@pytest.mark.parametrize(
    "head", [b"G", HANDSHAKE[:40], b"POST /api/room/x/send HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{"]
)
def test_a_head_that_never_ends_is_cut_off(server: Server, head: bytes) -> None:
    with Peer(server) as peer:
        peer.send(head)
        status, body = peer.answer()
        assert status in (400, 408) and b"too long" in body
        assert peer.rest() == b""


def test_a_byte_now_and_then_buys_no_time(server: Server) -> None:
    with Peer(server) as peer:
        peer.socket.settimeout(0.1)
        deadline = time.monotonic() + 15
        for byte in HANDSHAKE * 2:
            try:
                peer.send(bytes([byte]))
                with contextlib.suppress(TimeoutError):
                    assert peer.receive_until(b"\r\n").startswith(b"HTTP/1.1 408 ")
                    return
            except (ConnectionResetError, BrokenPipeError):
                return
            assert time.monotonic() < deadline
        raise AssertionError("a slow head was accepted")


def test_many_unfinished_heads_keep_nobody_out(server: Server, room: str) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(200):
            stack.enter_context(Peer(server)).send(b"GET / HTTP/1.1\r\nX: ")
        started = time.monotonic()
        server.command(room, "send", {"text": "hi"})
        assert time.monotonic() - started < 5


def test_a_websocket_that_never_connects_is_stale(server: Server) -> None:
    with upgraded(server) as peer:
        assert peer.end().code == 3502


def test_a_peer_that_vanished_is_let_go_with_all_it_had(server: Server, room: str) -> None:
    """No FIN, no reset, no pong: as when a telephone leaves the network."""

    def present(onlooker: Peer) -> set[str]:
        found = onlooker.ask(presence={"channel": room})["presence"]["presence"]
        return {one["user"] for one in found.values()}

    before = metric(server, "greenroom_subscriptions")
    with connected(server, "gone") as peer:
        peer.ask(subscribe={"channel": room})
        with connected(server, "onlooker") as onlooker:
            assert "gone" in present(onlooker)
        # From here on it is deaf: it reads nothing, and so answers no ping.

        def gone() -> bool:
            with connected(server, "onlooker") as onlooker:
                return present(onlooker) == set()

        wait_until(gone, "the vanished peer to leave")
        wait_until(lambda: metric(server, "greenroom_subscriptions") <= before, "its subscription to end")
        assert peer.end() == Closed(3012, "no pong")


def _flood(server: Server, room: str, enough: Callable[[], bool], *, within_s: float = 40.0) -> list[int]:
    """Send until `enough`; the offsets that were acknowledged."""
    offsets: list[int] = []
    deadline = time.monotonic() + within_s
    connection = server.connection()
    try:
        while not enough():
            assert time.monotonic() < deadline, f"{len(offsets)} messages were not enough"
            for _ in range(50):
                offsets.append(server.command(room, "send", {"text": TEXT}, connection=connection)["offset"])
    finally:
        connection.close()
    return offsets


def test_a_client_that_never_reads_is_cut_and_others_see_everything(fresh_server: Server, room: str) -> None:
    server = fresh_server
    server._settings |= {"GREENROOM_CLIENT_QUEUE_BYTES_MAX": str(QUEUE_BYTES_MAX)}
    server.start()
    slow_before = metric(server, "greenroom_slow_disconnects_total")
    resident = psutil.Process(server.pid).memory_info().rss
    queued_most = 0.0
    with contextlib.ExitStack() as stack:
        deaf = [stack.enter_context(connected(server, f"deaf{n}", receive_buffer=4096)) for n in range(10)]
        for peer in deaf:
            peer.ask(subscribe={"channel": room})
        reader = stack.enter_context(connected(server, "reader"))
        reader.ask(subscribe={"channel": room})
        seen: list[int] = []
        ended: list[Closed] = []

        def read() -> None:
            with contextlib.suppress(EOFError):
                for message in reader.messages(pong=True, within_s=60):
                    if isinstance(message, Closed):
                        ended.append(message)
                    elif "pub" in message.get("push", {}):
                        seen.append(message["push"]["pub"]["offset"])

        reading = threading.Thread(target=read)
        reading.start()
        stack.callback(reading.join)
        stack.callback(reader.close)

        def all_cut() -> bool:
            nonlocal queued_most
            queued_most = max(queued_most, metric(server, "greenroom_queue_bytes"))
            return metric(server, "greenroom_slow_disconnects_total") >= slow_before + len(deaf)

        offsets = _flood(server, room, all_cut)
        wait_until(lambda: bool(seen) and seen[-1] == offsets[-1], "the reader to see the last message")
        assert seen == list(range(1, offsets[-1] + 1))  # in order, none missing, none twice
        assert not ended
        # A client may be past its bound by the batch that took it there.
        assert queued_most <= len(deaf) * (QUEUE_BYTES_MAX + 50 * 2 * len(TEXT))
        grown = psutil.Process(server.pid).memory_info().rss - resident
        assert grown < 64 << 20, f"{grown >> 20} MiB for {len(offsets) * len(TEXT) >> 10} KiB of messages"
        wait_until(lambda: metric(server, "greenroom_queue_bytes") == 0, "what was queued to be dropped")


def test_an_event_stream_that_is_never_read_is_cut(server: Server, room: str) -> None:
    before = metric(server, "greenroom_slow_disconnects_total")
    with Peer(server, receive_buffer=4096) as peer:
        peer.send(b"GET /events?channel=%b HTTP/1.1\r\nHost: x\r\n\r\n" % room.encode())
        assert b" 200 " in peer.receive_until(b"\r\n\r\n")
        _flood(server, room, lambda: metric(server, "greenroom_slow_disconnects_total") > before)
        wait_until(lambda: metric(server, "greenroom_queue_bytes") == 0, "what was queued to be dropped")


def test_answers_that_are_never_read_end_the_connection(server: Server, room: str) -> None:
    """Pipelined requests whose answers nobody takes: the connection goes, the server's memory stays."""
    server.command(room, "send", {"text": TEXT})
    view = b"GET /api/%b HTTP/1.1\r\nHost: x\r\n\r\n" % room.replace(":", "/").encode()
    resident = psutil.Process(server.pid).memory_info().rss
    with Peer(server, receive_buffer=4096) as peer:
        peer.socket.settimeout(3.0)
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            for _ in range(1_000_000):  # what is not read yet waits in the buffers between us
                peer.send(view)
    assert psutil.Process(server.pid).memory_info().rss - resident < 64 << 20
    assert server.request("GET", "/health").status == 200
