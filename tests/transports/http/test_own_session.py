"""A stream watches its user's session: it ends with it, and nobody sees that it does."""

from collections.abc import Sequence
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from greenroom.actors.identity import Session
from greenroom.actors.identity.session import SignOut
from greenroom.actors.model.errors import ActorError
from greenroom.actors.model.principal import Principal
from greenroom.store.errors import StoreUnavailable
from greenroom.store.journal.records import Append, Outcome
from tests.transports.http.test_event_stream import watch
from tests.transports.small_node import SmallNode, Talk, small_node
from tests.transports.world import STARTED, token

ANN = Principal(user="ann")


def of_ann(node: SmallNode) -> dict[str, str]:
    now = STARTED + trio.current_time()
    return {"Authorization": f"Bearer {token(sub='ann', iat=now, exp=now + 600)}"}


async def test_a_sign_out_ends_the_users_streams_and_no_others(autojump_clock: MockClock) -> None:
    async with small_node(anonymous=False, kinds=(Talk, Session)) as node:
        anns = [await watch(node, "talk:a", **of_ann(node)) for _ in range(2)]
        bob = await watch(node, "talk:a", Authorization=f"Bearer {token(sub='bob', exp=STARTED + 600)}")
        for one in (*anns, bob):
            await one.event()
        await trio.sleep(1)
        await node.kernel.router.ask("session:ann", SignOut(), principal=ANN)
        for one in anns:
            assert await one.ended()
        await node.say("a", "later")
        assert (await bob.event())["data"]["data"]["text"] == "later"
        peer = await node.connect()
        old = f"Bearer {token(sub='ann', iat=STARTED, exp=STARTED + 600)}"
        again = await peer.request("GET", "/events?channel=talk:a", None, Authorization=old)
        assert (again.status, again.error["name"]) == (401, "session.signed_out")
        assert node.hub.position("session:ann") is not None
        assert not node.hub.subscribers("session:ann"), "all of them have left it"


async def test_a_sign_out_of_which_nobody_knows_whether_it_has_landed_ends_them_too(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody else watches the session, and nobody speaks to it any more."""
    async with small_node(anonymous=False, kinds=(Talk, Session)) as node:
        peer = await watch(node, "talk:a", **of_ann(node))
        await peer.event()
        append = node.journal.append

        async def lost(batch: Sequence[Append], *, lane: int = 0) -> list[Outcome]:
            await append(batch, lane=lane)
            raise StoreUnavailable("the connection was lost")

        async def fail(*args: Any, **how: Any) -> None:
            raise RuntimeError("a mistake of ours")

        with monkeypatch.context() as broken:
            broken.setattr(node.journal, "append", lost)
            broken.setattr(node.journal, "read", fail)
            with pytest.raises(ActorError):
                await node.kernel.router.ask("session:ann", SignOut(), principal=ANN)
            await trio.sleep(0.1)
            assert node.kernel.system.cell("session:ann") is None
        assert await peer.ended()


async def test_its_user_is_not_shown_as_present_by_it(autojump_clock: MockClock) -> None:
    async with small_node(anonymous=False, kinds=(Talk, Session)) as node:
        peer = await watch(node, "talk:a", **of_ann(node))
        await peer.event()
        assert len(node.hub.subscribers("session:ann")) == 1
        assert node.hub.is_watched("session:ann")
        assert len(node.hub.watching("session:ann")) == 0 and list(node.hub.watching("session:ann")) == []
        shown = await node.connect()
        view = (await shown.request("GET", "/api/session/ann", None, **of_ann(node))).json["view"]
        assert (view["online"], view["connections"]) == (False, [])
        await peer.stream.aclose()
        await trio.sleep(0.1)
        assert node.hub.subscribers("session:ann") == []
        assert not node.hub.is_watched("session:ann")


@pytest.mark.parametrize("how", ["asked about in vain", "began anew"])
async def test_where_it_may_have_missed_something_the_client_comes_again(autojump_clock: MockClock, how: str) -> None:
    async with small_node(anonymous=False, kinds=(Talk, Session)) as node:
        peer = await watch(node, "talk:a", **of_ann(node))
        await peer.event()
        (own,) = node.hub.subscribers("session:ann")
        if how == "began anew":
            node.hub.began("session:ann", "another", 0)
        else:
            node.hub.start_over("session:ann", own)
        assert await peer.ended()
        assert node.hub.subscribers("talk:a") == node.hub.subscribers("session:ann") == []


async def test_those_who_are_nobody_have_no_session(autojump_clock: MockClock) -> None:
    async with small_node(kinds=(Talk, Session)) as node:
        peer = await watch(node, "talk:a")
        await peer.event()
        assert node.hub.position("session:") is None


async def test_a_stream_is_silent_before_it_is_told_that_its_user_has_signed_out(autojump_clock: MockClock) -> None:
    async with small_node(anonymous=False, kinds=(Talk, Session)) as node:
        peer = await watch(node, "talk:a", **of_ann(node))
        await peer.event()
        (stream,) = node.hub.connections.of("ann")
        rest = stream.kicked(4501, "signed out")
        await node.say("a", "later")
        node.hub.publish_ephemeral("talk:a", b'{"type":"talk.typed","key":"x"}', "x")
        await trio.sleep(0.1)
        assert node.hub.connections.of("ann") == [stream], "not yet"
        rest()
        assert await peer.ended(), "and without another byte"
        assert node.hub.connections.of("ann") == []
