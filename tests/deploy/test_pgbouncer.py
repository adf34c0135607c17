"""Nodes behind PgBouncer, as `deploy/pgbouncer.ini` has it: each transaction has whichever session is free."""

import asyncio

import asyncpg
import pytest
import trio

from greenroom.store.errors import StoreUnavailable
from greenroom.store.ownership.referee import Newcomer
from greenroom.store.ownership.referee_postgres import PostgresReferee
from greenroom.store.postgres.bridge import Bridge
from greenroom.store.postgres.migrate import check, migrate
from greenroom.store.postgres.pool import Pool
from greenroom.store.postgres.wire import session
from tests.deploy.pgbouncer import NARROW, PgBouncer

HELD = "SELECT FROM pg_stat_activity WHERE application_name LIKE '%1 lane-0'"
pytestmark = pytest.mark.usefixtures("reachable")


async def run_sql(url: str, sql: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()


async def test_statements_stay_prepared_wherever_they_run(narrow: PgBouncer) -> None:
    sessions: set[int] = set()
    async with (
        Bridge() as bridge,
        Pool(bridge, narrow.url, incarnation=1, size=4) as pool,
        trio.open_nursery() as nursery,
    ):

        async def ask(number: int) -> None:
            async with pool.connection() as connection:
                for _ in range(25):
                    ((value, process),) = await connection.fetch("SELECT $1::int + 1, pg_backend_pid()", number)
                    assert value == number + 1
                    sessions.add(process)

        for number in range(8):
            nursery.start_soon(ask, number)
    assert len(sessions) == int(NARROW)


async def test_every_session_has_the_settings_and_no_node_sets_any(narrow: PgBouncer) -> None:
    async with Bridge() as bridge, Pool(bridge, narrow.url, incarnation=1, size=4) as pool:
        for name, value in session("greenroom 0000000000000001 read-3", 10.0).items():
            async with pool.connection() as connection:
                ((found,),) = await connection.fetch(f"SELECT setting FROM pg_settings WHERE name = '{name}'")
                assert found == value, name


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"connect_query": "'SET jit = off'"}, r"connect_query must say: .*SET plan_cache_mode = 'force_generic_plan'"),
        ({"max_prepared_statements": "0"}, "max_prepared_statements above 0"),
    ],
)
async def test_one_that_is_not_set_up_is_refused_and_told_how(
    database_url: str, changes: dict[str, str], told: str
) -> None:
    with PgBouncer(database_url, **changes) as pgbouncer:
        async with Bridge() as bridge, Pool(bridge, pgbouncer.url, incarnation=1) as pool:
            with pytest.raises(StoreUnavailable, match=told):
                async with pool.connection() as connection:
                    await connection.fetch("SELECT 1")


async def test_nodes_that_start_together_migrate_and_leave_no_lock_behind(
    database_url: str,
) -> None:
    """More of them than there are sessions: whoever waits for the lock keeps one."""
    await trio.to_thread.run_sync(
        asyncio.run, run_sql(database_url, "DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    )
    with PgBouncer(database_url, default_pool_size="3") as pgbouncer:
        async with Bridge() as bridge, trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(migrate, bridge, pgbouncer.url)
        async with Bridge() as bridge:
            assert await check(bridge, pgbouncer.url)
        async with Bridge() as bridge, Pool(bridge, pgbouncer.url, incarnation=1) as pool:
            async with pool.connection() as connection:
                assert not await connection.fetch("SELECT FROM pg_locks WHERE locktype = 'advisory'")


async def test_what_a_dead_node_has_left_under_way_is_ended(narrow: PgBouncer) -> None:
    async with Bridge() as bridge, Pool(bridge, narrow.url, incarnation=99) as pool:
        first, second = (
            PostgresReferee(pool.dedicated(f"lease-{one}"), incarnation=one, is_pooled=True) for one in (1, 2)
        )
        for referee in (first, second):
            await referee.agree(8)
            await referee.join(Newcomer(url="u", version="1", host="h", process="p"), lease_s=60.0)
        async with Pool(bridge, narrow.url, incarnation=1) as theirs, trio.open_nursery() as nursery:
            ended = trio.Event()

            async def hold() -> None:
                with pytest.raises(StoreUnavailable):
                    await theirs.dedicated("lane-0").fetch("SELECT pg_sleep(9)")
                ended.set()

            nursery.start_soon(hold)
            with trio.fail_after(5.0):
                async with pool.connection() as connection:
                    while not await connection.fetch(HELD):
                        pass  # it is on its way
            assert await second.bury(1, is_proven=True, why="its process has ended") is not None
            await second.end_sessions(1)
            with trio.fail_after(60.0):  # left alone, it would have been answered
                await ended.wait()
