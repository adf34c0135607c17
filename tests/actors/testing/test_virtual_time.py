"""What waits is run through at once, wherever a test calls it."""

import pytest
import trio

from greenroom.actors.testing.virtual_time import run_through


async def wait_long(seen: list[float]) -> None:
    began_at = trio.current_time()
    await trio.sleep(3_600)
    seen.append(trio.current_time() - began_at)


async def fail() -> None:
    await trio.sleep(3_600)
    raise ValueError("late")


def test_an_hour_is_over_at_once() -> None:
    seen: list[float] = []
    run_through(wait_long, seen)
    assert seen == [3_600]


async def test_in_a_test_that_is_async_itself_too() -> None:
    seen: list[float] = []
    run_through(wait_long, seen)
    assert seen == [3_600]
    with pytest.raises(ValueError, match="late"):
        run_through(fail)
