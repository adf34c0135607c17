"""What the truth says of a table that becomes live: whether it lacks what was there long before."""

import msgspec
import trio
from trio.testing import MockClock

from greenroom.actors.model.kinds import Kinds
from greenroom.actors.views.installed import Views
from greenroom.store.journal.journal_memory import MemoryHead
from greenroom.store.journal.records import Head, StoredEvent
from greenroom.store.views.memory.rows import MemoryViewRows, ProgressRow
from greenroom.store.views.memory.versions import MemoryVersions
from greenroom.store.views.store import Version
from greenroom.supervisors.simulation.views.kept import release
from greenroom.supervisors.simulation.views.truth import LOOKS, Truth
from greenroom.supervisors.views.runners import wanted_of
from tests.simulation.views.talks import Health, Moved, Talk, views

EVERYTHING = views(Health())[1]


def _of(number: int) -> Views:
    """The view's version of that number."""
    return Views(Kinds((Talk,)), release(number, Kinds((Talk,)), (EVERYTHING,)).views)


class World:
    """One talk with one event, and of a view two versions: the second one was installed beside the first."""

    def __init__(self) -> None:
        self.rows = MemoryViewRows(now=trio.current_time)
        self.versions = MemoryVersions(self.rows)
        self.truth = Truth(Kinds((Talk,)), (EVERYTHING,), self.rows)
        self.wanted = [wanted_of(_of(number)) for number in (1, 2)]
        head = Head(1, "talk:1", 1, "e", 1)
        self.rows.journal.by_id[1] = self.rows.journal.by_entity[head.entity] = MemoryHead(head, 1, "e", "")
        self.journals = {head.entity: [StoredEvent(offset=1, at_ms=0, payload=msgspec.json.encode(Moved(group="b")))]}

    async def install(self) -> Version:
        """The second one."""
        for wanted in self.wanted:
            await self.versions.install(wanted)
        return max(await self.versions.all(), key=lambda one: one.version)

    def look(self) -> str | None:
        return self.truth.too_early(self.journals)

    def look_often(self) -> None:
        for _ in range(LOOKS + 1):
            assert self.look() is None

    def fold(self, version: Version) -> None:
        self.rows.progress_of(version.id)[1] = ProgressRow(1)


async def test_a_table_that_has_caught_up_may_become_live_and_another_may_not(autojump_clock: MockClock) -> None:
    for is_folded in (True, False):
        world = World()
        second = await world.install()
        world.look_often()
        if is_folded:
            world.fold(second)
        await world.versions.switch(second)
        found = world.look()
        assert (found is None) is is_folded
        assert found is None or "has become live with 0 of 1 events of talk:1" in found


async def test_a_table_that_a_failover_has_made_live_again_has_become_nothing(autojump_clock: MockClock) -> None:
    """Nobody has its code any more, so it lacks what has come since."""
    world = World()
    second = await world.install()
    world.fold(second)
    before = world.rows.committed()
    await world.versions.switch(second)
    world.look_often()
    world.rows.restore(before)
    world.truth.turned_back(world.journals)
    assert world.look() is None
    await world.versions.switch(second)
    assert world.look() is None


async def test_a_table_that_becomes_live_after_a_failover_has_what_was_there_before_it(
    autojump_clock: MockClock,
) -> None:
    """But not what the failover has lost, though others are there by now under the same numbers."""
    for is_lost in (True, False):
        world = World()
        second = await world.install()
        world.look_often()
        events = world.journals["talk:1"]
        if is_lost:
            world.journals["talk:1"] = []
        world.truth.turned_back(world.journals)
        world.journals["talk:1"] = events
        await world.versions.switch(second)
        assert (world.look() is None) is is_lost
