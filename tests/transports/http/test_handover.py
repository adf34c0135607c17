import contextlib
import subprocess
import sys
from typing import Any

import pytest
import structlog
import trio
from quart_trio import QuartTrio
from trio.testing import MockClock, wait_all_tasks_blocked

from greenroom.transports.http import handover, page_server
from greenroom.transports.http.handover import Handover
from greenroom.transports.sockets.gate import listen
from tests.transports.small_node import head, page, small_node


async def test_pages_answer_and_the_next_request_meets_the_gate_again() -> None:
    async with small_node() as node:
        for method, body in (("GET", None), ("POST", b"0123456789"), ("POST", b"x" * 200_000)):
            peer = await node.connect()
            answer = await peer.request(method, "/page", body)
            assert (answer.status, answer.body) == (200, f"{method} /page ".encode() + (body or b""))
            assert answer.headers["connection"] == "close"
            assert await peer.ended()
        while node.edge.admission.open:
            await trio.lowlevel.checkpoint()


async def test_a_request_may_come_in_pieces_and_what_follows_it_is_not_answered() -> None:
    async with small_node() as node:
        peer = await node.connect()
        request = head("POST", "/page", b"0123456789")
        for at in range(len(request)):
            await peer.send(request[at : at + 1])
            await wait_all_tasks_blocked()
        assert (await peer.response()).body == b"POST /page 0123456789"
        assert await peer.ended()
        peer = await node.connect()
        await peer.send(head("GET", "/one") + head("GET", "/two") + head("POST", "/api/talk/a/say", b'{"text":"x"}'))
        assert (await peer.response()).body == b"GET /one "
        assert await peer.ended()
        assert node.instruments.commands == {}


async def test_a_page_that_fails_is_500_and_the_pages_go_on() -> None:
    async with small_node() as node:
        assert (await (await node.connect()).request("GET", "/boom")).status == 500
        assert (await (await node.connect()).request("GET", "/page")).status == 200


async def test_a_peer_that_never_finishes_its_request_is_let_go(autojump_clock: MockClock) -> None:
    async with small_node() as node:
        peer = await node.connect()
        await peer.send(head("POST", "/page", b"0123456789")[:-5])
        begun = trio.current_time()
        await peer.rest()
        assert 29 <= trio.current_time() - begun <= 32
        while node.edge.admission.open:
            await trio.lowlevel.checkpoint()


@pytest.mark.bound("requests of pages")
async def test_more_page_requests_than_may_be_open_are_503(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handover, "CONNECTIONS_MAX", 2)
    async with small_node() as node:
        open_ = [await node.connect() for _ in range(2)]
        for peer in open_:
            await peer.send(head("POST", "/page", b"0123456789")[:-5])
        await wait_all_tasks_blocked(0.01)
        assert (await (await node.connect()).request("GET", "/page")).status == 503
        assert node.instruments.refused_pages == 1
        assert (await (await node.connect()).request("GET", "/api/talk/a")).status == 200, "live paths go on"
        for peer in open_:
            await peer.send(b"56789")
            assert (await peer.response()).status == 200


async def test_what_watches_over_the_node_has_places_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handover, "CONNECTIONS_MAX", 2)
    monkeypatch.setattr(handover, "PROBES_MAX", 3)
    async with small_node() as node:
        open_ = [await node.connect() for _ in range(2)]
        for peer, path in zip(open_, ("/page", "/health"), strict=True):
            await peer.send(head("POST", path, b"0123456789")[:-5])  # with a body it is a page like any other
        await wait_all_tasks_blocked(0.01)
        assert (await (await node.connect()).request("GET", "/page")).status == 503
        for _ in range(3):
            for path in ("/health", "/ready", "/metrics"):
                probe = await node.connect()
                assert (await probe.request("GET", path)).status == 200
                assert await probe.ended()


@pytest.mark.parametrize(
    "asked",
    [
        {"Upgrade": "h2c", "Connection": "Upgrade, HTTP2-Settings", "HTTP2_Settings": "AAMAAABkAAQAAP__"},
        {"uPGRADE": "H2C", "Connection": "Upgrade"},
        {"Upgrade": "websocket", "Connection": "Upgrade", "Sec_WebSocket_Version": "13", "Sec_WebSocket_Key": "eA=="},
    ],
)
async def test_pages_are_answered_by_http_1_1_whatever_else_is_offered(asked: dict[str, str]) -> None:
    async with small_node() as node:
        peer = await node.connect()
        answer = await peer.request("GET", "/page", None, **asked)
        assert (answer.status, answer.body) == (200, b"GET /page ")
        assert await peer.ended()


@pytest.mark.parametrize("version", [b"HTTP/1.1", b"HTTP/1.0"])
async def test_the_end_comes_at_once_behind_the_answer_of_a_page(version: bytes) -> None:
    """With the pages as they are made: Quart cancels a page's task once its answer is complete."""
    app = QuartTrio(__name__)

    @app.get("/page")
    async def answer() -> str:
        return "here"

    async with trio.open_nursery() as nursery:
        left = trio.Event()
        pages = Handover(app, leave=left.set)
        await nursery.start(pages.run)
        with listen("127.0.0.1", 0, backlog=1) as listener:
            peer = await trio.open_tcp_stream("127.0.0.1", listener.getsockname()[1])
            sock, _ = listener.accept()
        sock.setblocking(False)
        pages.take(sock, b"GET /page %b\r\nHost: a\r\n\r\n" % version)
        answered = b""
        with trio.fail_after(5):
            while data := await peer.receive_some():
                answered += data
            await left.wait()
        assert answered.endswith(b"\r\n\r\nhere")
        nursery.cancel_scope.cancel()


async def test_a_crash_outside_of_the_page_keeps_to_its_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    async with small_node() as node:

        class Broken:
            def __init__(self, *_: object) -> None:
                raise ZeroDivisionError

        with monkeypatch.context() as patch, structlog.testing.capture_logs() as logs:
            patch.setattr(page_server, "TCPServer", Broken)
            peer = await node.connect()
            await peer.send(head("GET", "/page"))
            assert await peer.ended()
        assert [one["event"] for one in logs if one["log_level"] == "error"] == ["page_connection_failed"]
        assert (await (await node.connect()).request("GET", "/page")).status == 200


@pytest.mark.bound("requests of `/health`, `/ready` and `/metrics`")
async def test_more_that_watch_over_the_node_than_may_be_open_are_503(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handover, "PROBES_MAX", 2)
    go = trio.Event()

    async def held(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            await go.wait()
        await page(scope, receive, send)

    monkeypatch.setattr("tests.transports.small_node.page", held)
    async with small_node() as node:
        open_ = [await node.connect() for _ in range(2)]
        for peer in open_:
            await peer.send(head("GET", "/ready"))
        await wait_all_tasks_blocked(0.01)
        assert (await (await node.connect()).request("GET", "/health")).status == 503
        assert node.instruments.refused_pages == 1
        go.set()
        for peer in open_:
            assert (await peer.response()).status == 200
            assert await peer.ended()
        await wait_all_tasks_blocked(0.01)
        assert (await (await node.connect()).request("GET", "/health")).status == 200


@pytest.mark.bound("requests for media")
async def test_uploads_and_files_have_places_and_time_of_their_own(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    monkeypatch.setattr(handover, "MEDIA_MAX", 2)
    async with small_node(media_s=100.0) as node:
        begun = trio.current_time()
        open_ = [await node.connect() for _ in range(2)]
        for peer, path in zip(open_, ("/media", "/media/a"), strict=True):
            await peer.send(head("PATCH", path, b"0123456789")[:-5])
        await wait_all_tasks_blocked(0.01)
        assert (await (await node.connect()).request("GET", "/media/b")).status == 503
        assert (await (await node.connect()).request("GET", "/mediate")).status == 200
        for peer in open_:
            await peer.rest()
        assert 99 <= trio.current_time() - begun <= 102
    async with small_node() as node:
        assert (await (await node.connect()).request("GET", "/media/b")).status == 200, "pages, where there are none"


def test_whoever_starts_a_node_does_not_wait_for_what_serves_pages() -> None:
    late = ("hypercorn", "h2", "quart")
    code = f"import sys, greenroom.transports.edge; sys.exit(str([one for one in {late} if one in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr.strip() == "[]"


async def test_requests_that_come_together_first_are_all_answered_by_one_server() -> None:
    async with small_node() as node:
        peers = [await node.connect() for _ in range(3)]
        for peer in peers:
            await peer.send(head("GET", "/page"))
        assert [(await peer.response()).status for peer in peers] == [200] * 3


@pytest.mark.bound("time of an answer of a page, or a file, of which nothing is read")
@pytest.mark.parametrize("path", ["/page", "/media/a"])
async def test_a_peer_that_does_not_read_keeps_no_place(
    path: str, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.transports.small_node.page", endless)
    async with small_node(media_s=100.0) as node:
        await (await node.connect()).request("GET", "/")  # imports what serves them
        peer = await node.connect(buffer=4_096)
        await peer.send(head("GET", path))
        begun = trio.current_time()
        await wait_all_tasks_blocked(0.01)
        assert node.edge.admission.open == 1
        await trio.sleep_until(begun + page_server.UNREAD_S - 1)
        assert node.edge.admission.open == 1
        await trio.sleep_until(begun + page_server.UNREAD_S + 5)
        assert node.edge.admission.open == 0


async def test_a_peer_that_reads_some_now_and_then_is_let_go_when_its_time_is_over(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.transports.small_node.page", endless)
    async with small_node(media_s=100.0) as node:
        await (await node.connect()).request("GET", "/")
        peer = await node.connect(buffer=4_096)
        await peer.send(head("GET", "/media/a"))
        begun = trio.current_time()
        await wait_all_tasks_blocked(0.01)
        while node.edge.admission.open:
            await trio.sleep(10)
            with contextlib.suppress(trio.BrokenResourceError), trio.move_on_after(1):
                size = 0
                while size < 8 << 20 and (came := await peer.stream.receive_some(1 << 20)):
                    size += len(came)
        assert 90 <= trio.current_time() - begun <= 120


async def test_a_node_that_stops_waits_for_no_peer_that_does_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.transports.small_node.page", endless)
    with trio.fail_after(15):
        async with small_node(media_s=100.0) as node:
            await (await node.connect()).request("GET", "/")
            peer = await node.connect(buffer=4_096)
            await peer.send(head("GET", "/media/a"))
            await wait_all_tasks_blocked(0.05)
            assert node.edge.admission.open == 1


async def endless(scope: Any, receive: Any, send: Any) -> None:
    """Says more than anybody wants to hear."""
    if scope["type"] == "lifespan" or scope["path"] == "/":
        await page(scope, receive, send)
        return

    async def say() -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while True:
            await send({"type": "http.response.body", "body": bytes(1 << 20), "more_body": True})

    async with trio.open_nursery() as nursery:
        nursery.start_soon(say)
        while (await receive())["type"] != "http.disconnect":
            pass
        nursery.cancel_scope.cancel()
