import json

import pytest
import trio
from trio.testing import MockClock

from greenroom.config.limits import GateConfig
from tests.transports.small_node import Peer, handshake, head, small_node

SAY = head("POST", "/api/talk/a/say", b'{"text":"x"}')
INIT = head("GET", "/connection/init")


async def test_requests_of_one_connection_are_answered_in_order_however_they_are_cut() -> None:
    async with small_node() as node:
        peer = await node.connect()
        requests = SAY + INIT + SAY + head("GET", "/api/nope/a") + SAY
        await peer.send(requests)
        whole = [await peer.response() for _ in range(5)]
        assert [one.status for one in whole] == [200, 200, 200, 404, 200]
        assert [one.json.get("offset") for one in whole] == [1, None, 2, None, 3]
        for at in range(0, len(requests), 7):
            await peer.send(requests[at : at + 7])
            await trio.lowlevel.checkpoint()
        assert [(await peer.response()).status for _ in range(5)] == [200, 200, 200, 404, 200]


async def test_more_requests_than_may_wait_end_the_connection() -> None:
    async with small_node() as node:
        peer = await node.connect()
        await peer.send(head("POST", "/api/stalled/a/wait", b"{}"))
        await trio.testing.wait_all_tasks_blocked()
        await peer.send(INIT * 80)
        assert await peer.ended()
        many = await node.connect()
        await many.send(INIT * 60)
        assert [(await many.response()).status for _ in range(60)] == [200] * 60


async def test_more_bytes_than_may_wait_end_the_connection() -> None:
    async with small_node(gate=GateConfig(body_bytes_max=10_000)) as node:
        peer = await node.connect()
        await peer.send(head("POST", "/api/stalled/a/wait", b"{}"))
        await trio.testing.wait_all_tasks_blocked()
        try:
            for _ in range(5):
                await peer.send(head("POST", "/api/talk/a/say", b" " * 9_000))
                await trio.testing.wait_all_tasks_blocked()
        except trio.BrokenResourceError:
            return
        assert await peer.ended()


async def test_what_follows_the_last_request_is_not_answered() -> None:
    async with small_node() as node:
        for last in (
            head("GET", "/connection/init", Connection="close"),
            INIT.replace(b"HTTP/1.1", b"HTTP/1.0"),
            head("GET", "/nope", None, Origin="http://evil.example").replace(b"/nope", b"/api/talk/a"),
            b"rubbish\r\n\r\n",
        ):
            peer = await node.connect()
            await peer.send(last + SAY * 3)
            assert (await peer.response()).headers["connection"] == "close"
            assert await peer.ended()
        assert node.instruments.commands == {}, "and not done either"


async def test_what_came_before_a_broken_request_is_answered_before_it_is_refused() -> None:
    async with small_node() as node:
        peer = await node.connect()
        await peer.send(INIT + SAY + INIT + b"rubbish\r\n\r\n")
        assert [(await peer.response()).status for _ in range(4)] == [200, 200, 200, 400]
        assert await peer.ended()


async def test_a_page_behind_commands_comes_behind_their_answers() -> None:
    async with small_node() as node:
        peer = await node.connect()
        await peer.send(SAY + SAY + head("POST", "/page", b"0123456789")[:-7])
        await trio.testing.wait_all_tasks_blocked()
        await peer.send(b"3456789")
        assert [(await peer.response()).json for _ in range(2)] == [{"offset": 1}, {"offset": 2}]
        assert (await peer.response()).body == b"POST /page 0123456789"
        assert await peer.ended()


async def test_the_rest_of_a_page_request_that_comes_while_it_waits_its_turn_goes_with_it(
    autojump_clock: MockClock,
) -> None:
    async with small_node() as node:
        peer = await node.connect()
        slow = head("POST", "/api/stalled/a/wait", b"{}", X_Request_Timeout="1")
        await peer.send(slow + head("POST", "/page", b"0123456789")[:-7])
        await trio.sleep(0.3)
        await peer.send(b"3456")
        await trio.sleep(0.3)
        await peer.send(b"789")
        assert (await peer.response()).status == 504
        assert (await peer.response()).body == b"POST /page 0123456789"


async def test_a_head_is_answered_without_a_body_and_the_connection_goes_on() -> None:
    async with small_node() as node:
        await node.say("a", "hello")
        peer = await node.connect()
        for path, status in (("/api/talk/a", 200), ("/api/talk/a/history", 200), ("/api/nope/a", 404)):
            full = await peer.request("GET", path)
            bare = await peer.request("HEAD", path)
            assert (full.status, bare.status) == (status, status)
            assert bare.headers["content-length"] == full.headers["content-length"] != "0"
        refused = await peer.request("HEAD", "/events")
        assert refused.status == 405
        assert await peer.ended()


async def test_a_preflight_is_answered_and_runs_nothing() -> None:
    async with small_node(origins=("https://good.example",)) as node:
        peer = await node.connect()
        asked = {"Origin": "https://good.example", "Access_Control_Request_Method": "POST"}
        for path in ("/api/talk/a/say", "/events", "/connection/init"):
            answer = await peer.request(
                "OPTIONS", path, None, **asked, Access_Control_Request_Headers="content-type, idempotency-key"
            )
            assert (answer.status, answer.body) == (204, b"")
            assert answer.headers["access-control-allow-origin"] == "https://good.example"
            assert answer.headers["access-control-allow-headers"] == "content-type, idempotency-key"
            assert answer.headers["vary"] == "Origin"
        assert node.instruments.commands == {}
        said = await peer.request("POST", "/api/talk/a/say", b'{"text":"x"}', **asked)
        assert (said.status, said.headers["access-control-allow-origin"]) == (200, "https://good.example")
        missing = await peer.request("POST", "/api/talk/a/nope", b"{}", **asked)
        assert (missing.status, missing.headers["access-control-allow-origin"]) == (404, "https://good.example")


@pytest.mark.parametrize("path", ["/api/talk/a/say", "/events?channel=talk:a", "/connection/websocket"])
async def test_a_page_from_elsewhere_is_refused_before_anything_happens(path: str) -> None:
    async with small_node(origins=("https://good.example",)) as node:
        for origin in ("https://evil.example", "null", "https://good.example.evil", "file://"):
            peer = await node.connect()
            refused = await (
                peer.upgrade(path, Origin=origin)
                if "websocket" in path
                else peer.request("POST", path, b'{"text":"x"}', Origin=origin)
            )
            assert (refused.status, refused.error["name"]) == (403, "forbidden")
            assert "access-control-allow-origin" not in refused.headers
            assert await peer.ended()
        assert node.instruments.commands == {}
        for origin in ("https://good.example", "http://test"):
            peer = await node.connect()
            assert (await peer.upgrade(Origin=origin)).status == 101


async def test_a_head_that_takes_too_long_is_told_408_counted_from_its_first_byte(autojump_clock: MockClock) -> None:
    async with small_node() as node:
        for first in (b"", INIT):
            peer = await node.connect()
            if first:
                await peer.send(first)
                assert (await peer.response()).status == 200
            await trio.sleep(30)  # idle, which is allowed
            begun = trio.current_time()
            async with trio.open_nursery() as nursery:

                async def drip(peer: Peer) -> None:
                    for byte in b"GET /connection/init HTTP/1.1\r\nHost: test\r\nX-Slow: " + b"x" * 100:
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
        await once.send(INIT)
        assert (await once.response()).status == 200
        assert await silent.ended()
        assert await once.ended()
        assert 75 <= trio.current_time() - begun <= 78


async def test_a_peer_that_keeps_its_side_open_after_our_last_answer_is_let_go(autojump_clock: MockClock) -> None:
    async with small_node() as node:
        peer = await node.connect()
        await peer.request("GET", "/connection/init", None, Connection="close")
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


async def test_who_asks_before_it_sends_is_told_to_go_on_when_its_turn_has_come() -> None:
    async with small_node() as node:
        peer = await node.connect()
        asking = head("POST", "/api/talk/a/say", b'{"text":"x"}', Expect="100-continue")
        await peer.send(asking[:-12])
        assert await peer.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue"
        await peer.send(asking[-12:] + SAY + asking[:-12])
        assert [(await peer.response()).json for _ in range(2)] == [{"offset": 1}, {"offset": 2}]
        assert await peer.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue"
        await peer.send(asking[-12:])
        assert (await peer.response()).json == {"offset": 3}


async def test_a_request_to_upgrade_elsewhere_is_answered_and_holds_no_memory() -> None:
    async with small_node() as node:
        peer = await node.connect()
        await peer.send(handshake("/connection/init") + b"#" * 1000)
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
    from greenroom.transports.codecs.websocket import masked_text_frame
    from tests.transports.small_node import MASK

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


async def test_nothing_of_a_request_can_break_out_of_a_header_or_an_error() -> None:
    async with small_node(origins=("*",)) as node:
        peer = await node.connect()
        answer = await peer.request("GET", '/api/talk/%0d%0aX-Evil:%201/a"\\', None, Origin="https://a\tb")
        assert answer.status in (400, 403, 404)
        assert "x-evil" not in answer.headers
        assert answer.error["code"] == answer.status
        for evil in (b"Origin: a\rX-Evil: 1", b"Origin: a\nX-Evil: 1", b"Origin: a\x00b"):
            peer = await node.connect()
            await peer.send(INIT.replace(b"Host: test", b"Host: test\r\n" + evil))
            refused = await peer.response()
            assert refused.status == 400
            assert "x-evil" not in refused.headers


async def test_unknown_live_addresses_and_methods() -> None:
    async with small_node() as node:
        for method, path, status in (
            ("GET", "/connection/nope", 404),
            ("POST", "/events", 405),
            ("TRACE", "/connection/init", 501),
            ("CONNECT", "/connection/init", 501),
        ):
            peer = await node.connect()
            refused = await peer.request(method, path)
            assert refused.status == status
            assert json.loads(refused.body)["error"]["code"] == status
            assert await peer.ended()
        assert refused.headers["content-type"] == "application/json"
