"""Who watches an entity, asked from any node."""

import trio
from trio.testing import MockClock

from greenroom.actors.model.errors import (
    DeadlineExceeded,
    Refused,
)
from greenroom.actors.model.lifecycle import Attended
from greenroom.actors.model.principal import Principal
from tests.supervisors.correspondence.small_cluster import A, B, C, cluster
from tests.supervisors.correspondence.small_entities import ANN, Put, named


async def test_who_watches_is_answered_for_all_nodes_at_each(autojump_clock: MockClock) -> None:
    async with cluster(A, B, C) as run:
        for node in (A, B, C):
            run.nodes[node].watch("talk:a", named(f"on{node}"))
            run.nodes[node].watch("talk:a", Principal(user="ann", client=f"ann-{node}"))  # who is not shown by name
        await trio.sleep(0.1)
        for node in (A, B, C):
            names = run.nodes[node].audience("talk:a", ANN, names_max=6)
            count = run.nodes[node].audience("talk:a", ANN)
            few = run.nodes[node].audience("talk:a", ANN, names_max=5)
            await trio.sleep(0.1)
            assert {client: bytes(info) for client, info in names.only.named.items()} == {
                f"on{at}-1": b'{"user":"on%d"}' % at for at in (A, B, C)
            }
            assert (names.only.clients, names.only.users) == (6, 4)
            assert count.only == few.only == Attended(6, 4, None, names.only.fence)
            assert names.only.fence
        assert all(len(node.correspondence.asking) == 0 for node in run.nodes.values())


async def test_who_may_not_watch_is_not_told_who_does(autojump_clock: MockClock) -> None:
    async with cluster() as run:
        await run.nodes[A].ask("talk:a", Put(user="ann"))
        for node in run.nodes.values():
            answer = node.audience("talk:a", ANN)
            await trio.sleep(0.1)
            assert isinstance(answer.only, Refused)


async def test_whoever_asks_who_watches_is_counted_wherever_the_entity_has_gone(autojump_clock: MockClock) -> None:
    """What is watched here is said before that is asked."""
    async with cluster(A, B, C) as run:
        run.nodes[B].watch("talk:a", named("bob"))
        run.nodes[A].watch("talk:a", named("ann"))
        await trio.sleep(1)
        await run.move("talk:a", C)
        for node in (A, B):
            answer = run.nodes[node].audience("talk:a", ANN, names_max=5)
            await trio.sleep(0.01)
            assert ("ann-1" if node == A else "bob-1") in answer.only.named
        await trio.sleep(1)
        answer = run.nodes[C].audience("talk:a", ANN, names_max=5)
        await trio.sleep(0.1)
        assert answer.only.named.keys() == {"ann-1", "bob-1"}


async def test_nobody_waits_longer_than_a_command_may_take_to_hear_who_watches(autojump_clock: MockClock) -> None:
    async with cluster() as run:
        run.network.stuck = {(A, B)}
        answer = run.nodes[B].audience("talk:a", ANN)
        await trio.sleep(run.nodes[B].services.client.command_deadline_s + 0.2)
        assert isinstance(answer.only, DeadlineExceeded)
        assert len(run.nodes[B].correspondence.asking) == 0
