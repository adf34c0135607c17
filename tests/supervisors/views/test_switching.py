"""Switching: when a table that is being filled takes the live one's place. On fakes; test_traps.py has real ones."""

from collections import Counter
from typing import Any

import pytest
import trio
from msgspec.structs import replace
from structlog.testing import capture_logs
from trio.testing import MockClock

from greenroom.store.errors import StoreUnavailable
from greenroom.store.views.memory.rows import MemoryViewRows
from greenroom.store.views.store import Version
from greenroom.store.views.stores import Behind, Lacking
from greenroom.supervisors.views.runner import Runner
from greenroom.supervisors.views.runners import Runners
from greenroom.supervisors.views.switching import FRESH_S, LOOKS, OLDEST_S, UNDER_WAY_MAX, Switching
from tests.actors.views.shows import Standings
from tests.supervisors.views.test_runners import ByShow, in_memory
from tests.supervisors.views.test_sweep import VERSION, World

SOON_S = 10.0  # within which a table that lacks nothing is switched


def behind_now(lacking: dict[int, Lacking] | None, lineage: str = "") -> Behind:
    return Behind(trio.current_time(), trio.current_time(), lacking, lineage)


class Fakes:
    """The stores, and what the node does when it hears of a switch."""

    def __init__(self) -> None:
        self.world = World()
        self.behind_: dict[int, Lacking] | None = {}
        self.looks = 0
        self.parked = 0
        self.is_away = False
        self.switched = 0
        self.switch_s = 0.0  # that it takes
        self.lineage = ""  # of the database, when it switches
        self.world.runner.see(replace(VERSION, state="filling"))
        self.world.sweep.laps = 1
        us: Any = self
        self.switching = Switching(self.world.runner, self.world.sweep, versions=us, progress=us, switched=self.look)

    async def behind(self, version: Version, *, entities_max: int) -> Behind:
        await trio.lowlevel.checkpoint()
        if self.is_away:
            raise StoreUnavailable("away")
        self.looks += 1
        return behind_now(self.behind_)

    async def parked_count(self, version: Version) -> int:
        await trio.lowlevel.checkpoint()
        return self.parked

    async def switch(self, version: Version, *, until_s: float | None = None, lineage: str | None = None) -> bool:
        await trio.sleep(self.switch_s)
        if (until_s is not None and trio.current_time() > until_s) or lineage not in (None, self.lineage):
            return False
        self.switched += 1
        return True

    def look(self) -> None:
        if self.switched:
            self.see()

    def see(self) -> None:
        self.world.runner.see(replace(self.world.runner.version, state="live"))


async def test_what_has_caught_up_is_switched_once(autojump_clock: MockClock) -> None:
    fakes = Fakes()
    await fakes.switching.run()
    assert fakes.switched == 1


async def test_what_is_parked_while_it_is_counted_is_not_switched(autojump_clock: MockClock) -> None:
    """It is not among what is left, and was not among those that were parked before."""
    fakes = Fakes()
    counted = fakes.behind

    async def behind(version: Version, *, entities_max: int) -> Behind:
        fakes.parked = 1
        return await counted(version, entities_max=entities_max)

    fakes.behind = behind  # type: ignore[method-assign]
    with trio.move_on_after(60):
        await fakes.switching.run()
    assert not fakes.switched


async def test_a_live_one_is_left_alone(autojump_clock: MockClock) -> None:
    fakes = Fakes()
    fakes.see()
    await fakes.switching.run()
    assert fakes.switched == 0


@pytest.mark.parametrize(
    "why", ["no lap", "many behind", "long behind", "waiting", "parked", "mixed", "paused", "away"]
)
async def test_what_has_not_caught_up_waits_until_it_has(autojump_clock: MockClock, why: str) -> None:
    fakes = Fakes()
    world = fakes.world
    match why:
        case "no lap":
            world.sweep.laps = 0
        case "many behind":
            fakes.behind_ = None
        case "long behind":
            fakes.behind_ = {1: Lacking(4, 5)}
        case "waiting":
            world.runner.backlog.fall_behind(range(UNDER_WAY_MAX + 1))
        case "parked":
            fakes.parked = 1
        case "mixed":
            world.runner.is_mixed = True
        case "paused":
            world.see(paused=True)
        case "away":
            fakes.is_away = True
    with capture_logs() as logs:
        with trio.move_on_after(10):
            await fakes.switching.run()
        assert fakes.switched == 0
    told = [line["error"] for line in logs if line["event"] == "view_not_switched"]
    if why in ("parked", "mixed"):
        assert len(told) == 1  # and not each second
    world.sweep.laps, fakes.parked, fakes.is_away, world.runner.is_mixed = 1, 0, False, False
    fakes.behind_ = {}
    world.runner.backlog.take_behind(1000)
    world.see(paused=False)
    with trio.fail_after(10):
        await fakes.switching.run()
    assert fakes.switched == 1


async def test_what_is_always_behind_a_little_is_switched_once_it_has_what_was_there_two_looks_ago(
    autojump_clock: MockClock,
) -> None:
    """Each look finds a busy entity behind, further on by one, and another that stays where it is until let go."""
    fakes = Fakes()
    is_stuck = True

    async def behind(version: Version, *, entities_max: int) -> Behind:
        fakes.looks += 1
        busy = {1: Lacking(fakes.looks, fakes.looks + LOOKS)}
        return behind_now({**busy, 2: Lacking(7, 8)} if is_stuck else busy)

    fakes.behind = behind  # type: ignore[method-assign]
    with trio.move_on_after(10):
        await fakes.switching.run()
    assert fakes.switched == 0
    is_stuck, fakes.looks = False, fakes.looks + LOOKS + 1  # the busy one, too, has gone on meanwhile
    with trio.fail_after(10):
        await fakes.switching.run()
    assert fakes.switched == 1


async def test_what_is_behind_by_more_than_two_looks_waits(autojump_clock: MockClock) -> None:
    fakes = Fakes()

    async def behind(version: Version, *, entities_max: int) -> Behind:
        fakes.looks += 1
        return behind_now({1: Lacking(fakes.looks, fakes.looks + LOOKS + 1)})

    fakes.behind = behind  # type: ignore[method-assign]
    with trio.move_on_after(10):
        await fakes.switching.run()
    assert fakes.switched == 0


async def test_looks_before_the_store_was_away_tell_nothing(autojump_clock: MockClock) -> None:
    fakes = Fakes()

    async def behind(version: Version, *, entities_max: int) -> Behind:
        fakes.looks += 1
        if fakes.looks % (LOOKS + 1) == 0:
            raise StoreUnavailable("away")
        return behind_now({fakes.looks: Lacking(0, 1)})  # another one each time

    fakes.behind = behind  # type: ignore[method-assign]
    with trio.move_on_after(20):
        await fakes.switching.run()
    assert fakes.switched == 0


async def test_looks_at_another_history_tell_nothing(autojump_clock: MockClock) -> None:
    """A failover has lost that an entity was folded, and its events are there: it was there two looks ago as well."""
    fakes = Fakes()
    fakes.lineage = ".2"

    async def behind(version: Version, *, entities_max: int) -> Behind:
        fakes.looks += 1
        return behind_now({1: Lacking(0, 1)}) if fakes.looks <= LOOKS else behind_now({2: Lacking(0, 1)}, ".2")

    fakes.behind = behind  # type: ignore[method-assign]
    with trio.move_on_after(20):
        await fakes.switching.run()
    assert fakes.looks > 2 * LOOKS and fakes.switched == 0


async def test_what_was_found_in_another_history_is_not_switched_by(autojump_clock: MockClock) -> None:
    fakes = Fakes()
    fakes.lineage = ".2"
    with trio.move_on_after(10):
        await fakes.switching.run()
    assert fakes.looks and fakes.switched == 0


async def about_to_switch() -> tuple[MemoryViewRows, Runners, Any]:
    """Rows of the first version, who has the code of the second, and the rows as a failover makes them again."""
    rows = MemoryViewRows(now=trio.current_time)
    await in_memory(rows, Standings).install()
    runners = in_memory(rows, ByShow)
    await runners.install()
    return rows, runners, rows.committed()


async def test_a_switch_that_a_failover_has_lost_is_made_again(autojump_clock: MockClock) -> None:
    rows, runners, before = await about_to_switch()
    async with trio.open_nursery() as nursery:
        await nursery.start(runners.run)
        await trio.sleep(SOON_S)
        assert live(rows) == [2]
        rows.restore(before)
        assert live(rows) == [1]
        await trio.sleep(SOON_S)
        assert live(rows) == [2]
        nursery.cancel_scope.cancel()


async def test_a_table_that_is_filled_again_is_switched_by_who_had_it_as_an_old_one(autojump_clock: MockClock) -> None:
    """As a node of a release that is taken back has: whoever has said so may be gone by then."""
    rows = MemoryViewRows(now=trio.current_time)
    runners = in_memory(rows, Standings)
    await runners.install()
    await in_memory(rows, ByShow).install()
    await runners.versions.switch(max(await runners.versions.all(), key=lambda one: one.version))
    async with trio.open_nursery() as nursery:
        await nursery.start(runners.run)
        await trio.sleep(SOON_S)
        assert live(rows) == [2]
        await in_memory(rows, Standings).install()
        await trio.sleep(SOON_S)
        assert live(rows) == [1]
        nursery.cancel_scope.cancel()


async def test_who_begins_a_table_anew_waits_for_who_had_it(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it may have claimed something of a sink, which it settles as it ends."""
    at_once: Counter[int] = Counter()
    most: list[int] = []
    run = Runner.run

    async def slow_to_end(runner: Runner, **options: Any) -> None:
        at_once[runner.version.id] += 1
        most.append(at_once[runner.version.id])
        try:
            await run(runner, **options)
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(0.5)
            at_once[runner.version.id] -= 1

    monkeypatch.setattr(Runner, "run", slow_to_end)
    rows, runners, before = await about_to_switch()
    async with trio.open_nursery() as nursery:
        await nursery.start(runners.run)
        await trio.sleep(SOON_S)
        rows.restore(before)
        await trio.sleep(SOON_S)
        assert live(rows) == [2] and most == [1, 1]
        nursery.cancel_scope.cancel()


def live(rows: MemoryViewRows) -> list[int]:
    return [one.version.version for one in rows.versions.values() if one.version.state == "live"]


async def test_a_look_that_is_long_over_says_nothing_of_what_has_come_since(autojump_clock: MockClock) -> None:
    """Each look takes long, and what it finds behind was not there two looks ago."""
    fakes = Fakes()

    async def behind(version: Version, *, entities_max: int) -> Behind:
        await trio.sleep(OLDEST_S / LOOKS)
        fakes.looks += 1
        return behind_now({fakes.looks: Lacking(0, 1)})

    fakes.behind = behind  # type: ignore[method-assign]
    with trio.move_on_after(60):
        await fakes.switching.run()
    assert fakes.switched == 0


async def test_what_was_found_long_ago_is_not_switched_by(autojump_clock: MockClock) -> None:
    """The statement may come late, or its transaction wait: by then there may be other events, not folded."""
    fakes = Fakes()
    fakes.switch_s = FRESH_S + 0.1
    with trio.move_on_after(10):
        await fakes.switching.run()
    assert fakes.switched == 0
    fakes.switch_s = FRESH_S - 0.1
    with trio.fail_after(10):
        await fakes.switching.run()
    assert fakes.switched == 1


async def test_looks_that_take_long_are_good_for_longer(autojump_clock: MockClock) -> None:
    """Of millions of entities: a table that is always a little behind is switched all the same."""
    fakes = Fakes()

    async def behind(version: Version, *, entities_max: int) -> Behind:
        begun = trio.current_time()
        await trio.sleep(10.0)
        fakes.looks += 1
        return Behind(begun, trio.current_time(), {1: Lacking(fakes.looks, fakes.looks + LOOKS)}, "")

    fakes.behind = behind  # type: ignore[method-assign]
    with trio.fail_after(60):
        await fakes.switching.run()
    assert fakes.switched == 1
