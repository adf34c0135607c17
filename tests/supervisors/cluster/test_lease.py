"""How long a node relies on what it knows, with a referee that is slow, silent or gone; in virtual time."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from greenroom.store.errors import StoreUnavailable
from greenroom.supervisors.cluster.lease import DeclaredDead, Lease

LEASE_S = 5.0
RELIED_S = 4.0  # on a renewal, from when it was sent


class Referee:
    """Works on one renewal at a time, each of which takes so long; the others wait, but those beside them."""

    def __init__(self) -> None:
        self.takes_s = 0.01
        self.is_dead = False  # the node, as others have declared
        self.is_away = False
        self.silent = 0  # renewals that will get lost on a connection that is dead
        self.sent: list[float] = []
        self.beside = 0
        self._row = trio.Lock()

    async def renew(self, lease_s: float, *, unreached: Collection[int] = ()) -> bool:
        self.sent.append(trio.current_time())
        if self.silent:
            self.silent -= 1
            await trio.sleep_forever()
        async with self._row:
            await trio.sleep(self.takes_s)
        if self.is_away:
            raise StoreUnavailable("away")
        return not self.is_dead

    async def renew_beside(self, lease_s: float) -> bool | None:
        self.beside += 1
        await trio.sleep(0.01)
        if self._row.locked():
            return None
        return not self.is_dead


class Run:
    """A lease that was given at 0, and is renewed."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self.referee = Referee()
        self.until = float("-inf")
        referee: Any = self.referee
        self.lease = Lease(referee, lease_s=LEASE_S, relied=self._relied)
        self.lease.began(trio.current_time())
        nursery.start_soon(self.lease.run)

    def _relied(self, until: float) -> None:
        self.until = until

    async def relied_on(self, seconds: float) -> float:
        """For how much of the next so many seconds it may be, as a share."""
        looks = int(seconds / 0.05)
        found = 0
        for _ in range(looks):
            await trio.sleep(0.05)
            found += trio.current_time() <= self.until
        return found / looks


@asynccontextmanager
async def renewed() -> AsyncIterator[Run]:
    async with trio.open_nursery() as nursery:
        yield Run(nursery)
        nursery.cancel_scope.cancel()


async def test_it_is_relied_on_all_the_time_while_renewals_are_quick(autojump_clock: MockClock) -> None:
    async with renewed() as run:
        assert await run.relied_on(60.0) == 1.0
        assert run.referee.sent == [pytest.approx(1.5 * number) for number in range(1, len(run.referee.sent) + 1)]
        assert run.referee.beside == 0


@pytest.mark.parametrize(("takes_s", "share"), [(1.6, 1.0), (2.0, 1.0), (3.0, 1 / 3), (3.9, 0.1 / 3.9)])
async def test_a_database_that_takes_its_time_renews_it_for_what_is_left_then(
    takes_s: float, share: float, autojump_clock: MockClock
) -> None:
    """Each counts from when it was sent, and the next is sent at once."""
    async with renewed() as run:
        run.referee.takes_s = takes_s
        await trio.sleep(10.0)
        before = len(run.referee.sent)
        assert await run.relied_on(117.0) == pytest.approx(share, abs=0.03)
        assert len(run.referee.sent) - before == pytest.approx(117.0 / takes_s, abs=1.5)


async def test_one_that_answers_too_late_to_be_relied_on_ends_nobody(autojump_clock: MockClock) -> None:
    async with renewed() as run:
        run.referee.takes_s = 4.9
        await trio.sleep(10.0)
        assert await run.relied_on(60.0) == 0.0
        run.referee.takes_s = 0.01
        with trio.fail_after(6.5):
            await run.lease.fresh()
        assert await run.relied_on(60.0) == 1.0


async def test_on_a_connection_that_is_dead_no_time_is_lost(autojump_clock: MockClock) -> None:
    async with renewed() as run:
        await trio.sleep(10.0)
        run.referee.silent = 1
        with capture_logs() as logs:
            assert await run.relied_on(30.0) == 1.0
        assert run.referee.beside == 1
        assert [line["error"] for line in logs] == ["no answer within 1.5 s"]


async def test_one_that_is_refused_is_tried_again_when_it_is_time(autojump_clock: MockClock) -> None:
    async with renewed() as run:
        run.referee.is_away = True
        with capture_logs() as logs:
            await trio.sleep(15.2)
        assert len(run.referee.sent) == 10 == len([line for line in logs if line["error"] == "away"])
        assert run.until == pytest.approx(RELIED_S)
        run.referee.is_away = False
        with trio.fail_after(1.6):
            await run.lease.fresh()
        assert run.until == pytest.approx(run.referee.sent[-1] + RELIED_S)


@pytest.mark.parametrize("silent", [0, 1])
async def test_who_was_declared_dead_hears_so_on_either_way(silent: int, autojump_clock: MockClock) -> None:
    with pytest.RaisesGroup(DeclaredDead):
        async with renewed() as run:
            run.referee.is_dead, run.referee.silent = True, silent
            await trio.sleep(3.2)
            raise AssertionError("it goes on")
    assert run.until == float("-inf")


async def test_what_is_answered_after_its_end_does_not_begin_it_anew(autojump_clock: MockClock) -> None:
    async with renewed() as run:
        run.referee.takes_s = 1.0
        await trio.sleep(2.0)  # one is under way
        run.lease.end()
        await trio.sleep(10.0)
        assert run.until == float("-inf") and len(run.referee.sent) == 1


async def test_an_older_renewal_that_is_answered_later_takes_nothing_away(autojump_clock: MockClock) -> None:
    async with renewed() as run:
        run.lease.began(1.0)
        run.lease.began(0.5)
        assert run.until == 1.0 + RELIED_S
