"""A node among others: from its start, past those that have ended before it, to its own end."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
import trio
from structlog.testing import capture_logs

from greenroom.store.ownership.referee import Newcomer
from greenroom.store.ownership.referee_postgres import PostgresReferee
from greenroom.store.postgres.bridge import Bridge
from greenroom.store.postgres.pool import Pool
from greenroom.supervisors.cluster.evidence import this_host, this_process
from greenroom.supervisors.cluster.lease import DeclaredDead
from greenroom.supervisors.cluster.membership import AnotherNode, Membership

SHARDS = 8
LEASE_S = 0.5


@asynccontextmanager
async def pool_of(url: str) -> AsyncIterator[Pool]:
    async with Bridge() as bridge, Pool(bridge, url, incarnation=99) as pool:
        yield pool


def member(
    pool: Pool,
    incarnation: int,
    *,
    lease_s: float = LEASE_S,
    ended: Callable[[str, str], bool] = lambda *_: False,
    is_alone: bool = True,
) -> Membership:
    lease = pool.dedicated(f"lease-{incarnation}")
    referee = PostgresReferee(pool.dedicated(f"members-{incarnation}"), incarnation=incarnation, lease=lease)
    new = Newcomer(
        url=f"http://{incarnation}", version="1", host=this_host(), process=this_process(), is_alone=is_alone
    )
    return Membership(referee, new, shards=SHARDS, lease_s=lease_s, ended=ended)


async def test_a_node_alone_owns_all(database_url: str) -> None:
    async with pool_of(database_url) as pool:
        node = member(pool, 1)
        assert not node.owns("room:a")
        await node.join()
        assert all(node.owns(f"room:{number}") and node.term(f"room:{number}") == 1 for number in range(50))
        await node.leave()
        assert not node.owns("room:a")


async def test_after_an_orderly_stop_the_next_one_need_not_wait(database_url: str) -> None:
    async with pool_of(database_url) as pool:
        node = member(pool, 1, lease_s=60.0)
        await node.join()
        await node.leave()
        with trio.fail_after(20):  # less than the lease
            following = member(pool, 2, lease_s=60.0)
            await following.join()
        assert following.term("room:a") > 1


async def test_where_the_end_is_proven_the_next_one_need_not_wait_either(database_url: str) -> None:
    asked: list[tuple[str, str]] = []

    def ended(host: str, process: str) -> bool:
        asked.append((host, process))
        return True

    async with pool_of(database_url) as pool:
        await member(pool, 1, lease_s=60.0).join()
        with trio.fail_after(20):
            await member(pool, 2, lease_s=60.0, ended=ended).join()
    assert asked[0] == (this_host(), this_process())


async def test_without_a_proof_it_waits_for_the_lease_to_run_out(database_url: str) -> None:
    async with pool_of(database_url) as pool:
        await member(pool, 1).join()
        following = member(pool, 2)
        await following.join()
        assert following.owns("room:a")


async def test_beside_a_node_that_lives_another_gives_up_and_says_which_it_is(database_url: str) -> None:
    async with pool_of(database_url) as pool, trio.open_nursery() as nursery:
        node = member(pool, 1, lease_s=2.0)
        await node.join()
        await nursery.start(node.run)
        with pytest.raises(AnotherNode, match="http://1 serves this database"):
            await member(pool, 2, lease_s=2.0).join()
        left = await PostgresReferee(pool.dedicated("looking"), incarnation=1).members()
        assert [one.incarnation for one in left] == [1], "nor does it stay in the way"
        nursery.cancel_scope.cancel()


async def test_of_two_that_wait_for_the_same_lease_one_comes_to_serve(database_url: str) -> None:
    refused: list[AnotherNode] = []
    async with pool_of(database_url) as pool:
        await member(pool, 1).join()

        async def start(node: Membership) -> None:
            try:
                await node.join()
                await node.run()
            except AnotherNode as error:
                refused.append(error)
                nursery.cancel_scope.cancel()

        starting = [member(pool, number) for number in (2, 3)]
        with trio.fail_after(20):
            async with trio.open_nursery() as nursery:
                for one in starting:
                    nursery.start_soon(start, one)
    assert len(refused) == 1
    assert sorted(one.owns("room:a") for one in starting) == [False, True]


async def test_after_an_outage_of_the_database_whoever_lives_is_not_replaced(database_url: str) -> None:
    """Its lease has run out with everybody's; it renews it as soon as it can, and the newcomer gives it that time."""
    async with pool_of(database_url) as pool, trio.open_nursery() as nursery:
        node = member(pool, 1, lease_s=2.0)
        await node.join()
        async with pool.connection() as connection:
            await connection.fetch("UPDATE nodes SET lease_until = clock_timestamp() - interval '1 minute'")
        await nursery.start(node.run)
        with pytest.raises(AnotherNode):
            await member(pool, 2, lease_s=2.0).join()
        assert node.owns("room:a")
        nursery.cancel_scope.cancel()


async def test_who_was_declared_dead_does_not_go_on(database_url: str) -> None:
    async with pool_of(database_url) as pool:
        node = member(pool, 1)
        await node.join()
        with pytest.RaisesGroup(DeclaredDead, flatten_subgroups=True), trio.fail_after(20):
            async with trio.open_nursery() as nursery:
                await nursery.start(node.run)
                await member(pool, 2, ended=lambda *_: True).join()


async def test_a_database_that_does_not_answer_ends_nobody(database_url: str) -> None:
    """A renewal that comes late counts, as long as nobody has taken over. Meanwhile the log says why it is late."""
    async with pool_of(database_url) as pool:
        node = member(pool, 1)
        await node.join()
        with capture_logs() as logs:
            async with trio.open_nursery() as nursery:
                await nursery.start(node.run)
                async with pool.connection() as connection:
                    await connection.fetch(
                        "WITH held AS (SELECT FROM nodes FOR UPDATE) SELECT pg_sleep($1) FROM held", 3 * LEASE_S
                    )
                    left = "SELECT max(extract(epoch FROM lease_until - clock_timestamp())) FROM nodes, pg_sleep(0.02)"
                    with trio.fail_after(20):
                        while (await connection.fetch(left))[0][0] <= 0:
                            pass
                nursery.cancel_scope.cancel()
        assert node.owns("room:a")
        assert {"event": "lease_not_renewed", "error": "no answer within 0.15 s", "log_level": "warning"} in logs


async def test_nodes_that_share_a_database_take_over_from_one_another(database_url: str) -> None:
    """In real time, on the database's own clock: the rest is tried in virtual time."""
    async with pool_of(database_url) as pool, trio.open_nursery() as nursery:
        first = member(pool, 1, lease_s=2.0, is_alone=False)
        second = member(pool, 2, lease_s=2.0, is_alone=False)
        running = trio.CancelScope()

        async def run_first() -> None:
            with running:
                await first.run()

        await first.join()
        nursery.start_soon(run_first)
        await first.open()
        assert first.shards() is None
        await second.join()
        await nursery.start(second.run)
        await second.open()
        assert second.shards() == frozenset() and second.owner("room:a") == 1
        await first.looked()
        unwanted = first.unwanted()
        assert set(unwanted.values()) == {2}
        first.begin_leaving(unwanted)
        assert sorted(await first.give(unwanted)) == sorted(unwanted)
        assert all(first.owner_of(shard) == 2 for shard in unwanted)
        await second.looked()
        assert second.shards() == frozenset(unwanted)
        with trio.fail_after(20):
            running.cancel()
            while second.shards() is not None:
                await second.changed()
        assert [one.incarnation for one in second.members()] == [2]
        nursery.cancel_scope.cancel()
