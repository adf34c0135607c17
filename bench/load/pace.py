"""An open-loop schedule: when each message is due, whatever the server does.

A message carries the moment it was *due*, not the moment it left, so a stall of server or generator shows in the
latencies instead of thinning out the samples ("coordinated omission").
"""


class Pace:
    """`total` messages at `per_s`, the first at `start_ns`. Times are those of `time.perf_counter_ns`.

    On Linux that clock is the same in all processes, so a moment written by one may be compared in another.
    """

    __slots__ = ("given", "interval_ns", "start_ns", "total")

    def __init__(self, start_ns: int, per_s: float, total: int) -> None:
        self.start_ns = start_ns
        self.interval_ns = 1e9 / per_s
        self.total = total
        self.given = 0

    def due(self, now_ns: int) -> range:
        """The numbers of the messages that have become due since the last call."""
        upto = min(self.total, int((now_ns - self.start_ns) / self.interval_ns) + 1) if now_ns >= self.start_ns else 0
        ready = range(self.given, max(upto, self.given))
        self.given = ready.stop
        return ready

    def at_ns(self, number: int) -> int:
        """When message `number` is due."""
        return self.start_ns + int(number * self.interval_ns)

    @property
    def done(self) -> bool:
        return self.given >= self.total
