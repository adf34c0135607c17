"""Wires to Postgres that go silent: everything is answered again in time, and nothing is taken for another's answer.
Then the time that a statement has, and who hears of it when it is over: on virtual time."""

import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import pytest
import trio
from trio.testing import MockClock

from greenroom.store.errors import OutcomeLost, StoreUnavailable
from greenroom.store.journal.claims import Claims
from greenroom.store.journal.journal_postgres import PostgresJournal
from greenroom.store.journal.records import Append, Claimed, Outcome, StoredEvent
from greenroom.store.postgres.bridge import Bridge
from greenroom.store.postgres.connection import Connection
from greenroom.store.postgres.pool import Pool
from greenroom.store.postgres.silence import DOUBTED_S, Lapse, Lapsed
from tests.store.postgres.peers.silent_proxy import silent_proxy

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


@contextmanager
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    left, right = socket.socketpair()
    with left, right:
        yield left, right


def in_s(seconds: float) -> Lapse:
    return Lapse(trio.current_time() + seconds)


async def waits(bridge: Bridge, sock: socket.socket, lapse: Lapse) -> float:
    """After how many seconds it lapsed."""
    begun = trio.current_time()
    with pytest.raises(Lapsed):
        await bridge.readable(sock.fileno(), lapse)
    return trio.current_time() - begun


async def test_who_waits_for_too_long_hears_of_it_and_again(autojump_clock: MockClock) -> None:
    async with Bridge() as bridge:
        with pair() as (left, _):
            for seconds in (10.0, 3.0, 10.0):
                assert await waits(bridge, left, in_s(seconds)) == pytest.approx(seconds)


async def test_each_has_its_own_time_whichever_began_first(autojump_clock: MockClock) -> None:
    found: dict[float, float] = {}

    async def one(bridge: Bridge, sock: socket.socket, seconds: float) -> None:
        found[seconds] = await waits(bridge, sock, in_s(seconds))

    async with Bridge() as bridge:
        with pair() as (left, right), pair() as (other, _):
            async with trio.open_nursery() as nursery:
                for sock, seconds in ((left, 10.0), (right, 4.0), (other, 20.0)):
                    nursery.start_soon(one, bridge, sock, seconds)
    assert found == {10.0: pytest.approx(10.0), 4.0: pytest.approx(4.0), 20.0: pytest.approx(20.0)}


async def test_it_can_become_less_and_never_more(autojump_clock: MockClock) -> None:
    async with Bridge() as bridge:
        with pair() as (left, _):
            lapse = in_s(10.0)
            async with trio.open_nursery() as nursery:

                async def shortened() -> None:
                    assert await waits(bridge, left, lapse) == pytest.approx(2.0)

                nursery.start_soon(shortened)
                await trio.sleep(1.0)
                lapse.shorten(trio.current_time() + 1.0)
                lapse.shorten(trio.current_time() + 5.0)


async def test_an_answer_in_time_is_one_though_the_look_comes_later(autojump_clock: MockClock) -> None:
    """The look at the first one's time finds nobody, and the next has all of his."""
    async with Bridge() as bridge:
        with pair() as (left, right):
            right.send(b"x")
            await bridge.readable(left.fileno(), in_s(2.0))
            left.recv(1)
            assert await waits(bridge, left, in_s(10.0)) == pytest.approx(10.0)


async def test_what_is_awaited_otherwise_ends_by_a_scope(autojump_clock: MockClock) -> None:
    lapse = in_s(10.0)
    begun = trio.current_time()
    async with trio.open_nursery() as nursery:

        async def shortens() -> None:
            await trio.sleep(1.0)
            lapse.shorten(trio.current_time() + 1.0)

        nursery.start_soon(shortens)
        with lapse.scope() as scope:
            await trio.sleep_forever()
    assert scope.cancelled_caught
    assert trio.current_time() - begun == pytest.approx(2.0)
