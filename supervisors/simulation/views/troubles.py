"""Troubles of views: what operators do to them at random moments, and what retention and releases bring about.

An operator's own statements always arrive; those of nodes do not.
"""

from collections.abc import Awaitable, Callable
from random import Random

import trio

from greenroom.actors.views.view import View
from greenroom.store.errors import StoreUnavailable, ViewRefused
from greenroom.store.journal.journal_memory import MemoryJournal
from greenroom.store.views.memory.progress import MemoryProgress
from greenroom.store.views.memory.versions import MemoryVersions
from greenroom.supervisors.simulation.node import SimulatedNode
from greenroom.supervisors.simulation.world import World

DRAIN_S = 5.0
PAUSE_S = 10.0  # the longest pause
RETRY_S = 10.0  # between two tries, once faults have stopped
KEPT_MAX = 5  # events that a trimmed entity keeps, at most


class ViewTroubles:
    """Of one world. Each method of `all` goes on until cancelled."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._faults = world.faults
        self._draw = Random(world.draw.getrandbits(64))
        self._versions = MemoryVersions(world.database.views)
        self._progress = MemoryProgress(world.database.views)
        self._names = [view.name for view in world.scenario.views]

    @property
    def all(self) -> list[Callable[[], Awaitable[None]]]:
        return [self.rebuild, self.pause, self.retry, self.clean, self.trim, self.upgrade]

    async def _wait(self, every_s: float) -> None:
        if every_s <= 0:
            await trio.sleep_forever()
        await trio.sleep(self._draw.expovariate(1.0 / every_s))

    async def rebuild(self) -> None:
        """A table is made anew."""
        while True:
            await self._wait(self._faults.rebuild_every_s)
            name = self._draw.choice(self._names)
            try:
                if self._draw.random() < 0.5:
                    made = await self._versions.remake(name)
                else:
                    made = await self._versions.rebuild(self._world.wanted(name))
            except (StoreUnavailable, ViewRefused) as error:
                self._note("rebuild refused", name, error)
            else:
                self._note("rebuild", name, made.build if made is not None else None)

    async def pause(self) -> None:
        """A view is folded no more, for a while."""
        while True:
            await self._wait(self._faults.pause_every_s)
            name = self._draw.choice(self._names)
            self._note("paused", name)
            await self._versions.pause(name, paused=True)
            await trio.sleep(self._draw.uniform(0.0, PAUSE_S))
            self._note("resumed", name)
            await self._versions.pause(name, paused=False)

    async def retry(self) -> None:
        """What is parked is to be tried again."""
        while True:
            await self._wait(self._faults.retry_every_s)
            await self.retry_all()

    async def retry_all(self) -> None:
        for name in self._names:
            versions = [one for one in await self._versions.all() if one.name == name]
            if await self._progress.retry(versions):
                self._note("parked are tried again", name)
                await self._versions.ring(name)

    async def end(self) -> None:
        """Nothing is paused any more, and what was wrong with folds is mended: what is parked is tried again, also what
        somebody parks only now. Goes on until cancelled."""
        self._world.scenario.mend()
        for name in self._names:
            await self._versions.pause(name, paused=False)
        while True:
            await self.retry_all()
            await trio.sleep(RETRY_S)

    async def clean(self) -> None:
        """Tables that are old are dropped, and how far they were is forgotten."""
        while True:
            await self._wait(self._faults.rebuild_every_s)
            try:
                there = await self._versions.all()
                abandoned = await self._versions.abandoned(there, [self._world.wanted(name) for name in self._names])
                if await self._versions.drop(there, abandoned=abandoned):
                    self._note("old tables dropped")
            except StoreUnavailable as error:
                self._note("drop refused", error)
            await self._progress.clean()

    async def trim(self) -> None:
        """Retention takes events of an entity that a snapshot and all views cover."""
        database = self._world.database
        if any(view.seed is View.seed for view in self._world.scenario.views):
            await trio.sleep_forever()  # another version of it could not be made any more
        while True:
            await self._wait(self._faults.trim_every_s)
            rows = [row for row in database.rows.by_id.values() if row.snapshot_offset > row.head.trimmed]
            rows = [row for row in rows if row.head.entity.partition(":")[0] not in self._world.scenario.untrimmed]
            if not rows:
                continue
            head = self._draw.choice(rows).head
            journal = MemoryJournal(database.rows, now=trio.current_time)
            async with database.locked([head.id]):
                kept = self._draw.randint(0, KEPT_MAX)
                trimmed = await journal.trim(head.id, keep_count=kept, keep_after_ms=0, ids_after_ms=0)
            self._note("trimmed", head.entity, trimmed.through)

    async def upgrade(self) -> None:
        """Another release, one node after another; or the one before again."""
        world = self._world
        while True:
            await self._wait(self._faults.upgrade_every_s)
            world.release = max(1, world.release + self._draw.choice((1, 1, -1)))
            self._note("release", world.release)
            for node in world.nodes[:]:
                await self._replace(node)

    async def _replace(self, node: SimulatedNode) -> None:
        world = self._world
        if world.changing or node not in world.nodes or node.dead or node.is_of(world.release):
            return
        world.changing = True
        with trio.move_on_after(DRAIN_S + 30.0):
            await node.drain(DRAIN_S)
        await world.bury(node)
        await world.start_node()
        world.changing = False

    def _note(self, what: str, *details: object) -> None:
        self._world.timeline.note(what, *details, who="operator")
