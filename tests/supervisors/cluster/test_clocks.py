"""A node whose clock is an hour off."""

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from greenroom.supervisors.cluster.clocks import ClockDiffers
from tests.supervisors.cluster.memory_cluster import LEASE_S, cluster


@pytest.mark.parametrize(("ahead_s", "said"), [(3600.0, "3600 s ahead of"), (-3600.0, "3600 s behind")])
async def test_a_clock_an_hour_off_keeps_a_node_from_sharing_and_says_so(
    autojump_clock: MockClock, ahead_s: float, said: str
) -> None:
    async with cluster() as run:
        await run.start()
        with pytest.raises(ClockDiffers, match=said):
            await run.start(run.node(ahead_s=ahead_s))
        await trio.sleep(LEASE_S)
        assert list(run.rows.nodes) == [1], "it has withdrawn, and nobody waits for its lease"


async def test_one_that_is_alone_serves_and_says_so(autojump_clock: MockClock) -> None:
    async with cluster() as run:
        with capture_logs() as logs:
            node = await run.start(run.node(is_alone=True, ahead_s=3600.0))
        assert [(one["event"], one["ahead_s"]) for one in logs if one["log_level"] == "error"] == [
            ("clock_differs", 3600)
        ]
        assert len(node.owned) == run.shards


async def test_one_whose_clock_is_set_while_it_serves_goes_on_and_says_so_once_a_minute(
    autojump_clock: MockClock,
) -> None:
    async with cluster() as run:
        nodes = [await run.start() for _ in range(2)]
        nodes[1].ahead_s = -3600.0
        with capture_logs() as logs:
            await trio.sleep(150.0)
        assert [one["ahead_s"] for one in logs if one["event"] == "clock_differs"] == [-3600] * 3
        assert run.dead() == set(), "leases are on the database's clock"
        nodes[1].ahead_s = 30.0
        with capture_logs() as logs:
            await trio.sleep(150.0)
        assert logs == []
