"""Clocks: is this node's right, as far as the database's shows?

Nothing of who owns what depends on it. But events bear its time, durable timers are due by it, tokens expire by it: an
hour off, it would fire what is due in an hour as soon as it owns it.
"""

from collections.abc import Callable, Sequence

import structlog
import trio

from greenroom.config.telemetry.throttled_log import Throttle
from greenroom.store.errors import StoreUnavailable
from greenroom.store.ownership.referee import Member

log = structlog.get_logger("greenroom.membership")

OFF_MAX_S = 60.0
SAY_AGAIN_S = 60.0


class ClockDiffers(StoreUnavailable):
    """This node's clock and the database's are too far apart for it to share the entities."""


class Clocks:
    """Compares `own`, Unix seconds, with what the referee says; None: there is nothing to be compared."""

    def __init__(self, own: Callable[[], float] | None) -> None:
        self._own = own
        self._began = 0.0
        self._off_s = 0.0
        self._limit = Throttle(interval_s=SAY_AGAIN_S)

    def asking(self) -> None:
        """The referee is asked for its members now."""
        if self._own is not None:
            self._began = self._own()

    def answered(self, members: Sequence[Member]) -> None:
        """It has named these, by its clock at some moment since."""
        if self._own is None or not members:
            return
        theirs = members[0].until - members[0].left_s
        now = self._own()
        self._off_s = max(self._began - theirs, 0.0) or min(now - theirs, 0.0)  # 0 between the two
        if abs(self._off_s) > OFF_MAX_S and self._limit.due("off", trio.current_time()) is not None:
            log.error("clock_differs", ahead_s=round(self._off_s))

    def check(self) -> None:
        """Raises: ClockDiffers."""
        if abs(self._off_s) > OFF_MAX_S:
            way = "ahead of" if self._off_s > 0 else "behind"
            raise ClockDiffers(
                f"the clock of this host is {abs(self._off_s):.0f} s {way} the database's: set the one that is wrong"
            )
