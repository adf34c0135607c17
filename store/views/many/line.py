"""A line of those who want values by keys: those who come while one reads are the next reading.

A lone question goes out at once, and a flood is few readings: nobody waits for others to come. Whoever has waited is
given what is there after they asked, as if they had read by themselves. Each has a deadline of their own: who leaves
holds up nobody, for another of those who wait goes on, and who came last reads, with most of their time left.
"""

from collections import deque
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Generic, TypeVar

import trio

from greenroom.store.errors import DataRefused, StatementRefused, StoreUnavailable, TookTooLong

AT_ONCE = 2  # readings: one that takes long holds up nobody

K = TypeVar("K")
V = TypeVar("V")


class _Batch(Generic[K, V]):
    """What is asked for in one reading, and by whom."""

    __slots__ = ("error", "found", "is_done", "is_led", "keys", "members")

    def __init__(self) -> None:
        self.keys: dict[K, None] = {}
        self.members: list[trio.Event] = []  # in the order in which they came
        self.is_led = False  # somebody reads
        self.is_done = False
        self.found: Mapping[K, V] = {}
        self.error: StoreUnavailable | None = None


class Line(Generic[K, V]):
    """Of one sort of values."""

    __slots__ = ("_held", "_most", "_read", "_under_way", "_waiting")

    def __init__(self, read: Callable[[list[K]], Awaitable[Mapping[K, V]]], *, most: int) -> None:
        """`read`: the values of these keys, each once, all as of the time of the reading. `most` keys of one reading;
        whoever finds it full waits with those of the next."""
        self._read = read
        self._most = most
        self._held = 0  # callers
        self._under_way = 0  # readings
        self._waiting: deque[_Batch[K, V]] = deque()

    @property
    def is_empty(self) -> bool:
        return not self._held

    async def ask(self, keys: Collection[K]) -> Mapping[K, V]:
        """Values of these keys, all different, among others'. Raises: StoreUnavailable; whatever `read` raises."""
        self._held += 1
        try:
            batch = self._join(keys)
            await self._until_done(batch)
            if batch.error is None:
                return batch.found
            if len(batch.keys) > len(keys):
                if isinstance(batch.error, DataRefused | StatementRefused):
                    return await self._read(list(keys))  # it may be others' that can't be read
                if isinstance(batch.error, TookTooLong):  # all of them; of each alone nobody knows
                    raise StoreUnavailable(str(batch.error)) from batch.error
            raise type(batch.error)(str(batch.error)) from batch.error
        finally:
            self._held -= 1

    def _join(self, keys: Collection[K]) -> _Batch[K, V]:
        """The last of those that wait, if there is room; a lone one waits for nobody."""
        if self._waiting:
            last = self._waiting[-1]
            if len(last.keys) + len(keys) <= self._most:
                last.keys.update(dict.fromkeys(keys))
                return last
        batch = _Batch[K, V]()
        batch.keys.update(dict.fromkeys(keys))
        self._waiting.append(batch)
        return batch

    async def _until_done(self, batch: _Batch[K, V]) -> None:
        roused = trio.Event()
        batch.members.append(roused)
        try:
            while not batch.is_done:
                if self._is_next(batch):
                    await self._lead(batch)
                else:
                    await roused.wait()
                    if not batch.is_done:  # to lead; where somebody was faster it is waited for again
                        batch.members.remove(roused)
                        roused = trio.Event()
                        batch.members.insert(0, roused)
        finally:
            batch.members.remove(roused)
            if not batch.members and batch in self._waiting:
                self._waiting.remove(batch)
            self._rouse()

    def _is_next(self, batch: _Batch[K, V]) -> bool:
        return not batch.is_led and self._under_way < AT_ONCE and self._waiting[0] is batch

    def _rouse(self) -> None:
        """Somebody of those whose turn it is."""
        if self._waiting and self._under_way < AT_ONCE:
            self._waiting[0].members[-1].set()

    async def _lead(self, batch: _Batch[K, V]) -> None:
        """Read for all of them. Cancelled, the others go on where this one was."""
        self._waiting.popleft()
        batch.is_led = True
        self._under_way += 1
        try:
            batch.found = await self._read(list(batch.keys))
            batch.is_done = True
        except StoreUnavailable as error:
            batch.error, batch.is_done = error, True
        finally:
            self._under_way -= 1
            if batch.is_done:
                for member in batch.members:
                    member.set()
            else:
                batch.is_led = False
                self._waiting.appendleft(batch)
