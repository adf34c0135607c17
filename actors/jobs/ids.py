"""Ids of jobs: UUIDs of version 7, as 32 hex digits. Later ones are greater, so that their rows lie side by side."""

import os
import re

ID = re.compile(r"[0-9a-f]{32}")
_VERSION_7 = 7 << 76
_VARIANT = 2 << 62
_RANDOM_74 = (1 << 74) - 1
_LOW_62 = (1 << 62) - 1


def new_id(now_ms: int, random: int | None = None) -> str:
    """`random`: 74 bits of chance, where they are not to be the system's."""
    bits = int.from_bytes(os.urandom(10), "big") & _RANDOM_74 if random is None else random
    return f"{now_ms << 80 | _VERSION_7 | bits >> 62 << 64 | _VARIANT | bits & _LOW_62:032x}"
