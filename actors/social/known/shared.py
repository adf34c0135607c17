"""Shared: values by key, each a few seconds old at most, for whoever asks on one node.

What is not there is read by whoever asks for it. What has grown old is read by the first who asks: others are given the
old one as long as that takes, until it is twice as old, and so hardly anybody reads what another is reading. And
whoever reads takes along what they know that is past half of its time: so most find nothing that is old. Bounded: what
was read longest ago goes.
"""

from collections.abc import Awaitable, Callable, Iterable
from typing import Generic, TypeVar

T = TypeVar("T")

Look = Callable[[list[str]], Awaitable[dict[str, T]]]  # at so many keys; those of which there is nothing are left out


class _One(Generic[T]):
    __slots__ = ("at_s", "is_read", "value")

    def __init__(self, value: T | None, at_s: float) -> None:
        self.value = value  # None: there is none, which is known as well
        self.at_s = at_s
        self.is_read = False  # anew, by somebody


class Shared(Generic[T]):
    """Of one sort of thing."""

    def __init__(self, *, for_s: float, most: int, at_once: int = 1_000) -> None:
        """`for_s`: how old a value may become, and twice that while another reads it; `most` are kept; `at_once`: keys
        of one look."""
        self._for_s = for_s
        self._most = most
        self._at_once = at_once
        self._known: dict[str, _One[T]] = {}  # what was read last comes last

    def __len__(self) -> int:
        return len(self._known)

    def now(self, key: str) -> T | None:
        """However old it is; None where that is not known either."""
        one = self._known.get(key)
        return one.value if one is not None else None

    async def of(self, keys: Iterable[str], now_s: float, look: Look[T]) -> dict[str, T]:
        """Those of these of which there is something. Raises: whatever `look` raises."""
        known = self._known
        found: dict[str, T] = {}
        wanted: list[str] = []
        since_s = now_s - self._for_s
        for key in keys:
            one = known.get(key)
            if one is None:
                wanted.append(key)
                continue
            is_young = since_s < one.at_s <= now_s
            if not is_young and not (one.is_read and since_s - self._for_s < one.at_s <= now_s):
                wanted.append(key)
            if one.value is not None:
                found[key] = one.value
        if wanted:  # somebody goes anyway: what others would soon have to go for is taken along
            wanted += self._ageing(found, wanted, now_s)
        for first in range(0, len(wanted), self._at_once):
            await self._read(wanted[first : first + self._at_once], now_s, look, found)
        return found

    def _ageing(self, found: dict[str, T], wanted: list[str], now_s: float) -> list[str]:
        """Past half of their time."""
        since_s, gone = now_s - self._for_s / 2, set(wanted)
        return [
            key for key in found if key not in gone and not (one := self._known[key]).is_read and one.at_s <= since_s
        ]

    async def _read(self, keys: list[str], now_s: float, look: Look[T], found: dict[str, T]) -> None:
        known = self._known
        old = [one for key in keys if (one := known.get(key)) is not None]
        for one in old:
            one.is_read = True
        try:
            read = await look(keys)
        finally:
            for one in old:
                one.is_read = False
        for key in keys:
            value = read.get(key)
            known.pop(key, None)
            known[key] = _One(value, now_s)
            if value is None:
                found.pop(key, None)
            else:
                found[key] = value
        while len(known) > self._most:
            del known[next(iter(known))]
