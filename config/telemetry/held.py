"""What a node holds in memory that it could do without: copies of what the journal has, kept to be quick.

Each has a bound of its own, and many together are more than a node has. So whoever holds says how much, and when it is
too much, those are asked to forget who began to hold longest ago. `supervisors/duties/held_budget.py` asks.

What waits to be written or delivered (snapshots, letters, messages between entities) is no such copy: it goes by
itself as soon as the store takes it, within bounds of its own, and giving it up would be more work for a store that is
behind.
"""

from typing import Protocol


class Holder(Protocol):
    """Somebody who holds, for one use."""

    def forget(self) -> int:
        """Give up what is held, if that is possible just now. Returns how many bytes that was."""


class Holdings:
    """Those who hold for one use, longest first, and how many bytes they hold together, about."""

    __slots__ = ("_holders", "bytes")

    def __init__(self) -> None:
        self.bytes = 0  # whoever holds adds to it and takes from it
        self._holders: dict[Holder, None] = {}

    def __len__(self) -> int:
        return len(self._holders)

    def join(self, holder: Holder) -> None:
        """When it begins to hold something."""
        self._holders[holder] = None

    def leave(self, holder: Holder) -> None:
        """When it has ended; what it held is taken off by itself."""
        self._holders.pop(holder, None)

    def shed(self, holders_max: int, bytes_wanted: int) -> int:
        """Have at most so many forget, longest first, until so much is forgotten. One that keeps what it has goes to
        the end. Returns how many bytes were forgotten."""
        shed = 0
        for _ in range(min(holders_max, len(self._holders))):
            if shed >= bytes_wanted:
                break
            holder = next(iter(self._holders))
            del self._holders[holder]
            freed = holder.forget()
            if not freed:
                self._holders[holder] = None
            shed += freed
        return shed


class Held:
    """All uses. One a node."""

    __slots__ = ("replies", "tails")

    def __init__(self) -> None:
        self.replies = Holdings()  # of commands with an id, by entities that are awake
        self.tails = Holdings()  # last publications of topics
