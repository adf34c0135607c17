"""Retry: how often a job is tried, and how long it rests between two attempts."""

import random
from typing import Annotated

from msgspec import Meta, Struct


class Retry(Struct, frozen=True, kw_only=True):
    """`attempts` in all, the first among them. The rest doubles from `first_s` up to `max_s`, give or take a tenth."""

    attempts: Annotated[int, Meta(ge=1, le=1_000)] = 5
    first_s: Annotated[float, Meta(ge=0)] = 2.0
    max_s: Annotated[float, Meta(ge=0)] = 600.0

    def rest_s(self, failed: int, chance: float | None = None) -> float:
        """Seconds after so many failed attempts, 1 at least. `chance`: 0 to 1, where it is not to be the system's."""
        rest: float = min(self.max_s, self.first_s * 2.0 ** min(failed - 1, 64))
        return rest * (0.9 + 0.2 * (random.random() if chance is None else chance))
