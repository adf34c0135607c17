"""Who may not watch any more, and has not been told so."""

import trio
from trio.testing import MockClock

from tests.supervisors.correspondence.small_cluster import A, B, cluster
from tests.supervisors.correspondence.small_entities import ANN, BOB, Put


async def test_whoever_was_kicked_while_a_link_was_parted_is_found(autojump_clock: MockClock) -> None:
    async with cluster() as run:
        ann, bob = run.nodes[B].watch("talk:a", ANN), run.nodes[B].watch("talk:a", BOB)
        await trio.sleep(0.1)
        run.network.filter = lambda sender, receiver, frame: sender != A
        await run.nodes[A].ask("talk:a", Put(user="ann"))
        await trio.sleep(0.1)
        run.network.filter = lambda sender, receiver, frame: True
        run.network.part(A, B)
        await trio.sleep(2)
        assert (ann.starts_over, bob.starts_over) == (1, 0)
        assert [error.name for error in ann.refusals] == ["talk.out"]
        assert bob.offsets == [1]


async def test_nobody_waits_twice_to_be_asked_about(autojump_clock: MockClock) -> None:
    async with cluster() as run:
        seats = [run.nodes[B].watch("talk:a", who) for who in (ANN, BOB)]
        await trio.sleep(0.1)
        rechecks = run.nodes[B].correspondence.rechecks
        for _ in range(5):
            rechecks.add("talk:a")
        assert len(rechecks) == 2
        await trio.sleep(1)
        assert len(rechecks) == 0
        assert [seat.starts_over for seat in seats] == [0, 0]


async def test_whoever_watches_by_a_token_is_asked_about_as_such(autojump_clock: MockClock) -> None:
    """Or all of them would be thrown off wherever an entity moves."""
    async with cluster() as run:
        ann, bob = run.nodes[B].watch("talk:a", ANN), run.nodes[B].watch("talk:a", BOB)
        await trio.sleep(0.1)
        ann.granted = True
        rechecks = run.nodes[B].correspondence.rechecks
        asked: dict[str, bool] = {}
        rechecks._submit = lambda entity, envelope: asked.update({envelope.principal.user: envelope.principal.granted})
        rechecks.add("talk:a")
        await trio.sleep(1)
        assert asked == {ANN.user: True, BOB.user: False} and bob.starts_over == 0
