"""What a kind hides, over every road that shows events: pushes, recovery and history, of sockets, streams and HTTP."""

import json
from typing import Any

import pytest
from trio.testing import MockClock

from greenroom.actors.model.principal import Principal
from greenroom.actors.testing.kit import Kit
from greenroom.config.limits import HubConfig
from greenroom.store.journal.records import Append, Claimed, StoredEvent
from tests.transports.hub.auction import Auction, Bid, Reserve
from tests.transports.small_node import Peer, SmallNode, head, small_node

A = "auction:a"
ANN = Principal(user="ann", client="c", info=b'{"user":"ann","client":"c"}')


async def bid(node: SmallNode, *amounts: int) -> None:
    """Every price of 90 or more is a reserve."""
    for amount in amounts:
        message = Reserve(price=amount) if amount >= 90 else Bid(amount=amount)
        await node.kernel.router.ask(A, message, principal=ANN)


def was(amount: int) -> dict[str, Any]:
    return {"type": "auction.was_bid", "amount": amount}


async def publications(peer: Peer, count: int) -> list[tuple[int, Any]]:
    found: list[tuple[int, Any]] = []
    while len(found) < count:
        pub = (await peer.message())["push"]["pub"]
        assert "info" not in pub
        found.append((pub["offset"], pub["data"]))
    return found


async def subscribe(peer: Peer, number: int, **position: Any) -> Any:
    await peer.command({"id": number, "subscribe": {"channel": A, **position}})
    return (await peer.reply(number))["subscribe"]


async def test_pushes(autojump_clock: MockClock) -> None:
    async with small_node() as node:
        peer = await node.websocket("bob", A)
        await bid(node, 7, 95, 8)
        assert await publications(peer, 2) == [(1, was(7)), (3, was(8))]
        seen = await subscribe(await node.websocket("eve"), 9)
        assert (seen["offset"], seen["data"]) == (3, {"bids": 2, "best": 8})


@pytest.mark.parametrize("tail", [0, 1, 512])
async def test_recovery_is_exact_from_every_offset(autojump_clock: MockClock, tail: int) -> None:
    async with small_node(hub=HubConfig(tail_events=tail)) as node:
        await bid(node, 7, 95, 8, 9, 96, 97)
        peer = await node.websocket("bob")
        all_of_them = [(1, was(7)), (3, was(8)), (4, was(9))]
        epoch = (await subscribe(peer, 10))["epoch"]
        for offset in range(7):
            await peer.command({"id": 20 + offset, "unsubscribe": {"channel": A}})
            seen = await subscribe(peer, 30 + offset, recover=True, epoch=epoch, offset=offset)
            expected = [one for one in all_of_them if one[0] > offset]
            assert seen["recovered"] is True
            assert [(one["offset"], one["data"]) for one in seen.get("publications", [])] == expected
            assert all("info" not in one for one in seen.get("publications", []))
            assert seen.get("offset", 0) == (offset if expected else 6), (
                "nothing but hidden ones: it need not ask again"
            )


async def test_history_is_filled_up_with_what_is_not_hidden(autojump_clock: MockClock) -> None:
    async with small_node() as node:
        await bid(node, 7, 95, 96, 97, 8, 9, 98)
        peer = await node.websocket("bob")
        http = await node.connect()
        for limit, since, reverse, expected in (
            (2, 0, False, [1, 5]),
            (2, 1, False, [5, 6]),
            (100, 5, False, [6]),
            (1, 6, False, []),
            (2, 0, True, [6, 5]),
            (5, 5, True, [1]),
        ):
            asked: dict[str, Any] = {"channel": A, "limit": limit, "reverse": reverse}
            if since:
                asked["since"] = {"offset": since, "epoch": ""}
            await peer.command({"id": 50, "history": asked})
            found = (await peer.reply(50))["history"]
            query = f"limit={limit}&since={since}&reverse={str(reverse).lower()}"
            page = (await http.request("GET", f"/api/auction/a/history?{query}")).json
            assert [one["offset"] for one in found["publications"]] == expected
            assert page["publications"] == found["publications"]
            assert (page["offset"], found["offset"]) == (7, 7)
            assert not {"bidder", "price", "info"} & set(json.dumps(found).replace('"', " ").split())


async def test_event_streams_of_one_channel_and_of_several(autojump_clock: MockClock) -> None:
    async with small_node() as node:
        await bid(node, 7)
        epoch = (await (await node.connect()).request("GET", "/api/auction/a")).json["epoch"]
        one, two = await node.connect(), await node.connect()
        await one.send(head("GET", f"/events?channel={A}&since={epoch}:0"))
        await two.send(head("GET", f"/events?channel={A}&channel=talk:a"))
        for peer in (one, two):
            await peer.until(b"\r\n\r\n")
        assert (await one.event())["id"] == f"{epoch}:1"
        views = [await two.event(), await two.event()]
        assert [view["event"] for view in views] == ["view", "view"]
        talk = views[1]["id"].split(",")[1]
        await bid(node, 95, 8, 96, 9)
        for offset, amount in ((3, 8), (5, 9)):
            for peer, cursor in ((one, f"{epoch}:{offset}"), (two, f"{epoch}:{offset},{talk}")):
                event = await peer.event()
                assert (event["id"], event["data"]["data"], event["data"]["offset"]) == (cursor, was(amount), offset)
                assert "info" not in event["data"]
        await bid(node, 97)
        again = await node.connect()
        await again.send(head("GET", f"/events?channel={A}&channel=talk:a&since={epoch}:1,{talk}"))
        await again.until(b"\r\n\r\n")
        for cursor in (f"{epoch}:3", f"{epoch}:5"):
            assert (await again.event())["id"] == f"{cursor},{talk}"


async def test_old_events_come_in_their_present_shape(autojump_clock: MockClock) -> None:
    async with small_node() as node:
        (claimed,) = await node.journal.claim({"ledger:a": 1}, window=100)
        assert isinstance(claimed, Claimed)
        row = claimed.head
        old = (b'{"type":"ledger.numbered","n":1}', b'{"type":"ledger.numbered","all":[2,3]}')
        events = [StoredEvent(at + 1, 5, payload) for at, payload in enumerate(old)]
        await node.journal.append([Append(row.id, row.fence, 0, events)])
        page = (await (await node.connect()).request("GET", "/api/ledger/a/history")).json
        one, two, three = ({"type": "ledger.numbered", "number": number, "unit": "EUR"} for number in (1, 2, 3))
        several = {"type": "actor.several", "events": [two, three]}
        assert [pub["data"] for pub in page["publications"]] == [one, several]
        peer = await node.websocket("bob")
        await peer.command(
            {"id": 9, "subscribe": {"channel": "ledger:a", "recover": True, "epoch": page["epoch"], "offset": 0}}
        )
        assert [pub["data"] for pub in (await peer.reply(9))["subscribe"]["publications"]] == [one, several]


def test_the_kit_shows_what_watchers_see() -> None:
    kit = Kit(Auction)
    kit.ask(Bid(amount=7))
    kit.ask(Reserve(price=95))
    assert kit.publications == [was(7)]
    assert len(kit.events) == 2


async def test_what_is_shown_live_and_what_is_read_is_a_turn_of_the_nodes_own(autojump_clock: MockClock) -> None:
    """The one that its watchdog looks at, whichever way it comes to be shown."""
    seen: list[str] = []

    class Slow(Auction):
        @classmethod
        def publication(cls, event: Any) -> Any:
            turn = node.hub.turn
            seen.append(f"{getattr(turn.owner, 'entity', None)} {getattr(turn.item, 'offset', None)}")
            return super().publication(event)

    async with small_node(kinds=(Slow,)) as node:
        peer = await node.websocket("bob")
        await subscribe(peer, 10)
        await bid(node, 7)
        await publications(peer, 1)
        assert seen == [f"{A} 1"]
        await peer.command({"id": 50, "history": {"channel": A, "limit": 10}})
        await peer.reply(50)
        assert seen == [f"{A} 1"] * 2
        assert node.hub.turn.item is None
