"""Switching: when a table that is being filled takes the live one's place. On fakes; test_traps.py has real ones."""

from typing import Any

import pytest
import trio
from msgspec.structs import replace
from structlog.testing import capture_logs
from trio.testing import MockClock

from greenroom.store.errors import StoreUnavailable
from greenroom.store.views.store import Version
from greenroom.store.views.stores import Left
from greenroom.supervisors.views.switching import OLDEST_MS, UNDER_WAY_MAX, Switching
from tests.supervisors.views.test_sweep import VERSION, World


class Fakes:
    """The stores, and what the node does when it hears of a switch."""

    def __init__(self) -> None:
        self.world = World()
        self.left_ = Left()
        self.parked = 0
        self.is_away = False
        self.switched = 0
        self.world.runner.see(replace(VERSION, state="filling"))
        self.world.sweep.laps = 1
        us: Any = self
        self.switching = Switching(
            self.world.runner, self.world.sweep, versions=us, progress=us, now=trio.current_time, switched=self.see
        )

    async def left(self, version: Version, *, entities_max: int) -> Left:
        await trio.lowlevel.checkpoint()
        if self.is_away:
            raise StoreUnavailable("away")
        return self.left_

    async def parked_count(self, version: Version) -> int:
        await trio.lowlevel.checkpoint()
        return self.parked

    async def switch(self, version: Version) -> bool:
        await trio.lowlevel.checkpoint()
        self.switched += 1
        return True

    def see(self) -> None:
        self.world.runner.see(replace(self.world.runner.version, state="live"))


async def test_what_has_caught_up_is_switched_once(autojump_clock: MockClock) -> None:
    fakes = Fakes()
    await fakes.switching.run()
    assert fakes.switched == 1


async def test_what_is_parked_while_it_is_counted_is_not_switched(autojump_clock: MockClock) -> None:
    """It is not among what is left, and was not among those that were parked before."""
    fakes = Fakes()
    counted = fakes.left

    async def left(version: Version, *, entities_max: int) -> Left:
        fakes.parked = 1
        return await counted(version, entities_max=entities_max)

    fakes.left = left  # type: ignore[method-assign]
    with trio.move_on_after(60):
        await fakes.switching.run()
    assert not fakes.switched


async def test_a_live_one_is_left_alone(autojump_clock: MockClock) -> None:
    fakes = Fakes()
    fakes.see()
    await fakes.switching.run()
    assert fakes.switched == 0


@pytest.mark.parametrize(
    "why", ["no lap", "many behind", "long behind", "waiting", "parked", "mixed", "paused", "away"]
)
async def test_what_has_not_caught_up_waits_until_it_has(autojump_clock: MockClock, why: str) -> None:
    fakes = Fakes()
    world = fakes.world
    now_ms = int(trio.current_time() * 1000)
    match why:
        case "no lap":
            world.sweep.laps = 0
        case "many behind":
            fakes.left_ = Left(UNDER_WAY_MAX + 1, 200, now_ms + 100_000)
        case "long behind":
            fakes.left_ = Left(1, 1, now_ms - OLDEST_MS)
        case "waiting":
            world.runner.backlog.fall_behind(range(UNDER_WAY_MAX + 1))
        case "parked":
            fakes.parked = 1
        case "mixed":
            world.runner.is_mixed = True
        case "paused":
            world.see(paused=True)
        case "away":
            fakes.is_away = True
    with capture_logs() as logs:
        with trio.move_on_after(10):
            await fakes.switching.run()
        assert fakes.switched == 0
    told = [line["error"] for line in logs if line["event"] == "view_not_switched"]
    if why in ("parked", "mixed"):
        assert len(told) == 1  # and not each second
    world.sweep.laps, fakes.parked, fakes.is_away, world.runner.is_mixed = 1, 0, False, False
    fakes.left_ = Left(UNDER_WAY_MAX, 200, now_ms + 100_000)
    world.runner.backlog.take_behind(1000)
    world.see(paused=False)
    with trio.fail_after(10):
        await fakes.switching.run()
    assert fakes.switched == 1
