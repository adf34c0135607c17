"""What nobody knows the outcome of is looked at again, whatever the backlog has forgotten meanwhile."""

from collections.abc import Sequence
from typing import Any

import trio
from msgspec.structs import replace
from trio.testing import MockClock

from greenroom.actors.life.turn import Turn
from greenroom.config.telemetry.instruments import Instruments
from greenroom.store.views.store import Unfolded, Version
from greenroom.supervisors.supervision.backoff import new_backoff
from greenroom.supervisors.views.runner import Runner
from tests.actors.views.shows import Standings, installed
from tests.supervisors.views.test_sweep import VERSION


class NothingLeft:
    """The transactions in doubt have landed: nothing is behind."""

    async def unfolded(self, version: Version, head_ids: Sequence[int], *, limit: int) -> list[Unfolded]:
        await trio.lowlevel.checkpoint()
        return []


async def test_pages_in_doubt_are_told_after_a_pause(autojump_clock: MockClock) -> None:
    told: list[str] = []
    store: Any = NothingLeft()
    runner = Runner(
        installed(Standings),
        VERSION,
        store,
        turn=Turn(),
        new_backoff=new_backoff,
        instruments=Instruments(),
        unsure=told.append,
    )
    try:
        with runner._transacting([5]):
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        runner.backlog.fall_behind([5])
    runner.see(replace(VERSION, paused=True))
    runner.see(VERSION)
    with trio.move_on_after(5):
        await runner.run()
    assert told == ["standings"]
