import json

import pytest
import trio
from trio.testing import MockClock

from greenroom.config.limits import GateConfig
from greenroom.transports.http.live import LiveHttp
from tests.transports.small_node import SAY, VIEW, handshake, head, small_node


async def test_requests_of_one_connection_are_answered_in_order_however_they_are_cut() -> None:
    async with small_node() as node:
        peer = await node.connect()
        requests = SAY + VIEW + SAY + head("GET", "/api/nope/a") + SAY
        await peer.send(requests)
        whole = [await peer.response() for _ in range(5)]
        assert [one.status for one in whole] == [200, 200, 200, 404, 200]
        assert [one.json.get("offset") for one in whole] == [1, 1, 2, None, 3]
        for at in range(0, len(requests), 7):
            await peer.send(requests[at : at + 7])
            await trio.lowlevel.checkpoint()
        assert [(await peer.response()).status for _ in range(5)] == [200, 200, 200, 404, 200]


@pytest.mark.parametrize("path", ["/connection/init", "/connection/", "/connection/websockets"])
async def test_what_is_no_address_of_ours_is_404(path: str) -> None:
    async with small_node() as node:
        peer = await node.connect()
        assert (await peer.request("GET", path)).status == 404


@pytest.mark.bound("requests pipelined behind one in work")
async def test_more_requests_than_may_wait_are_answered_all_the_same(autojump_clock: MockClock) -> None:
    """What finds no place is not read, or not decoded, until one is free."""
    async with small_node() as node:
        peer = await node.connect()
        await peer.send(head("POST", "/api/stalled/a/wait", b"{}", X_Request_Timeout="1"))
        await trio.testing.wait_all_tasks_blocked()
        many = 5_000
        async with trio.open_nursery() as nursery:
            nursery.start_soon(peer.send, VIEW * many)
            await trio.testing.wait_all_tasks_blocked()
            (connection,) = node.connections
            assert isinstance(connection.protocol, LiveHttp)
            assert len(connection.protocol._waiting) <= 65
            assert connection.protocol._decoder.held_bytes <= 16_384 + 65_536
            with trio.fail_after(60):
                assert (await peer.response()).status == 504
                assert [(await peer.response()).status for _ in range(many)] == [200] * many
        assert (await peer.request("GET", "/api/talk/a")).status == 200, "the connection goes on"


async def test_more_bytes_than_may_wait_are_answered_all_the_same(autojump_clock: MockClock) -> None:
    async with small_node(gate=GateConfig(body_bytes_max=10_000)) as node:
        peer = await node.connect()
        await peer.send(head("POST", "/api/stalled/a/wait", b"{}", X_Request_Timeout="1"))
        await trio.testing.wait_all_tasks_blocked()
        body = b'{"text":"x"}'.ljust(9_000)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(peer.send, head("POST", "/api/talk/a/say", body) * 40)
            with trio.fail_after(60):
                assert (await peer.response()).status == 504
                found = [(await peer.response()).json["offset"] for _ in range(40)]
        assert found == list(range(1, 41)), "each once, in order"


async def test_a_page_with_a_body_that_waits_its_turn_is_not_dropped(autojump_clock: MockClock) -> None:
    async with small_node() as node:
        peer = await node.connect()
        slow = head("POST", "/api/stalled/a/wait", b"{}", X_Request_Timeout="1")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(peer.send, slow + head("POST", "/page", b"x" * 300_000))
            with trio.fail_after(60):
                assert (await peer.response()).status == 504
                assert (await peer.response()).body == b"POST /page " + b"x" * 300_000


@pytest.mark.parametrize("path", ["/api/talk/a", "/page", "/events?channel=talk:a"])
@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (b"Host: a b", 400),
        (b"Host: a@b/c", 400),
        (b"Host: a:b", 400),
        (b"Host: [::1", 400),
        (b"Host: a%zz", 400),
        (b"Host: a,b", 0),
        (b"Host: [::1]:8000", 0),
        (b"Host: xn--bcher-kva.example:80", 0),
    ],
)
async def test_a_host_that_is_none_is_400(path: str, asked: bytes, told: int) -> None:
    async with small_node() as node:
        peer = await node.connect()
        await peer.send(head("GET", path).replace(b"Host: test", asked))
        assert (await peer.until(b"\r\n")).startswith(b"HTTP/1.1 400 ") is (told == 400)


@pytest.mark.parametrize("path", [b"/api/talk/a", b"/page"])
async def test_single_spaces_stand_in_a_request_line(path: bytes) -> None:
    async with small_node() as node:
        for line in (b"GET  %b HTTP/1.1", b"GET %b  HTTP/1.1", b"GET %b HTTP/1.1 "):
            peer = await node.connect()
            await peer.send(line % path + b"\r\nHost: a\r\n\r\n")
            assert (await peer.response()).status == 400


async def test_what_the_server_as_a_whole_takes() -> None:
    async with small_node() as node:
        peer = await node.connect()
        answer = await peer.request("OPTIONS", "*")
        assert (answer.status, answer.headers["allow"]) == (204, "GET, HEAD, POST, OPTIONS")


async def test_caches_are_told_that_another_origin_may_get_another_answer_whoever_asks() -> None:
    async with small_node(origins=("https://good.example",)) as node:
        for origin in ({}, {"Origin": "https://good.example"}, {"Origin": "https://evil.example"}):
            for path in ("/api/talk/a", "/api/nope/a", "/api/talk/a/history"):
                peer = await node.connect()
                assert (await peer.request("GET", path, None, **origin)).headers["vary"] == "Origin"


async def test_an_answer_says_of_origins_what_its_own_request_is_to_hear() -> None:
    """Whatever was asked on the connection since that very request came before."""
    async with small_node(origins=("http://a.example", "http://b.example")) as node:
        peer = await node.connect()
        view = head("GET", "/api/talk/a", Origin="http://a.example")
        for other in (head("OPTIONS", "/api/talk/a", Origin="http://b.example"), head("OPTIONS", "/api/talk/a")):
            for _ in range(3):
                await peer.send(view)
                assert (await peer.response()).headers["access-control-allow-origin"] == "http://a.example"
            await peer.send(other)
            assert (await peer.response()).status == 204
        await peer.send(view)
        assert (await peer.response()).headers["access-control-allow-origin"] == "http://a.example"


async def test_what_is_read_and_not_decoded_is_bounded_behind_a_slow_command_that_came_last(
    autojump_clock: MockClock,
) -> None:
    async with small_node() as node:
        peer = await node.connect()
        slow = head("POST", "/api/stalled/a/wait", b"{}", X_Request_Timeout="1")
        quick = head("OPTIONS", "/api/talk/a")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(peer.send, (quick * 64 + slow) * 200)
            most = 0
            for _ in range(200):
                await trio.testing.wait_all_tasks_blocked()
                (connection,) = node.connections
                assert isinstance(connection.protocol, LiveHttp)
                most = max(most, connection.protocol._decoder.held_bytes)
                assert [(await peer.response()).status for _ in range(65)] == [204] * 64 + [504]
        assert 0 < most <= GateConfig().head_bytes_max + 65_536


async def test_what_is_refused_at_the_door_is_counted_by_its_status(autojump_clock: MockClock) -> None:
    async with small_node(gate=GateConfig(body_bytes_max=100, head_bytes_max=1_000)) as node:
        for refused, status in (
            (b"rubbish\r\n\r\n", "400"),
            (head("GET", "/api/talk/a", Origin="http://evil.example"), "403"),
            (head("GET", "/connection/nope"), "404"),
            (head("POST", "/events", b"{}"), "405"),
            (SAY[:-3], "408"),
            (head("POST", "/api/talk/a/say", b"x" * 101), "413"),
            (handshake().replace(b"Version: 13", b"Version: 8"), "426"),
            (head("GET", "/api/talk/a", X="x" * 1_000), "431"),
        ):
            node.instruments.refused_requests.clear()
            peer = await node.connect()
            await peer.send(refused)
            assert (await peer.response()).status == int(status)
            assert node.instruments.refused_requests == {(status,): 1}
        node.instruments.refused_requests.clear()
        peer = await node.connect()
        assert (await peer.request("POST", "/api/talk/a/nope", b"{}")).status == 404
        assert node.instruments.refused_requests == {}, "which counts as a command"


async def test_what_follows_the_last_request_is_not_answered() -> None:
    async with small_node() as node:
        for last in (
            head("GET", "/api/talk/a", Connection="close"),
            VIEW.replace(b"HTTP/1.1", b"HTTP/1.0"),
            head("GET", "/nope", None, Origin="http://evil.example").replace(b"/nope", b"/api/talk/a"),
            b"rubbish\r\n\r\n",
        ):
            peer = await node.connect()
            await peer.send(last + SAY * 3)
            assert (await peer.response()).headers["connection"] == "close"
            assert await peer.ended()
        assert node.instruments.commands == {("talk", "view", "ok"): 2}, "and not done either"


async def test_what_came_before_a_broken_request_is_answered_before_it_is_refused() -> None:
    async with small_node() as node:
        peer = await node.connect()
        await peer.send(VIEW + SAY + VIEW + b"rubbish\r\n\r\n")
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
        for path in ("/api/talk/a/say", "/events", "/connection/sse"):
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


async def test_nothing_of_a_request_can_break_out_of_a_header_or_an_error() -> None:
    async with small_node(origins=("*",)) as node:
        peer = await node.connect()
        answer = await peer.request("GET", '/api/talk/%0d%0aX-Evil:%201/a"\\', None, Origin="https://a\tb")
        assert answer.status in (400, 403, 404)
        assert "x-evil" not in answer.headers
        assert answer.error["code"] == answer.status
        for evil in (b"Origin: a\rX-Evil: 1", b"Origin: a\nX-Evil: 1", b"Origin: a\x00b"):
            peer = await node.connect()
            await peer.send(VIEW.replace(b"Host: test", b"Host: test\r\n" + evil))
            refused = await peer.response()
            assert refused.status == 400
            assert "x-evil" not in refused.headers


async def test_unknown_live_addresses_and_methods() -> None:
    async with small_node() as node:
        for method, path, status in (
            ("GET", "/connection/nope", 404),
            ("POST", "/events", 405),
            ("TRACE", "/api/talk/a", 501),
            ("CONNECT", "/api/talk/a", 501),
        ):
            peer = await node.connect()
            refused = await peer.request(method, path)
            assert refused.status == status
            assert json.loads(refused.body)["error"]["code"] == status
            assert await peer.ended()
        assert refused.headers["content-type"] == "application/json"


async def test_a_node_that_believes_names_answers_to_its_own_alone() -> None:
    """A page can point its own name at us (DNS rebinding), and its browser sends no `Origin` to a page of that name."""
    async with small_node(host="127.0.0.1", origins=("https://chat.example.org",)) as node:
        for path in ("/api/talk/a", "/events?channel=talk:a", "/connection/websocket", "/page"):
            peer = await node.connect()
            request = head("GET", path, Origin="http://evil.example")
            await peer.send(request.replace(b"Host: test", b"Host: evil.example"))
            answer = await peer.response()
            assert (answer.status, answer.json["error"]["name"]) == (403, "forbidden"), path
            assert "GREENROOM_ALLOWED_ORIGINS" in answer.json["error"]["message"]
        assert node.instruments.commands == {}
        peer = await node.connect()
        for host in ("localhost:8000", "127.0.0.1", "[::1]:1", "chat.example.org"):
            await peer.send(head("GET", "/api/talk/a").replace(b"Host: test", b"Host: " + host.encode()))
            assert (await peer.response()).status == 200, host


async def test_no_answer_is_kept_by_caches_or_taken_for_something_else() -> None:
    async with small_node() as node:
        peer = await node.connect()
        for request in (SAY, VIEW, head("GET", "/api/talk/a"), head("GET", "/api/nope/a")):
            await peer.send(request)
            headers = (await peer.response()).headers
            assert (headers["cache-control"], headers["x-content-type-options"]) == ("no-store", "nosniff")
        for last in (
            head("GET", "/events?channel=talk:a"),
            head("GET", "/events?channel=talk:private"),
            head("GET", "/connection/websocket"),
            head("GET", "/api/talk/a", Origin="http://evil.example"),
            b"rubbish\r\n\r\n",
        ):
            peer = await node.connect()
            await peer.send(last)
            headers = (await peer.response()).headers
            assert (headers["cache-control"], headers["x-content-type-options"]) == ("no-store", "nosniff"), last


@pytest.mark.bound("an HTTP head")
async def test_a_head_as_long_as_may_be_is_read_and_a_longer_one_is_431() -> None:
    async with small_node(gate=GateConfig(head_bytes_max=2_000)) as node:
        for headers, bytes_, status in ((99, 2_000, 200), (99, 2_001, 431), (100, 2_000, 431)):
            request = head("GET", "/api/talk/a", None, **{f"X{number}": "x" for number in range(headers - 1)})
            request = request[:-2] + b"X: " + b"x" * (bytes_ - len(request) - 5) + b"\r\n\r\n"
            assert len(request) == bytes_
            peer = await node.connect()
            await peer.send(request)
            answer = await peer.response()
            assert (answer.status, headers, bytes_) == (status, headers, bytes_)
