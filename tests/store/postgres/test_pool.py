"""Connections that mend themselves, and what each failure says about what was written."""

import asyncpg
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from greenroom.store.errors import DataRefused, OutcomeLost, StoreUnavailable
from greenroom.store.journal.journal_postgres import PostgresJournal
from greenroom.store.journal.records import Append, Claimed, Outcome, StoredEvent
from greenroom.store.own.servers import OwnServers
from greenroom.store.postgres.bridge import Bridge
from greenroom.store.postgres.connection import Connection
from greenroom.store.postgres.pool import Pool

INCARNATION = 0x1234_5678_9ABC


async def test_its_sessions_are_named_after_the_incarnation_and_end_with_it(own_servers: OwnServers) -> None:
    async with Bridge() as bridge:
        async with Pool(bridge, own_servers.database_url, incarnation=INCARNATION, size=2) as pool:
            async with pool.connection() as connection:
                (row,) = await connection.fetch(
                    "SELECT current_setting('application_name') AS name,"
                    " current_setting('idle_in_transaction_session_timeout') AS idle"
                )
            lane = pool.dedicated("lane-0")
            await lane.fetch("SELECT 1")
            assert row["name"] == "greenroom 0000123456789abc read-1"
            assert row["idle"] == "1s"
            count = (
                "SELECT count(*) AS n FROM pg_stat_activity WHERE application_name LIKE 'greenroom 0000123456789abc %'"
            )
            assert (await lane.fetch(count))[0]["n"] == 2
        async with Pool(bridge, own_servers.database_url, incarnation=1) as other, other.connection() as connection:
            with trio.fail_after(5):
                while (await connection.fetch(count))[0]["n"] > 0:  # noqa: ASYNC110 the server ends them, a moment later
                    await trio.sleep(0.01)


@pytest.mark.bound("readers that wait for a connection to Postgres")
async def test_readers_wait_for_a_free_connection_within_a_bound(own_servers: OwnServers) -> None:
    async with Bridge() as bridge:
        async with Pool(bridge, own_servers.database_url, incarnation=1, size=1, waiting_max=1) as pool:

            async def read() -> None:
                async with pool.connection() as connection:
                    await connection.fetch("SELECT 1")

            async with trio.open_nursery() as nursery:
                async with pool.connection():
                    nursery.start_soon(read)
                    await wait_all_tasks_blocked()
                    with pytest.raises(StoreUnavailable):
                        await read()
                    with trio.move_on_after(0.01) as scope:  # the deadline is the caller's
                        await trio.sleep_forever()
                    assert scope.cancelled_caught
            await read()


@pytest.mark.parametrize("crash", [False, True])
async def test_after_a_restart_of_the_server_the_next_statement_goes_through(
    own_servers: OwnServers, crash: bool
) -> None:
    async with Bridge() as bridge, Pool(bridge, own_servers.database_url, incarnation=1) as pool:
        lane = pool.dedicated("lane-0")
        assert (await lane.fetch("SELECT 1 AS n"))[0]["n"] == 1
        own_servers.restart_postgres(crash=crash)
        with trio.fail_after(5):
            while True:
                try:
                    assert (await lane.fetch("SELECT 2 AS n"))[0]["n"] == 2
                    break
                except StoreUnavailable:  # the loss is noticed by the first statement, at the latest
                    continue
        assert pool.connects == 2


@pytest.mark.parametrize(("write", "error"), [(False, StoreUnavailable), (True, OutcomeLost)])
async def test_a_connection_lost_under_a_statement(
    own_servers: OwnServers, write: bool, error: type[Exception]
) -> None:
    async with Bridge() as bridge, Pool(bridge, own_servers.database_url, incarnation=1) as pool:
        lane = pool.dedicated("lane-0")
        pid = (await lane.fetch("SELECT pg_backend_pid() AS pid"))[0]["pid"]

        async def cut() -> None:
            async with pool.connection() as other:
                await other.fetch("SELECT pg_terminate_backend($1)", pid)

        with pytest.RaisesGroup(error):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(cut)
                await lane.fetch("SELECT pg_sleep(10)", write=write)


async def test_a_cancelled_statement_leaves_a_connection_that_works(own_servers: OwnServers) -> None:
    async with Bridge() as bridge, Pool(bridge, own_servers.database_url, incarnation=1) as pool:
        lane = pool.dedicated("lane-0")
        await lane.fetch("SELECT 1")
        with trio.move_on_after(0.05) as scope:
            await lane.fetch("SELECT pg_sleep(10)")
        assert scope.cancelled_caught
        with trio.fail_after(5):
            assert (await lane.fetch("SELECT 3 AS n"))[0]["n"] == 3


async def test_no_server_means_unavailable_and_retries_are_paced(autojump_clock: MockClock) -> None:
    async with Bridge() as bridge:
        dsn = "postgresql://nobody@/nothing?host=/nonexistent"
        connection = Connection(bridge, dsn, application_name="test", connect_s=1.0)
        began = trio.current_time()
        for _ in range(8):
            with pytest.raises(StoreUnavailable, match="cannot connect"):
                await connection.fetch("SELECT 1", write=True)
        assert 1.0 < trio.current_time() - began < 8.0


async def test_what_the_server_refuses_is_told_to_who_asked_and_the_wire_stays(own_servers: OwnServers) -> None:
    async with Bridge() as bridge, Pool(bridge, own_servers.database_url, incarnation=1) as pool:
        async with pool.connection() as connection:
            with pytest.raises(StoreUnavailable, match="no_such_table"):
                await connection.fetch("SELECT * FROM no_such_table")
            for refused in ("not a number", 1 << 63):
                with pytest.raises(DataRefused):
                    await connection.fetch("SELECT $1::bigint", refused)
            with pytest.raises(DataRefused, match="division by zero"):
                await connection.fetch("SELECT 1 / 0", write=True)
            with pytest.raises(asyncpg.InterfaceError):
                await connection.fetch("SELECT $1::bigint")  # a bug of ours
            assert pool.connects == 1, "none of it spoils the wire"


async def test_claims_and_appends_wait_for_no_reader(database_url: str) -> None:
    """All connections of readers are in use, as by long histories; an entity wakes and writes all the same."""
    async with Bridge() as bridge, Pool(bridge, database_url, incarnation=1, size=2) as pool:
        journal = PostgresJournal(pool, incarnation=1)
        async with pool.connection(), pool.connection():
            with trio.fail_after(20):
                [claimed] = await journal.claim({"room:a": 1}, window=0)
                assert isinstance(claimed, Claimed)
                append = Append(claimed.head.id, claimed.head.fence, 0, [StoredEvent(1, 1, b"{}")])
                assert await journal.append([append]) == [Outcome.LANDED]
