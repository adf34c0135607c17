"""What is the matter with the carrier, told once and counted: whether it serves, and since when it does not."""

from typing import Literal

import structlog

from greenroom.config.telemetry.throttled_log import Throttle
from greenroom.transports.bus.carrier import CarrierLost, Trouble

log = structlog.get_logger("greenroom.bus")

Side = Literal["append", "read"]

SAY_AGAIN_S = 60.0  # while the same goes on


class CarrierHealth:
    """Of the two sides, appending and reading, each as of its last call. `absent`: no append has worked for long."""

    def __init__(self, absent_s: float) -> None:
        self._absent_s = absent_s
        self._lost: dict[Side, float] = {}  # since when, on the caller's clock
        self._limit = Throttle(interval_s=SAY_AGAIN_S)
        self._to_tell = True  # that it is reached: it has yet to be for the first time, or a loss was told
        self.absent = False

    @property
    def appends(self) -> bool:
        return "append" not in self._lost

    @property
    def reads(self) -> bool:
        return "read" not in self._lost

    def begun(self, now: float) -> None:
        """The carrier is tried from now on; it has yet to prove itself, within the same time as later."""
        self._lost.setdefault("append", now)
        self._lost.setdefault("read", now)

    def lost(self, side: Side, error: CarrierLost, now: float) -> None:
        self._lost.setdefault(side, now)
        if self._limit.due(error.trouble, now) is not None:
            self._to_tell = True
            _say(error.trouble, str(error))

    def reached(self, side: Side, now: float) -> None:
        del self._lost[side]
        if side == "append":
            self.absent = False
        if not self._lost and self._to_tell:
            self._to_tell = False
            log.info("bus_reached")

    def tend(self, now: float) -> None:
        since = self._lost.get("append")
        self.absent = since is not None and now - since >= self._absent_s


def _say(trouble: Trouble, error: str) -> None:
    match trouble:
        case "away":
            log.warning("bus_away", error=error)
        case "stalled":
            log.warning("bus_stalled", error=error)
        case "full":
            log.error("bus_full", error=error)
        case "denied":
            log.error("bus_denied", error=error)
        case "read_only":
            log.error("bus_read_only", error=error)
        case "refused":
            log.error("bus_refused", error=error)
