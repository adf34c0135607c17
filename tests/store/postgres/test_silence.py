"""Wires to Postgres that go silent: everything is answered again in time, and nothing is taken for another's answer."""

from collections.abc import Awaitable, Callable

import pytest
import trio

from greenroom.store.errors import OutcomeLost, StoreUnavailable
from greenroom.store.journal.claims import Claims
from greenroom.store.journal.journal_postgres import PostgresJournal
from greenroom.store.journal.records import Append, Claimed, Outcome, StoredEvent
from greenroom.store.postgres.bridge import Bridge
from greenroom.store.postgres.connection import Connection
from greenroom.store.postgres.pool import Pool
from greenroom.store.postgres.silence import DOUBTED_S
from tests.store.postgres.silent_proxy import silent_proxy

STATEMENT_S = 0.8
ENOUGH_S = STATEMENT_S + DOUBTED_S + 2.0  # a doubtful wire's grace on top, and a slow machine's


def append(claimed: Claimed, offset: int) -> Append:
    return Append(claimed.head.id, claimed.head.fence, offset - 1, [StoredEvent(offset, 1, b"{}")])


async def test_all_that_a_node_asks_is_answered_again_after_its_wires_went_silent(database_url: str) -> None:
    """Claims, appends, reads of several kinds, each on wires that have worked before."""
    async with (
        silent_proxy(database_url) as proxy,
        Bridge() as bridge,
        Pool(bridge, proxy.url, incarnation=1, size=2, statement_s=STATEMENT_S) as pool,
        trio.open_nursery() as nursery,
    ):
        journal = PostgresJournal(pool, incarnation=1)
        claims = Claims(journal)
        await nursery.start(claims.run)
        claimed = await claims.claim("room:a", term=1)
        assert await journal.append([append(claimed, 1)]) == [Outcome.LANDED]
        async with pool.connection(), pool.connection() as both:
            await both.fetch("SELECT 1")
        await journal.lineage()
        before = proxy.wires
        proxy.silence()

        async def until_answered(ask: Callable[[], Awaitable[object]]) -> None:
            while True:
                try:
                    await ask()
                    return
                except (StoreUnavailable, OutcomeLost):
                    continue

        async def write() -> None:
            again = await claims.claim("room:a", term=1)
            assert await journal.append([append(again, again.head.offset + 1)]) == [Outcome.LANDED]

        with trio.fail_after(ENOUGH_S):
            async with trio.open_nursery() as asking:
                asking.start_soon(until_answered, write)
                for number in range(4):
                    asking.start_soon(until_answered, lambda n=number: claims.claim(f"room:new-{n}", term=1))
                asking.start_soon(until_answered, lambda: journal.received(claimed.head.id, [5]))
                asking.start_soon(until_answered, lambda: journal.replies(claimed.head.id, ["x"]))
                asking.start_soon(until_answered, lambda: journal.read("room:a", limit=10))
                asking.start_soon(until_answered, journal.lineage)
        assert proxy.wires > before
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(("write", "error"), [(False, StoreUnavailable), (True, OutcomeLost)])
async def test_a_deadline_that_passes_is_a_lost_outcome_only_for_a_write(
    write: bool, error: type[Exception], database_url: str
) -> None:
    async with (
        silent_proxy(database_url) as proxy,
        Bridge() as bridge,
        Pool(bridge, proxy.url, incarnation=1, size=1, statement_s=STATEMENT_S) as pool,
    ):
        lane = pool.dedicated("lane")
        await lane.fetch("SELECT 1")
        proxy.silence()
        with trio.fail_after(ENOUGH_S), pytest.raises(error, match="no answer"):
            await lane.fetch("SELECT 2", write=write)
        assert (await lane.fetch("SELECT 3 AS n"))[0]["n"] == 3
        assert pool.connects == 2


async def test_one_silent_wire_makes_those_suspect_that_are_idle_since_longer(database_url: str) -> None:
    """They are opened anew instead of each costing its caller a deadline; one that has answered since is not."""
    async with (
        silent_proxy(database_url) as proxy,
        Bridge() as bridge,
        Pool(bridge, proxy.url, incarnation=1, size=1, statement_s=STATEMENT_S) as pool,
    ):
        idle, dead, busy = [pool.dedicated(name) for name in ("idle", "dead", "busy")]
        for connection in (idle, dead, busy):
            await connection.fetch("SELECT 1")
        proxy.silence(1)

        async def ask() -> None:
            with pytest.raises(StoreUnavailable):
                await dead.fetch("SELECT 1")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await trio.sleep(STATEMENT_S / 4)
            await busy.fetch("SELECT 1")
        assert pool.connects == 3
        await busy.fetch("SELECT 1")
        assert pool.connects == 3
        await idle.fetch("SELECT 1")
        assert pool.connects == 4


async def test_a_statement_on_a_doubtful_wire_is_given_up_early(database_url: str) -> None:
    """It was sent just before another's deadline passed: together they don't take two deadlines."""
    async with (
        silent_proxy(database_url) as proxy,
        Bridge() as bridge,
        Pool(bridge, proxy.url, incarnation=1, size=1, statement_s=4.0) as pool,
    ):
        first, second = pool.dedicated("first"), pool.dedicated("second")
        for connection in (first, second):
            await connection.fetch("SELECT 1")
        proxy.silence()
        began = trio.current_time()

        async def ask(connection: Connection) -> None:
            with pytest.raises(StoreUnavailable):
                await connection.fetch("SELECT 1")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask, first)
            await trio.sleep(3.5)
            nursery.start_soon(ask, second)
        assert trio.current_time() - began < 4.0 + DOUBTED_S + 0.5


async def test_the_answer_of_a_cancelled_statement_is_never_read_by_the_next(database_url: str) -> None:
    """The server does run it, and what it says comes when nobody asks for it any more."""
    async with Bridge() as bridge, Pool(bridge, database_url, incarnation=1, size=1) as pool:
        async with pool.connection() as connection:
            await connection.fetch("SELECT 1")
            for _ in range(20):
                with trio.move_on_after(0.001):
                    await connection.fetch("SELECT 'late' AS what FROM pg_sleep(0.002)")
                assert (await connection.fetch("SELECT 'mine' AS what"))[0]["what"] == "mine"


async def test_a_server_that_works_ends_a_statement_before_we_give_up_on_it(database_url: str) -> None:
    """So a slow write is known not to have landed, and its wire stays."""
    statement_s = 4 * STATEMENT_S  # of which a fifth is between the two: a busy machine is not to make that vanish
    async with Bridge() as bridge, Pool(bridge, database_url, incarnation=1, statement_s=statement_s) as pool:
        lane = pool.dedicated("lane")
        with pytest.raises(StoreUnavailable, match="statement timeout"):
            await lane.fetch("SELECT pg_sleep(10)", write=True)
        await lane.fetch("SELECT 1")
        assert pool.connects == 1
