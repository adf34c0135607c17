"""Turns: so many do something at once, others wait until it is their turn; so many in all, and so many for one user."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from greenroom.actors.model.errors import Overloaded


class Turns:
    """`held` are those that have begun, or wait."""

    def __init__(self, what: str, *, at_once: float, most: int, of_one: int) -> None:
        """`what` is said of those who are turned away. `most` of all, and `of_one` user, have begun or wait."""
        self._what = what
        self._at_once = trio.CapacityLimiter(at_once)
        self._most = most
        self._of_one = of_one
        self._of: dict[str, int] = {}
        self.held = 0

    @asynccontextmanager
    async def turn(self, who: str = "") -> AsyncIterator[None]:
        """Once it is one's turn. `who`: the user; "" for those of whom there may be `most`. Raises: Overloaded."""
        mine = self._of.get(who, 0)
        if self.held >= self._most or (who and mine >= self._of_one):
            raise Overloaded(f"too many {self._what}")
        self.held += 1
        self._of[who] = mine + 1
        try:
            async with self._at_once:
                yield
        finally:
            self.held -= 1
            self._of[who] -= 1
            if not self._of[who]:
                del self._of[who]
