"""What measures which rate."""

import pytest

from greenroom.actors.jobs.limits import Rate
from greenroom.actors.jobs.queue.rates.bucket import Bucket
from greenroom.actors.jobs.queue.rates.meter import Meter, meter_of
from greenroom.actors.jobs.queue.rates.windows import FixedWindow, SlidingWindow


@pytest.mark.parametrize(
    ("rate", "meter"),
    [
        (Rate(300, per_s=60), Bucket(300, 60_000, 1)),
        (Rate(300, per_s=60, burst=9), Bucket(300, 60_000, 9)),
        (Rate(300, per_s=60, window="fixed"), FixedWindow(300, 60_000)),
        (Rate(300, per_s=60, window="sliding"), SlidingWindow(300, 60_000)),
    ],
    ids=str,
)
def test_by_its_window(rate: Rate, meter: Meter) -> None:
    assert meter_of(rate) == meter
