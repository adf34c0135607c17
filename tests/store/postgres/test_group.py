"""A server that has fewer sessions for us than we would open: lanes go first, then claims, and readers make do."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from greenroom.store.errors import NoSessionLeft
from greenroom.store.own.servers import OwnServers
from greenroom.store.postgres.bridge import Bridge
from greenroom.store.postgres.connection import Connection
from greenroom.store.postgres.group import NARROW_S, Group
from greenroom.store.postgres.pool import Pool
from tests.conftest import administer

NAMES = "SELECT application_name FROM pg_stat_activity WHERE usename = 'narrow'"
ONE = "SELECT 1"


@pytest.fixture
def limit(own_servers: OwnServers, narrow_url: str) -> Callable[[int], Awaitable[None]]:
    async def set_limit(sessions: int) -> None:
        await trio.to_thread.run_sync(administer, own_servers, f"ALTER ROLE narrow CONNECTION LIMIT {sessions}")

    return set_limit


@asynccontextmanager
async def narrow_pool(url: str, size: int) -> AsyncIterator[Pool]:
    with trio.fail_after(20):
        async with Bridge() as bridge, Pool(bridge, url, incarnation=1, size=size, connect_s=3.0) as pool:
            yield pool
            await pool.aclose()


async def ask(group: Group, sql: str = ONE) -> None:
    async with group.connection() as connection:
        await connection.fetch(sql)


async def ask_all(group: Group, times: int, sql: str = ONE) -> None:
    async with trio.open_nursery() as nursery:
        for _ in range(times):
            nursery.start_soon(ask, group, sql)


async def in_the_end(call: Callable[[], Awaitable[object]]) -> None:
    """A busy machine's server still counts a session for a while that has ended."""
    while True:
        try:
            await call()
        except NoSessionLeft:
            await trio.sleep(NARROW_S)
        else:
            return


async def sessions(connection: Connection) -> list[str]:
    return sorted(row[0].rpartition(" ")[2].partition("-")[0] for row in await connection.fetch(NAMES))


@pytest.mark.bound("sessions with Postgres")
async def test_readers_wait_for_the_sessions_there_are(
    narrow_url: str, limit: Callable[[int], Awaitable[None]]
) -> None:
    await limit(2)
    async with narrow_pool(narrow_url, 8) as pool:
        await ask_all(pool.readers, 30, "SELECT pg_sleep(0.01)")
        assert pool.connects == 2
        await limit(4)
        await trio.sleep(NARROW_S)
        await ask_all(pool.readers, 30, "SELECT pg_sleep(0.05)")
        assert pool.connects == 4, "more, once there are more"


@pytest.mark.parametrize("busy", [False, True])
async def test_a_lane_without_a_session_gets_a_readers(
    narrow_url: str, limit: Callable[[int], Awaitable[None]], busy: bool
) -> None:
    await limit(2)
    async with narrow_pool(narrow_url, 8) as pool:
        await ask_all(pool.readers, 15)
        lane = pool.dedicated("lane-0")
        async with trio.open_nursery() as nursery:
            if busy:
                nursery.start_soon(ask_all, pool.readers, 15, "SELECT pg_sleep(0.05)")
                await wait_all_tasks_blocked(0.01)
            await in_the_end(lambda: lane.fetch(ONE, write=True))
        assert await sessions(lane) == ["lane", "read"]
        await ask_all(pool.readers, 15)
        assert await sessions(lane) == ["lane", "read"]


async def test_claims_have_a_session_before_readers_have_two(
    narrow_url: str, limit: Callable[[int], Awaitable[None]]
) -> None:
    await limit(3)
    async with narrow_pool(narrow_url, 8) as pool:
        lane, claims = pool.dedicated("lane-0"), pool.group("claim", 2)
        await ask_all(pool.readers, 15)
        await lane.fetch(ONE)
        await ask_all(claims, 5)
        assert await sessions(lane) == ["claim", "lane", "read"], "a second claim waits for the first"


async def test_where_lanes_need_all_sessions_readers_are_told_at_once_and_come_back(
    narrow_url: str, limit: Callable[[int], Awaitable[None]]
) -> None:
    await limit(2)
    async with narrow_pool(narrow_url, 4) as pool:
        await ask_all(pool.readers, 9)
        lanes = [pool.dedicated(f"lane-{number}") for number in range(2)]
        for lane in lanes:
            await lane.fetch(ONE)
        assert await sessions(lanes[0]) == ["lane", "lane"]
        begun = trio.current_time()
        with pytest.raises(NoSessionLeft):
            await ask(pool.readers)
        assert trio.current_time() - begun < 0.5
        await limit(3)
        await trio.sleep(NARROW_S)
        await in_the_end(lambda: ask(pool.readers))
        await ask_all(pool.readers, 9)
        assert await sessions(lanes[0]) == ["lane", "lane", "read"]


async def test_where_others_have_all_sessions_everybody_is_told_soon(
    narrow_url: str, limit: Callable[[int], Awaitable[None]]
) -> None:
    await limit(1)
    async with narrow_pool(narrow_url, 1) as others, others.connection() as other:
        await other.fetch(ONE)
        async with narrow_pool(narrow_url, 4) as pool:
            told: list[NoSessionLeft] = []

            async def refused(use: Callable[[], Awaitable[object]]) -> None:
                with pytest.raises(NoSessionLeft) as caught:
                    await use()
                told.append(caught.value)

            lane, claims = pool.dedicated("lane-0"), pool.group("claim", 2)
            begun = trio.current_time()
            async with trio.open_nursery() as nursery:
                for _ in range(6):
                    nursery.start_soon(refused, lambda: ask(pool.readers))
                nursery.start_soon(refused, lambda: lane.fetch(ONE))
                nursery.start_soon(refused, lambda: ask(claims))
            assert len(told) == 8
            assert trio.current_time() - begun < 2.5


async def test_who_stops_waiting_for_room_takes_none(narrow_url: str, limit: Callable[[int], Awaitable[None]]) -> None:
    await limit(1)
    async with narrow_pool(narrow_url, 2) as pool:
        async with pool.connection() as reader:
            await reader.fetch(ONE)
            with trio.move_on_after(0.05):
                await pool.dedicated("lane-0").fetch(ONE)
        await ask(pool.readers)
        assert pool.connects == 1


class Server:
    """With so many sessions for us. Its connections are as `Group` knows them."""

    def __init__(self, sessions: int) -> None:
        self.sessions = sessions
        self.open = 0

    def group(self, size: int) -> Group:
        connections: Any = [_Session(self) for _ in range(size)]
        return Group(connections, waiting_max=100, wait_s=10.0)


class _Session:
    def __init__(self, server: Server) -> None:
        self._server = server
        self.has_session = False

    async def open(self) -> None:
        await trio.sleep(0.01)
        if self._server.open >= self._server.sessions:
            raise NoSessionLeft("the test says so")
        self._server.open += 1
        self.has_session = True

    async def aclose(self) -> None:
        await trio.sleep(0.5)
        self._server.open -= self.has_session
        self.has_session = False


async def test_who_waits_while_the_last_session_is_given_up_is_told_as_soon_as_whoever_comes_then(
    autojump_clock: MockClock,
) -> None:
    group = Server(1).group(4)
    told_at: list[float] = []

    async def refused() -> None:
        with pytest.raises(NoSessionLeft):
            async with group.connection():
                pass
        told_at.append(trio.current_time() - begun)

    async with trio.open_nursery() as nursery:
        begun = trio.current_time()
        async with group.connection():
            for _ in range(3):
                nursery.start_soon(refused)
            await wait_all_tasks_blocked()
            nursery.start_soon(group.give_way)
            await wait_all_tasks_blocked()
    assert told_at == pytest.approx([0.51] * 3, abs=0.1)
    await trio.sleep(NARROW_S)
    async with group.connection():
        pass


async def test_who_waits_gets_another_session_as_soon_as_one_may_be_opened_and_in_its_turn(
    autojump_clock: MockClock,
) -> None:
    """Though nobody comes meanwhile, and the one session that there was is in use for long."""
    server = Server(1)
    group = server.group(2)
    served: list[tuple[int, float]] = []

    async def use(number: int) -> None:
        async with group.connection():
            served.append((number, trio.current_time() - begun))
            await trio.sleep(1.0)

    async with trio.open_nursery() as nursery:
        begun = trio.current_time()
        async with group.connection():
            for number in range(4):
                nursery.start_soon(use, number)
                await wait_all_tasks_blocked()
            await trio.sleep(0.5)
            server.sessions = 2
            await trio.sleep(NARROW_S + 1)
            assert [at for _, at in served] == pytest.approx([NARROW_S, NARROW_S + 1], abs=0.1)
    assert [number for number, _ in served] == [0, 1, 2, 3]


async def test_who_stops_waiting_as_its_turn_comes_passes_it_on(autojump_clock: MockClock) -> None:
    group = Server(1).group(1)
    async with trio.open_nursery() as nursery:
        stopped = trio.CancelScope()

        async def stops() -> None:
            with stopped:
                async with group.connection():
                    raise AssertionError

        async with group.connection():
            nursery.start_soon(stops)
            await wait_all_tasks_blocked()
            nursery.start_soon(ask_fake, group)
            await wait_all_tasks_blocked()
            stopped.cancel()
        begun = trio.current_time()
    assert trio.current_time() - begun < 1


async def ask_fake(group: Group) -> None:
    async with group.connection():
        pass
