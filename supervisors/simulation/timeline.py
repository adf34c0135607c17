"""The timeline: what happened in a simulated world, for people who want to know how a failure came about."""

from collections import deque
from typing import Any

import trio

from greenroom.supervisors.simulation.schedule import NODE

KEPT_MAX = 20_000  # entries; older ones go


class Timeline:
    """What happened in a simulated world, with times: its newest entries, and a count of everything."""

    def __init__(self) -> None:
        self.entries: deque[tuple[float, str, str, tuple[Any, ...]]] = deque(maxlen=KEPT_MAX)
        self.counts: dict[str, int] = {}  # how often each thing happened

    def note(self, what: str, *details: Any, who: str = "") -> None:
        """`who` is the simulated process of this task unless said otherwise."""
        self.counts[what] = self.counts.get(what, 0) + 1
        self.entries.append((trio.current_time(), who or NODE.get() or "world", what, details))

    def lines(self, last: int | None = None) -> list[str]:
        entries = list(self.entries)[-last:] if last is not None else list(self.entries)
        return [
            f"{at:9.3f} s  {who:<12} {what:<24} {'  '.join(map(str, details))}".rstrip()
            for at, who, what, details in entries
        ]
