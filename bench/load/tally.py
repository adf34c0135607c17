"""Was anything lost, doubled or out of order? One receiver's view of one room, checked offset by offset."""


class Tally:
    """Offsets as they arrive. The usual case is one comparison; what is remembered is only what is missing."""

    __slots__ = ("duplicated", "missing", "next", "reordered", "skipped")

    def __init__(self, position: int = 0) -> None:
        """`position`: the last offset that is known already, as the subscribe reply gives it."""
        self.next = position + 1
        self.missing: set[int] = set()
        self.duplicated = 0
        self.reordered = 0
        self.skipped = 0  # offsets that a failed recovery gave up

    def take(self, offset: int) -> None:
        if offset == self.next:
            self.next += 1
        elif offset > self.next:
            self.missing.update(range(self.next, offset))
            self.next = offset + 1
        elif offset in self.missing:
            self.missing.discard(offset)
            self.reordered += 1
        else:
            self.duplicated += 1

    def skip_to(self, position: int) -> None:
        """The server said that it can't recover and that `position` is the top now."""
        self.skipped += max(0, position + 1 - self.next)
        self.next = max(self.next, position + 1)

    def lost(self, top: int) -> int:
        """How many offsets up to `top` (acknowledged or seen by somebody) never came."""
        return len(self.missing) + self.skipped + max(0, top + 1 - self.next)
