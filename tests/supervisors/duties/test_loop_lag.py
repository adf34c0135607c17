import time

import pytest
import trio
from trio.testing import MockClock

from greenroom.supervisors.duties.loop_lag import measure_loop_lag


class Samples(list[float]):
    def record(self, seconds: float, /) -> None:
        self.append(seconds)


async def test_a_loop_that_is_on_time_has_no_lag(autojump_clock: MockClock) -> None:
    samples = Samples()
    async with trio.open_nursery() as nursery:  # owner: this test, which cancels it
        await nursery.start(measure_loop_lag, samples)
        await trio.sleep(1.05)
        nursery.cancel_scope.cancel()
    assert samples == pytest.approx([0.0] * 10)


async def test_a_stall_is_one_sample_of_its_length() -> None:
    """Real time: one task holds the loop for 0.2 s."""
    samples = Samples()
    async with trio.open_nursery() as nursery:  # owner: this test, which cancels it
        await nursery.start(lambda *, task_status: measure_loop_lag(samples, every_s=0.01, task_status=task_status))
        await trio.testing.wait_all_tasks_blocked()
        time.sleep(0.2)  # noqa: ASYNC251 - the stall
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert len([lag_s for lag_s in samples if lag_s > 0.15]) == 1
