"""The slot of a task that waits for its answer."""

from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors import Done
from actors.envelope import TaskSlot
from actors.errors import Overloaded


async def test_the_answer_wakes_the_asker(autojump_clock: MockClock) -> None:
    slot = TaskSlot()
    got: list[Any] = []

    async def ask() -> None:
        got.append(await slot.wait())

    async with trio.open_nursery() as nursery:  # owner: the test
        nursery.start_soon(ask)
        await wait_all_tasks_blocked()
        slot.resolve(Done(), None)
    assert got == [Done()]


async def test_a_refusal_is_raised_at_the_asker(autojump_clock: MockClock) -> None:
    slot = TaskSlot()

    async def ask() -> None:
        with pytest.raises(Overloaded):
            await slot.wait()

    async with trio.open_nursery() as nursery:  # owner: the test
        nursery.start_soon(ask)
        await wait_all_tasks_blocked()
        slot.reject(Overloaded("full"))


@pytest.mark.parametrize("refuse", [False, True])
async def test_an_answer_after_the_asker_gave_up_is_dropped(refuse: bool, autojump_clock: MockClock) -> None:
    slot = TaskSlot()
    with trio.move_on_after(1) as scope:
        await slot.wait()
    assert scope.cancelled_caught
    if refuse:
        slot.reject(Overloaded("late"))
    else:
        slot.resolve(Done(), None)
    await trio.sleep(1)  # nothing of it reaches this task
