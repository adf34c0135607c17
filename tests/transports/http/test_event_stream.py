import re
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from greenroom.actors.model.envelope import Envelope
from greenroom.actors.model.errors import ActorError, DeadlineExceeded, OutcomeUnknown, Overloaded, Unavailable
from greenroom.config.bounds import EVENT_CHANNELS_MAX
from greenroom.config.limits import ClientConfig, HubConfig
from greenroom.store.errors import StoreUnavailable
from greenroom.store.journal.records import StoredEvent
from greenroom.transports.sockets.goodbye import at_the_same_time
from tests.transports.small_node import Hint, Peer, SmallNode, head, small_node
from tests.transports.world import STARTED, token


async def watch(node: SmallNode, *channels: str, since: str = "", **headers: str) -> Peer:
    """An event stream, its head read."""
    peer = await node.connect()
    query = "&".join(f"channel={one}" for one in channels)
    if since:
        headers["Last_Event_ID"] = since
    await peer.send(head("GET", f"/events?{query}", None, **headers))
    found = (await peer.until(b"\r\n\r\n")).decode()
    assert found.startswith("HTTP/1.1 200 "), found
    return peer


# Over a socket.


async def test_the_view_then_what_is_published_with_ids_to_resume_from() -> None:
    async with small_node() as node:
        await node.say("a", "before")
        peer = await watch(node, "talk:a")
        view = await peer.event()
        assert view["event"] == "view"
        assert view["data"] == {"channel": "talk:a", "offset": 1, "data": {"texts": ["before"]}}
        epoch = view["id"].split(":")[0]
        await node.say("a", "x", "y")
        for offset, text in ((2, "x"), (3, "y")):
            event = await peer.event()
            assert (event["id"], "event" in event) == (f"{epoch}:{offset}", False)
            assert event["data"]["data"] == {"type": "talk.said", "text": text}
            assert (event["data"]["channel"], event["data"]["offset"]) == ("talk:a", offset)
        await node.kernel.router.ask("talk:a", Hint(key="k"))
        hint = await peer.event()
        assert hint == {"data": {"channel": "talk:a", "data": {"type": "talk.typed", "key": "k"}}}
        await peer.stream.aclose()
        await wait_all_tasks_blocked(0.01)
        assert node.audience[-1] == ("talk:a", "", False)


@pytest.mark.parametrize("tail", [0, 2, 512])
async def test_a_stream_resumes_from_its_last_event(tail: int) -> None:
    async with small_node(hub=HubConfig(tail_events=tail)) as node:
        peer = await watch(node, "talk:a")
        last = (await peer.event())["id"]
        await node.say("a", "1", "2")
        last = [(await peer.event())["id"] for _ in range(2)][-1]
        await peer.stream.aclose()
        await node.say("a", "3", "4", "5")
        again = await watch(node, "talk:a", since=last)
        await node.say("a", "6")
        assert [(await again.event())["data"]["offset"] for _ in range(4)] == [3, 4, 5, 6]


async def test_a_position_that_cannot_be_resumed_gets_the_view_of_now() -> None:
    async with small_node(client=ClientConfig(recovery_max=3)) as node:
        await node.say("a", *"12345")
        peer = await watch(node, "talk:a")
        epoch = (await peer.event())["id"].split(":")[0]
        for since in (f"{epoch}:1", "other:5", f"{epoch}:9", "rubbish", f"{epoch}:5,{epoch}:5"):
            event = await (await watch(node, "talk:a", since=since)).event()
            assert (event["event"], event["data"]["offset"]) == ("view", 5)
        node.journal.rows.by_entity["talk:a"].events.pop(2)
        event = await (await watch(node, "talk:a", since=f"{epoch}:2")).event()
        assert event["data"]["offset"] in (3, 5)


async def test_since_in_the_query_resumes_where_no_header_can_be_set() -> None:
    async with small_node() as node:
        await node.say("a", "1", "2")
        epoch = (await (await watch(node, "talk:a")).event())["id"].split(":")[0]
        peer = await node.connect()
        await peer.send(head("GET", f"/events?channel=talk:a&since={epoch}:1"))
        await peer.until(b"\r\n\r\n")
        assert (await peer.event())["data"]["offset"] == 2


async def test_several_channels_share_a_cursor_and_resume_each_from_its_own_place() -> None:
    async with small_node() as node:
        peer = await watch(node, "talk:a", "talk:b", "talk:c")
        views = [await peer.event() for _ in range(3)]
        assert {one["data"]["channel"] for one in views} == {"talk:a", "talk:b", "talk:c"}
        await node.say("a", "1", "2")
        await node.say("b", "1")
        ids = [(await peer.event())["id"] for _ in range(3)]
        assert [one.split(",")[0][-2:] for one in ids[:2]] == [":1", ":2"], "each event has the cursor as of itself"
        await peer.stream.aclose()
        await node.say("a", "3")
        await node.say("c", "1", "2")
        again = await watch(node, "talk:a", "talk:b", "talk:c", since=ids[0])
        seen = [await again.event() for _ in range(5)]
        by_channel: dict[str, list[int]] = {}
        for one in seen:
            assert "event" not in one
            by_channel.setdefault(one["data"]["channel"], []).append(one["data"]["offset"])
        assert by_channel == {"talk:a": [2, 3], "talk:b": [1], "talk:c": [1, 2]}
        assert [part.split(":")[1] for part in seen[-1]["id"].split(",")] == ["3", "1", "2"]


async def test_every_interruption_of_a_stream_of_several_channels_loses_and_doubles_nothing() -> None:
    """Drop after each event in turn, resume from its id: the union is every publication once."""
    async with small_node() as node:
        first = await watch(node, "talk:a", "talk:b")
        last = [(await first.event())["id"] for _ in range(2)][-1]
        await first.stream.aclose()
        for _ in range(4):
            await node.say("a", "x")
            await node.say("b", "x")
        got: list[tuple[str, int]] = []
        for _ in range(8):
            peer = await watch(node, "talk:a", "talk:b", since=last)
            event = await peer.event()
            got.append((event["data"]["channel"], event["data"]["offset"]))
            last = event["id"]
            await peer.stream.aclose()
        assert sorted(got) == [(f"talk:{key}", offset) for key in "ab" for offset in range(1, 5)]


@pytest.mark.parametrize(
    ("query", "status", "name"),
    [
        ("", 400, "bad_request"),
        ("?channel=", 400, "bad_entity"),
        ("?channel=nocolon", 400, "bad_entity"),
        ("?channel=nope:a", 404, "unknown_kind"),
        ("?channel=talk:a&channel=talk:a", 400, "bad_request"),
        ("?" + "&".join(f"channel=talk:{n}" for n in range(EVENT_CHANNELS_MAX + 1)), 400, "bad_request"),
        ("?channel=talk:private", 403, "talk.private"),
        ("?channel=talk:a&channel=talk:private", 403, "talk.private"),
        ("?channel=talk:private&channel=talk:a", 403, "talk.private"),
        ("?channel=talk:a&channel=talk:private&as=view", 403, "talk.private"),
    ],
)
async def test_what_cannot_be_watched_is_refused_by_a_status(query: str, status: int, name: str) -> None:
    async with small_node(origins=("https://good.example",)) as node:
        peer = await node.connect()
        refused = await peer.request("GET", f"/events{query}", None, Origin="https://good.example")
        assert (refused.status, refused.error["name"]) == (status, name)
        assert refused.headers["access-control-allow-origin"] == "https://good.example"
        assert await peer.ended()


async def test_the_stream_is_shared_with_the_pages_that_may_see_it() -> None:
    async with small_node(origins=("https://good.example",)) as node:
        peer = await node.connect()
        await peer.send(head("GET", "/events?channel=talk:a", None, Origin="https://good.example"))
        lines = (await peer.until(b"\r\n\r\n")).decode().split("\r\n")
        assert lines[0] == "HTTP/1.1 200 OK"
        assert "Access-Control-Allow-Origin: https://good.example" in lines
        assert "Content-Type: text/event-stream; charset=utf-8" in lines
        assert lines.count("Cache-Control: no-store") == 1


async def test_tokens_are_needed_expire_and_decide(autojump_clock: MockClock) -> None:
    async with small_node(anonymous=False) as node:
        peer = await node.connect()
        refused = await peer.request("GET", "/events?channel=talk:a")
        assert (refused.status, refused.headers["www-authenticate"]) == (401, "Bearer")
        now = STARTED + trio.current_time()
        good = {"Authorization": f"Bearer {token(sub='ann', exp=now + 60)}"}
        peer = await watch(node, "talk:private", **good)
        assert (await peer.event())["event"] == "view"
        begun = trio.current_time()
        await peer.rest()
        assert 58 <= trio.current_time() - begun <= 62
        peer = await node.connect()
        expired = await peer.request("GET", "/events?channel=talk:private", None, **good)
        assert (expired.error["name"], expired.error["message"]) == ("token_expired", "the token has expired")


async def test_a_quiet_stream_is_kept_alive_by_comments(autojump_clock: MockClock) -> None:
    async with small_node() as node:
        peer = await watch(node, "talk:a")
        await peer.event()
        begun = trio.current_time()
        assert await peer.until(b"\n\n") == b":"
        assert await peer.until(b"\n\n") == b":"
        assert 29 <= trio.current_time() - begun <= 34


async def test_what_comes_behind_the_request_is_neither_answered_nor_kept() -> None:
    async with small_node() as node:
        peer = await node.connect()
        say = head("POST", "/api/talk/a/say", b'{"text":"x"}')
        await peer.send(head("GET", "/events?channel=talk:a") + say)
        await peer.until(b"\r\n\r\n")
        assert (await peer.event())["event"] == "view"
        await peer.send(say * 10)
        await wait_all_tasks_blocked(0.01)
        await node.say("a", "real")
        assert (await peer.event())["data"]["data"]["text"] == "real"


async def test_an_entity_that_begins_anew_or_kicks_ends_the_stream() -> None:
    async with small_node() as node:
        peer, other = await watch(node, "talk:a"), await watch(node, "talk:a", "talk:b")
        await peer.event()
        await other.event()
        await other.event()
        node.hub.publish("talk:a", "another", StoredEvent(1, 0, b"{}"))
        assert await peer.ended()
        assert await other.ended()


async def test_presence_has_each_stream_as_a_client_of_its_own() -> None:
    async with small_node() as node:
        streams = [await watch(node, "talk:a", X_Greenroom_User="ann") for _ in range(2)]
        for one in streams:
            await one.event()
        peer = await node.websocket("bob")
        await peer.command({"presence": {"channel": "talk:a"}, "id": 9})
        shown = (await peer.reply(9))["presence"]["presence"]
        assert len(shown) == 2
        assert {one["user"] for one in shown.values()} == {"ann"}


@pytest.mark.parametrize("fault", [StoreUnavailable("down"), ZeroDivisionError("a mistake of ours")])
async def test_a_resume_that_cannot_be_read_ends_rather_than_hangs(
    fault: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with small_node(hub=HubConfig(tail_events=0)) as node:
        await node.say("a", "1", "2")
        epoch = (await (await watch(node, "talk:a")).event())["id"].split(":")[0]

        async def read(*_: Any, **__: Any) -> Any:
            raise fault

        monkeypatch.setattr(node.journal, "read", read)
        peer = await node.connect()
        with trio.fail_after(5):
            await peer.send(head("GET", "/events?channel=talk:a", None, Last_Event_ID=f"{epoch}:1"))
            answer = await peer.rest()
        assert COMES_AGAIN.search(answer) or isinstance(fault, ZeroDivisionError)
        assert all(topic.held == 0 for topic in node.hub._topics.values())


# A browser's EventSource comes again after an answer such as this, and after no other status than 200.
COMES_AGAIN = re.compile(
    rb"\AHTTP/1\.1 200 .*\r\nConnection: close(\r\n.*)?\r\n\r\n: [a-z_]+\nretry: \d{4}\n\n\Z", re.DOTALL
)


@pytest.mark.parametrize("channels", ["channel=stalled:a", "channel=talk:a&channel=stalled:a"])
async def test_an_entity_that_does_not_answer_has_the_browser_come_again(
    channels: str, autojump_clock: MockClock
) -> None:
    async with small_node(origins=("https://good.example",)) as node:
        busy = await node.connect()
        await busy.send(head("POST", "/api/stalled/a/wait", b"{}", X_Request_Timeout="60"))
        await wait_all_tasks_blocked()
        peer = await node.connect()
        await peer.send(head("GET", f"/events?{channels}", None, Origin="https://good.example"))
        answer = await peer.rest()
        assert COMES_AGAIN.search(answer)
        assert b": deadline_exceeded\n" in answer
        assert b"\r\nAccess-Control-Allow-Origin: https://good.example\r\n" in answer
        assert not node.hub.watching("talk:a")


@pytest.mark.parametrize("error", [Overloaded("full"), Unavailable("no"), OutcomeUnknown("?"), DeadlineExceeded()])
async def test_whatever_is_temporary_has_the_browser_come_again(
    error: ActorError, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with small_node() as node:

        def submit(entity: str, envelope: Envelope) -> None:
            raise error

        monkeypatch.setattr(node.services.reading, "_submit", submit)
        peer = await node.connect()
        await peer.send(head("GET", "/events?channel=talk:a"))
        answer = await peer.rest()
        assert COMES_AGAIN.search(answer)
        assert b": %b\n" % error.name.encode() in answer


async def test_a_node_that_stops_before_the_stream_has_begun_has_the_browser_come_again() -> None:
    async with small_node() as node:
        busy = await node.connect()
        await busy.send(head("POST", "/api/stalled/a/wait", b"{}"))
        await wait_all_tasks_blocked(0.01)
        peer = await node.connect()
        await peer.send(head("GET", "/events?channel=stalled:a"))
        await wait_all_tasks_blocked(0.01)
        await node.edge.say_goodbye(at_the_same_time)
        assert COMES_AGAIN.search(await peer.rest())


async def test_nothing_is_said_before_every_channel_may_be_watched_and_then_nothing_is_missing() -> None:
    async with small_node() as node:
        submit = node.services.reading._submit
        late: list[tuple[str, Envelope]] = []

        def held(entity: str, envelope: Envelope) -> None:
            if entity == "talk:late":
                late.append((entity, envelope))
            else:
                submit(entity, envelope)

        node.services.reading._submit = held
        peer = await node.connect()
        await peer.send(head("GET", "/events?channel=talk:a&channel=talk:late"))
        await wait_all_tasks_blocked(0.01)
        await node.say("a", "x", "y")
        await node.kernel.router.ask("talk:a", Hint(key="k"))  # ephemeral, and nobody there yet
        await wait_all_tasks_blocked(0.01)
        with trio.move_on_after(0.05) as scope:
            await peer.until(b"\r\n\r\n")
        assert scope.cancelled_caught, "not even the head"
        submit(*late[0])
        await peer.until(b"\r\n\r\n")
        seen = [await peer.event() for _ in range(4)]
        assert [(one["data"]["channel"], one["data"]["offset"]) for one in seen] == [
            ("talk:a", 0),
            ("talk:a", 1),
            ("talk:a", 2),
            ("talk:late", 0),
        ]
        await node.say("late", "z")
        assert (await peer.event())["data"]["channel"] == "talk:late"


@pytest.mark.bound("what an event stream has for its client before all channels have answered")
async def test_what_waits_for_a_channel_that_does_not_answer_is_bounded() -> None:
    async with small_node(client=ClientConfig(queue_bytes_max=10_000)) as node:
        busy = await node.connect()
        await busy.send(head("POST", "/api/stalled/a/wait", b"{}"))
        await wait_all_tasks_blocked(0.01)
        peer = await node.connect()
        await peer.send(head("GET", "/events?channel=talk:a&channel=stalled:a"))
        await wait_all_tasks_blocked(0.01)
        await node.say("a", *["x" * 3000] * 5)
        assert COMES_AGAIN.search(await peer.rest())
        assert not node.hub.watching("talk:a")


async def test_a_stream_that_is_not_read_is_cut_and_others_are_not_slowed(autojump_clock: MockClock) -> None:
    async with small_node(client=ClientConfig(queue_bytes_max=100_000)) as node:
        deaf = await node.connect(buffer=2048)
        await deaf.send(head("GET", "/events?channel=talk:a"))
        peer = await watch(node, "talk:a")
        await peer.event()
        sent = 0
        while node.instruments.slow_disconnects == 0:
            await node.say("a", *["x" * 3000] * 20)
            sent += 20
            for _ in range(20):
                await peer.event()
            assert sent < 20_000
        assert len(node.hub.watching("talk:a")) == 1


@pytest.mark.bound("channels of an event stream")
async def test_as_many_channels_as_may_be_are_streamed_and_one_more_is_400() -> None:
    async with small_node() as node:
        for number in (EVENT_CHANNELS_MAX, EVENT_CHANNELS_MAX + 1):
            peer = await node.connect()
            await peer.send(head("GET", "/events?" + "&".join(f"channel=talk:{at}" for at in range(number))))
            if number == EVENT_CHANNELS_MAX:
                channels = {(await peer.event())["data"]["channel"] for _ in range(number)}
                assert len(channels) == number
            else:
                assert (await peer.response()).status == 400
