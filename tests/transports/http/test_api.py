from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from greenroom.config.limits import ClientConfig, GateConfig, HttpConfig
from greenroom.store.errors import StoreUnavailable
from tests.transports.small_node import head, small_node
from tests.transports.world import STARTED, token

SAY = "/api/talk/a/say"


async def test_a_command_its_view_and_its_history() -> None:
    async with small_node() as node:
        peer = await node.connect()
        for number in range(1, 6):
            body = b'{"text":"t%d"}' % number
            answer = await peer.request("POST", SAY, body, X_Greenroom_User="ann")
            assert (answer.status, answer.json) == (200, {"offset": number})
            assert answer.headers["content-type"] == "application/json"
        view = (await peer.request("GET", "/api/talk/a")).json
        assert view.pop("epoch")
        assert view == {"view": {"texts": ["t3", "t4", "t5"]}, "offset": 5}

        async def history(query: str) -> list[int]:
            found = (await peer.request("GET", f"/api/talk/a/history{query}")).json
            assert found["offset"] == 5
            assert found["epoch"]
            return [one["offset"] for one in found["publications"]]

        epoch = (await peer.request("GET", "/api/talk/a")).json["epoch"]
        assert await history("") == [1, 2, 3, 4, 5]
        assert await history("?limit=2") == [1, 2]
        assert await history("?since=3") == [4, 5]
        assert await history(f"?since={epoch}:3&limit=1") == [4]
        assert await history("?reverse=true&limit=2") == [5, 4]
        assert await history("?reverse=1&since=3") == [2, 1]
        assert await history("?since=99") == []
        first = (await peer.request("GET", "/api/talk/a/history?limit=1")).json["publications"][0]
        assert first["data"] == {"type": "talk.said", "text": "t1"}
        assert first["info"] == {"user": "ann", "client": ""}


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "name", "shown"),
    [
        ("POST", SAY, b"{", 400, "malformed", "malformed JSON"),
        ("POST", SAY, b"\xff", 400, "malformed", ""),
        ("POST", SAY, b'{"text":"\xff"}', 400, "malformed", ""),
        ("POST", SAY, b"[]", 422, "invalid", "object"),
        ("POST", SAY, b"", 422, "invalid", "text"),
        ("POST", SAY, b'{"text":5}', 422, "invalid", "text"),
        ("POST", SAY, b'{"text":"x","idempotency_key":""}', 422, "invalid", "idempotency_key"),
        ("POST", "/api/nope/a/say", b"{}", 404, "unknown_kind", "nope"),
        ("POST", "/api/talk/a/nope", b"{}", 404, "unknown_command", "nope"),
        ("POST", "/api/talk/%00/say", b"{}", 400, "bad_entity", ""),
        ("POST", "/api/talk//say", b"{}", 400, "bad_entity", ""),
        ("POST", f"/api/talk/{'a' * 256}/say", b"{}", 400, "bad_entity", "255"),
        ("POST", "/api/Talk/a/say", b"{}", 400, "bad_entity", ""),
        ("POST", "/api/talk/a/refuse", b'{"status":409}', 409, "talk.refused", "because"),
        ("POST", "/api/talk/a/refuse", b'{"status":403}', 403, "talk.refused", "because"),
        ("POST", "/api/talk/a/refuse", b'{"status":429}', 429, "talk.refused", "because"),
        ("POST", "/api/talk/a/break", b"{}", 500, "internal", "internal"),
        ("POST", "/api/talk/a/odd", b"{}", 500, "internal", "internal"),
        ("GET", "/api/talk/private", None, 403, "talk.private", "not for you"),
        ("GET", "/api/talk/private/history", None, 403, "talk.private", "not for you"),
        ("GET", SAY, None, 405, "method_not_allowed", "POST"),
        ("POST", "/api/talk/a", b"{}", 405, "method_not_allowed", "GET"),
        ("DELETE", "/api/talk/a", None, 405, "method_not_allowed", "GET"),
        ("PUT", "/api/talk/a/history", None, 405, "method_not_allowed", "GET"),
        ("GET", "/api/talk", None, 404, "not_found", "/api/talk"),
        ("POST", "/api/talk/a/b/nope", b"{}", 404, "unknown_command", "nope"),
        ("GET", "/api/talk/a/b/say", None, 405, "method_not_allowed", "POST"),
        ("PUT", "/api/talk/a/b", None, 405, "method_not_allowed", "GET"),
        ("GET", "/api/talk/a/history?limit=0", None, 400, "bad_request", "limit"),
        ("GET", "/api/talk/a/history?limit=301", None, 400, "bad_request", "limit"),
        ("GET", "/api/talk/a/history?limit=" + "9" * 5000, None, 400, "bad_request", "limit"),
        ("GET", "/api/talk/a/history?limit=0000000012000000", None, 400, "bad_request", "limit"),
        ("GET", "/api/talk/a/history?limit=007", None, 400, "bad_request", "limit"),
        ("GET", "/api/talk/a/history?limit=1_0", None, 400, "bad_request", "limit"),
        ("GET", "/api/talk/a/history?limit=", None, 400, "bad_request", "limit"),
        ("GET", "/api/talk/a/history?limit=%D9%A3", None, 400, "bad_request", "limit"),
        ("GET", "/api/talk/a/history?since=-1", None, 400, "bad_request", "since"),
        ("GET", "/api/talk/a/history?since=epoch", None, 400, "bad_request", "since"),
        ("GET", "/api/talk/a/history?since=" + "9" * 17, None, 400, "bad_request", "since"),
        ("GET", "/api/talk/a/history?reverse=maybe", None, 400, "bad_request", "reverse"),
        ("GET", "/api/talk/a/history?since=other:0", None, 409, "epoch_changed", "start over"),
    ],
)
async def test_what_is_wrong_is_told_by_status_name_and_words(
    method: str, path: str, body: bytes | None, status: int, name: str, shown: str, autojump_clock: MockClock
) -> None:
    async with small_node() as node:
        peer = await node.connect()
        answer = await peer.request(method, path, body)
        error = answer.error
        assert (answer.status, error["code"], error["name"]) == (status, status, name)
        assert shown in error["message"]
        assert error["temporary"] is (status == 429)
        assert ("retry-after" in answer.headers) is (status == 429)
        assert ("allow" in answer.headers) is (status == 405)
        assert "ZeroDivision" not in str(error) and "boom" not in str(error)
        assert (await peer.request("GET", "/api/talk/a")).status == 200, "the connection goes on"


async def test_a_slash_in_a_key_is_understood_decoded_too() -> None:
    """As an rpc's method: what stands behind the last slash is the command."""
    async with small_node() as node:
        peer = await node.connect()
        for number, path in enumerate(("/api/talk/a%2Fb/say", "/api/talk/a/b/say", "/api/talk/a%2fb/say"), 1):
            answer = await peer.request("POST", path, b'{"text":"x"}')
            assert (answer.status, answer.json) == (200, {"offset": number}), path
        for path in ("/api/talk/a/b", "/api/talk/a%2Fb"):
            assert (await peer.request("GET", path)).json["view"] == {"texts": ["x", "x", "x"]}, path
        for path in ("/api/talk/a/b/history", "/api/talk/a%2Fb/history"):
            assert len((await peer.request("GET", path)).json["publications"]) == 3, path
        shorter = await peer.request("GET", "/api/talk/a/history")
        assert shorter.json["publications"] == []
        longer = await peer.request("GET", "/api/talk/a%2Fhistory")
        assert longer.json["view"] == {"texts": []}


async def test_every_refusal_is_counted_under_names_that_are_installed() -> None:
    async with small_node() as node:
        peer = await node.connect()
        asked = [
            ("POST", SAY, b"{", ("talk", "say", "malformed")),
            ("POST", SAY, b'{"text":5}', ("talk", "say", "invalid")),
            ("POST", "/api/talk/a/nope", b"{}", ("talk", "other", "unknown_command")),
            ("POST", "/api/nope/a/say", b"{}", ("other", "other", "unknown_kind")),
            ("GET", "/api/talk/a/history?limit=0", None, ("talk", "history", "bad_request")),
            ("DELETE", "/api/talk/a", None, ("talk", "view", "method_not_allowed")),
            ("GET", "/api/talk", None, ("other", "other", "not_found")),
        ]
        for method, path, body, counted in asked:
            await peer.request(method, path, body)
            assert node.services.instruments.commands[counted] == 1, counted


@pytest.mark.bound("an HTTP body")
async def test_a_body_as_long_as_may_be_is_taken_and_a_longer_one_is_413() -> None:
    async with small_node(gate=GateConfig(body_bytes_max=10_000)) as node:
        body = b'{"text":"x"}'.ljust(10_000)
        peer = await node.connect()
        assert (await peer.request("POST", SAY, body)).status == 200
        assert (await peer.request("POST", SAY, body + b" ")).status == 413
        assert await peer.ended()


async def test_a_body_over_the_bound_is_413_and_ends_the_connection() -> None:
    async with small_node() as node:
        for coded in ("", "chunked"):
            peer = await node.connect()
            if coded:
                await peer.send(
                    b"POST %b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n200000\r\n" % SAY.encode()
                )
            else:
                await peer.send(b"POST /api/talk/a/say HTTP/1.1\r\nHost: a\r\nContent-Length: 1048577\r\n\r\n")
            answer = await peer.response()
            assert (answer.status, answer.error["name"]) == (413, "too_large")
            assert await peer.ended()


async def test_a_history_that_never_comes_is_504_at_its_deadline(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    async with small_node() as node:
        await node.say("a", "x")

        async def read(*_: Any, **__: Any) -> Any:
            await trio.sleep_forever()

        monkeypatch.setattr(node.journal, "read", read)
        peer = await node.connect()
        begun = trio.current_time()
        with trio.fail_after(60):
            answer = await peer.request("GET", "/api/talk/a/history", X_Request_Timeout="3")
        assert (answer.status, answer.error["name"]) == (504, "deadline_exceeded")
        assert 3.0 <= trio.current_time() - begun <= 3.5
        assert node.edge.api.in_flight == 0
        assert (await peer.request("GET", "/api/talk/a")).status == 200, "the connection goes on"


async def test_where_the_anonymous_may_watch_they_read_and_send_nothing() -> None:
    async with small_node(anonymous=False, anonymous_watch=True) as node:
        peer = await node.connect()
        assert (await peer.request("POST", SAY, b'{"text":"x"}')).error["name"] == "unauthenticated"
        assert (await peer.request("GET", "/api/talk/a", X_Greenroom_User="ann")).status == 401
        for path in ("/api/talk/a", "/api/talk/a/history"):
            assert (await peer.request("GET", path)).status == 200


async def test_who_must_say_who_it_is_and_who_may() -> None:
    async with small_node(anonymous=False) as node:
        peer = await node.connect()
        now = int(STARTED + trio.current_time())
        for header, name, why in (
            ({}, "unauthenticated", "a token is needed"),
            ({"X_Greenroom_User": "ann"}, "unauthenticated", "a token is needed"),
            ({"Authorization": "Basic YTpi"}, "unauthenticated", "Bearer TOKEN"),
            ({"Authorization": "Bearer x"}, "unauthenticated", "not signed by a key of ours"),
            ({"Authorization": f"Bearer {token(sub='ann', exp=now - 1)}"}, "token_expired", "has expired"),
        ):
            for method, path in (("POST", SAY), ("GET", "/api/talk/a"), ("GET", "/api/talk/a/history")):
                answer = await peer.request(method, path, b'{"text":"x"}', **header)
                assert (answer.status, answer.error["name"]) == (401, name)
                assert why in answer.error["message"]
                assert answer.headers["www-authenticate"] == "Bearer"
        good = {"Authorization": f"Bearer {token(sub='ann')}"}
        assert (await peer.request("POST", SAY, b'{"text":"x"}', **good)).status == 200
        assert (await peer.request("GET", "/api/talk/private", None, **good)).status == 200
        other = {"Authorization": f"Bearer {token(sub='bob')}"}
        assert (await peer.request("GET", "/api/talk/private", None, **other)).status == 403


async def test_a_repeat_with_its_key_gets_the_first_answer() -> None:
    async with small_node() as node:
        peer = await node.connect()
        for user, key, offset in (("ann", "k", 1), ("ann", "k", 1), ("ann", "l", 2), ("bob", "k", 3)):
            answer = await peer.request("POST", SAY, b'{"text":"x"}', Idempotency_Key=key, X_Greenroom_User=user)
            assert answer.json == {"offset": offset}
        for offset in (4, 5):  # of the anonymous, whom nothing tells apart, none gets another's answer
            answer = await peer.request("POST", SAY, b'{"text":"x"}', Idempotency_Key="k")
            assert answer.json == {"offset": offset}
        again = await peer.request("POST", SAY, b'{"text":"x","idempotency_key":"k"}', X_Greenroom_User="ann")
        assert again.json == {"offset": 1}
        for bad in ("", "k" * 256):
            answer = await peer.request("POST", SAY, b'{"text":"x"}', Idempotency_Key=bad)
            assert (answer.status, answer.error["name"]) == (400, "bad_request")
            assert "Idempotency-Key" in answer.error["message"]


@pytest.mark.parametrize("levels", [500, 700, 900])
async def test_a_command_with_a_key_that_is_nested_too_deeply_is_400(levels: int) -> None:
    async with small_node() as node:
        peer = await node.connect()
        body = b'{"text":"x","data":%b}' % (b"[" * levels + b"]" * levels)
        answer = await peer.request("POST", SAY, body, Idempotency_Key="k", X_Greenroom_User="ann")
        assert (answer.status, answer.error["name"]) == (400, "malformed")
        assert node.edge.api.in_flight == 0
        assert (await peer.request("GET", "/api/talk/a")).status == 200, "the connection goes on"


async def test_a_deadline_is_kept_and_a_bad_one_is_named(autojump_clock: MockClock) -> None:
    async with small_node() as node:
        peer = await node.connect()
        for asked, took in (("0.5", 0.5), (None, 5.0), ("60", 60.0)):
            begun = trio.current_time()
            header = {"X_Request_Timeout": asked} if asked is not None else {}
            answer = await peer.request("POST", f"/api/stalled/{took}/wait", b"{}", **header)
            assert (answer.status, answer.error["name"], answer.error["temporary"]) == (504, "deadline_exceeded", True)
            assert took <= trio.current_time() - begun <= took + 0.3
        for bad in ("0", "-1", "61", "nan", "inf", "soon", "", "1_0", "1e2", "9" * 5000):
            answer = await peer.request("POST", SAY, b'{"text":"x"}', X_Request_Timeout=bad)
            assert answer.status == 400
            assert "X-Request-Timeout" in answer.error["message"]


@pytest.mark.bound("HTTP commands in work")
async def test_more_commands_than_may_be_in_work_are_429() -> None:
    async with small_node(http=HttpConfig(in_flight_max=2)) as node:
        busy = [await node.connect() for _ in range(2)]
        for number, peer in enumerate(busy):
            await peer.send(_wait(number))
        await wait_all_tasks_blocked()
        peer = await node.connect()
        answer = await peer.request("POST", SAY, b'{"text":"x"}')
        assert (answer.status, answer.error["name"], answer.headers["retry-after"]) == (429, "overloaded", "1")
        assert (await peer.request("GET", "/api/talk/a")).status == 429, "a view too, and the connection goes on"


def _wait(number: int) -> bytes:
    return head("POST", f"/api/stalled/{number}/wait", b"{}")


async def test_who_leaves_before_the_answer_is_not_counted_for_ever(autojump_clock: MockClock) -> None:
    async with small_node() as node:
        peer = await node.connect()
        await peer.send(_wait(1))
        await trio.sleep(1)
        await peer.stream.aclose()
        await trio.sleep(1)
        assert node.edge.api.in_flight == 1
        await trio.sleep(10)
        assert node.edge.api.in_flight == 0


async def test_a_stopping_node_is_503() -> None:
    async with small_node() as node:
        await node.kernel.drain()
        peer = await node.connect()
        answer = await peer.request("POST", SAY, b'{"text":"x"}')
        assert (answer.status, answer.error["name"], answer.error["temporary"]) == (503, "unavailable", True)
        assert answer.headers["retry-after"] == "1"


@pytest.mark.parametrize("fault", [StoreUnavailable("down"), ZeroDivisionError("a mistake of ours")])
async def test_a_history_that_cannot_be_read_is_answered(fault: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    async with small_node() as node:
        await node.say()

        async def read(*_: Any, **__: Any) -> Any:
            raise fault

        monkeypatch.setattr(node.journal, "read", read)
        peer = await node.connect()
        answer = await peer.request("GET", "/api/talk/a/history")
        expected = (503, "unavailable") if isinstance(fault, StoreUnavailable) else (500, "internal")
        assert (answer.status, answer.error["name"]) == expected
        assert "mistake" not in str(answer.error)


async def test_a_history_is_bounded_in_bytes() -> None:
    async with small_node(client=ClientConfig(queue_bytes_max=20_000)) as node:
        await node.say("a", *["x" * 1000] * 20)
        peer = await node.connect()
        found = (await peer.request("GET", "/api/talk/a/history")).json["publications"]
        assert [one["offset"] for one in found] == list(range(1, 10))


async def test_metrics_count_by_kind_command_and_outcome() -> None:
    async with small_node() as node:
        peer = await node.connect()
        await peer.request("POST", SAY, b'{"text":"x"}')
        await peer.request("POST", "/api/talk/a/refuse", b'{"status":403}')
        await peer.request("POST", "/api/talk/a/odd", b"{}")
        await peer.request("GET", "/api/talk/a")
        assert node.instruments.commands == {
            ("talk", "say", "ok"): 1,
            ("talk", "refuse", "talk.refused"): 1,
            ("talk", "odd", "internal"): 1,
            ("talk", "view", "ok"): 1,
        }


async def test_an_entity_lives_on_when_the_one_who_asked_has_gone_or_cannot_be_answered() -> None:
    async with small_node() as node:
        await node.say()
        peer = await node.connect()
        await peer.request("POST", "/api/talk/a/odd", b"{}")
        assert node.instruments.restarts == 0
        assert await node.say() == 2


async def test_what_is_answered_is_forgotten_before_its_deadline() -> None:
    """The client chooses the deadline, so it must not choose how long we keep what it has sent."""
    async with small_node() as node:
        peer = await node.connect()
        for method, path, body in (
            ("POST", SAY, b'{"text":"x"}'),
            ("POST", "/api/talk/a/refuse", b'{"status":409}'),
            ("GET", "/api/talk/a", None),
            ("GET", "/api/talk/a/history", None),
        ):
            await peer.request(method, path, body, X_Request_Timeout="60")
            assert len(node.services.deadlines) == 0, path
