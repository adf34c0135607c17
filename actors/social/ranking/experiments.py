"""Experiments: who is shown what by which model. Users are split by a hash, so that no arm has to be remembered.

One experiment at a time. Its name is part of the hash: the next one splits the users anew, so that those who were in
the bold arm of one are no more often in that of the next.
"""

from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path

from msgspec import Struct

BUCKETS = 10_000
CONTROL = "control"


class Arm(Struct, frozen=True):
    """What a part of the users gets."""

    name: str
    percent: float
    model: Path | None  # None: the light score


class Experiment(Struct, frozen=True):
    """Whoever is in no arm is in the control, with the model that all others have."""

    name: str
    arms: tuple[Arm, ...]  # their order decides who is in which: add at the end

    def arm_of(self, user: str) -> Arm | None:
        """None: the control. The same for ever, and on every node."""
        digest = blake2b(f"{self.name}\0{user}".encode(), digest_size=8).digest()
        bucket = int.from_bytes(digest, "big") % BUCKETS
        least = 0.0
        for arm in self.arms:
            least += arm.percent * BUCKETS / 100
            if bucket < least:
                return arm
        return None


def experiment_of(name: str, arms: Mapping[str, tuple[float, Path | None]]) -> Experiment | None:
    """As the settings have it; None where there is none."""
    if not arms:
        return None
    return Experiment(name, tuple(Arm(arm, percent, model) for arm, (percent, model) in arms.items()))
