"""The sweep: when it goes round, and what it brings."""

from collections.abc import Collection
from typing import Any

import pytest
import trio
from msgspec.structs import replace
from trio.testing import MockClock

from greenroom.actors.life.turn import Turn
from greenroom.config.telemetry.instruments import Instruments
from greenroom.store.errors import StoreUnavailable
from greenroom.store.views.store import Behind, Version
from greenroom.supervisors.supervision.backoff import new_backoff
from greenroom.supervisors.views.runner import Runner
from greenroom.supervisors.views.stopwatch import Stopwatch
from greenroom.supervisors.views.sweep import REST_MAX_S, ROUND_S, Sweep
from tests.actors.views.shows import Standings, installed

STATEMENT_S = 8.0  # which is not what it is by default
LATE_S = STATEMENT_S + 5.0


class FakeStore:
    """Heads 1 to 10, those in `late` behind."""

    def __init__(self) -> None:
        self.late: set[int] = set()
        self.asked: list[tuple[int, Collection[int] | None]] = []
        self.is_away = False
        self.takes_s = 0.0

    async def behind(
        self, version: Version, *, after_id: int, limit: int, shards: Collection[int] | None
    ) -> tuple[list[Behind], int | None]:
        await trio.lowlevel.checkpoint()
        self.asked.append((after_id, shards))
        await trio.sleep(self.takes_s)
        if self.is_away:
            raise StoreUnavailable("away")
        page = [number for number in range(1, 11) if number > after_id][:limit]
        return [Behind(number, "show:x") for number in page if number in self.late], page[-1] if page else None


VERSION = Version(
    id=1,
    name="standings",
    version=1,
    build=1,
    shape=installed(Standings).shape,
    kinds=frozenset({"show"}),
    state="live",
    paused=False,
    rung=0,
    age_s=0.0,
)


class World:
    def __init__(self) -> None:
        self.store = FakeStore()
        self.shards: Collection[int] | None = None
        store: Any = self.store
        self.runner = Runner(
            installed(Standings), VERSION, store, turn=Turn(), new_backoff=new_backoff, instruments=Instruments()
        )
        stopwatch = Stopwatch(elapsed=trio.current_time)
        self.history: str | None = None
        self.sweep = Sweep(
            self.runner,
            store,
            shards=lambda: self.shards,
            history=lambda: self.history,
            page=4,
            stopwatch=stopwatch,
            statement_s=STATEMENT_S,
        )

    def see(self, **fields: Any) -> None:
        self.runner.see(replace(self.runner.version, **fields))


@pytest.fixture
def world() -> World:
    return World()


async def run(world: World, seconds: float) -> list[int]:
    """Which heads it has brought, after so long."""
    with trio.move_on_after(seconds):
        await world.sweep.run()
    return sorted(world.runner.backlog.take_behind(100))


async def test_all_that_is_behind_is_brought_at_the_start(world: World, autojump_clock: MockClock) -> None:
    world.store.late = {1, 4, 5, 10}
    assert await run(world, 10) == [1, 4, 5, 10]
    assert [after for after, _ in world.store.asked] == [0, 4, 8, 10]
    assert world.sweep.laps == 1 and world.sweep.found == 4


async def test_it_goes_round_now_and_then(world: World, autojump_clock: MockClock) -> None:
    await run(world, 3 * ROUND_S)
    assert world.sweep.laps == 4, "at the start, a little later, and twice slowly"


async def test_what_a_former_owner_had_under_way_as_shards_came_is_found_soon(
    world: World, autojump_clock: MockClock
) -> None:
    """It has landed behind the lap that looked for it, and the one who sent it has ended."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(world.sweep.run)
        await trio.sleep(LATE_S + 5)
        world.shards = frozenset({7})
        await trio.sleep(5)
        world.store.late = {4}
        await trio.sleep(LATE_S)
        assert world.runner.backlog.take_behind(100) == [4]
        laps = world.sweep.laps
        await trio.sleep(ROUND_S - 15)
        assert world.sweep.laps == laps, "once"
        nursery.cancel_scope.cancel()


async def test_so_it_is_where_the_store_is_away_just_then(world: World, autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(world.sweep.run)
        await trio.sleep(LATE_S - 5)
        world.store.is_away = True
        await trio.sleep(10)
        world.store.late, world.store.is_away = {4}, False
        await trio.sleep(3)
        assert world.runner.backlog.take_behind(100) == [4]
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("heard", ["", ".2"])
async def test_the_first_word_of_the_history_is_no_reason(world: World, autojump_clock: MockClock, heard: str) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(world.sweep.run)
        await trio.sleep(5)
        world.history = heard
        await trio.sleep(5)
        assert world.sweep.laps == 1
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("reason", ["shards", "ring", "swept away", "history", "history again"])
async def test_a_reason_has_it_go_round_at_once(world: World, autojump_clock: MockClock, reason: str) -> None:
    async with trio.open_nursery() as nursery:
        world.history = ".2" if reason == "history again" else ""
        nursery.start_soon(world.sweep.run)
        await trio.sleep(5)
        laps = world.sweep.laps
        match reason:
            case "history":
                world.history = ".2"
            case "history again":
                world.history = ".3"
            case "shards":
                world.shards = frozenset({7})
            case "ring":
                world.see(rung=1)
            case _:
                world.runner.backlog.swept_away = True
        await trio.sleep(5)
        assert world.sweep.laps == laps + 1
        nursery.cancel_scope.cancel()
    assert world.store.asked[-1][1] == (frozenset({7}) if reason == "shards" else None)


async def test_a_reason_ends_a_slow_lap_that_a_slow_database_makes_long(
    world: World, autojump_clock: MockClock
) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(world.sweep.run)
        await trio.sleep(5)
        world.store.takes_s = 8.0
        await trio.sleep(ROUND_S + 8.0)  # a page of the slow lap has been looked at, and it rests
        world.store.takes_s = 0.0
        world.store.late = {1}
        world.see(rung=1)
        await trio.sleep(3)
        assert world.runner.backlog.take_behind(100) == [1]
        nursery.cancel_scope.cancel()


async def test_a_slow_lap_does_not_rest_for_long_because_of_one_slow_page(
    world: World, autojump_clock: MockClock
) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(world.sweep.run)
        await trio.sleep(5)
        world.store.takes_s = 8.0
        laps = world.sweep.laps
        await trio.sleep(ROUND_S + 4 * (8.0 + REST_MAX_S + 1.0) + 1.0)
        assert world.sweep.laps == laps + 1
        nursery.cancel_scope.cancel()


async def test_nothing_is_looked_for_while_the_view_is_paused(world: World, autojump_clock: MockClock) -> None:
    world.see(paused=True)
    assert await run(world, 3 * ROUND_S) == [] and world.store.asked == []


async def test_a_store_that_is_away_has_it_begin_anew(world: World, autojump_clock: MockClock) -> None:
    world.store.is_away = True
    async with trio.open_nursery() as nursery:
        nursery.start_soon(world.sweep.run)
        await trio.sleep(5)
        assert world.sweep.laps == 0
        world.store.is_away = False
        await trio.sleep(5)
        assert world.sweep.laps == 1
        nursery.cancel_scope.cancel()
