"""What the owner's node says to those that watch, and what they say to it."""

from collections.abc import Callable
from functools import partial

import msgspec
import pytest
import trio
from trio.testing import MockClock

from greenroom.actors.model.principal import Principal
from greenroom.supervisors.correspondence import feeding, feeds, rosters
from greenroom.supervisors.correspondence.wire import HandedOn, Published, Shown
from greenroom.transports.hub.encoding import Nothing
from tests.supervisors.correspondence.seeing import by_type, counting, saw_all
from tests.supervisors.correspondence.small_cluster import A, B, C, cluster
from tests.supervisors.correspondence.small_entities import ANN, BOB, Put, Say, Typing, named


class Connection:
    """Of a client that watches nothing there."""

    def __init__(self) -> None:
        self.codes: list[int] = []

    def kicked(self, code: int, reason: str) -> Callable[[], None]:
        return partial(self.codes.append, code)

    def leave(self) -> None: ...

    def unwatch(self, code: int, reason: str) -> None: ...


async def test_one_copy_a_node_however_many_watch_there(autojump_clock: MockClock) -> None:
    async with cluster() as run:
        seats = [run.nodes[B].watch("talk:a", Principal(user=f"u{n}", client=f"c{n}")) for n in range(50)]
        await trio.sleep(0.1)
        frames = counting(run)
        for n in range(5):
            await run.nodes[A].ask("talk:a", Say(text=f"{n}"))
        await trio.sleep(0.1)
        assert len(by_type(frames, Published)) == 5
        assert all(saw_all(seat, 5) for seat in seats)


async def test_ephemerals_and_kicks_arrive(autojump_clock: MockClock) -> None:
    async with cluster() as run:
        ann, bob = run.nodes[B].watch("talk:a", ANN), run.nodes[B].watch("talk:a", BOB)
        await trio.sleep(0.1)
        await run.nodes[A].ask("talk:a", Typing())
        await trio.sleep(0.1)
        assert [msgspec.json.decode(one) for one in ann.ephemerals] == [{"type": "talk.types"}]
        await run.nodes[A].ask("talk:a", Put(user="ann"))
        await run.nodes[A].ask("talk:a", Say(text="x"))
        await trio.sleep(0.1)
        assert (ann.kicks, bob.kicks) == ([2100], [])
        assert (ann.offsets, bob.offsets) == ([1], [1, 2])


async def test_a_kick_everywhere_reaches_every_node(autojump_clock: MockClock) -> None:
    async with cluster(A, B, C) as run:
        connections = {node: Connection() for node in run.nodes}
        for node, connection in connections.items():
            run.nodes[node].hub.connections.add("ann", connection)
            run.nodes[node].fan_out.signed_in.remember("ann", 1.0)
        seat = run.nodes[B].watch("talk:a", ANN)
        await trio.sleep(0.1)
        await run.nodes[B].ask("talk:a", Put(user="ann", everywhere=True))
        await trio.sleep(0.1)
        assert {node: connection.codes for node, connection in connections.items()} == {n: [4501] for n in (A, B, C)}
        assert seat.kicks == [4501]
        assert not any(node.fan_out.signed_in.holds("ann", 1.0) for node in run.nodes.values())


async def test_the_audience_is_that_of_all_nodes(autojump_clock: MockClock) -> None:
    async with cluster(A, B, C) as run:
        await run.nodes[A].ask("talk:a", Say(text="x"))
        seats = [
            run.nodes[node].watch("talk:a", Principal(user="u", client=f"c{node}-{n}"))
            for node in (A, B, C)
            for n in (1, 2)
        ]
        await trio.sleep(0.1)
        audience = run.nodes[A].correspondence.audiences.watching("talk:a")
        assert sorted(who.client for who in audience) == ["c11-1", "c11-2", "c22-1", "c22-2", "c33-1", "c33-2"]
        assert len(audience) == 6
        assert seats[3].principal in audience
        seats[2].leave()
        await trio.sleep(0.1)
        assert len(run.nodes[A].correspondence.audiences.watching("talk:a")) == 5
        run.kill(C)
        await trio.sleep(rosters.GONE_S + feeding.SWEEP_S + 0.1)
        assert len(run.nodes[A].correspondence.audiences.watching("talk:a")) == 3


async def test_whoever_is_no_audience_on_another_node_watches_all_the_same(autojump_clock: MockClock) -> None:
    async with cluster() as run:
        seat = run.nodes[B].watch("talk:a", ANN, encoding=Nothing)
        await trio.sleep(0.1)
        audiences = run.nodes[A].correspondence.audiences
        assert (len(audiences.watching("talk:a")), audiences.is_watched("talk:a")) == (0, True)
        seat.leave()
        await trio.sleep(60)
        assert not audiences.is_watched("talk:a")


async def test_an_entity_is_told_who_comes_and_who_leaves_on_other_nodes(autojump_clock: MockClock) -> None:
    async with cluster() as run:
        ann, bob = run.nodes[B].watch("present:a", ANN), run.nodes[A].watch("present:a", BOB)
        await trio.sleep(0.1)
        run.network.part(A, B)  # which is no reason to say that somebody has left
        await trio.sleep(5)
        ann.leave()
        await trio.sleep(0.1)
        late = run.nodes[B].watch("present:a", ANN)
        await trio.sleep(0.1)
        assert sorted(tuple(one)[:2] for one in late.view) == [("ann-1", False), ("ann-1", True), ("bob-1", True)]
        assert late.view[-1][:2] == ["ann-1", False]
        assert bob.kicks == []


async def test_watchers_of_a_node_that_dies_while_its_feed_is_broken_have_left(autojump_clock: MockClock) -> None:
    async with cluster() as run:
        run.nodes[A].watch("talk:a", BOB)
        run.nodes[B].watch("talk:a", ANN)
        await trio.sleep(0.1)
        run.network.full.add((A, B))
        await run.nodes[A].ask("talk:a", Say(text="x"))
        assert len(run.nodes[A].correspondence.audiences.watching("talk:a")) == 2
        run.kill(B)
        await trio.sleep(rosters.GONE_S + feeding.SWEEP_S + 0.1)
        assert [who.client for who in run.nodes[A].correspondence.audiences.watching("talk:a")] == ["bob-1"]


async def test_ephemerals_of_a_room_on_this_node_are_not_sent_where_nobody_watches(autojump_clock: MockClock) -> None:
    async with cluster() as run:
        frames = counting(run)
        run.nodes[A].watch("talk:a", ANN)
        await run.nodes[A].ask("talk:a", Typing())
        await trio.sleep(0.1)
        assert by_type(frames, Shown) == []


async def test_more_watchers_than_a_feed_names_do_not_leave_with_the_next(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeds, "WATCHERS_MAX", 3)
    async with cluster() as run:
        seats = [run.nodes[B].watch("present:a", Principal(user="u", client=f"c{n}")) for n in range(8)]
        await trio.sleep(0.1)
        run.network.part(A, B)
        seats[7].leave()  # of which A hears nothing but that it is not named again
        await trio.sleep(10)
        audience = run.nodes[A].correspondence.audiences.watching("present:a")
        assert sorted(who.client for who in audience) == [f"c{n}" for n in range(7)]
        late = run.nodes[A].watch("present:a", ANN)
        await trio.sleep(0.1)
        assert [one[0] for one in late.view if not one[1]] == ["c7"]


async def test_what_a_former_owner_knew_is_not_believed_of_a_node_that_says_so_itself(
    autojump_clock: MockClock,
) -> None:
    """It comes late: nobody watches there by now, and that is known. Whoever comes then has not left."""
    async with cluster(A, B, C) as run:
        seat = run.nodes[B].watch("talk:a", ANN)
        await trio.sleep(0.1)
        seat.leave()
        await trio.sleep(0.1)
        audiences = run.nodes[A].correspondence.audiences
        audiences.handed_on(C, HandedOn("talk:a", {B: [ANN]}))
        assert not audiences.watching("talk:a")
        run.nodes[B].watch("talk:a", BOB)
        await trio.sleep(rosters.GONE_S + 2 * feeding.SWEEP_S)
        assert [who.client for who in audiences.watching("talk:a")] == [BOB.client]


async def test_an_entity_that_has_moved_knows_at_once_who_watches_it(autojump_clock: MockClock) -> None:
    async with cluster(A, B, C) as run:
        for node in (A, B, C):
            run.nodes[node].watch("talk:a", named(f"on{node}"))
        await trio.sleep(1.5)  # amid two sweeps
        await run.move("talk:a", B)
        run.network.stuck = {(C, B)}  # it can't say so itself
        run.nodes[A].correspondence.moved({0})
        await trio.sleep(0.01)
        audience = run.nodes[B].correspondence.audiences.watching("talk:a")
        assert sorted(who.user for who in audience) == ["on11", "on22", "on33"]
        await trio.sleep(rosters.GONE_S + feeding.SWEEP_S + 0.1)
        audience = run.nodes[B].correspondence.audiences.watching("talk:a")
        assert sorted(who.user for who in audience) == ["on11", "on22"]
