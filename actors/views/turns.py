"""Turns: so many do something at once, others wait until it is their turn; so many in all, and so many for one user.

Of those who do it at once, no more than half are one user's: else who asks for what takes long would hold up all
others.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from math import inf

import trio
from msgspec import Struct

from greenroom.actors.model.errors import Overloaded


class _Share(Struct):
    """One user's."""

    at_once: trio.CapacityLimiter
    held: int = 0


class Turns:
    """`held` are those that have begun, or wait."""

    def __init__(self, what: str, *, at_once: float, most: int, of_one: int) -> None:
        """`what` is said of those who are turned away. `most` of all, and `of_one` user, have begun or wait."""
        self._what = what
        self._at_once = trio.CapacityLimiter(at_once)
        self._most = most
        self._of_one = of_one
        self._at_once_of_one = at_once if at_once == inf else max(1, at_once // 2)
        self._of: dict[str, _Share] = {}
        self.held = 0

    @asynccontextmanager
    async def turn(self, who: str = "") -> AsyncIterator[None]:
        """Once it is one's turn. `who`: the user; "" for those of whom there may be `most`. Raises: Overloaded."""
        mine = self._of.get(who)
        if self.held >= self._most or (who and mine is not None and mine.held >= self._of_one):
            raise Overloaded(f"too many {self._what}")
        if mine is None:
            mine = self._of[who] = _Share(trio.CapacityLimiter(self._at_once_of_one if who else inf))
        self.held += 1
        mine.held += 1
        try:
            async with mine.at_once, self._at_once:  # in this order: who waits for their own keeps nobody out
                yield
        finally:
            self.held -= 1
            mine.held -= 1
            if not mine.held:
                del self._of[who]
