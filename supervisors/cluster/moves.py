"""Moves: shards that changed hands by this node's doing, for whoever looks. The newest of them, in memory."""

from collections import deque
from collections.abc import Callable

import trio
from msgspec import Struct

MOVES_MAX = 200


class Move(Struct, frozen=True):
    """So many shards went from one node to another (None: nobody), and the seconds that took."""

    at: float  # Unix s
    cause: str
    shards: int
    former: int | None
    owner: int | None
    seconds: float


class Moves:
    """Of one node."""

    def __init__(self, clock: Callable[[], float] = trio.current_time) -> None:
        """`clock` gives Unix seconds."""
        self._clock = clock
        self._moves: deque[Move] = deque(maxlen=MOVES_MAX)

    def note(self, cause: str, shards: int, *, former: int | None, owner: int | None, seconds: float) -> None:
        """It has just come about."""
        if shards:
            self._moves.append(Move(self._clock(), cause, shards, former, owner, seconds))

    def newest(self) -> list[Move]:
        """The newest first."""
        return list(reversed(self._moves))
