"""A node's clock: trio's, and one that goes on while the machine is suspended."""

import sys
import time

import pytest
import trio

from greenroom.supervisors.cli.serving.clock import BootClock


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is no such clock")
def test_it_is_the_one_that_counts_suspensions_and_sleeps_last_as_long_as_ever() -> None:
    async def sleep() -> tuple[float, float]:
        assert abs(trio.current_time() - time.clock_gettime(time.CLOCK_BOOTTIME)) < 5.0
        began = time.monotonic()
        before = trio.current_time()
        await trio.sleep(0.05)
        return time.monotonic() - began, trio.current_time() - before

    real_s, ours_s = trio.run(sleep, clock=BootClock())
    assert 0.05 <= ours_s < 5.0 and 0.049 <= real_s < 5.0
