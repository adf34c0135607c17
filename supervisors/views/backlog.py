"""The backlog of one table: what waits to be folded into it, within bounds. Decisions only.

What was just committed comes as stretches of events. Where these are too many bytes, an entity is remembered by its
head alone, and its events are read from the journal; where these are too many too, it is noted that a sweep has to look
for all that is behind.
"""

from collections.abc import Iterable

import trio

from greenroom.actors.views.stretch import Stretch

BYTES_MAX = 8 << 20  # of events that were heard of
HEADS_MAX = 50_000  # entities remembered by their heads alone
ROOM = 2_000  # entities that a sweep may bring at once


class Backlog:
    """Filled from sync code; emptied by one runner."""

    def __init__(self, *, bytes_max: int = BYTES_MAX, heads_max: int = HEADS_MAX) -> None:
        self._bytes_max = bytes_max
        self._heads_max = heads_max
        self._roomy = max(heads_max - ROOM, 0)  # entities beside which a sweep may bring others
        self._heard: dict[int, list[Stretch]] = {}  # by head, those that have waited longest first
        self._behind: dict[int, None] = {}
        self._more = trio.Event()
        self._room = trio.Event()
        self.bytes = 0  # of what was heard
        self.swept_away = False  # something could not be remembered: a sweep is to find it

    def hear(self, stretch: Stretch) -> None:
        """Just committed."""
        head_id = stretch.head_id
        if head_id in self._behind:
            return  # it will be read with what it is behind by
        size = stretch.bytes
        if self.bytes + size > self._bytes_max:
            self.forget(head_id)
            self.fall_behind((head_id,))
            return
        self.bytes += size
        waiting = self._heard.get(head_id)
        if waiting is None:
            self._heard[head_id] = [stretch]
        else:
            waiting.append(stretch)
        self._more.set()

    def fall_behind(self, head_ids: Iterable[int]) -> None:
        """Events of these are to be read from the journal."""
        for head_id in head_ids:
            if head_id in self._behind:
                continue
            if len(self._behind) >= self._heads_max:
                self.swept_away = True
                break
            self._behind[head_id] = None
        self._more.set()

    def forget(self, head_id: int) -> None:
        """What was heard of it."""
        for stretch in self._heard.pop(head_id, ()):
            self.bytes -= stretch.bytes

    def forget_all(self) -> None:
        """As for a table that is paused: a sweep finds it all again."""
        self._heard.clear()
        self._behind.clear()
        self.bytes = 0
        self.swept_away = True
        self._room.set()

    def take(self, events_max: int) -> list[Stretch]:
        """What was heard first, of each entity all that fits; one stretch at least where there is one."""
        taken: list[Stretch] = []
        count = 0
        while self._heard and count < events_max:
            head_id = next(iter(self._heard))
            waiting = self._heard[head_id]
            while waiting and (not taken or count + len(waiting[0].stored) <= events_max):
                stretch = waiting.pop(0)
                count += len(stretch.stored)
                self.bytes -= stretch.bytes
                taken.append(stretch)
            if waiting:
                break
            del self._heard[head_id]
        return taken

    def take_behind(self, heads_max: int) -> list[int]:
        """Heads whose events are to be read."""
        taken = list(self._behind)[:heads_max] if len(self._behind) > heads_max else list(self._behind)
        for head_id in taken:
            del self._behind[head_id]
        if len(self._behind) <= self._roomy:
            self._room.set()
        return taken

    @property
    def behind(self) -> int:
        """How many are to be read."""
        return len(self._behind)

    @property
    def waiting(self) -> int:
        """How many entities wait, either way."""
        return len(self._heard) + len(self._behind)

    async def more(self) -> None:
        """Return once something waits."""
        while not self._heard and not self._behind:
            self._more = trio.Event()
            await self._more.wait()

    async def room(self) -> None:
        """Return once a sweep may bring ROOM entities, or as many as there is room for at all."""
        while len(self._behind) > self._roomy:
            self._room = trio.Event()
            await self._room.wait()
