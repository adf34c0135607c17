"""A database whose history has changed: a standby took over that lacks the newest events, or a backup was restored."""

import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
import trio

from greenroom.store.journal.epoch import lineage_of
from greenroom.store.journal.journal_memory import MemoryJournal, MemoryRows
from greenroom.store.journal.journal_postgres import PostgresJournal
from greenroom.store.journal.records import Outcome
from greenroom.store.own.account import as_account
from greenroom.store.own.processes import end
from greenroom.store.own.servers import OwnServers
from greenroom.store.postgres.bridge import Bridge
from greenroom.store.postgres.migrate import migrate
from greenroom.store.postgres.pool import Pool
from tests.store.journal.clusters import append_to, claim, event, offsets


@pytest.fixture(scope="module")
def primary() -> Iterator[OwnServers]:
    """A server of this file's own, with a schema: it is promoted."""
    folder = Path(tempfile.mkdtemp(prefix="greenroom-lineage-"))
    servers = OwnServers(folder, initdb_sync=False)
    servers.start()

    async def migrated() -> None:
        async with Bridge() as bridge:
            await migrate(bridge, servers.database_url)

    trio.run(migrated)
    yield servers
    servers.stop()
    shutil.rmtree(folder, ignore_errors=True)


def promote(servers: OwnServers) -> None:
    """End the recovery of a standby that has no primary: what is in its folder goes on as another timeline."""
    cluster = servers._cluster
    assert servers._postgres is not None
    end(servers._postgres, ((signal.SIGINT, 15.0),))
    (cluster / "standby.signal").touch()
    servers._spawn_postgres()
    servers._wait_until_ready("postgres", servers._postgres_ready)
    tool = [str(servers._bin / "pg_ctl"), "promote", "-D", str(cluster), "-w", "-t", "30"]
    subprocess.run(tool, check=True, capture_output=True, cwd="/", **as_account(servers._account))


async def test_in_postgres_a_promotion_fences_every_activation_and_begins_new_epochs(primary: OwnServers) -> None:
    async with Bridge() as bridge, Pool(bridge, primary.database_url, incarnation=1, size=2) as pool:
        node = PostgresJournal(pool, incarnation=1)
        before = await claim(node, "room:promoted")
        assert await node.append([append_to(before, event(1), event(2))]) == [Outcome.LANDED]
        was = await node.lineage()
    promote(primary)
    async with Bridge() as bridge, Pool(bridge, primary.database_url, incarnation=1, size=2) as pool:
        node = PostgresJournal(pool, incarnation=1)
        assert await node.lineage() == f".{int(was[1:] or '1', 16) + 1:x}"
        head, _ = await node.read("room:promoted", limit=10)
        assert head is not None and head.epoch == before.head.epoch, "nobody has claimed it since"
        assert await node.append([append_to(before, event(3), after=2)]) == [Outcome.FENCED]
        after = await claim(node, "room:promoted")
        assert lineage_of(after.head.epoch) == await node.lineage()
        assert after.head.epoch.partition(".")[0] == before.head.epoch.partition(".")[0]
        assert after.head.offset == 2
        assert after.head.fence >= before.head.fence + 65_536, "claims may have been lost"
        assert after.head.position(3) > before.head.position(1_000_000)
        assert await node.append([append_to(after, event(3))]) == [Outcome.LANDED]
        fresh = await claim(node, "room:founded")
        assert fresh.head.fence & 0xFFFFFFFF > 65_536, "its id may have been another's"
        head, _ = await node.read("room:promoted", limit=10)
        assert head is not None and head.epoch == after.head.epoch


async def test_in_postgres_a_new_generation_does_the_same(primary: OwnServers) -> None:
    async with Bridge() as bridge, Pool(bridge, primary.database_url, incarnation=1, size=2) as pool:
        node = PostgresJournal(pool, incarnation=1)
        before = await claim(node, "room:restored")
        was = await node.lineage()

        async def relabel() -> None:
            connection = await asyncpg.connect(primary.database_url)
            await connection.execute("UPDATE generation SET label = '.5eed'")
            await connection.close()

        await bridge.run(relabel)
        assert await node.lineage() == was + ".5eed"
        assert await node.append([append_to(before, event(1))]) == [Outcome.FENCED]
        after = await claim(node, "room:restored")
        assert after.head.epoch == before.head.epoch + ".5eed"
        assert await node.append([append_to(after, event(1))]) == [Outcome.LANDED]


async def test_in_postgres_outbox_rows_outlive_a_failover_that_may_have_lost_their_effect(primary: OwnServers) -> None:
    async with Bridge() as bridge, Pool(bridge, primary.database_url, incarnation=1, size=2) as pool:
        node = PostgresJournal(pool, incarnation=1)
        head = (await claim(node, "room:sender")).head
        async with pool.connection() as connection:
            await connection.fetch("INSERT INTO outbox VALUES ($1, 1, $2)", head.id, b"[]")
        await node.delivered([(head.id, 1)], lineage=".of-before")
        assert [row.head_id for row in await node.outbox(after=(0, 0), limit=10)] == [head.id]
        await node.delivered([(head.id, 1)], lineage=await node.lineage())
        assert await node.outbox(after=(0, 0), limit=10) == []


async def test_in_memory_a_promotion_fences_every_activation_and_begins_new_epochs() -> None:
    rows = MemoryRows()
    node = MemoryJournal(rows)
    before = await claim(node)
    assert await node.append([append_to(before, event(1), event(2))]) == [Outcome.LANDED]
    rows.timeline += 1
    assert await node.append([append_to(before, event(3), after=2)]) == [Outcome.FENCED]
    assert await offsets(node) == [1, 2]
    after = await claim(node)
    assert after.head.epoch == before.head.epoch + ".2"
    assert after.head.fence == before.head.fence + 65_536
    assert after.head.position(3) == 1 << 32 | 3
    assert await node.append([append_to(after, event(3))]) == [Outcome.LANDED]
    rows.label = ".5eed"
    assert await node.append([append_to(after, event(4), after=3)]) == [Outcome.FENCED]
    assert (await claim(node)).head.epoch == before.head.epoch + ".2.5eed"
    assert (await claim(node, "room:b")).head.fence == 1 << 32 | 65_537
