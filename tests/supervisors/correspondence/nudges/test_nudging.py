"""Nudges of entities on other nodes: A owns everything that is not moved, B nudges."""

import msgspec
import trio
from trio.testing import MockClock

from greenroom.supervisors.correspondence.wire import Nudged
from tests.supervisors.correspondence.small_cluster import NOBODY, A, B, C, Cluster, cluster
from tests.supervisors.correspondence.small_entities import Poke, Say


def poked(run: Cluster, node: int, entity: str) -> list[str]:
    (cell,) = [one for one in run.nodes[node].kernel.system.awake() if one.entity == entity]
    actor = cell.actor
    return list(actor.pokes)  # type: ignore[union-attr]


async def awake_at(run: Cluster, node: int, *entities: str) -> None:
    for entity in entities:
        if node != A:
            run.owners.move(entity, node)
        await run.nodes[node].ask(entity, Say(text="hi"))


async def test_those_who_are_awake_hear_it_wherever_they_live(autojump_clock: MockClock) -> None:
    async with cluster(A, B, C) as run:
        await awake_at(run, A, "talk:a", "talk:b")
        await awake_at(run, B, "talk:here")
        await awake_at(run, C, "talk:c")
        run.owners.move("talk:asleep", C)
        before = run.network.frames
        names = ["talk:a", "talk:here", "talk:c", "talk:asleep", "talk:b", "talk:unborn"]
        run.nodes[B].kernel.router.nudge(names, Poke(text="one"))
        assert run.network.frames == before + 2, "one frame a node"
        await trio.sleep(0.1)
        found = [poked(run, *place) for place in ((A, "talk:a"), (A, "talk:b"), (B, "talk:here"), (C, "talk:c"))]
        assert found == [["one"]] * 4
        assert (run.nodes[A].awake(), run.nodes[C].awake()) == ({"talk:a", "talk:b"}, {"talk:c"}), "nobody was woken"


async def test_who_is_not_where_it_was_believed_to_be_is_not_looked_for(autojump_clock: MockClock) -> None:
    async with cluster(A, B, C) as run:
        await awake_at(run, C, "talk:c")
        run.nodes[B].ownership.believed = {"talk:c": A, "talk:lost": None, "talk:mine": B}
        run.nodes[B].kernel.router.nudge(["talk:c", "talk:lost", "talk:mine"], Poke(text="one"))
        await trio.sleep(0.1)
        assert poked(run, C, "talk:c") == [] and run.nodes[A].awake() == set()


async def test_a_node_out_of_reach_or_full_is_passed_over(autojump_clock: MockClock) -> None:
    async with cluster(A, B, C) as run:
        await awake_at(run, A, "talk:a")
        await awake_at(run, C, "talk:c")
        run.network.full.add((B, A))
        run.nodes[B].kernel.router.nudge(["talk:a", "talk:c"], Poke(text="one"))
        run.kill(A)
        run.nodes[B].kernel.router.nudge(["talk:a", "talk:c"], Poke(text="two"))
        await trio.sleep(0.1)
        assert poked(run, C, "talk:c") == ["one", "two"]


async def test_what_this_release_does_not_know_harms_nobody_else(autojump_clock: MockClock) -> None:
    async with cluster() as run:
        await awake_at(run, A, "talk:a")
        body = msgspec.json.encode(Poke(text="one"))
        for frame in (
            Nudged(["news:a", "talk:a", ":", ""], body),
            Nudged(["talk:a"], b'{"type":"talk.of_tomorrow"}'),
            Nudged(["talk:a"], b"{"),
        ):
            run.nodes[A].correspondence.nudging.nudged(B, frame)
        await trio.sleep(0.1)
        assert poked(run, A, "talk:a") == ["one"]


async def test_nothing_is_sent_where_all_are_here(autojump_clock: MockClock) -> None:
    async with cluster() as run:
        before = run.network.frames
        await awake_at(run, A, "talk:a")
        run.nodes[A].kernel.router.nudge(["talk:a", "talk:asleep"], Poke(text="one"))
        run.owners.move("talk:away", NOBODY)
        run.nodes[A].kernel.router.nudge(["talk:away"], Poke(text="one"))
        await trio.sleep(0.1)
        assert run.network.frames == before and poked(run, A, "talk:a") == ["one"]
