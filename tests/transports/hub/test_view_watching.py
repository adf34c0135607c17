"""Views to watch, over event streams and the client protocol."""

import gc
import itertools
from typing import Any
from unittest.mock import Mock

import pytest
import structlog
import trio
import trio.lowlevel
from trio.testing import MockClock

from greenroom.actors.model.envelope import Envelope
from greenroom.actors.model.errors import Unavailable
from greenroom.actors.model.lifecycle import NOTED, Inspect, Inspected
from greenroom.config.limits import HubConfig
from greenroom.config.telemetry.instruments import Instruments
from greenroom.store.journal.records import StoredEvent
from greenroom.transports.http.server_sent import SseViews
from greenroom.transports.hub.view_watching import _EntityViews
from tests.transports.hub.auction import Auction, Bid, Reserve
from tests.transports.small_node import Peer, SmallNode, head, small_node

A = "auction:a"


class Counted(SmallNode):
    """Counts what entities are asked."""

    def __init__(self, **how: Any) -> None:
        self.inspected: list[tuple[float, str]] = []
        self.down = False
        super().__init__(**how)

    def _submit(self, entity: str, envelope: Envelope) -> None:
        if isinstance(envelope.message, Inspect):
            self.inspected.append((trio.current_time(), entity))
            if self.down:
                raise Unavailable("down")
        super()._submit(entity, envelope)


async def bid(node: SmallNode, *amounts: int) -> None:
    for amount in amounts:
        await node.kernel.router.ask(A, Bid(amount=amount))


async def stream(node: SmallNode, query: str = f"channel={A}&as=view", **headers: str) -> Peer:
    peer = await node.connect()
    await peer.send(head("GET", f"/events?{query}", None, **headers))
    assert b" 200 " in await peer.until(b"\r\n\r\n")
    return peer


async def quiet(peer: Peer, seconds: float = 3.0) -> bool:
    with trio.move_on_after(seconds) as scope:
        await peer.event()
    return scope.cancelled_caught


async def subscribe(peer: Peer, number: int, channel: str = A, **more: Any) -> Any:
    await peer.command({"id": number, "subscribe": {"channel": channel, "data": {"as": "view"}, **more}})
    return await peer.reply(number)


@pytest.mark.bound("views of one entity that are watched")
async def test_a_stream_gets_the_view_when_it_has_changed_coalesced(autojump_clock: MockClock) -> None:
    async with Counted(hub=HubConfig(views_per_s=2.0)).running() as node:
        assert isinstance(node, Counted)
        await bid(node, 1)
        peers = [await stream(node) for _ in range(3)]
        views = [await peer.event() for peer in peers]
        assert [view["data"]["data"] for view in views] == [{"bids": 1, "best": 1}] * 3
        epoch = views[0]["id"].split(":")[0]
        node.inspected.clear()
        await bid(node, *range(2, 30))
        for peer in peers:
            view = await peer.event()
            assert (view["event"], view["id"]) == ("view", f"{epoch}:29")
            assert view["data"] == {"channel": A, "offset": 29, "data": {"bids": 29, "best": 29}}
        assert len(node.inspected) == 1, "for all of them, and all events"
        for _ in range(20):
            await bid(node, 1)
            await trio.sleep(0.1)
        asked = [at for at, _ in node.inspected]
        assert all(later - earlier >= 0.5 for earlier, later in itertools.pairwise(asked))
        assert 4 <= len(asked) <= 6
        await trio.sleep(1.0)
        count = len(node.inspected)
        await trio.sleep(60.0)
        assert len(node.inspected) == count, "nothing happens, nothing is asked"
        await trio.lowlevel.checkpoint()
        last = [await peer.event() for peer in peers for _ in range(count - 1)][-1]
        assert last["data"]["data"]["bids"] == 49


async def test_a_hidden_event_changes_the_view_and_one_that_changes_nothing_shows_nothing(
    autojump_clock: MockClock,
) -> None:
    async with small_node() as node:
        await bid(node, 7)
        peer = await stream(node)
        await peer.event()
        await node.kernel.router.ask(A, Reserve(price=95))
        assert await quiet(peer)

    class Open(Auction):
        def view(self) -> Any:
            return {"reserve": self.state.reserve}

    async with SmallNode(kinds=(Open,)).running() as node:
        peer = await stream(node)
        await peer.event()
        await node.kernel.router.ask(A, Reserve(price=95))
        assert (await peer.event())["data"]["data"] == {"reserve": 95}


async def test_resuming_gives_the_present_view_where_it_may_have_changed(autojump_clock: MockClock) -> None:
    async with small_node() as node:
        await bid(node, 1, 2)
        peer = await stream(node)
        cursor = (await peer.event())["id"]
        same = await stream(node, Last_Event_ID=cursor)
        assert await quiet(same)
        await bid(node, 3)
        assert (await same.event())["data"]["offset"] == 3
        later = await stream(node, Last_Event_ID=cursor)
        assert (await later.event())["data"]["data"] == {"bids": 3, "best": 3}


async def test_several_channels_all_come_as_views(autojump_clock: MockClock) -> None:
    async with small_node() as node:
        await bid(node, 1)
        await node.say("a", "x")
        peer = await stream(node, f"channel={A}&channel=talk:a&as=view")
        first, second = await peer.event(), await peer.event()
        assert {first["data"]["channel"], second["data"]["channel"]} == {A, "talk:a"}, "as the entities answer"
        one, two = second["id"].split(",")
        await node.say("a", "y")
        view = await peer.event()
        assert (view["event"], view["data"]["channel"]) == ("view", "talk:a")
        assert view["id"] == f"{one},{two.split(':')[0]}:2"
        await bid(node, 2)
        assert (await peer.event())["data"]["data"] == {"bids": 2, "best": 2}


async def test_as_something_else_is_refused(autojump_clock: MockClock) -> None:
    async with small_node() as node:
        peer = await node.connect()
        assert (await peer.request("GET", f"/events?channel={A}&as=pictures")).status == 400
        client = await node.websocket("bob")
        answer = await subscribe(client, 2, data={"as": "pictures"})
        assert answer["error"]["code"] == 107


async def test_may_watch_is_asked(autojump_clock: MockClock) -> None:
    async with small_node() as node:
        peer = await node.connect()
        assert (await peer.request("GET", "/events?channel=talk:private&as=view")).status == 403
        client = await node.websocket("bob")
        assert (await subscribe(client, 2, "talk:private"))["error"]["code"] == 103


async def test_clients_subscribe_to_views_and_recover_them(autojump_clock: MockClock) -> None:
    async with small_node() as node:
        await bid(node, 1)
        peer, events = await node.websocket("bob"), await node.websocket("eve", A)
        begun = (await subscribe(peer, 2))["subscribe"]
        assert (begun["data"], begun["offset"]) == ({"bids": 1, "best": 1}, 1)
        await bid(node, 2, 3)
        push = (await peer.message())["push"]
        view = {"data": {"bids": 3, "best": 3}, "offset": 3, "epoch": begun["epoch"]}
        assert push == {"channel": A, "pub": view}
        assert [(await events.message())["push"]["pub"]["offset"] for _ in range(2)] == [2, 3], "others get events"
        for number, offset, missed in ((3, 3, []), (5, 1, [view])):
            await peer.command({"id": number, "unsubscribe": {"channel": A}})
            found = (await subscribe(peer, number + 1, recover=True, epoch=begun["epoch"], offset=offset))["subscribe"]
            assert (found["recovered"], found.get("publications", [])) == (True, missed)


async def test_another_journal_brings_its_view_and_ends_nothing(autojump_clock: MockClock) -> None:
    async with small_node() as node:
        await bid(node, 1)
        peer = await stream(node)
        epoch = (await peer.event())["id"].split(":")[0]
        client = await node.websocket("bob")
        await subscribe(client, 2)
        topic = node.hub._topics[A]
        topic.epoch = "older"
        node.hub.began(A, epoch, 1)
        await bid(node, 2)
        assert (await peer.event())["id"] == f"{epoch}:2"
        assert (await client.message())["push"]["pub"]["offset"] == 2


async def test_the_entity_may_sleep_and_wake(autojump_clock: MockClock) -> None:
    async with small_node() as node:
        await bid(node, 1)
        peer = await stream(node)
        await peer.event()
        await trio.sleep(600.0)
        await bid(node, 2)
        assert (await peer.event())["data"]["data"] == {"bids": 2, "best": 2}


async def test_what_can_not_be_asked_now_is_asked_again(autojump_clock: MockClock) -> None:
    async with Counted().running() as node:
        assert isinstance(node, Counted)
        peer = await stream(node)
        await peer.event()
        node.down = True
        await bid(node, 1)
        assert await quiet(peer, 5.0)
        assert 4 <= len(node.inspected) <= 8, "once a second"
        node.down = False
        assert (await peer.event())["data"]["offset"] == 1


class Brittle(Auction):
    """Has no view once there are two bids, or three."""

    def view(self) -> Any:
        if self.state.bids in (2, 3):
            raise ZeroDivisionError("boom")
        return super().view()


async def test_a_view_that_raises_ends_nothing_and_the_next_that_does_not_comes(autojump_clock: MockClock) -> None:
    async with SmallNode(kinds=(Brittle,)).running() as node:
        peer, client, events = await stream(node), await node.websocket("bob"), await node.websocket("eve", A)
        await peer.event()
        await subscribe(client, 2)
        with structlog.testing.capture_logs() as logs:
            await bid(node, 1, 2)
            assert await quiet(peer, 5.0)
            await bid(node, 3)
            assert await quiet(peer, 5.0)
        told = [one for one in logs if one["event"] == "view_not_shown"]
        assert [(one["entity"], "boom" in one["error"]) for one in told] == [(A, True)], "once, not for each"
        await bid(node, 4)
        assert (await peer.event())["data"]["data"] == {"bids": 4, "best": 4}
        assert (await client.message())["push"]["pub"]["data"] == {"bids": 4, "best": 4}
        assert [(await events.message())["push"]["pub"]["offset"] for _ in range(4)] == [1, 2, 3, 4]


async def test_a_view_that_goes_on_failing_is_logged_once_a_minute(autojump_clock: MockClock) -> None:
    async with SmallNode(kinds=(Brittle,)).running() as node:
        peer = await stream(node)
        await peer.event()
        await bid(node, 1)
        await peer.event()
        with structlog.testing.capture_logs() as logs:
            await bid(node, 2)
            topic = node.hub._topics[A]
            for _ in range(130):
                assert topic.views is not None
                topic.views.changed()
                await trio.sleep(1.0)
        assert len([one for one in logs if one["event"] == "view_not_shown"]) == 3


async def test_a_mistake_of_ours_in_showing_a_view_ends_nothing(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with small_node() as node:
        peer = await stream(node)
        await peer.event()
        with monkeypatch.context() as patch:
            patch.setattr(SseViews, "view", lambda *_: 1 / 0)
            await bid(node, 1)
            await trio.sleep(2.0)
        await bid(node, 2)
        assert (await peer.event())["data"]["offset"] == 2


async def test_nobody_left_nothing_is_asked(autojump_clock: MockClock) -> None:
    async with Counted().running() as node:
        assert isinstance(node, Counted)
        peer = await stream(node)
        await peer.event()
        await bid(node, 1)
        await peer.stream.aclose()
        await trio.sleep(5.0)
        node.inspected.clear()
        assert node.hub._topics[A].views is None
        node.hub.publish(A, node.hub._topics[A].epoch, StoredEvent(2, 1, NOTED))
        await trio.sleep(5.0)
        assert node.inspected == []


async def test_whoever_is_to_start_over_leaves_the_view_too(autojump_clock: MockClock) -> None:
    """It may be no longer allowed to watch, and views are made for all who do, without asking about each."""
    async with Counted().running() as node:
        await bid(node, 1)
        peer = await stream(node)
        await peer.event()
        (watcher,) = node.hub.subscribers(A)
        node.hub.start_over(A, watcher)
        with trio.fail_after(5):
            assert await peer.ended()
        assert not node.hub.subscribers(A)


def test_a_view_for_many_gives_the_collector_nothing_to_look_at() -> None:
    handed: list[int] = []
    views = _EntityViews(Mock(), Mock(), Mock(), Mock(), lambda topic, work, size: handed.append(size), 0.2)
    views.known = {Mock(): b"{}" for _ in range(1_000)}
    seen = Inspected(b"{}", "e", 1, 1)
    gc.collect()
    gc.disable()
    try:
        before = gc.get_count()[0]
        views._seen(seen)
        allocated = gc.get_count()[0] - before
    finally:
        gc.enable()
    assert handed == [1_000] and allocated < 50


def test_who_leaves_before_its_turn_is_given_no_view() -> None:
    work: list[Any] = []
    views = _EntityViews(Mock(), Mock(), Mock(), Instruments(), lambda topic, handing, size: work.append(handing), 0.2)
    stays, leaves = Mock(), Mock()
    views.known = {stays: b"1", leaves: b"1"}
    views._seen(Inspected(b"2", "e", 1, 1))
    del views.known[leaves]
    assert list(work[0]) == []
    assert (stays.deliver_view.call_count, leaves.deliver_view.call_count) == (1, 0)
    assert views.known == {stays: b"2"}
