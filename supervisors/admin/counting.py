"""Counting what is left to fold, lap by lap over the heads of all entities, a while at each look.

However many entities there are, a look counts for BUDGET_S and goes on with the next one; what is shown is the last
whole lap. Who looks while another does, or within FRESH_S of one who has, is shown that and counts nothing. So all who
look cost the database so much of its time, and no more.
"""

from collections.abc import Callable, Mapping, Sequence

import trio
from msgspec import Struct, field

from greenroom.store.views.progress import PostgresProgress
from greenroom.store.views.store import Version
from greenroom.store.views.stores import Left

BUDGET_S = 0.25  # of one look, which takes one step of a lap at least
FRESH_S = 1.0  # between the beginnings of two looks that count
OLDEST_OF = 1_000  # entities of a step, among whose events the oldest is looked for
REMEMBERED_S = 30.0  # counts of somebody who looked so long ago are no longer what rates are made of


class Counted(Struct, frozen=True):
    """A whole lap of one table."""

    at_s: float
    left: Left
    kept: int  # events that there are of its kinds; 0 where it is not being filled


class Count(Struct, frozen=True):
    """What is left in one table, and how it was."""

    now: Counted
    before: Counted | None

    @property
    def less_per_s(self) -> float | None:
        """By which what is left has become less, events a second; None where nothing was left, or it is not known."""
        before, now = self.before, self.now
        if before is None or not before.left.events or now.at_s <= before.at_s:
            return None
        return max((before.left.events - now.left.events) / (now.at_s - before.at_s), 0.0)

    @property
    def estimate_s(self) -> float | None:
        """Until nothing is left, at that rate."""
        rate = self.less_per_s
        return self.now.left.events / rate if rate else None

    @property
    def done(self) -> float | None:
        """The share of all events that is folded, of a table that is being filled."""
        if not self.now.kept:
            return None
        return min(max(1 - self.now.left.events / self.now.kept, 0.0), 1.0)


class _Lap(Struct):
    """One that is under way."""

    after: int = 0  # the head up to which it has come
    left: Left = field(default_factory=Left)
    kept: int = 0


class Counting:
    """Of one node."""

    def __init__(self, progress: PostgresProgress, *, clock: Callable[[], float] = trio.current_time) -> None:
        """`clock`: seconds, of any clock that goes on."""
        self._progress = progress
        self._clock = clock
        self._laps: dict[int, _Lap] = {}  # by the id of the table's row
        self._counts: dict[int, Count] = {}
        self._looked_at = float("-inf")
        self._one = trio.Lock()  # a step of a lap is counted once, whoever else looks

    async def look(self, versions: Sequence[Version]) -> dict[int, Count]:
        """Count on, and what is known by now, by id; of those that no lap has ended of, nothing. Tables that are old
        are not counted. Raises: StoreUnavailable."""
        counted = {one.id: one for one in versions if one.state != "old"}
        if not self._one.locked() and self._clock() - self._looked_at >= FRESH_S:
            async with self._one:
                await self._look(counted)
        return {id_: count for id_, count in self._counts.items() if id_ in counted}

    async def _look(self, counted: Mapping[int, Version]) -> None:
        began = self._clock()
        if began - self._looked_at > REMEMBERED_S:
            self._laps.clear()
            self._counts.clear()
        self._looked_at = began
        for known in (self._laps, self._counts):
            for gone in known.keys() - counted.keys():
                del known[gone]
        for version in sorted(counted.values(), key=self._turn):
            while not await self._step(version):
                if self._clock() - began >= BUDGET_S:
                    return
            if self._clock() - began >= BUDGET_S:
                return

    def _turn(self, version: Version) -> float:
        """Whose lap ended longest ago comes first."""
        count = self._counts.get(version.id)
        return count.now.at_s if count is not None else float("-inf")

    async def _step(self, version: Version) -> bool:
        """Is its lap at its end?"""
        lap = self._laps.setdefault(version.id, _Lap())
        kept = await self._progress.kept_on(version, lap.after) if version.state == "filling" else 0
        last = await self._progress.count_on(lap.left, version, lap.after, entities_max=OLDEST_OF)
        lap.kept += kept  # only now: whoever is cancelled in between comes again
        if last is not None:
            lap.after = last
            return False
        before = self._counts.get(version.id)
        now = Counted(self._clock(), lap.left, lap.kept)
        self._counts[version.id] = Count(now, before.now if before is not None else None)
        del self._laps[version.id]
        return True
