"""The duty that keeps days of finished jobs."""

from itertools import pairwise
from random import Random

import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from greenroom.store.errors import StoreUnavailable
from greenroom.supervisors.jobs.days import AGAIN_S, BEGIN_S, EVERY_S, Days


async def test_days_are_kept_at_the_start_and_every_hour_and_soon_again_when_the_store_was_away(
    autojump_clock: MockClock,
) -> None:
    asked: list[tuple[float, int]] = []
    outcomes: list[StoreUnavailable | int] = [StoreUnavailable("away"), 0, 2]
    enough = trio.Event()

    async def keep(days: int) -> int:
        await trio.lowlevel.checkpoint()
        asked.append((trio.current_time(), days))
        if not outcomes:
            enough.set()
            return 0
        outcome = outcomes.pop(0)
        if isinstance(outcome, StoreUnavailable):
            raise outcome
        return outcome

    with capture_logs() as logs:
        async with trio.open_nursery() as nursery:  # owner: this test
            await nursery.start(Days(keep, 7, rng=Random(0)).run)
            await enough.wait()
            nursery.cancel_scope.cancel()
    assert [days for _, days in asked] == [7, 7, 7, 7]
    rests = [later[0] - before[0] for before, later in pairwise(asked)]
    assert 0.75 * AGAIN_S <= rests[0] <= 1.25 * AGAIN_S
    assert all(0.75 * EVERY_S <= rest <= 1.25 * EVERY_S for rest in rests[1:]) and rests[1] != rests[2]
    assert [log["event"] for log in logs] == ["job_days_not_kept", "job_days_dropped"]


async def test_a_node_begins_though_the_store_is_away_or_has_much_to_drop(autojump_clock: MockClock) -> None:
    asked: list[int] = []

    async def away(days: int) -> int:
        await trio.lowlevel.checkpoint()
        asked.append(days)
        raise StoreUnavailable("away")

    await Days(away, 7, rng=Random(0)).begin()
    assert asked == [7]

    async def never_done(days: int) -> int:
        await trio.sleep(3_600)
        return 0

    began = trio.current_time()
    await Days(never_done, 7, rng=Random(0)).begin()
    assert trio.current_time() - began == BEGIN_S
