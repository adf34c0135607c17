"""Windows that fade: what has happened within about an hour, a day, a week, each as three numbers and no list.

What happened `d` seconds ago counts exp(-d / width) in a window of that width. So a tally is brought forward by one
factor, and one that comes late, from another node's clock, counts as little as if it had come in time: the order in
which things are counted does not matter.
"""

from math import exp

from msgspec import Struct, field

WINDOWS_S = {"1h": 3_600.0, "1d": 86_400.0, "7d": 604_800.0}
_WIDTHS_MS = tuple(1000.0 * width for width in WINDOWS_S.values())
COUNTED = ("seen", "engaged", "dwelt", "hid")
LEAST = 1e-6  # less than that is nothing


class Tally(Struct, omit_defaults=True):
    """What was done, by what it was, in each of the windows; a list is empty until there is something."""

    at_ms: int = 0  # as of when, Unix
    seen: list[float] = field(default_factory=list)  # posts
    engaged: list[float] = field(default_factory=list)  # by weight, see features.py
    dwelt: list[float] = field(default_factory=list)  # seconds
    hid: list[float] = field(default_factory=list)  # posts


def count(tally: Tally, what: str, amount: float, at_ms: int) -> None:
    """So much more of `what`, one of COUNTED, at that time."""
    late_ms = tally.at_ms - at_ms
    if late_ms < 0:
        for name in COUNTED:
            if numbers := getattr(tally, name):
                numbers[:] = _faded(numbers, -late_ms)
        tally.at_ms, late_ms = at_ms, 0
    numbers = getattr(tally, what)
    if not numbers:
        numbers.extend(0.0 for _ in _WIDTHS_MS)
    for place, width in enumerate(_WIDTHS_MS):
        numbers[place] = _short(numbers[place] + amount * exp(-late_ms / width))


def now(tally: Tally, now_ms: int) -> dict[str, float]:
    """By name, `seen_1h` and so on, as of now; what is nothing is left out. Changes nothing."""
    found: dict[str, float] = {}
    since_ms = max(now_ms - tally.at_ms, 0)
    factors = [exp(-since_ms / width) for width in _WIDTHS_MS]
    for name in COUNTED:
        if numbers := getattr(tally, name):
            for window, number, factor in zip(WINDOWS_S, numbers, factors, strict=True):
                if (left := number * factor) > LEAST:
                    found[f"{name}_{window}"] = left
    return found


def _faded(numbers: list[float], by_ms: int) -> list[float]:
    return [_short(number * exp(-by_ms / width)) for number, width in zip(numbers, _WIDTHS_MS, strict=True)]


def _short(number: float) -> float:
    """Seven digits, which a snapshot of thousands is half as long for."""
    return float(f"{number:.7g}")
