"""What a queue writes down of its windows, ahead: so that a life that comes after this one knows what was begun in
them, or that a little more was. (Of buckets it is enough to know when all are full again.)"""

from collections.abc import Iterator, Mapping

from greenroom.actors.jobs.queue.rates.meter import Meter

TOLD_MAX = 10_000  # keys of which that is written down; new ones wait, after a restart, as if the others had all of it
SHARE = 20  # of the whole, that is told beyond what is used

Known = tuple[int, int]  # when all tokens are back, and how many are not until then


class Told:
    """Of one rate's windows, by name."""

    def __init__(self) -> None:
        self._of: dict[str, Known] = {}
        self.news: dict[str, Known] = {}  # to be written down
        self._counts_ms = 0  # until then all of them count

    def begin(self, known: Mapping[str, Known]) -> None:
        self._of = dict(known)
        self._counts_ms = 0

    def get(self, name: str) -> Known | None:
        return self._of.get(name)

    def spent(self, name: str, spent: int, meter: Meter, now_ms: int) -> bool:
        """So much is now. False: there is no room for it."""
        full_ms, used = meter.full_ms(spent), meter.used(spent, now_ms)
        told = self._of.get(name)
        if not used:
            return True
        if told is not None and told[0] >= full_ms and told[1] >= used:
            return True
        if told is None and len(self._of) >= TOLD_MAX:
            if now_ms >= self._counts_ms:  # else no room is made by looking through them
                self._of = dict(still(self._of, now_ms))
                self._counts_ms = min((one[0] for one in self._of.values()), default=0)
            if len(self._of) >= TOLD_MAX:
                return False
        known = full_ms + (meter.ahead_ms or 0), min(meter.burst, used + meter.burst // SHARE)
        self._of[name] = self.news[name] = known
        self._counts_ms = min(self._counts_ms, known[0])
        return True

    def take(self) -> dict[str, Known]:
        """What is to be written down."""
        news, self.news = self.news, {}
        return news


def still(known: Mapping[str, Known], now_ms: int) -> Iterator[tuple[str, Known]]:
    """Those of them that count yet."""
    return ((name, one) for name, one in known.items() if one[0] > now_ms)
