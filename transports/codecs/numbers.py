"""Numbers as clients write them in queries and headers. What `int` and `float` take besides (signs, spaces,
underscores, digits of other scripts, any length) is refused, so that what was compared with a bound is what is used.
"""

import re
from typing import Final

EXACT_MAX: Final = 2**53  # whole numbers up to here are exact in every client
_WHOLE: Final = re.compile(r"0|[1-9][0-9]{0,19}")
_SECONDS: Final = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,32})?(?:[eE][-+]?[0-9]{1,3})?")  # as JSON has numbers


def whole_number(text: str, *, most: int) -> int | None:
    """0 <= x <= `most`, in digits without leading zeros; None for anything else."""
    if _WHOLE.fullmatch(text) is None:
        return None
    number = int(text)
    return number if number <= most else None


def seconds(text: str, *, most: float) -> float | None:
    """0 < x <= `most`, as `1.5` or `5e-2`; None for anything else."""
    if _SECONDS.fullmatch(text) is None:
        return None
    number = float(text)
    return number if 0 < number <= most else None
