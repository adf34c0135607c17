import pytest
import structlog
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from greenroom.transports.http import handover
from tests.transports.small_node import head, small_node


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


async def test_more_page_requests_than_may_be_open_are_503(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handover, "CONNECTIONS_MAX", 2)
    async with small_node() as node:
        open_ = [await node.connect() for _ in range(2)]
        for peer in open_:
            await peer.send(head("POST", "/page", b"0123456789")[:-5])
        await wait_all_tasks_blocked(0.01)
        assert (await (await node.connect()).request("GET", "/page")).status == 503
        assert node.instruments.refused_pages == 1
        assert (await (await node.connect()).request("GET", "/connection/init")).status == 200, "live paths go on"
        for peer in open_:
            await peer.send(b"56789")
            assert (await peer.response()).status == 200


async def test_a_crash_outside_of_the_page_keeps_to_its_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    async with small_node() as node:

        class Broken:
            def __init__(self, *_: object) -> None:
                raise ZeroDivisionError

        with monkeypatch.context() as patch, structlog.testing.capture_logs() as logs:
            patch.setattr(handover, "TCPServer", Broken)
            peer = await node.connect()
            await peer.send(head("GET", "/page"))
            assert await peer.ended()
        assert [one["event"] for one in logs if one["log_level"] == "error"] == ["page_connection_failed"]
        assert (await (await node.connect()).request("GET", "/page")).status == 200
