"""The simulated database beyond the life of its world."""

from random import Random
from unittest.mock import Mock

import pytest
import trio
from trio.testing import MockClock

from greenroom.store.errors import StoreUnavailable
from greenroom.supervisors.simulation.database import ALL_GUARDS, Database, Wire
from greenroom.supervisors.simulation.faults import NO_FAULTS
from greenroom.supervisors.simulation.network import Reach
from greenroom.supervisors.simulation.timeline import Timeline


class Port:
    to_database = Reach()

    async def step(self) -> None:
        await trio.lowlevel.checkpoint()


async def test_whoever_asks_after_its_end_is_refused(autojump_clock: MockClock) -> None:
    """Nodes end in order, which takes longer: what they ask meanwhile is no fault of theirs."""
    database = Database(draw=Random(0), faults=NO_FAULTS, guards=ALL_GUARDS, witness=Mock(), timeline=Timeline())

    async def work() -> str:
        await trio.lowlevel.checkpoint()
        return "done"

    async with trio.open_nursery() as nursery:
        await nursery.start(database.run)
        assert await database.call("read", Port(), Wire(), work, write=False) == "done"
        nursery.cancel_scope.cancel()
    with pytest.raises(StoreUnavailable, match="refused"):
        await database.call("read", Port(), Wire(), work, write=False)
