"""Ids of jobs: UUIDs of version 7, as 32 hex digits. Later ones are greater, so that their rows lie side by side, and
those of one process in the order in which they were made, so that a queue that is read anew has that order too."""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

ID = re.compile(r"[0-9a-f]{32}")
_VERSION_7 = 7 << 76
_VARIANT = 2 << 62
_RANDOM_74 = (1 << 74) - 1
_LOW_62 = (1 << 62) - 1
_STEP_BYTES = 4


class _Newest:
    """Of this process."""

    ms = 0
    random = 0
    draw: Callable[[int], bytes] = os.urandom


def new_id(now_ms: int, random: int | None = None) -> str:
    """`random`: 74 bits of chance, where they are not to be the system's."""
    bits = _chance(now_ms) if random is None else random
    return f"{now_ms << 80 | _VERSION_7 | bits >> 62 << 64 | _VARIANT | bits & _LOW_62:032x}"


def _chance(now_ms: int) -> int:
    """Of the first one in a millisecond all of it; each that follows is a step of chance above."""
    if now_ms != _Newest.ms:
        _Newest.ms = now_ms
        _Newest.random = int.from_bytes(_Newest.draw(10), "big") & _RANDOM_74 >> 1  # room above
    else:
        _Newest.random += 1 + int.from_bytes(_Newest.draw(_STEP_BYTES), "big")
    return _Newest.random


@contextmanager
def chance_of(draw: Callable[[int], bytes]) -> Iterator[None]:
    """Meanwhile all chance in new ids comes from there, so that a world under a seed has the same ones again."""
    before = _Newest.ms, _Newest.random, _Newest.draw
    _Newest.ms, _Newest.random, _Newest.draw = 0, 0, draw
    try:
        yield
    finally:
        _Newest.ms, _Newest.random, _Newest.draw = before
