"""trio's clock for a node: it goes on while the machine is suspended, as other machines' do.

By the clock that trio brings a node would come back from a suspension sure of a lease that ran out long ago.
"""

import sys
import time

from trio.abc import Clock

if sys.platform == "linux":
    BOOT_CLOCK = time.CLOCK_BOOTTIME
else:
    BOOT_CLOCK = time.CLOCK_MONOTONIC  # elsewhere there is none that goes on, or this one does


class BootClock(Clock):
    """Seconds since the machine was started. A sleep still lasts as long as it would while nothing is suspended."""

    def start_clock(self) -> None:
        """See Clock."""

    def current_time(self) -> float:
        """See Clock."""
        return time.clock_gettime(BOOT_CLOCK)

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """See Clock."""
        return deadline - time.clock_gettime(BOOT_CLOCK)
