"""A throttled log: a warning that comes a thousand times a second is logged once, then counted."""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Protocol


class Throttle:
    """Decides which of many equal things is worth a line: the first, then one every `interval_s`, with the number
    passed over in between.

    Remembers at most `keys_max` keys; the one let through longest ago is forgotten first, so a peer that can choose
    keys can make us log again but not fill our memory.
    """

    def __init__(self, *, interval_s: float = 10.0, keys_max: int = 256) -> None:
        self._interval_s = interval_s
        self._keys_max = keys_max
        self._seen: OrderedDict[Hashable, tuple[float, int]] = OrderedDict()  # key -> (let through at, passed over)

    def due(self, key: Hashable, now_s: float) -> int | None:
        """How many were passed over since the last one let through; None when this one is to be passed over too."""
        since_s, passed = self._seen.get(key, (float("-inf"), 0))
        if now_s - since_s < self._interval_s:
            self._seen[key] = (since_s, passed + 1)
            return None
        self._seen[key] = (now_s, 0)
        self._seen.move_to_end(key)
        if len(self._seen) > self._keys_max:
            self._seen.popitem(last=False)
        return passed


class _Log(Protocol):
    def warning(self, event: str, **values: Any) -> Any: ...


class ThrottledLog:
    """`log.warning` for what may come in floods; see Throttle. `key` tells apart what shares an event name."""

    def __init__(
        self,
        log: _Log,
        *,
        interval_s: float = 10.0,
        keys_max: int = 256,
        clock: Callable[[], float] = time.monotonic,  # seconds
    ) -> None:
        self._log = log
        self._limit = Throttle(interval_s=interval_s, keys_max=keys_max)
        self._clock = clock

    def warning(self, event: str, *, key: Hashable = None, **values: Any) -> None:
        passed = self._limit.due((event, key), self._clock())
        if passed is not None:
            self._log.warning(event, **values, **({"passed_over": passed} if passed else {}))
