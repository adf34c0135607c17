"""Each step of an async handler is a turn of its own, and nothing else about it changes."""

import pytest
import trio

from greenroom.actors.life.turn import Turn
from greenroom.actors.model.errors import HandlerStuck
from greenroom.supervisors.supervision.watched_steps import watched_steps


async def test_each_step_is_a_turn_and_each_wait_is_none() -> None:
    turn, owner, item = Turn(), object(), object()
    serials: list[int] = []
    looks: list[object] = []

    async def handler() -> str:
        for _ in range(3):
            assert turn.owner is owner and turn.item is item
            serials.append(turn.serial)
            await trio.lowlevel.checkpoint()
        return "reply"

    async def look() -> None:
        for _ in range(10):
            looks.append(turn.owner)
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:  # owner: this test
        nursery.start_soon(look)
        assert await watched_steps(handler(), turn, owner, item) == "reply"
        assert turn.owner is None
    assert len(set(serials)) == 3
    assert looks and set(looks) == {None}


async def test_what_the_handler_raises_comes_through() -> None:
    turn = Turn()

    async def handler() -> None:
        await trio.lowlevel.checkpoint()
        raise ValueError("told to")

    with pytest.raises(ValueError, match="told to"):
        await watched_steps(handler(), turn, object(), object())
    assert turn.owner is None


async def test_an_interrupt_between_a_step_and_the_line_that_ends_its_turn_leaves_no_turn_behind() -> None:
    """The watchdog strikes when the handler has given back the loop, and the turn is not over yet."""

    class Struck(Turn):
        struck = True

        def __setattr__(self, name: str, value: object) -> None:
            if name == "item" and value is None and not self.struck:
                self.struck = True
                raise HandlerStuck("a moment too late")
            super().__setattr__(name, value)

    async def waits() -> None:
        await trio.sleep_forever()

    async def returns() -> None:
        pass

    for handler in (waits, returns):
        turn = Struck()
        turn.struck = False
        with pytest.raises(HandlerStuck):
            await watched_steps(handler(), turn, object(), object())
        assert turn.owner is None and turn.item is None


async def test_a_deadline_ends_it_and_it_may_clean_up(autojump_clock: trio.testing.MockClock) -> None:
    turn = Turn()
    cleaned: list[str] = []

    async def handler() -> None:
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(1)
            cleaned.append("up")

    with trio.move_on_after(1) as scope:
        await watched_steps(handler(), turn, object(), object())
    assert scope.cancelled_caught and cleaned == ["up"] and turn.owner is None
