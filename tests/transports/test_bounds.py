"""A client that says as much at once as its bounds let it, through the gate: nothing on the way in cuts it off."""

import json
from itertools import count
from typing import Any
from urllib.parse import quote

import pytest

from greenroom.config.bounds import EVENT_CHANNELS_MAX, TOKEN_BYTES_MAX, connect_bytes, event_head_bytes
from greenroom.config.limits import ClientConfig, GateConfig
from tests.transports.small_node import head, small_node
from tests.transports.world import token


def longest_token(**claims: Any) -> str:
    """As long as may be, within the four bytes that base64 makes of three."""
    short = len(token(**claims, info=""))
    found = token(**claims, info="x" * ((TOKEN_BYTES_MAX - short) * 3 // 4 - 2))
    assert TOKEN_BYTES_MAX - 8 <= len(found) <= TOKEN_BYTES_MAX
    return found


def channels(number: int, bytes_max: int) -> list[str]:
    """Different ones, each of `bytes_max` bytes and as long as can be in JSON that is ASCII."""
    prefix = "talk:"
    names = (f"{prefix}{at}-" for at in count())
    room = [bytes_max - len(name) for name, _ in zip(names, range(number), strict=False)]
    return [f"{prefix}{at}-" + "я" * (left // 2) + "x" * (left % 2) for at, left in enumerate(room)]


@pytest.mark.parametrize(
    ("subscriptions", "channel_bytes", "command_bytes"),
    [(1, 255, 0), (1, 40, 0), (128, 255, 0), (128, 255, 65_536), (300, 30, 0), (300, 255, 0)],
)
async def test_a_client_comes_back_with_all_its_subscriptions_and_their_tokens(
    subscriptions: int, channel_bytes: int, command_bytes: int
) -> None:
    least = connect_bytes(subscriptions_max=subscriptions, channel_bytes_max=channel_bytes)
    config = ClientConfig(
        subscriptions_max=subscriptions,
        channel_bytes_max=channel_bytes,
        command_bytes_max=command_bytes or least,
        commands_in_flight_max=1,
    )
    names = channels(subscriptions, channel_bytes)
    async with small_node(client=config) as node:
        peer = await node.connect()
        await peer.upgrade()
        await peer.command(
            {"connect": {"token": longest_token(sub="ann")}, "id": 1},
            *(
                {"subscribe": {"channel": name, "token": longest_token(sub="ann", channel=name)}, "id": at}
                for at, name in enumerate(names, 2)
            ),
        )
        replies = [await peer.message() for _ in range(subscriptions + 1)]
        assert sorted(reply["id"] for reply in replies) == list(range(1, subscriptions + 2))
        assert [reply for reply in replies if "error" in reply] == []
        assert node.instruments.subscriptions == subscriptions


async def test_a_client_comes_back_with_all_that_its_token_subscribes_it_to() -> None:
    number = 120
    config = ClientConfig(command_bytes_max=connect_bytes(subscriptions_max=number, channel_bytes_max=255))
    names = [f"talk:{at}-".ljust(35, "x") for at in range(number)]
    known = {name: {"recover": True, "epoch": "0123456789", "offset": 2**53 - 1} for name in names}
    signed = longest_token(sub="ann", subs={name: {} for name in names})
    connect = {"token": signed, "subs": known, "data": {"own": "x" * 7_000}, "name": "js", "version": "1"}
    async with small_node(client=config) as node:
        peer = await node.connect()
        await peer.upgrade()
        await peer.command({"connect": connect, "id": 1})
        assert (await peer.message())["connect"]["subs"].keys() == set(names)


@pytest.mark.parametrize("channel_bytes", [40, 255])
async def test_an_event_stream_comes_back_to_all_its_channels(channel_bytes: int) -> None:
    gate = GateConfig(head_bytes_max=event_head_bytes(channel_bytes_max=channel_bytes))
    names = channels(EVENT_CHANNELS_MAX, channel_bytes)
    at = ",".join(["0123456789abcdef.01234567:9007199254740991"] * len(names))
    async with small_node(gate=gate, client=ClientConfig(channel_bytes_max=channel_bytes)) as node:
        peer = await node.connect()
        query = "&".join(f"channel={quote(name, safe='')}" for name in names)
        await peer.send(
            head(
                "GET",
                f"/events?{query}&since={quote(at)}",
                Last_Event_ID=at,
                Authorization=f"Bearer {longest_token(sub='ann')}",
                User_Agent="x" * 2_000,
            )
        )
        seen = {json.dumps((await peer.event())["data"]["channel"]) for _ in names}
        assert len(seen) == len(names)


@pytest.mark.bound("subscribes whose views wait for a client that has yet to take others")
async def test_a_client_gets_the_views_of_all_it_watches_however_many_and_long_while_it_goes_on_reading() -> None:
    """Together they are more than may wait for it at once."""
    config = ClientConfig(queue_bytes_max=100_000, ping_s=3600)
    async with small_node(client=config) as node:
        for at in range(100):
            await node.say(f"long-{at}", *["x" * 20_000] * 3)
        peer = await node.connect(buffer=4096)
        await peer.upgrade()
        await peer.command(
            {"connect": {"data": {"user": "ann"}}, "id": 1},
            *({"subscribe": {"channel": f"talk:long-{at}"}, "id": at + 2} for at in range(100)),
        )
        found = {(await peer.message())["id"] for _ in range(101)}
        assert found == set(range(1, 102))
        assert node.instruments.slow_disconnects == 0
        assert node.instruments.subscriptions == 100


async def test_an_event_stream_gets_the_views_of_all_its_channels_and_what_it_missed_however_long() -> None:
    """Together they are more than may wait for it at once, and nobody would be helped by coming again for the same."""
    async with small_node(client=ClientConfig(queue_bytes_max=100_000)) as node:
        names = [f"talk:long-{at}" for at in range(EVENT_CHANNELS_MAX)]
        for name in names:
            await node.say(name.partition(":")[2], *["x" * 10_000] * 3)
        query = "&".join(f"channel={name}" for name in names)
        last_id = ""
        for asked in ("the views", "what was missed"):
            peer = await node.connect(buffer=4096)
            await peer.send(head("GET", f"/events?{query}", Last_Event_ID=last_id))
            events = [await peer.event() for _ in names]
            assert {event["data"]["channel"] for event in events} == set(names), asked
            last_id = events[-1]["id"]
            await peer.stream.aclose()
            for name in names:
                await node.say(name.partition(":")[2], "y" * 30_000)
        assert node.instruments.slow_disconnects == 0
