"""The duty that keeps days of finished jobs."""

from itertools import pairwise
from random import Random

import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from greenroom.store.errors import StoreUnavailable
from greenroom.store.jobs.kept import Kept
from greenroom.supervisors.jobs.days import AGAIN_S, BEGIN_S, EVERY_S, Days

WEEK = Kept.of(7)


async def test_days_are_kept_at_the_start_and_every_hour_and_soon_again_when_the_store_was_away(
    autojump_clock: MockClock,
) -> None:
    asked: list[tuple[float, Kept]] = []
    outcomes: list[StoreUnavailable | int] = [StoreUnavailable("away"), 0, 2]
    enough = trio.Event()

    async def keep(kept: Kept) -> int:
        await trio.lowlevel.checkpoint()
        asked.append((trio.current_time(), kept))
        if not outcomes:
            enough.set()
            return 0
        outcome = outcomes.pop(0)
        if isinstance(outcome, StoreUnavailable):
            raise outcome
        return outcome

    with capture_logs() as logs:
        async with trio.open_nursery() as nursery:  # owner: this test
            await nursery.start(Days(keep, WEEK, rng=Random(0)).run)
            await enough.wait()
            nursery.cancel_scope.cancel()
    assert [kept for _, kept in asked] == [WEEK] * 4
    rests = [later[0] - before[0] for before, later in pairwise(asked)]
    assert 0.75 * AGAIN_S <= rests[0] <= 1.25 * AGAIN_S
    assert all(0.75 * EVERY_S <= rest <= 1.25 * EVERY_S for rest in rests[1:]) and rests[1] != rests[2]
    assert [log["event"] for log in logs] == ["job_days_not_kept", "job_days_dropped"]


async def test_a_node_begins_though_the_store_is_away_or_has_much_to_drop(autojump_clock: MockClock) -> None:
    asked: list[Kept] = []

    async def away(kept: Kept) -> int:
        await trio.lowlevel.checkpoint()
        asked.append(kept)
        raise StoreUnavailable("away")

    await Days(away, WEEK, rng=Random(0)).begin()
    assert asked == [WEEK]

    async def never_done(kept: Kept) -> int:
        await trio.sleep(3_600)
        return 0

    began = trio.current_time()
    await Days(never_done, WEEK, rng=Random(0)).begin()
    assert trio.current_time() - began == BEGIN_S
