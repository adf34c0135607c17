"""Whole ways through the gate: WebSocket clients among themselves, with HTTP and with event streams."""

from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from greenroom.config.limits import ClientConfig, GateConfig, HubConfig
from greenroom.transports.codecs.websocket import masked_text_frame
from tests.transports.small_node import MASK, Hint, Peer, head, small_node
from tests.transports.world import STARTED, token


def offset_of(message: Any) -> int | None:
    pub = message.get("push", {}).get("pub", {})
    return pub.get("offset") if isinstance(pub, dict) else None


async def next_offset(peer: Peer) -> int:
    while True:
        offset = offset_of(await peer.message())
        if offset is not None:
            return offset


async def test_what_one_says_all_hear_in_order_whatever_they_speak() -> None:
    async with small_node() as node:
        ann, bob = await node.websocket("ann", "talk:a"), await node.websocket("bob", "talk:a")
        stream = await node.connect()
        await stream.send(head("GET", "/events?channel=talk:a"))
        await stream.until(b"\r\n\r\n")
        assert (await stream.event())["event"] == "view"
        http = await node.connect()
        for number in range(1, 10):
            match number % 3:
                case 0:
                    await ann.command({"publish": {"channel": "talk:a", "data": {"text": "x"}}, "id": 10 + number})
                    while "publish" not in await ann.message():
                        pass
                case 1:
                    await bob.command({"rpc": {"method": "talk:a/say", "data": {"text": "y"}}, "id": 10 + number})
                case 2:
                    assert (await http.request("POST", "/api/talk/a/say", b'{"text":"z"}')).json == {"offset": number}
            assert (await stream.event())["data"]["offset"] == number
        assert [await next_offset(bob) for _ in range(9)] == list(range(1, 10))


@pytest.mark.bound("bytes queued for one client, but for one long answer: the views of an event stream are one")
async def test_a_reader_that_stalls_is_cut_with_3008_and_the_others_miss_nothing(autojump_clock: MockClock) -> None:
    async with small_node(client=ClientConfig(queue_bytes_max=100_000, ping_s=3600)) as node:
        deaf = await node.websocket("deaf", "talk:a", buffer=2048)
        quick = await node.websocket("quick", "talk:a")
        said = 0
        begun = trio.current_time()
        while node.instruments.slow_disconnects == 0:
            await node.say("a", *["x" * 3000] * 10)
            for _ in range(10):
                said += 1
                assert await next_offset(quick) == said
            assert said < 20_000
        assert trio.current_time() - begun < 1, "by its bytes, not by its age"
        assert len(node.hub.watching("talk:a")) == 1
        assert await deaf.closed() == (3008, "slow")
        assert node.edge.flusher.queued_bytes == 0


async def test_a_reader_that_stalls_on_little_is_cut_by_age(autojump_clock: MockClock) -> None:
    async with small_node(client=ClientConfig(queue_bytes_max=10**8, queue_age_s=5, ping_s=3600)) as node:
        deaf = await node.websocket("deaf", "talk:a", buffer=2048)
        while not node.edge.flusher.blocked:
            await node.say("a", *["x" * 3000] * 10)
        begun = trio.current_time()
        await trio.sleep(4)
        assert node.instruments.slow_disconnects == 0
        await trio.sleep(3)
        assert node.instruments.slow_disconnects == 1
        assert await deaf.closed() == (3008, "slow")
        assert trio.current_time() - begun < 10


async def test_a_slow_reader_of_one_long_answer_gets_all_of_it(autojump_clock: MockClock) -> None:
    """Over WebSocket, plain HTTP and events alike: what is slow is not cut by age while it goes on reading."""
    async with small_node(client=ClientConfig(queue_bytes_max=10**8, queue_age_s=2, ping_s=3600)) as node:
        await node.say("a", *["x" * 900_000] * 3)
        for way in ("websocket", "http", "events"):
            peer = await node.connect(buffer=2048)
            if way == "websocket":
                await peer.upgrade()
                await peer.command({"connect": {"data": {"user": "ann"}}, "id": 1})
                await peer.reply(1)
                await peer.command({"subscribe": {"channel": "talk:a"}, "id": 2})
            elif way == "http":
                await peer.send(head("GET", "/api/talk/a"))
            else:
                await peer.send(head("GET", "/events?channel=talk:a"))
            read = 0
            while read < 2_700_000:
                data = await peer.stream.receive_some(100_000)
                assert data, f"{way}: cut off after {read} bytes"
                read += len(data)
                await trio.sleep(1)
            await peer.stream.aclose()


async def test_of_what_is_ephemeral_a_slow_reader_gets_the_newest_of_each_kind(autojump_clock: MockClock) -> None:
    async with small_node(
        client=ClientConfig(queue_bytes_max=10**8, queue_age_s=3600, ping_s=3600), hub=HubConfig(ephemeral_ring=3)
    ) as node:
        slow = await node.websocket("slow", "talk:a", buffer=2048)
        said = 0
        while not node.edge.flusher.blocked:
            await node.say("a", *["x" * 3000] * 10)
            said += 10
        for number in range(20):
            for key in "abcd":
                await node.kernel.router.ask("talk:a", Hint(key=f"{key}"))
            if number % 5 == 0:
                await node.say("a", "x")
                said += 1
        assert [await next_offset(slow) for _ in range(said)] == list(range(1, said + 1))
        kept = [(await slow.message())["push"]["pub"]["data"]["key"] for _ in range(3)]
        assert kept == ["b", "c", "d"]


async def test_a_peer_that_vanished_without_a_word_is_let_go_by_its_ping(autojump_clock: MockClock) -> None:
    async with small_node() as node:
        peer = await node.websocket("gone", "talk:a")
        begun = trio.current_time()
        while node.instruments.connections:  # noqa: ASYNC110 - virtual time
            await trio.sleep(1)
        assert peer.stream.socket.fileno() >= 0
        assert 12 <= trio.current_time() - begun <= 36
        assert not node.hub.watching("talk:a")
        await trio.sleep(7)
        assert node.connections == [], "the close frame is not waited for for ever"


async def test_who_answers_its_pings_stays(autojump_clock: MockClock) -> None:
    async with small_node() as node:
        peer = await node.websocket("ann", "talk:a")
        begun = trio.current_time()
        pings = 0
        while pings < 5:
            assert await peer.message() == {}
            pings += 1
            await peer.command({})
        assert 110 <= trio.current_time() - begun <= 130


async def test_a_handshake_that_says_no_more_is_stale(autojump_clock: MockClock) -> None:
    async with small_node() as node:
        peer = await node.connect()
        await peer.upgrade()
        begun = trio.current_time()
        assert await peer.closed() == (3502, "stale")
        assert 9 <= trio.current_time() - begun <= 12


async def test_an_expired_token_ends_its_connection_with_3005(autojump_clock: MockClock) -> None:
    async with small_node(client=ClientConfig(ping_s=3600)) as node:
        peer = await node.connect()
        await peer.upgrade()
        expires = STARTED + trio.current_time() + 60
        await peer.command({"connect": {"token": token(sub="ann", exp=expires)}, "id": 1})
        assert (await peer.message())["connect"]["ttl"] == 60
        begun = trio.current_time()
        assert await peer.closed() == (3005, "connection expired")
        assert 84 <= trio.current_time() - begun <= 87


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\x81\x02{}", 1002),
        (b"\x82\x82" + MASK + b"ab", 3506),
        (b"\x82\xff" + (2**62).to_bytes(8, "big") + MASK, 1009),
        (b"\x81\xff" + (2**62).to_bytes(8, "big") + MASK + b"x" * 65_537, 1009),
        (masked_text_frame(b"x" * 65_537, MASK), 1009),
        (masked_text_frame(b"\xff", MASK), 1007),
        (masked_text_frame(b"{", MASK), 3501),
        (masked_text_frame(b'{"id":1}', MASK), 3501),
    ],
)
async def test_what_breaks_the_rules_ends_with_a_code_and_then_the_socket(data: bytes, code: int) -> None:
    async with small_node() as node:
        peer = await node.websocket("ann", "talk:a")
        await peer.send(data)
        ended, reason = await peer.closed()
        assert (ended, bool(reason)) == (code, True)
        await peer.send(b"\x88\x80" + MASK)
        assert await peer.ended()
        assert not node.hub.watching("talk:a")


async def test_frames_in_single_bytes_and_in_heaps_are_the_same() -> None:
    async with small_node(gate=GateConfig()) as node:
        peer = await node.websocket("ann", "talk:a")
        frames = b"".join(
            masked_text_frame(b'{"publish":{"channel":"talk:a","data":{"text":"x"}},"id":%d}' % (at + 2), MASK)
            for at in range(20)
        )
        await peer.send(frames)
        for byte in frames:
            await peer.send(bytes([byte]))
        assert [await next_offset(peer) for _ in range(40)] == list(range(1, 41))


async def test_a_client_that_resumes_again_and_again_under_load_misses_and_doubles_nothing(
    autojump_clock: MockClock,
) -> None:
    async with small_node(hub=HubConfig(tail_events=5)) as node:
        got: list[int] = []
        done = trio.Event()

        async def publish() -> None:
            for _ in range(200):
                await node.say("a", "x")
                await trio.sleep(0.0005)
            done.set()

        async def resume() -> None:
            position: dict[str, Any] = {}
            while len(got) < 200:
                peer = await node.websocket("ann")
                await peer.command({"subscribe": {"channel": "talk:a", **position}, "id": 2})
                result = (await peer.reply(2))["subscribe"]
                if position:
                    assert result["recovered"]
                    got.extend(one["offset"] for one in result.get("publications", ()))
                for _ in range(7):
                    with trio.move_on_after(0.05):
                        got.append(await next_offset(peer))
                position = {"recover": True, "offset": got[-1] if got else 0, "epoch": result["epoch"]}
                await peer.stream.aclose()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(resume)
            await wait_all_tasks_blocked(0.01)
            nursery.start_soon(publish)
        assert done.is_set()
        assert got == list(range(1, 201))
