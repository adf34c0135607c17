"""The backlog of one table: what waits to be folded into it, within bounds. Decisions only.

What was just committed comes as stretches of events. Where these are too many bytes, an entity is remembered by its
head alone, and its events are read from the journal; where these are too many too, it is noted that a sweep has to look
for all that is behind.

Most events of a kind say nothing to most of its views: of those no row comes, and only how far the entity is folded is
to be written. They rest for REST_S, or longer where many do, and come as one with what follows of the same entity, or
with all that rests.
"""

from collections.abc import Iterable
from math import inf

import trio

from greenroom.actors.views.stretch import Stretch

BYTES_MAX = 8 << 20  # of events that were heard of
HEADS_MAX = 50_000  # entities remembered by their heads alone
ROOM = 2_000  # entities that a sweep may bring at once
REST_S = 1.0  # that events may rest which say nothing to the view
REST_MAX_S = 5.0  # likewise, while events of MANY entities rest: much happens, and more comes of the same
MANY = 50


class Backlog:
    """Filled from sync code; emptied by one runner."""

    def __init__(
        self, *, bytes_max: int = BYTES_MAX, heads_max: int = HEADS_MAX, wanted: tuple[bytes, ...] = ()
    ) -> None:
        """`wanted`: what the events begin with that say something to the view, see Stretch.says; none: all do."""
        self._bytes_max = bytes_max
        self._heads_max = heads_max
        self._roomy = max(heads_max - ROOM, 0)  # entities beside which a sweep may bring others
        self._heard: dict[int, list[Stretch]] = {}  # by head, those that have waited longest first
        self._behind: dict[int, None] = {}
        self._wanted = wanted
        self._resting: dict[int, list[Stretch]] = {}  # likewise; of none of these anything was heard besides
        self._rested_at = inf  # on the trio clock: since when the first of these does
        self.rests = False  # may events rest? Whoever fills a table wants to see it catch up
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
        if waiting is not None:
            waiting.append(stretch)
            return
        resting = self._resting.get(head_id)
        if self.rests and not self.is_wanted(stretch):
            if resting is not None:
                resting.append(stretch)
            else:
                self._rest(stretch)
            return
        if resting is not None:
            del self._resting[head_id]
        self._heard[head_id] = [*(resting or ()), stretch]
        self._more.set()

    def is_wanted(self, stretch: Stretch) -> bool:
        """Does one of its events say something to the view?"""
        return not self._wanted or stretch.says(self._wanted)

    def _rest(self, stretch: Stretch) -> None:
        if not self._resting:
            self._rested_at = trio.current_time()
            self._more.set()  # whoever waits, waits no longer than for these
        self._resting[stretch.head_id] = [stretch]

    @property
    def _wake_at(self) -> float:
        """When what rests is to be folded, on the trio clock."""
        if not self._resting:
            return inf
        return self._rested_at + (REST_S if len(self._resting) < MANY else REST_MAX_S)

    def _wake_rested(self) -> None:
        """What has rested long enough is to be folded, and all that rests with it."""
        if self._resting and trio.current_time() >= self._wake_at:
            for head_id, stretches in self._resting.items():
                self._heard[head_id] = stretches
            self._resting.clear()

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
        for stretches in (self._heard, self._resting):
            for stretch in stretches.pop(head_id, ()):
                self.bytes -= stretch.bytes

    def forget_all(self) -> None:
        """As for a table that is paused: a sweep finds it all again."""
        self._heard.clear()
        self._resting.clear()
        self._behind.clear()
        self.bytes = 0
        self.swept_away = True
        self._room.set()

    def take(self, events_max: int) -> list[Stretch]:
        """What was heard first, of each entity all that fits; one stretch at least where there is one."""
        self._wake_rested()
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
        """How many entities wait, either way. Those of which something rests do not."""
        return len(self._heard) + len(self._behind)

    async def more(self) -> None:
        """Return once something waits."""
        self._wake_rested()
        while not self._heard and not self._behind:
            self._more = trio.Event()
            with trio.move_on_at(self._wake_at):
                await self._more.wait()
            self._wake_rested()

    async def room(self) -> None:
        """Return once a sweep may bring ROOM entities, or as many as there is room for at all."""
        while len(self._behind) > self._roomy:
            self._room = trio.Event()
            await self._room.wait()
