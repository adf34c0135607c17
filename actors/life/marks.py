"""Marks: the highest sequence number that an entity has handled of each sender, so that messages take effect once."""

from collections.abc import Mapping

from greenroom.actors.model.envelope import Origin

KEPT_MIN = 5_000  # senders


class Marks:
    """Those of one life, read from the journal as senders appear. The ones marked latest are last."""

    __slots__ = ("_kept", "_seen")

    def __init__(self, *, under_way_max: int = 0) -> None:
        """`under_way_max`: messages that may be handled and not durable yet; marks of so many are never forgotten."""
        self._seen: dict[int, int] = {}  # sender's head id -> sequence number
        self._kept = max(KEPT_MIN, under_way_max)

    def __contains__(self, sender: int) -> bool:
        return sender in self._seen

    def __len__(self) -> int:
        return len(self._seen)

    def meet(self, sender: int) -> None:
        """Nothing was ever handled of this sender."""
        self._make_room()
        self._seen[sender] = 0

    def _make_room(self) -> None:
        if len(self._seen) > 2 * self._kept:
            for sender in list(self._seen)[: -self._kept]:  # durable for long: they are read again when needed
                del self._seen[sender]

    def learn(self, stored: Mapping[int, int]) -> None:
        """Marks as the journal has them. What was handled since, and may not be stored yet, stays."""
        self._make_room()
        for sender, seq in stored.items():
            self._seen.setdefault(sender, seq)

    def has_handled(self, origin: Origin) -> bool:
        """Is it one that was handled before? Only for senders that are known."""
        return origin.seq <= self._seen[origin.sender]

    def is_overtaken(self, origin: Origin) -> bool:
        """Has the message that this one was sent behind not been handled? It was put off, perhaps in a former life."""
        return origin.after > self._seen.get(origin.sender, 0)

    def mark(self, origin: Origin) -> None:
        """A message has been handled."""
        self._seen[origin.sender] = max(origin.seq, self._seen.pop(origin.sender, 0))
