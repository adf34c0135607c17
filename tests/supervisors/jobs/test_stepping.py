"""Driving a coroutine step by step changes nothing for it, and each step is a turn."""

import trio
from pytest import raises
from trio.testing import MockClock

from greenroom.actors.life.turn import Turn
from greenroom.supervisors.jobs.stepping import stepping


async def test_what_it_waits_for_returns_and_raises_is_its_own(autojump_clock: MockClock) -> None:
    turn = Turn()
    serials: list[int] = []

    async def runs(fails: bool) -> int:
        with trio.move_on_after(5) as scope:
            serials.append(turn.serial)
            await trio.sleep(100)
        assert scope.cancelled_caught
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep, 3)
        serials.append(turn.serial)
        if fails:
            raise ValueError("no")
        return 7

    assert await stepping(runs(False), turn, "owner", "item") == 7
    assert trio.current_time() == 8 and serials[0] == 1 and serials[1] > 1
    with raises(ValueError, match="no"):
        await stepping(runs(True), turn, "owner", "item")
    assert turn.item is None and turn.owner is None


async def test_between_two_steps_it_is_nobodys_turn(autojump_clock: MockClock) -> None:
    turn = Turn()
    seen: list[object] = []

    async def looks() -> None:
        for _ in range(3):
            seen.append(turn.item)
            await trio.sleep(1)

    async def runs() -> None:
        for _ in range(3):
            assert turn.item == "item"
            await trio.sleep(1)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(looks)
        await stepping(runs(), turn, "owner", "item")
    assert seen == [None] * 3


async def test_a_cancellation_reaches_it(autojump_clock: MockClock) -> None:
    ended: list[str] = []

    async def runs() -> None:
        try:
            await trio.sleep(100)
        finally:
            ended.append("yes")

    with trio.move_on_after(1) as scope:
        await stepping(runs(), Turn(), "owner", "item")
    assert scope.cancelled_caught and ended == ["yes"]
