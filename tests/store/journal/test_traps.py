"""The traps of fenced appends: each the race that a simpler statement would lose."""

# ruff: noqa: F811 - fixtures are imported, and then arguments

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest
import trio

from greenroom.store.errors import OutcomeLost
from greenroom.store.journal.postgres.statement import columns, text
from greenroom.store.journal.records import Append, Claimed, Outcome
from greenroom.store.own.servers import OwnServers
from greenroom.store.postgres.wire import SESSION
from tests.store.journal.clusters import (  # noqa: F401 - fixtures
    ALL,
    Cluster,
    PostgresCluster,
    append_to,
    claim,
    cluster,
    event,
    memory,
    offsets,
    postgres,
)


class OpenAppend:
    """An append whose transaction stays open, like one of a process that was stopped in the middle of it."""

    def __init__(self, cluster: PostgresCluster) -> None:
        self._bridge = cluster.bridge
        self._url = cluster.url

    async def begin(self, item: Append, incarnation: int) -> None:
        self._connection = await self._bridge.run(self._connect)
        await self._bridge.run(self._connection.execute, "BEGIN")
        rows = await self._bridge.run(self._connection.fetch, text((), ids=True), *columns([item], incarnation))
        assert len(rows) == 1

    async def _connect(self) -> asyncpg.Connection:
        return await asyncpg.connect(self._url, server_settings=SESSION)

    async def commit(self) -> None:
        await self._bridge.run(self._connection.execute, "COMMIT")
        await self._bridge.run(self._connection.close)


async def finish_while_waiting(
    waiting: Callable[[], Awaitable[Claimed]], finish: Callable[[], Awaitable[None]]
) -> Claimed:
    """Start `waiting`, see that it waits, then `finish` what it waits for; its result."""
    results: list[Claimed] = []

    async def wait() -> None:
        results.append(await waiting())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        await trio.sleep(0.1)  # real: it is a server that must not answer
        assert results == []
        await finish()
    return results[0]


async def test_trap_1_an_append_in_flight_at_a_takeover_is_seen_by_the_new_owner(postgres: PostgresCluster) -> None:
    old, new = postgres.node(1), postgres.node(2)
    zombie = OpenAppend(postgres)
    await zombie.begin(append_to(await claim(old), event(1)), incarnation=1)

    claimed = await finish_while_waiting(lambda: claim(new, term=2), zombie.commit)

    assert claimed.head.offset == 1
    assert [each.offset for each in claimed.events] == [1]
    assert await new.append([append_to(claimed, event(2))]) == [Outcome.LANDED]


async def test_trap_1_a_zombies_append_after_a_takeover_writes_nothing(cluster: Cluster) -> None:
    old, new = cluster.node(1), cluster.node(2)
    stale = await claim(old)
    fresh = await claim(new, term=2)
    assert await old.append([append_to(stale, event(1))]) == [Outcome.FENCED]
    assert await offsets(new) == []
    assert await new.append([append_to(fresh, event(1))]) == [Outcome.LANDED]


async def test_trap_2_the_right_offset_does_not_make_up_for_an_old_fence(cluster: Cluster) -> None:
    old, new = cluster.node(1), cluster.node(2)
    stale = await claim(old)
    fresh = await claim(new, term=2)
    assert await new.append([append_to(fresh, event(1))]) == [Outcome.LANDED]
    assert await old.append([append_to(stale, event(2), after=1)]) == [Outcome.FENCED]
    assert await new.append([append_to(fresh, event(2), after=1)]) == [Outcome.LANDED]


async def test_trap_2_the_right_fence_does_not_make_up_for_an_old_offset(cluster: Cluster) -> None:
    node = cluster.node(1)
    claimed = await claim(node)
    assert await node.append([append_to(claimed, event(1))]) == [Outcome.LANDED]
    assert await node.append([append_to(claimed, event(1))]) == [Outcome.FENCED]
    assert await offsets(node) == [1]


async def test_trap_3_an_earlier_activation_on_the_same_node_is_fenced(cluster: Cluster) -> None:
    node = cluster.node(1)
    crashed = await claim(node)
    again = await claim(node)
    assert again.head.fence == crashed.head.fence + 1
    assert await node.append([append_to(crashed, event(1))]) == [Outcome.FENCED]
    assert await node.append([append_to(again, event(1))]) == [Outcome.LANDED]


async def test_trap_3_on_the_same_node_too_a_claim_waits_for_the_append_in_flight(postgres: PostgresCluster) -> None:
    node = postgres.node(1)
    lost = OpenAppend(postgres)
    await lost.begin(append_to(await claim(node), event(1, command_id="c", reply=b'"first"')), incarnation=1)

    claimed = await finish_while_waiting(lambda: claim(node), lost.commit)

    assert [(each.command_id, each.reply) for each in claimed.events] == [("c", b'"first"')]


async def test_trap_4_what_a_claim_loads_ends_at_the_offset_that_it_returns(postgres: PostgresCluster) -> None:
    old, new = postgres.node(1), postgres.node(2)
    first = await claim(old)
    assert await old.append([append_to(first, *map(event, range(1, 6)))]) == [Outcome.LANDED]
    zombie = OpenAppend(postgres)
    await zombie.begin(append_to(first, event(6), event(7), after=5), incarnation=1)

    claimed = await finish_while_waiting(lambda: claim(new, term=2), zombie.commit)

    assert claimed.head.offset == 7
    assert [each.offset for each in claimed.events] == [1, 2, 3, 4, 5, 6, 7]


async def test_trap_5_a_process_stopped_inside_a_transaction_holds_up_a_takeover_for_a_second_at_most(
    postgres: PostgresCluster,
) -> None:
    old, new = postgres.node(1), postgres.node(2)
    zombie = OpenAppend(postgres)
    await zombie.begin(append_to(await claim(old), event(1)), incarnation=1)  # and never commits
    with trio.fail_after(3):
        claimed = await claim(new, term=2)
    assert claimed.head.offset == 0
    assert await new.append([append_to(claimed, event(1))]) == [Outcome.LANDED]


async def test_trap_6_a_stricter_default_isolation_does_not_turn_waiting_into_failing(
    postgres: PostgresCluster, own_servers: OwnServers
) -> None:
    async def make_strict() -> None:
        connection = await asyncpg.connect(postgres.url)
        name = await connection.fetchval("SELECT current_database()")
        await connection.execute(f"ALTER DATABASE {name} SET default_transaction_isolation = 'repeatable read'")
        await connection.close()

    await postgres.bridge.run(make_strict)
    old, new = postgres.node(1), postgres.node(2)
    zombie = OpenAppend(postgres)
    await zombie.begin(append_to(await claim(old), event(1)), incarnation=1)
    claimed = await finish_while_waiting(lambda: claim(new, term=2), zombie.commit)
    assert claimed.head.offset == 1


async def test_trap_7_a_reader_by_offset_never_skips_what_commits_later(postgres: PostgresCluster) -> None:
    node = postgres.node(1)
    claimed = await claim(node)
    assert await node.append([append_to(claimed, event(1))]) == [Outcome.LANDED]
    slow = OpenAppend(postgres)
    await slow.begin(append_to(claimed, event(2), after=1), incarnation=1)
    head, seen = await node.read("room:a", limit=ALL)
    assert head is not None
    assert head.offset == 1
    await slow.commit()
    _, rest = await node.read("room:a", after=seen[-1].offset, limit=ALL)
    assert [each.offset for each in seen + rest] == [1, 2]


async def test_trap_10_a_commit_whose_waiting_for_a_standby_was_cancelled_is_no_success(
    postgres: PostgresCluster,
) -> None:
    """The server says that it was one, and warns that no standby has it: a failover would lose it."""
    node = postgres.node(1)
    claimed = await claim(node)
    async with administered(postgres) as administer:
        await administer("ALTER SYSTEM SET synchronous_standby_names = 'nobody'", "SELECT pg_reload_conf()")
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(end_its_waiting, administer)
                with pytest.raises(OutcomeLost):
                    await node.append([append_to(claimed, event(1))])
        finally:
            await administer("ALTER SYSTEM RESET synchronous_standby_names", "SELECT pg_reload_conf()")
    again = await claim(node)
    assert again.head.offset == 1, "it is there, unless there was a failover"
    assert await node.append([append_to(again, event(2), after=1)]) == [Outcome.LANDED]


async def test_trap_10_a_commit_that_waits_for_a_standby_ends_by_our_own_deadline(postgres: PostgresCluster) -> None:
    """The server's does not end it."""
    node = postgres.node(1)
    claimed = await claim(node)
    async with administered(postgres) as administer:
        await administer("ALTER SYSTEM SET synchronous_standby_names = 'nobody'", "SELECT pg_reload_conf()")
        try:
            with trio.move_on_after(1.0) as scope:
                await node.append([append_to(claimed, event(1))])
            assert scope.cancelled_caught
        finally:
            await administer("ALTER SYSTEM RESET synchronous_standby_names", "SELECT pg_reload_conf()")


Administer = Callable[..., Awaitable[list[Any]]]


@asynccontextmanager
async def administered(postgres: PostgresCluster) -> AsyncIterator[Administer]:
    """Runs statements, each by itself; gives the rows of the last."""
    connection = await postgres.bridge.run(asyncpg.connect, postgres.url)

    async def administer(*statements: str) -> list[Any]:
        rows: list[Any] = []
        for statement in statements:
            rows = await postgres.bridge.run(connection.fetch, statement)
        return rows

    try:
        yield administer
    finally:
        await postgres.bridge.run(connection.close)


async def end_its_waiting(administer: Administer) -> None:
    """As somebody does who wonders why a statement takes so long."""
    cancelled = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
    with trio.fail_after(20):
        while not await administer(cancelled):
            pass
