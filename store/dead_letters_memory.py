"""Dead letters in memory: for tests, benchmarks and simulated clusters."""

from collections import deque

import trio
from msgspec.structs import replace

from store.dead_letters import DeadLetter

KEPT_MAX = 10_000  # letters; beyond, the oldest go


class MemoryLetters:
    """The rows: what is left when all nodes are gone."""

    def __init__(self, kept_max: int = KEPT_MAX) -> None:
        self.rows: deque[DeadLetter] = deque(maxlen=kept_max)
        self._last_id = 0

    def put(self, letter: DeadLetter) -> None:
        self._last_id += 1
        self.rows.append(replace(letter, id=self._last_id))


class MemoryDeadLetters:
    def __init__(self, letters: MemoryLetters | None = None, *, kept_max: int = KEPT_MAX) -> None:
        self._letters = letters or MemoryLetters(kept_max)

    async def add(self, letter: DeadLetter) -> None:
        await trio.lowlevel.checkpoint()
        self._letters.put(letter)

    async def list(self, *, limit: int, before: int | None = None) -> "list[DeadLetter]":
        await trio.lowlevel.checkpoint()
        found = [letter for letter in reversed(self._letters.rows) if before is None or letter.id < before]
        return found[:limit]

    async def get(self, number: int) -> DeadLetter | None:
        await trio.lowlevel.checkpoint()
        return next((letter for letter in self._letters.rows if letter.id == number), None)

    async def drop(self, number: int) -> bool:
        found = await self.get(number)
        if found is not None:
            self._letters.rows.remove(found)
        return found is not None
