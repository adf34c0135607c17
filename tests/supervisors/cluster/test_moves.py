"""The record of moves, and that what a node does to shards is in it."""

import pytest
import trio
from trio.testing import MockClock

from greenroom.supervisors.cluster import moves
from greenroom.supervisors.cluster.moves import Moves
from greenroom.supervisors.cluster.moving import Moving
from tests.supervisors.cluster.memory_cluster import LEASE_S, cluster
from tests.supervisors.kernel.small_kernel import kernel


@pytest.mark.bound("moves of shards that are remembered for whoever looks")
def test_the_newest_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moves, "MOVES_MAX", 2)
    noted = Moves(lambda: 5.0)
    for shards in (1, 2, 0, 3):
        noted.note("moved", shards, former=1, owner=2, seconds=0.5)
    assert [one.shards for one in noted.newest()] == [3, 2], "and nothing of what came to nothing"
    assert (noted.newest()[0].at, noted.newest()[0].seconds) == (5.0, 0.5)


async def test_taking_what_was_nobodys_and_burying_who_ended_are_noted(autojump_clock: MockClock) -> None:
    async with cluster(20) as nodes:
        one = await nodes.start()
        (first,) = one.membership.moves.newest()
        assert (first.cause, first.shards, first.former, first.owner) == ("takeover", 20, None, 1)
        other = await nodes.start()
        rows = nodes.rows
        for shard in range(5):
            rows.change(shard, 2, "moved")
        other.kill()
        await trio.sleep(4 * LEASE_S)
        buried = one.membership.moves.newest()[0]
        assert (buried.cause, buried.shards, buried.former, buried.owner) == ("its lease ran out", 5, 2, 1)


async def test_handing_over_is_noted_with_who_has_them_and_how_long_it_took(autojump_clock: MockClock) -> None:
    async with cluster(20) as nodes:
        one = await nodes.start()
        async with kernel(ownership=one.membership) as run:
            moving = Moving(one.membership, run.system)
            await nodes.start()
            await one.membership.looked()
            wanted = len(one.membership.unwanted())
            assert wanted
            await moving.give_all()
        handed = [move for move in one.membership.moves.newest() if move.cause == "moved"]
        assert {(move.former, move.owner) for move in handed} == {(1, 2)}
        assert sum(move.shards for move in handed) == 20
        assert all(0 <= move.seconds < 1 for move in handed)
