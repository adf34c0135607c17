"""Schedules on nodes that die: each tick has its job once, and what becomes of it is heard once."""

from contextlib import suppress
from functools import partial

import pytest
import trio
from trio.testing import MockClock

from greenroom.actors.jobs.schedule.messages import Pause, Set
from greenroom.actors.model.errors import ActorError
from greenroom.store.journal.records import Outcome
from tests.supervisors.jobs.schedules.park import Park

SET = Set(job="job.report", every_s=10.0, missed="all", overlap="allow")
WRITE = ("claim", "append", "delivered")
LAST_S = 25.0


async def play(park: Park, *, dies_at: int | None = None, landed: bool = False) -> list[str]:
    """A first node, which may die, and one that goes on; the calls that the first one has made."""

    async def act() -> None:
        with suppress(ActorError):
            await park.ask("schedule:often", SET)
        await trio.sleep(max(LAST_S - trio.current_time(), 0.0))

    async def rest() -> None:
        """What the dead one's worker had is begun anew."""
        await act()
        await park.ask("schedule:often", Pause())
        await trio.sleep(20.0)

    await park.live(act, dies_at=dies_at, landed=landed)
    calls = park.journal.calls
    await park.live(rest)
    return calls


def check(park: Park) -> None:
    fired = park.fired("often")
    assert [tick for tick, _ in fired] == [10, 20]
    assert sorted(job for _, job in fired) == sorted(park.jobs)
    ended = [one["job"] for one in park.events("schedule:often") if one["type"] == "schedule.ended"]
    assert sorted(ended) == sorted(park.jobs)


def test_it_is_killed_between_any_two_steps() -> None:
    """Before and after each call of its node that changes something in the store."""

    async def once(dies_at: int | None, landed: bool) -> list[str]:
        park = Park()
        calls = await play(park, dies_at=dies_at, landed=landed)
        check(park)
        return calls

    calls = trio.run(once, None, False, clock=MockClock(autojump_threshold=0))
    writes = [number for number, name in enumerate(calls) if name in WRITE]
    assert len(writes) > 10
    for dies_at in writes:
        for landed in (False, True):
            trio.run(once, dies_at, landed, clock=MockClock(autojump_threshold=0))


@pytest.mark.parametrize("jump_s", [-300.0, -7.0, 25.0, 300.0])
async def test_the_clock_jumps(jump_s: float, autojump_clock: MockClock) -> None:
    """No tick comes twice, and none is left out that the clock has passed over."""
    park = Park()

    async def act() -> None:
        await park.ask("schedule:often", SET)
        await trio.sleep(22.0)
        park.ahead_s = jump_s
        await trio.sleep(max(-jump_s, 0.0) + 34.0)

    await park.live(act, works=False)
    now_s = int(trio.current_time() + jump_s)
    assert [tick for tick, _ in park.fired("often")] == list(range(10, now_s + 1, 10))


async def test_an_owner_that_is_overtaken_at_the_tick_has_fired_nothing(autojump_clock: MockClock) -> None:
    """Its append is on its way when another node has the schedule, and lands behind what that has written."""
    park = Park()

    async def overtaken() -> None:
        journal = park.journal
        await park.ask("schedule:often", SET)
        await trio.sleep(9.9)
        journal.hold()
        await trio.sleep(2.1)
        journal.release()
        await trio.sleep(13.0)
        assert Outcome.FENCED in journal.outcomes

    async with trio.open_nursery() as nursery:  # owner: this call
        nursery.start_soon(partial(park.live, overtaken, works=False))
        await trio.sleep(10.5)
        assert park.fired("often") == []
        await park.live(partial(trio.sleep, 1.0), works=False)
        assert [tick for tick, _ in park.fired("often")] == [10]
    assert [tick for tick, _ in park.fired("often")] == [10, 20]
    assert sorted(job for _, job in park.fired("often")) == sorted(park.jobs)
