"""Free-form JSON: fields that clients may fill with what they like, within bounds."""

from typing import Any

import msgspec

DEPTH_MAX = 32  # far below where encoding it again, deeper in the stack than it was decoded, could overflow


def fits(data: Any, bytes_max: int) -> bool:
    """Is `data`, as decoded from JSON, at most `bytes_max` bytes of JSON and nested at most 32 deep?"""
    level = [data]
    for _ in range(DEPTH_MAX + 1):
        inner: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                inner.extend(item.values())
            elif isinstance(item, list):
                inner.extend(item)
        if not inner:
            return len(msgspec.json.encode(data)) <= bytes_max
        level = inner
    return False
