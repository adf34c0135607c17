"""`GET /admin/live` over real sockets."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from greenroom.actors.identity import Session
from greenroom.actors.identity.session import SignOut
from greenroom.actors.model.effects import Kick
from greenroom.actors.model.principal import Principal
from greenroom.transports.admin.stream import RECHECK_S, AdminStream
from greenroom.transports.sockets.goodbye import at_the_same_time
from tests.transports.admin.desk import Board
from tests.transports.small_node import Peer, SmallNode, Talk
from tests.transports.world import STARTED, token


@asynccontextmanager
async def node(**how: Any) -> AsyncIterator[tuple[SmallNode, Board]]:
    """One with a desk; `anonymous` is as in local."""
    board = Board()
    async with SmallNode(admin=board, **how).running() as small:
        yield small, board


def bearer(role: str = "admin", **claims: Any) -> str:
    return f"Bearer {token(sub='ann', roles=[role], **claims)}"


async def opened(small: SmallNode, path: str = "/admin/live", **headers: str) -> Peer:
    peer = await small.connect()
    found = await peer.request("GET", path, None, **headers)
    assert (found.status, found.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    assert found.headers["x-content-type-options"] == "nosniff"
    return peer


async def event(peer: Peer) -> dict[str, Any]:
    while True:
        found = await peer.event()
        if found:
            return found


async def test_what_is_shown_arrives_and_who_leaves_is_shown_nothing_more(autojump_clock: MockClock) -> None:
    async with node() as (small, board):
        peer = await opened(small, X_Greenroom_User="ann")
        ((what, page),) = board.watched
        assert what == "" and page.sees_all
        page.show("shown", b'{"n":1}')
        assert (await event(peer)) == {"event": "shown", "data": {"n": 1}}
        await peer.stream.aclose()
        await trio.sleep(1)
        assert board.watched == []


async def test_a_viewer_sees_less_and_an_entity_is_watched_by_its_name(autojump_clock: MockClock) -> None:
    async with node(anonymous=False) as (small, board):
        await opened(small, "/admin/live?entity=room%3Aa%20b", Authorization=bearer("viewer"))
        ((what, page),) = board.watched
        assert what == "room:a b" and not page.sees_all


async def test_the_tables_of_views_are_watched_by_a_name_that_no_entity_has(autojump_clock: MockClock) -> None:
    async with node(anonymous=False) as (small, board):
        await opened(small, "/admin/live?show=views", Authorization=bearer("viewer"))
        ((what, _),) = board.watched
        assert what == "views"


@pytest.mark.parametrize(
    ("query", "watched"),
    [
        ("show=queues", "queues"),
        ("queue=media%20a", "queue/media a"),
        ("job=00ff", "job/00ff"),
        ("saga=trip:a", "saga/trip:a"),
    ],
)
async def test_queues_jobs_and_sagas_are_watched_likewise(autojump_clock: MockClock, query: str, watched: str) -> None:
    async with node(anonymous=False) as (small, board):
        await opened(small, f"/admin/live?{query}", Authorization=bearer("viewer"))
        ((what, _),) = board.watched
        assert what == watched


@pytest.mark.parametrize(
    ("path", "headers", "status", "name"),
    [
        ("/admin/live?saga=trip", {"Authorization": bearer()}, 400, "bad_entity"),
        ("/admin/live?queue=", {"Authorization": bearer()}, 400, "bad_entity"),
        ("/admin/live", {}, 401, "unauthenticated"),
        ("/admin/live", {"X_Greenroom_User": "ann"}, 401, "unauthenticated"),
        ("/admin/live", {"Authorization": bearer("service")}, 403, "not_operator"),
        ("/admin/live", {"Authorization": bearer(exp=int(STARTED) - 1)}, 401, "token_expired"),
        ("/admin/live?entity=", {"Authorization": bearer()}, 400, "bad_request"),
        ("/admin/live?show=", {"Authorization": bearer()}, 400, "bad_request"),
        ("/admin/live?show=entities", {"Authorization": bearer()}, 400, "bad_request"),
        ("/admin/live?entity=nonsense", {"Authorization": bearer()}, 400, "bad_entity"),
        ("/admin/live", {"Authorization": bearer(), "Origin": "http://elsewhere"}, 403, "forbidden"),
    ],
)
async def test_others_are_refused(
    autojump_clock: MockClock, path: str, headers: dict[str, str], status: int, name: str
) -> None:
    async with node(anonymous=False) as (small, board):
        peer = await small.connect()
        found = await peer.request("GET", path, None, **headers)
        assert (found.status, found.error["name"]) == (status, name)
        assert board.watched == []


async def test_too_many_are_told_to_come_again(autojump_clock: MockClock) -> None:
    async with node() as (small, board):
        board.is_full = True
        found = await (await small.connect()).request("GET", "/admin/live", X_Greenroom_User="ann")
        assert (found.status, found.error["name"], found.headers["retry-after"]) == (429, "overloaded", "1")


async def test_it_takes_a_get_and_a_desk(autojump_clock: MockClock) -> None:
    async with node() as (small, _):
        found = await (await small.connect()).request("POST", "/admin/live", b"{}", X_Greenroom_User="ann")
        assert found.status == 405
    async with SmallNode().running() as without:
        found = await (await without.connect()).request("GET", "/admin/live", X_Greenroom_User="ann")
        assert found.status == 404


async def test_it_ends_with_the_token_with_a_sign_out_and_with_the_node(autojump_clock: MockClock) -> None:
    async with node(anonymous=False) as (small, board):
        short = await opened(small, Authorization=bearer(exp=int(STARTED + trio.current_time()) + 40))
        await trio.sleep(30)
        assert len(board.watched) == 1
        await short.rest()
        assert trio.current_time() < 50 and board.watched == []
        signed_out = await opened(small, Authorization=bearer())
        small.hub.kick("session:ann", Kick(4501, "signed out", user="ann", everywhere=True))
        with trio.fail_after(60):  # it is kept alive: one that goes on has no end
            await signed_out.rest()
        assert board.watched == []
        last = await opened(small, Authorization=bearer())
        await small.edge.say_goodbye(at_the_same_time)
        await last.rest()
        assert board.watched == []


async def test_a_sign_out_that_does_not_reach_it_ends_it_a_little_later(autojump_clock: MockClock) -> None:
    async with node(anonymous=False, kinds=(Talk, Session)) as (small, board):
        now = STARTED + trio.current_time()
        peer = await opened(small, Authorization=bearer(iat=now, exp=now + 600))
        await trio.sleep(40)
        ((_, page),) = board.watched
        assert isinstance(page, AdminStream)
        page._connections.remove("ann", page)  # as where a link between nodes has lost the kick
        await small.kernel.router.ask("session:ann", SignOut(), principal=Principal(user="ann"))
        at = trio.current_time()
        await peer.rest()
        assert board.watched == [] and trio.current_time() - at < RECHECK_S + 2


async def test_it_is_kept_alive_and_of_a_slow_reader_only_the_newest_waits(autojump_clock: MockClock) -> None:
    async with node() as (small, board):
        peer = await opened(small, X_Greenroom_User="ann")
        await peer.until(b":\n\n")
        began = trio.current_time()
        await peer.until(b":\n\n")
        assert 10 < trio.current_time() - began < 25
        ((_, page),) = board.watched
        for number in range(400):
            page.show("shown", b'{"n":%d,"x":"%b"}' % (number, b"x" * 100_000))
            small.edge.flusher.flush()
        assert small.edge.flusher.queued_bytes < 1 << 20
        seen = []
        with trio.move_on_after(5):
            while True:
                seen.append((await event(peer))["data"]["n"])
        assert seen[-1] == 399 and len(seen) < 300
