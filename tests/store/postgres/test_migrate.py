"""Migrations: from nothing to the code's revision, once, however many nodes start together."""

from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
import trio
from asyncpg.exceptions import InternalClientError

from greenroom.store.errors import StoreUnavailable
from greenroom.store.journal.journal_postgres import PostgresJournal
from greenroom.store.own.servers import OwnServers
from greenroom.store.ownership.sharding import SHARDS, shard_of
from greenroom.store.postgres import migrate as migrate_module
from greenroom.store.postgres.bridge import Bridge
from greenroom.store.postgres.migrate import HEAD, check, migrate, upgrade_sql
from greenroom.store.postgres.pool import Pool


@pytest.fixture
def empty_url(database_url: str) -> Iterator[str]:
    """A database without our schema."""

    async def empty() -> None:
        async with Bridge() as bridge:
            await bridge.run(drop_all, database_url)

    trio.run(empty)
    yield database_url


async def drop_all(url: str) -> None:
    await execute(url, "DROP SCHEMA public CASCADE; CREATE SCHEMA public")


async def execute(url: str, sql: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(sql)
    await connection.close()


def test_the_newest_revision_is_the_one_that_the_code_names() -> None:
    versions = Path(migrate_module.__file__).parents[1] / "migrations" / "versions"
    assert max(path.name for path in versions.glob("*.py")).startswith(f"{HEAD}_")
    assert upgrade_sql(HEAD).strip() == ""


async def test_an_empty_database_is_brought_up_to_date_once(empty_url: str) -> None:
    async with Bridge() as bridge:
        assert not await check(bridge, empty_url)
        assert await migrate(bridge, empty_url)
        assert await check(bridge, empty_url)
        assert not await migrate(bridge, empty_url)


async def test_nodes_that_start_together_take_turns(empty_url: str) -> None:
    results: list[bool] = []
    async with Bridge() as bridge, trio.open_nursery() as nursery:

        async def start() -> None:
            results.append(await migrate(bridge, empty_url))

        for _ in range(4):
            nursery.start_soon(start)
    assert any(results)  # a revision each, in turns; one that ran twice would fail


async def test_no_server_means_unavailable(own_servers: OwnServers) -> None:
    async with Bridge() as bridge:
        for url in ("postgresql://x@/x?host=/nonexistent", own_servers.database_url.replace("/greenroom?", "/none?")):
            with pytest.raises(StoreUnavailable, match="cannot connect"):
                await check(bridge, url)


async def test_a_server_that_dies_midway_means_unavailable(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What asyncpg raises then is neither an error of Postgres nor of its interface."""

    async def dying(connection: asyncpg.Connection) -> None:
        raise InternalClientError("cannot switch to state 11; another operation (2) is in progress")

    monkeypatch.setattr(migrate_module, "_version", dying)
    async with Bridge() as bridge:
        with pytest.raises(StoreUnavailable, match="InternalClientError"):
            await migrate(bridge, database_url)


async def test_what_was_stored_before_there_were_shards_is_found_by_who_owns_it(
    empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As 0009 finds a database of the release before: rows, and no number of shards."""
    name = "room:é"
    filling = f"""
        INSERT INTO heads (entity, fence, incarnation, epoch) VALUES ('{name}', 1::bigint << 32 | 1, 7, 'e');
        INSERT INTO outbox (id, "offset", body) SELECT id, 1, 'x' FROM heads;
        INSERT INTO timers (id, name, due_ms, body) SELECT id, 't', 1, 'x' FROM heads;
    """
    async with Bridge() as bridge:
        with monkeypatch.context() as before:
            before.setattr(migrate_module, "HEAD", "0008")
            await migrate(bridge, empty_url)
        await bridge.run(execute, empty_url, filling)
        assert await migrate(bridge, empty_url)
        async with Pool(bridge, empty_url, incarnation=1) as pool:
            node = PostgresJournal(pool, incarnation=1)
            mine = frozenset({shard_of(name, SHARDS)})
            others = frozenset(range(SHARDS)) - mine
            for shards, found in ((mine, [name]), (others, []), (None, [name])):
                assert [row.entity for row in await node.outbox(after=(0, 0), limit=9, shards=shards)] == found
                due = await node.due(before_ms=2, after=(0, 0), limit=9, shards=shards)
                assert [one.entity for one in due] == found
